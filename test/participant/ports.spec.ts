/** A participant has nothing of its own but memory: what a node runs, the simulation can run. */
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { expect } from 'chai'

const SRC = join(import.meta.dirname, '..', '..', 'src')
const ROOT = join(SRC, 'participant', 'index.ts')
/** Parsers, encodings and hashes: none of them opens, waits or guesses. */
const PACKAGES = [/^multiformats(\/|$)/, /^@ipld\/dag-cbor$/, /^bs58$/, /^protons-runtime$/, /^uint8arraylist$/, /^uint8arrays(\/|$)/]
/** Of `node:crypto` hashes are taken, and no dice. */
const OF_CRYPTO = ['createHash', 'hash']
/** What is read from the world around the program, as it stands in code. */
const WORLDLY =
  /(?<![.\w])(?:new Date\b|Date\.|(?:setTimeout|setInterval|setImmediate|queueMicrotask|fetch)\(|performance\.|process\.|new WebSocket\b|globalThis\b|Math\.random\b|AbortSignal\.timeout\b|crypto\.)/g
/** Words for people, made of what they are given. */
const MAY_NAME_DATE = [join(SRC, 'observe', 'words.ts')]

/** As it runs: without types, comments and texts. */
const codeOf = (file: string) => stripTypeScriptTypes(readFileSync(file, 'utf8')).replaceAll(/\/\*[\s\S]*?\*\/|(?<![:'"`])\/\/[^\n]*/g, '')
const FROM = /^\s*(?:import|export)\s*(\*(?: as \w+)?|\w+,?|)\s*(?:\{([^}]*)\})?\s*(?:from\s*)?'([^']+)'/gm

/** What is loaded with a file. */
const loadedBy = (code: string) =>
  [...code.matchAll(FROM)].map(([, all, names = '', from]) => ({
    from: from!,
    names: [...(all === '' ? [] : [all!]), ...names.split(',').map((one) => one.trim().split(' as ')[0]!)].filter((one) => one !== '')
  }))

function walk(root: string): { files: string[]; faults: string[] } {
  const files = new Set<string>()
  const faults: string[] = []
  const visit = (file: string) => {
    if (files.has(file)) {
      return
    }
    files.add(file)
    const code = codeOf(file)
    const name = relative(SRC, file)
    const used = code.replaceAll(/'(?:\\.|[^'\\\n])*'/g, "''").match(WORLDLY) ?? []
    faults.push(...(MAY_NAME_DATE.includes(file) ? [] : used.map((what) => `${name} uses ${what}`)))
    for (const { from, names } of loadedBy(code)) {
      if (from.startsWith('.')) {
        visit(resolve(dirname(file), from))
      } else if (from === 'node:crypto') {
        faults.push(...names.filter((one) => !OF_CRYPTO.includes(one)).map((one) => `${name} takes ${one} from ${from}`))
      } else if (!PACKAGES.some((known) => known.test(from))) {
        faults.push(`${name} loads ${from}`)
      }
    }
  }
  visit(root)
  return { files: [...files].map((file) => relative(SRC, file)), faults }
}

describe('participant: what it is made of', () => {
  it('no library of the network, timer, file, socket, clock or dice, in any file that is loaded with it', () => {
    const { files, faults } = walk(ROOT)
    expect(files).to.include.members(['participant/effects.ts', 'judge/judge.ts', 'rounds/index.ts', 'record/read.ts', 'wire/index.ts'])
    expect(faults).to.deep.equal([])
  })

  it('and such things would be found', () => {
    expect(walk(join(SRC, 'node', 'clock.ts')).faults).to.include.members([
      'node/clock.ts loads node:timers/promises',
      'node/clock.ts uses performance.'
    ])
    expect(walk(join(SRC, 'network', 'index.ts')).faults.some((fault) => fault.includes('@libp2p'))).to.equal(true)
    const crypto = walk(join(SRC, 'network', 'noise-crypto.ts')).faults.filter((fault) => fault.includes('node:crypto'))
    expect(crypto).not.to.deep.equal([])
  })
})
