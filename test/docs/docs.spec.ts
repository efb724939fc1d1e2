/** Documents against the code: what they tell people to type, where they point, and what they say the code is. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { scheduleFor } from '../../src/clock/index.ts'
import { CONFIG_KEYS, envName, loadConfig } from '../../src/config/index.ts'
import { anchors, codes, commandLines, commands, documents, faultOf, links, PRIVATE, ROOT, read, tableAfter } from './documents.ts'

const all = documents()
const manifest = JSON.parse(read('package.json')) as { scripts: Record<string, string>; version: string }

const folders = (path: string) =>
  readdirSync(join(ROOT, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)

describe('documents', () => {
  describe('the commands that they show', () => {
    const lines = all.flatMap(commandLines)

    it('are found', () => {
      // nothing below can fail when nothing is found
      const shown = new Set(lines.map(({ args }) => args[0]))
      expect([...shown]).to.include.members(['testnet', 'start', 'status', 'keygen', 'stake', 'claim', 'task', 'proof', 'k2'])
      expect(lines.filter(({ whole }) => whole).length).to.be.greaterThan(15)
    })

    it('exist, with every flag', () => {
      const faults = lines.flatMap((line) => {
        const fault = faultOf(line, commands())
        return fault == null ? [] : [`${line.document}: ${line.text}: ${fault}`]
      })
      expect(faults).to.deep.equal([])
    })

    it('would be told apart from commands that do not exist', () => {
      const fault = (text: string, whole = true) => faultOf({ args: text.split(' '), whole }, commands())
      expect(fault('stak --task T')).to.match(/no command "stak"/)
      expect(fault('task destroy T')).to.match(/no command "destroy" in koii-mesh task/)
      expect(fault('keygen --outt x', false)).to.match(/has no --outt/)
      expect(fault('stake --task T')).to.match(/required option '--amount/)
      expect(fault('stake --task T', false)).to.equal(null)
      expect(fault('testnet --nodes many')).to.match(/--nodes/)
      expect(fault('proof get')).to.match(/missing required argument/)
      expect(fault('proof get CID --from A')).to.equal(null)
    })
  })

  it('name npm verbs that exist', () => {
    const named = all.flatMap(({ path, text }) =>
      [...text.matchAll(/\bnpm run (?:-s )?([\w:-]+)/g)].map(([, verb]) => ({ path, verb: verb! }))
    )
    expect(named.length).to.be.greaterThan(5)
    expect(named.filter(({ verb }) => !Object.hasOwn(manifest.scripts, verb))).to.deep.equal([])
    expect(manifest.scripts).to.include.keys('start', 'test')
  })

  it('link to files and headings that exist', () => {
    const found = all.flatMap(links)
    expect(found.length).to.be.greaterThan(30)
    const broken = found.filter(
      ({ path, anchor }) =>
        !existsSync(join(ROOT, path)) || (anchor != null && path.endsWith('.md') && !anchors(read(path)).includes(anchor))
    )
    expect(broken).to.deep.equal([])
  })

  it('name sources and tests that exist', () => {
    const named = all.flatMap(({ path, text }) =>
      [...text.matchAll(/`((?:src|test|scripts|docs|protocols|stubs)\/[\w./-]+)`/g)].map(([, file]) => ({ path, file: file! }))
    )
    expect(named.length).to.be.greaterThan(20)
    expect(named.filter(({ file }) => !existsSync(join(ROOT, file)))).to.deep.equal([])
  })

  it('name no paths of a machine and no registry', () => {
    const found = all.flatMap(({ path, text }) => PRIVATE.flatMap((pattern) => (pattern.exec(text) == null ? [] : [`${path}: ${pattern}`])))
    expect(found).to.deep.equal([])
    for (const bad of ['see /home/alice/x', 'in /tmp/x', 'C:\\x', 'https://registry.example.com/', 'an artifactory']) {
      expect(
        PRIVATE.some((pattern) => pattern.test(bad)),
        bad
      ).to.equal(true)
    }
  })

  it('name the package that npm run build makes', () => {
    const named = all.flatMap(({ text }) => [...text.matchAll(/koii-mesh-(\d+\.\d+\.\d+)\.tgz/g)].map(([, version]) => version))
    expect(named).to.not.deep.equal([])
    expect(new Set(named)).to.deep.equal(new Set([manifest.version]))
  })
})

describe('documents: protocols', () => {
  const protocols = folders('protocols')

  for (const protocol of protocols) {
    it(`${protocol} has a spec with a purpose and a maturity, listed in docs/architecture.md`, () => {
      const path = join('protocols', protocol, 'README.md')
      expect(existsSync(join(ROOT, path)), path).to.equal(true)
      const [title = '', ...rest] = read(path).split('\n')
      expect(title).to.match(/^# \w/)
      expect(rest.find((line) => line !== '')).to.match(/^(> )?\w.*\.$/)
      expect(rest.join('\n')).to.match(/\| *maturity *\|/i)
      const listed = tableAfter(read('docs/architecture.md'), 'Protocols').map(([cell]) => cell)
      expect(listed).to.include(`[${protocol}](../protocols/${protocol}/README.md)`)
    })
  }

  it('lists no protocol that is not there', () => {
    expect(tableAfter(read('docs/architecture.md'), 'Protocols').length).to.equal(protocols.length)
  })

  it('gives each deadline of the rounds, and its reason', () => {
    const schedule = scheduleFor({ startingSlot: 0, roundSlots: 30, submissionWindow: 10, auditWindow: 18 }, 0)
    const deadlines = Object.entries(schedule).flatMap(([name, value]) => (typeof value === 'number' ? [name] : []))
    const rows = tableAfter(read('protocols/rounds/README.md'), 'Deadlines')
    expect(rows.flatMap(([name]) => codes(name!))).to.have.members(deadlines)
    for (const [name, , reason] of rows) {
      expect(reason!.length, `reason of ${name}`).to.be.greaterThan(60)
    }
  })
})

describe('documents: architecture', () => {
  it('says which rooms import which', () => {
    const rooms = folders('src')
    const said = Object.fromEntries(
      tableAfter(read('docs/architecture.md'), 'Which imports point where').map(([room, imports]) => [
        codes(room!)[0],
        codes(imports!).sort()
      ])
    )
    const found = Object.fromEntries(rooms.map((room) => [room, importsOf(room, rooms)]))
    expect(said).to.deep.equal(found)
  })

  it('has every room in its table of rooms', () => {
    const tools = ['wire', 'clock', 'identity', 'store', 'disk', 'observe', 'config', 'command']
    const listed = tableAfter(read('docs/architecture.md'), 'The rooms').flatMap(([room]) => codes(room!))
    expect([...listed, ...tools]).to.have.members(folders('src'))
  })
})

describe('documents: settings', () => {
  const rows = tableAfter(read('docs/operators.md'), 'Settings')
  const start = commands().commands.find((command) => command.name() === 'start')!
  const defaults = loadConfig({ flags: { k2: 'http://127.0.0.1:8899', task: '1'.repeat(32) } })

  it('are all there, under the names that the flags, the environment and the file have', () => {
    expect(rows.map(([, , field]) => codes(field!)[0])).to.have.members(CONFIG_KEYS)
    for (const [flag, variable, field] of rows) {
      const key = codes(field!)[0]!
      expect(codes(variable!)[0]!.split('=')[0]).to.equal(envName(key))
      const option = start.options.find(({ long }) => long === codes(flag!)[0])
      expect(option?.attributeName(), flag).to.equal(key)
    }
  })

  it('have the defaults that are said', () => {
    const numbers = rows.filter(([, , , said]) => /^\d+$/.test(said!))
    expect(numbers.length).to.be.greaterThan(5)
    for (const [, , field, said] of numbers) {
      expect(defaults[codes(field!)[0] as 'minPeers'], field).to.equal(Number(said))
    }
  })
})

describe('documents: glossary', () => {
  const text = read('docs/glossary.md')
  const tables = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => ({ heading: heading!, rows: tableAfter(text, heading!) }))

  it('has for each word a meaning, and one file of the repository where it lives', () => {
    expect(tables.flatMap(({ rows }) => rows).length).to.be.greaterThan(50)
    for (const { rows } of tables) {
      for (const [word, meaning, where] of rows) {
        expect(meaning, word).to.match(/^[A-Z].{20,}\.$/)
        const [file, ...more] = codes(where!)
        expect(more, word).to.deep.equal([])
        expect(existsSync(join(ROOT, file!)) && file!.includes('.'), `${word}: ${file}`).to.equal(true)
      }
    }
  })

  it('explains each word once, in order', () => {
    const words = tables.flatMap(({ rows }) => rows.map(([word]) => word!.toLowerCase()))
    expect(new Set(words).size).to.equal(words.length)
    for (const { heading, rows } of tables) {
      const sorted = rows.map(([word]) => word!).sort((one, other) => (one.toLowerCase() < other.toLowerCase() ? -1 : 1))
      expect(
        rows.map(([word]) => word),
        heading
      ).to.deep.equal(sorted)
    }
  })
})

describe('documents: decisions', () => {
  const files = readdirSync(join(ROOT, 'docs/decisions'))
    .filter((name) => name !== 'README.md')
    .sort()

  it('are numbered without gaps, and all listed', () => {
    expect(files.map((name) => Number(name.slice(0, 4)))).to.deep.equal(files.map((_, index) => index + 1))
    const listed = links({ path: 'docs/decisions/README.md', text: read('docs/decisions/README.md') }).map(({ path }) => path)
    expect(listed).to.have.members(files.map((name) => `docs/decisions/${name}`))
  })

  for (const name of files) {
    it(`${name} gives context, alternatives, decision and consequences`, () => {
      const text = read(`docs/decisions/${name}`)
      expect(text).to.match(new RegExp(`^# ${name.slice(0, 4)}: \\S`))
      expect([...text.matchAll(/^\*\*(\w+)\.\*\*/gm)].map(([, part]) => part)).to.deep.equal([
        'Context',
        'Alternatives',
        'Decision',
        'Consequences'
      ])
    })
  }
})

/** The other rooms that the files of a room import, types included. */
function importsOf(room: string, rooms: string[]): string[] {
  const found = new Set<string>()
  for (const entry of readdirSync(join(ROOT, 'src', room), { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name.endsWith('.ts')) {
      const file = join(entry.parentPath, entry.name)
      for (const [, specifier] of readFileSync(file, 'utf8').matchAll(/(?:from|import\() ?'(\.[^']+)'/g)) {
        const target = join(entry.parentPath, specifier!).slice(join(ROOT, 'src').length + 1)
        const other = target.split(/[\\/]/)[0]!
        if (other !== room && rooms.includes(other)) {
          found.add(other)
        }
      }
    }
  }
  return [...found].sort()
}
