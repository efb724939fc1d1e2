import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { logText } from '../../src/observe/log-text.ts'
import { framesOf, guardStream, isColourful, isLive, rawStream, showsUtf8 } from '../../src/observe/output.ts'
import { counted, duration } from '../../src/observe/words.ts'

const SRC = join(import.meta.dirname, '..', '..', 'src')
const OUTPUT = join(SRC, 'observe', 'output.ts')
const EVIL = '\x1b[2J\x1b]0;pwn\x07\x9b31m\u202eevil'

function fakeStream(more: object = {}) {
  const written: string[] = []
  const stream = { write: (text: string) => written.push(text) > 0, ...more } as unknown as NodeJS.WriteStream
  return { stream, written }
}

describe('observe: the way out', () => {
  it('is one: no other file writes to an output', () => {
    const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    const writers = files.filter((file) => {
      const code = readFileSync(join(SRC, file), 'utf8').replaceAll(/^\s*(\/?\*|\/\/).*$/gm, '')
      return /process\.(stdout|stderr)\.write|\bconsole\.\w+\(|\b(createLineWriter|rawStream)\(/.test(code)
    })
    expect(writers.sort()).to.deep.equal(
      // the log, by its own writer; the pictures, which move the cursor; a task's own console, in its own process
      ['cli/k2-program.ts', 'observe/index.ts', 'observe/line-writer.ts', 'observe/output.ts', 'testnet/view.ts']
    )
  })

  it('a guarded stream takes what a library writes, and nothing of it acts', () => {
    const { stream, written } = fakeStream()
    guardStream(stream)
    guardStream(stream)
    stream.write(`${EVIL}\nnext\n`)
    stream.write(Buffer.from(EVIL) as unknown as string)
    rawStream(stream).write('\x1b[1A')
    expect(written).to.deep.equal([
      '\\x1b[2J\\x1b]0;pwn\\x07\\x9b31m\\u202eevil\nnext\n',
      '\\x1b[2J\\x1b]0;pwn\\x07\\x9b31m\\u202eevil',
      '\x1b[1A'
    ])
  })

  it('the console of a whole process goes through it', () => {
    const code = `
      const { guardStream } = await import(${JSON.stringify(OUTPUT)})
      guardStream(process.stdout)
      guardStream(process.stderr)
      console.log('out \\x1b[2J\\x9b')
      console.error('err \\x1b[2J\\u202e')`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8' }
    })
    expect([stdout, stderr]).to.deep.equal(['out \\x1b[2J\\x9b\n', 'err \\x1b[2J\\u202e\n'])
  })

  it('so does an error that nobody caught, or a rejection, and ends the process', () => {
    const text = JSON.stringify(`\n    at forged (a.ts:1:1)\n${EVIL}`)
    for (const failing of [`throw new Error(${text})`, `throw ${text}`, `Promise.reject(new Error(${text}))`]) {
      const code = `
        const { guardOutput } = await import(${JSON.stringify(join(SRC, 'observe', 'process.ts'))})
        guardOutput()
        setTimeout(() => { ${failing} })`
      const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
        encoding: 'utf8',
        env: { ...process.env, LC_ALL: 'C.UTF-8' }
      })
      expect(status).to.equal(1)
      expect(stderr).to.match(/^koii-mesh: this should not happen: [^\n]*evil\n/)
      expect(stderr).not.to.match(/^ {4}at forged/m)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
      expect(stderr).not.to.match(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
    }
  })

  it('the locale says whether UTF-8 is seen: LC_ALL before LC_CTYPE before LANG, and none is C', () => {
    for (const [env, sees] of [
      [{ LANG: 'de_DE.UTF-8' }, true],
      [{ LANG: 'C.utf8' }, true],
      [{ LANG: 'C' }, false],
      [{}, false],
      [{ LC_ALL: 'C', LANG: 'en_US.UTF-8' }, false],
      [{ LC_ALL: '', LC_CTYPE: 'en_US.ISO-8859-1', LANG: 'en_US.UTF-8' }, false],
      [{ LC_CTYPE: 'en_US.UTF-8', LANG: 'C' }, true]
    ] as const) {
      expect(showsUtf8(env, 'linux'), JSON.stringify(env)).to.equal(sees)
    }
    expect(showsUtf8({}, 'win32')).to.equal(true)
  })

  it('colours are for terminals that want them', () => {
    const { stream: terminal } = fakeStream({ isTTY: true, hasColors: (env: { FORCE_COLOR?: string }) => env.FORCE_COLOR !== '0' })
    const { stream: pipe } = fakeStream()
    expect(isColourful(terminal, { TERM: 'xterm' })).to.equal(true)
    for (const env of [{ NO_COLOR: '1' }, { NO_COLOR: 'anything', FORCE_COLOR: '1' }, { TERM: 'dumb' }, { FORCE_COLOR: '0' }]) {
      expect(isColourful(terminal, { TERM: 'xterm', ...env }), JSON.stringify(env)).to.equal(false)
    }
    expect(isColourful(terminal, { TERM: 'xterm', NO_COLOR: '' })).to.equal(true)
    expect(isColourful(pipe, { TERM: 'xterm', FORCE_COLOR: '1' })).to.equal(false)
    expect([isLive(terminal, { TERM: 'xterm' }), isLive(terminal, { TERM: 'dumb' }), isLive(pipe, {})]).to.deep.equal([true, false, false])
  })

  it('the frames of an error are told without its message, whatever that looks like', () => {
    const error = new Error(`one\n    at forged (file.ts:1:1)\n${EVIL}`)
    expect(framesOf(error).join('\n')).not.to.match(/forged|evil/)
    expect(framesOf(error)[0]).to.match(/^ {4}at .*output\.spec\.ts/)
  })
})

