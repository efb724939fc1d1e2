/** Which specs a lane runs, by their imports. What they did when they ran is watch.ts's. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { allSpecs, fastSpecs, LONG, laneFault, leftOut, ROOT, roomSpecs, rooms } from '../../scripts/lanes/lanes.ts'
import { reached } from '../../scripts/lanes/reach.ts'

describe('lanes: what a file reaches', () => {
  let dir: string

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'koii-mesh-test-'))
  })

  after(() => {
    rmSync(dir, { recursive: true })
  })

  /** What `a.ts` reaches, as `package:names`. */
  function reach(files: Record<string, string>): string[] {
    const at = mkdtempSync(join(dir, 'files-'))
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(at, name)), { recursive: true })
      writeFileSync(join(at, name), text)
    }
    return reached(join(at, 'a.ts')).map(({ from, names }) => `${from}:${names?.join() ?? '*'}`)
  }

  it('is what it imports, at its top, within and for effect alone, and no types', () => {
    const text = [
      "import one, { two, type Three } from 'one'",
      "import * as all from 'all'",
      "import type { Four } from 'four'",
      "import { type Five } from 'five'",
      "import 'six'",
      'import {\n  seven,\n  type Eight\n} from "seven"'.replaceAll('"', "'"),
      "const { nine } = await import('nine')",
      "let ten: typeof import('ten') // import",
      "  // import('ten')",
      " * import { eleven } from 'eleven'"
    ].join('\n')
    expect(reach({ 'a.ts': text })).to.have.members(['one:two,default', 'all:*', 'seven:seven', 'six:*', 'nine:*'])
  })

  it('is of a room what the file of that name imports', () => {
    const room = {
      'room/index.ts': "export { quiet } from './quiet.ts'\nexport { loud as shout } from './loud.ts'\nexport * from './rest.ts'",
      'room/quiet.ts': "import 'quiet'\nexport const quiet = 1",
      'room/loud.ts': "import 'loud'\nexport const loud = 1",
      'room/rest.ts': "import 'rest'\nexport const rest = 1"
    }
    const taking = (what: string) => reach({ 'a.ts': `import ${what} from './room/index.ts'`, ...room })
    // a name may also come by way of the star
    expect(taking('{ quiet }')).to.include('quiet:*').and.not.include('loud:*')
    expect(taking('{ shout }')).to.include('loud:*').and.not.include('quiet:*')
    expect(taking('{ rest }')).to.deep.equal(['rest:*'])
    expect(taking('* as room')).to.have.members(['quiet:*', 'loud:*', 'rest:*'])
    expect(taking('type { quiet }')).to.deep.equal([])
  })

  it('goes around in circles once', () => {
    expect(reach({ 'a.ts': "import './b.ts'", 'b.ts': "import './a.ts'\nimport 'far'" })).to.deep.equal(['far:*'])
  })
})

describe('lanes', () => {
  it('the fast one has what is pure, and says of the others what keeps them out', () => {
    expect(fastSpecs().length).to.be.greaterThan(60)
    expect(fastSpecs()).to.include.members([
      'test/wire/codec.spec.ts',
      'test/rounds/rounds.spec.ts',
      'test/docs/docs.spec.ts',
      'test/lanes/lanes.spec.ts'
    ])
    expect(leftOut('test/lanes/watch.spec.ts')?.why).to.match(/node:child_process: test\/lanes\/watch\.spec\.ts$/)
    expect(leftOut('test/network/host.spec.ts')).to.include({ long: false })
    expect(leftOut('test/settlement/program.spec.ts')).to.include({ long: true })
    expect(leftOut('test/sim/fuzz.spec.ts')).to.include({ long: true })
    expect(LONG.filter((path) => !existsSync(join(ROOT, path)))).to.deep.equal([])
  })

  it('a room has its folder and what tests it from folders that are of no room', () => {
    expect(rooms()).to.include.members(['wire', 'k2', 'cli'])
    expect(roomSpecs('wire')).to.include.members(allSpecs().filter((spec) => spec.startsWith('test/wire/')))
    expect(roomSpecs('k2')).to.include('test/integers.spec.ts').and.not.include('test/tasks/k2-reader.spec.ts')
    for (const room of rooms()) {
      expect(roomSpecs(room), room).to.not.deep.equal([])
    }
  })

  it('a spec is in the wrong one when it did what its imports do not show, or nothing of what they do', () => {
    const fast = 'test/wire/codec.spec.ts'
    const slow = 'test/lanes/watch.spec.ts'
    const fault = (spec: string, started: string[], allPassed = true) => laneFault(spec, { started: new Set(started), allPassed })
    expect(fault(fast, [])).to.equal(undefined)
    expect(fault(fast, ['a process', 'a listener'])).to.match(/codec\.spec\.ts is of the fast lane and started a process, a listener/)
    expect(fault(fast, ['a process'], false)).to.match(/fast lane/)
    expect(fault(slow, ['a process'])).to.equal(undefined)
    expect(fault(slow, [])).to.match(/starts nothing, and the fast lane leaves it out: it imports node:child_process/)
    // what was skipped or failed may be what starts something
    expect(fault(slow, [], false)).to.equal(undefined)
    expect(fault('test/sim/fuzz.spec.ts', [])).to.equal(undefined)
  })
})
