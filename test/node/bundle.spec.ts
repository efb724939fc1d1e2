import { readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { BUNDLE_FILE, bundleAt, describeBundle } from '../../src/node/index.ts'
import { bundlePath } from '../../src/tasks/index.ts'
import { failure, Lab, type TestNode } from '../proofs/fixtures.ts'
import { wantBundle } from './want-bundle.ts'

const CODE = Buffer.from(`export const manifest = { name: 'tiny' }\n// ${'x'.repeat(5000)}\n`)

describe('node: the task’s bundle', () => {
  const lab = new Lab()
  afterEach(() => lab.end())

  const pack = async ({ proofs }: TestNode, content: Uint8Array = CODE) =>
    (await proofs.packFiles([{ path: BUNDLE_FILE, content }])).cid.toString()

  it('is looked at without a trace, also when it is none', async () => {
    const { dir } = await lab.node()
    const left = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('koii-mesh-bundle-'))
    const before = await left()
    await describeBundle(bundlePath('k2-index'))
    const path = join(dir, 'none.mjs')
    await writeFile(path, 'export const nothing = 1\n')
    expect((await failure(describeBundle(path))).name).to.equal('BundleError')
    // somebody else on this machine may be looking at a bundle, too, and then is soon done
    let mine = await left()
    while (mine.some((name) => !before.includes(name))) {
      await new Promise((resolve) => setTimeout(resolve, 200))
      mine = (await left()).filter((name) => mine.includes(name))
    }
    expect(mine.filter((name) => !before.includes(name))).to.deep.equal([])
  })

  it('is told to be on the disk, or to come from a peer', async () => {
    const [node, other] = [await lab.node(), await lab.node()]
    const cid = await pack(node)
    const told: string[] = []
    expect(Buffer.from((await wantBundle(node, cid, { onAbsent: () => told.push('here') })).content)).to.deep.equal(CODE)
    const from = { providers: () => [node.hint], onAbsent: () => told.push('absent') }
    expect(Buffer.from((await wantBundle(other, cid, from)).content)).to.deep.equal(CODE)
    expect(told).to.deep.equal(['absent'])
  })

  it('is none when the manager wrote what is no CID: that is said, and not waited for', async () => {
    const node = await lab.node()
    const path = join(node.dir, 'mine.mjs')
    await writeFile(path, CODE)
    const sha512 = `bafkrgq${'a'.repeat(103)}`
    for (const [cid, says] of [
      ['\x1b[2Jnonsense', /names "\\x1b\[2Jnonsense" as its bundle, which is no CID.*koii-mesh task update/],
      [sha512, /can be none|no CID/]
    ] as const) {
      for (const more of [{}, ...(cid === sha512 ? [] : [{ path }])]) {
        const refused = await failure(wantBundle(node, cid, { ...more, signal: AbortSignal.timeout(5_000) }))
        expect(refused.name, refused.message).to.equal('BundleError')
        expect(refused.message).to.match(says)
      }
    }
    // what another of its bundles is called costs this one nothing
    const other = await failure(wantBundle(node, await pack(node, Buffer.from('other')), { path, others: ['\x1b[2Jnonsense'] }))
    expect(other.message).to.match(/is not the task's bundle/)
  })

  it('is refused for a task when no node could run its distribution, with the reason', async () => {
    const { dir } = await lab.node()
    const path = join(dir, 'mine.mjs')
    const base = `export const manifest = { name: 'mine', version: '1.0.0' }
      export function task () {}
      export function submission () { return null }
      export function audit () { return true }\n`
    const describe = async (code: string, top = '') => {
      await writeFile(path, `${top}\n${base}\n${code}`)
      return describeBundle(path)
    }
    const uses = 'export function distribution ({ bounty, submissions }) '
    const refused: Array<[code: string, top: string, reason: RegExp]> = [
      [
        `${uses} { return submissions.map(({ staker }) => ({ staker, amount: BigInt(Buffer.from('x')[0]) })) }`,
        '',
        /1 accepted .*'Buffer' is not defined/
      ],
      [
        `${uses} { return readdirSync('.').length > 0 ? [] : [] }`,
        "import { readdirSync } from 'node:fs'",
        /TaskAccessError: node:fs is not available/
      ],
      [
        `${uses} { return submissions.map(({ staker }) => ({ staker, amount: bounty })) }`,
        '',
        /4 accepted .*nonsense: .*more than the bounty/
      ],
      [`${uses} { return submissions.map(({ staker, stake }) => ({ staker, amount: Number(stake) })) }`, '', /1 accepted .*no bigint/],
      [`${uses} { for (;;); }`, '', /0 accepted .*TaskLimitError: used more than \d+ steps/],
      [
        `${uses} { return submissions.map(({ staker, value }) => ({ staker, amount: BigInt(JSON.parse(value).cid.length) })) }`,
        '',
        /nothing/
      ],
      [`const started = process.hrtime()\n${uses} { return [] }`, '', /not-loaded: TypeError: not a function/],
      [uses, '', /not-loaded: SyntaxError/]
    ]
    for (const [code, top, reason] of refused) {
      if (reason.source === 'nothing') {
        // throws at what was made up for it, and might not at what is real
        expect((await describe(code, top)).manifest.name).to.equal('mine')
        continue
      }
      const error = await failure(describe(code, top))
      expect(error.name, code).to.equal('BundleError')
      expect(error.message, code).to.match(reason)
    }
    const works =
      "import { EventEmitter } from 'node:events'; import path from 'node:path'\nclass Mine extends EventEmitter {}; const { join } = path.posix"
    expect(
      (await describe(`${uses} { return submissions.map(({ staker, stake }) => ({ staker, amount: bounty / 10n })) }`, works)).cid
    ).to.match(/^bafy/)
  }).timeout(240_000)

  it('is the local copy, if that is what the task names', async () => {
    const node = await lab.node()
    const path = join(node.dir, 'mine.mjs')
    await writeFile(path, CODE)
    const cid = await pack(await lab.node())
    expect(Buffer.from((await wantBundle(node, cid, { path })).content)).to.deep.equal(CODE)
    await writeFile(path, `${CODE}// mine\n`)
    const refused = await failure(wantBundle(node, cid, { path }))
    expect(refused.name).to.equal('BundleError')
    expect(refused.message).to.match(/is not the task's bundle.*Leave --bundle out/)
    expect((await failure(wantBundle(node, cid, { path: join(node.dir, 'none.mjs') }))).message).to.match(/cannot read the bundle .*ENOENT/)
  })

  it('is fetched when the local copy is of another bundle of the task', async () => {
    const [node, author] = [await lab.node(), await lab.node()]
    const path = join(node.dir, 'mine.mjs')
    await writeFile(path, `${CODE}// the former one`)
    const former = await pack(await lab.node(), Buffer.from(`${CODE}// the former one`))
    const cid = await pack(author)
    expect(Buffer.from((await wantBundle(node, cid, { path, others: [former], providers: () => [author.hint] })).content)).to.deep.equal(
      CODE
    )
  })

  it('comes from a peer, as soon as there is one that has it', async () => {
    const [node, author] = [await lab.node(), await lab.node()]
    const cid = await pack(author)
    const waits: string[] = []
    const { content } = await wantBundle(node, cid, {
      providers: () => (waits.length === 0 ? [] : [author.hint]),
      onWaiting: (reason) => waits.push(reason)
    })
    expect(Buffer.from(content)).to.deep.equal(CODE)
    expect(waits).to.have.length(1)
  })

  it('is waited for until the node stops', async () => {
    const node = await lab.node()
    const cid = await pack(await lab.node())
    const stop = new AbortController()
    const waiting = wantBundle(node, cid, { signal: stop.signal, onWaiting: () => stop.abort() })
    expect((await failure(waiting)).name).to.equal('AbortError')
  })

  it('has the CID under which a node packs it, and says what it is', async () => {
    const node = await lab.node()
    const path = join(node.dir, 'tiny.mjs')
    await writeFile(path, (await import('node:fs')).readFileSync(bundlePath('k2-index')))
    const { cid, manifest } = await describeBundle(path)
    expect(manifest.name).to.equal('k2-index')
    expect(await pack(node, (await import('node:fs')).readFileSync(path))).to.equal(cid)
    expect(bundleAt('k2-index')).to.equal(bundlePath('k2-index'))
    expect(bundleAt('./mine.mjs')).to.equal('./mine.mjs')
    await writeFile(path, 'this is no module')
    const none = await failure(describeBundle(path))
    expect(none.name).to.equal('BundleError')
    expect(none.message).to.match(/tiny\.mjs is not a task bundle/)
  })
})