describe('observe: the log as text', () => {
  const line = (entry: object) => JSON.stringify({ level: 40, time: '2026-11-30T10:00:00.000Z', msg: 'a thing', ...entry })

  it('is one line with a time of day, its level in words and its facts', () => {
    expect(logText(line({ peer: 'abc', n: 3, err: { type: 'Error', message: 'no way', stack: 'Error: no way\n    at here' } }))).to.match(
      /^\d\d:\d\d:\d\d {2}warning {2}a thing {2}peer=abc {2}n=3 {2}err="no way"\n$/
    )
  })

  it('holds nothing that acts, in a message, a name or a value', () => {
    const text = logText(line({ msg: `${EVIL}\n13:00:00  slot 1  paid`, text: `${EVIL}\nforged`, [EVIL]: 1, deep: { [EVIL]: EVIL } }))
    expect(text).to.match(/^[^\n]*evil[^\n]*\n$/)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
    expect(text).not.to.match(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
  })

  it('has the frames of an error of the node’s own', () => {
    const text = logText(line({ level: 50, err: { message: 'no way', stack: 'Error: no way\n    at here (a.ts:1:2)' } }))
    expect(text.split('\n').slice(1)).to.deep.equal(['    at here (a.ts:1:2)', ''])
  })
})

describe('observe: numbers for people', () => {
  it('one is not many', () => {
    expect([0, 1, 2, 1n].map((count) => counted(count, 'cycle'))).to.deep.equal(['0 cycles', '1 cycle', '2 cycles', '1 cycle'])
    expect([1, 2].map((count) => counted(count, 'hash', 'hashes'))).to.deep.equal(['1 hash', '2 hashes'])
  })
  it('lengths of time are rounded', () => {
    expect([0.4, 999.4, 1000, 1549, 9_949, 9_950, 10_980.643339250058].map(duration)).to.deep.equal([
      '0 ms',
      '999 ms',
      '1 s',
      '1.5 s',
      '9.9 s',
      '10 s',
      '11 s'
    ])
  })
})
