import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { isOwnFault } from '../../src/proofs/errors.ts'
import { createTaskProofs } from '../../src/proofs/index.ts'
import type { TaskProofs } from '../../src/tasks/api.ts'
import { all, bytesOf, failure, Lab, type TestNode } from './fixtures.ts'
import { rawPeer } from './peers.ts'

const DAG_PB = 0x70

/** A dag-pb node made by hand: for directories that no packer makes. */
async function directory(entries: Array<{ name: string; cid: CID }>, unixfs = Uint8Array.of(0x08, 1)) {
  const links = entries.map(({ name, cid }) => {
    const link = [0x0a, cid.bytes.length, ...cid.bytes, 0x12, name.length, ...Buffer.from(name), 0x18, 1]
    return [0x12, link.length, ...link]
  })
  const bytes = Uint8Array.from([...links.flat(), 0x0a, unixfs.length, ...unixfs])
  return { cid: CID.createV1(DAG_PB, await sha256.digest(bytes)), bytes }
}

async function collected(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await all(chunks))
}

describe('proofs: read', () => {
  const lab = new Lab()
  let alice: TestNode
  beforeEach(async () => {
    alice = await lab.node()
  })
  afterEach(() => lab.end())

  it('lists files and reads any part of them', async () => {
    const big = bytesOf(3_000_000, 5)
    const { cid } = await alice.proofs.packFiles([
      { path: 'b/100% odd name?.bin', content: big },
      { path: 'a.txt', content: Buffer.from('hello') },
      { path: 'b/empty', content: new Uint8Array() }
    ])
    const reader = alice.proofs.reader(cid)
    const files = await all(reader.listFiles())
    expect(files.map(({ path, sizeBytes }) => [path, sizeBytes])).to.have.deep.members([
      ['a.txt', 5],
      ['b/100% odd name?.bin', 3_000_000],
      ['b/empty', 0]
    ])
    for (const [offset, length] of [
      [0, 1],
      [262_143, 2],
      [1_048_575, 1_048_578],
      [2_999_999, 100],
      [3_000_000, 5]
    ] as const) {
      const part = await collected(reader.readFile('b/100% odd name?.bin', { offset, length }))
      expect(part.equals(big.subarray(offset, offset + length)), `${offset}+${length}`).to.equal(true)
    }
    expect((await collected(reader.readFile('b/empty'))).length).to.equal(0)
    expect((await failure(collected(reader.readFile('b/none')))).name).to.equal('ProofMalformedError')
    expect((await failure(collected(reader.readFile('b')))).message).to.include('is a directory')
    expect((await failure(reader.getNode())).message).to.include('not dag-cbor')
  })

  it('reaches nothing outside the proof, though it is here', async () => {
    const secret = (await alice.proofs.packNode({ secret: true })).cid
    const inside = (await alice.proofs.packNode({ inside: true })).cid
    const root = (await alice.proofs.packNode({ inside })).cid
    const reader = alice.proofs.reader(root)
    expect(await reader.getNode(inside)).to.deep.equal({ inside: true })
    expect((await failure(reader.getNode(secret))).message).to.include('not part of proof')
    expect(await reader.holds(secret)).to.equal(false)
  })

  it('says what is missing, and asks no network for it', async () => {
    const elsewhere = await lab.node()
    const leaf = (await elsewhere.proofs.packNode({ leaf: true })).cid
    await alice.libp2p.dial(elsewhere.libp2p.getMultiaddrs())
    const root = (await alice.proofs.packNode({ leaf })).cid
    const err = await failure(alice.proofs.reader(root).getNode(leaf))
    expect(err.name).to.equal('ProofUnavailableError')
    expect(elsewhere.proofs.stats().servedBlocks).to.equal(0)
  })

  describe('a block that this node lost or cannot read is no fault of the proof', () => {
    const breaks: Record<string, (path: string) => Promise<unknown>> = {
      lost: (path) => rm(path),
      rotten: (path) => writeFile(path, 'rot'),
      'not to be read': async (path) => {
        await rm(path)
        await mkdir(path)
      }
    }
    for (const [what, breakIt] of Object.entries(breaks)) {
      it(what, async () => {
        const { cid } = await alice.proofs.packFiles([
          { path: 'd/a.bin', content: bytesOf(600_000, 7) },
          { path: 'd/b.txt', content: Buffer.from('b') }
        ])
        const blocks = (await readdir(join(alice.dir, 'blocks'), { recursive: true, withFileTypes: true })).filter((entry) =>
          entry.isFile()
        )
        expect(blocks.length).to.be.greaterThan(4)
        for (const { parentPath, name } of blocks) {
          const path = join(parentPath, name)
          const bytes = await readFile(path)
          await breakIt(path)
          const tasks = createTaskProofs(alice.proofs) as unknown as TaskProofs
          const signal = new AbortController().signal
          for (const read of [
            () => tasks.listFiles(cid.toString(), { signal }),
            () => tasks.readFile(cid.toString(), 'd/a.bin', { offset: 0, length: 1_000_000, signal })
          ]) {
            const error = await read().then(
              () => null,
              (err: Error) => err
            )
            expect(error?.name ?? 'none', `${name}: ${error?.message}`).to.be.oneOf(['none', 'ProofUnavailableError', 'BlockStoreError'])
          }
          await rm(path, { recursive: true, force: true })
          await writeFile(path, bytes)
        }
      })
    }
    it('nor is memory that is short while one is read', () => {
      for (const err of [
        new RangeError('Array buffer allocation failed'),
        new RangeError('Maximum call stack size exceeded'),
        Object.assign(new Error('EMFILE'), { errno: -24 })
      ]) {
        expect(isOwnFault(err)).to.equal(true)
      }
      for (const err of [new RangeError('Could not decode varint'), new Error('dag-cbor'), new TypeError('x'), null]) {
        expect(isOwnFault(err)).to.equal(false)
      }
    })
  })

  it('takes shared subtrees for what they unfold to: a small DAG that lists without end is cut', async function () {
    this.timeout(60_000)
    let { cid } = await alice.proofs.packFiles([{ path: 'x', content: Buffer.from('x') }])
    const blocks: Array<{ cid: CID; bytes: Uint8Array }> = []
    for (let level = 0; level < 24; level++) {
      const next = await directory([
        { name: 'a', cid },
        { name: 'b', cid }
      ])
      blocks.push(next)
      cid = next.cid
    }
    for (const block of blocks) {
      await alice.proofs.helia.blockstore.put(block.cid, block.bytes)
    }
    expect((await alice.proofs.measure(cid)).blocks).to.equal(26)
    const err = await failure(all(alice.proofs.reader(cid).listFiles()))
    expect(err.name).to.equal('ProofTooLargeError')
  })

  describe('fetchTo', () => {
    it('writes a directory, a file, and nodes as JSON', async () => {
      const bob = await lab.node()
      const files = await alice.proofs.packFiles([
        { path: 'sub/a.txt', content: Buffer.from('hello') },
        { path: 'b.bin', content: bytesOf(600_000, 2) },
        { path: 'empty', content: new Uint8Array() }
      ])
      const out = join(bob.dir, 'out')
      const { saved, blocks } = await bob.proofs.fetchTo(files.cid, out, { from: [alice.hint] })
      expect(saved).to.deep.equal({ path: out, kind: 'directory', files: 3, bytes: 600_005 })
      expect(blocks).to.equal(files.blocks)
      expect(await readFile(join(out, 'sub/a.txt'), 'utf8')).to.equal('hello')
      expect((await readFile(join(out, 'b.bin'))).equals(bytesOf(600_000, 2))).to.equal(true)

      const lone = (await all(alice.proofs.reader(files.cid).listFiles())).find(({ path }) => path === 'b.bin')!
      await bob.proofs.fetchTo(lone.cid, join(bob.dir, 'lone.bin'), { from: [alice.hint] })
      expect((await readFile(join(bob.dir, 'lone.bin'))).length).to.equal(600_000)

      const leaf = (await alice.proofs.packNode({ amount: 2n ** 60n, bytes: Uint8Array.of(1, 2) })).cid
      const root = (await alice.proofs.packNode({ leaf, list: [1, 'two', null] })).cid
      await bob.proofs.fetchTo(root, join(bob.dir, 'out.json'), { from: [alice.hint] })
      const text = await readFile(join(bob.dir, 'out.json'), 'utf8')
      expect(text).to.include('"amount": 1152921504606846976')
      const json = JSON.parse(text)
      expect(json.root).to.deep.equal({ '/': root.toString() })
      expect(json.blocks[root.toString()]).to.deep.equal({ leaf: { '/': leaf.toString() }, list: [1, 'two', null] })
      expect(json.blocks[leaf.toString()].bytes).to.deep.equal({ '/': { bytes: 'AQI' } })
    })

    it('overwrites nothing', async () => {
      const { cid } = await alice.proofs.packNode({ a: 1 })
      const taken = join(alice.dir, 'taken')
      await writeFile(taken, 'mine')
      const err = await failure(alice.proofs.fetchTo(cid, taken))
      expect(err.name).to.equal('SaveError')
      expect(err.message).to.include('exists already')
      expect(await readFile(taken, 'utf8')).to.equal('mine')
    })

    it('writes nothing outside its place, whatever the names in the proof', async () => {
      const bob = await lab.node()
      const { cid: inner } = await alice.proofs.packFiles([{ path: 'x', content: Buffer.from('x') }])
      const [file] = await all(alice.proofs.reader(inner).listFiles())
      const symlink = await directory([], Uint8Array.of(0x08, 4, 0x12, 4, ...Buffer.from('/etc')))
      for (const [name, block] of [
        ['../evil', await directory([{ name: '../evil', cid: file!.cid }])],
        ['..', await directory([{ name: '..', cid: inner }])],
        ['/abs', await directory([{ name: '/abs', cid: file!.cid }])],
        ['link', await directory([{ name: 'link', cid: symlink.cid }])]
      ] as const) {
        const evil = await rawPeer(await lab.host(), (from, want, peer) => {
          const known = [block, symlink].find(({ cid }) => Buffer.compare(cid.bytes, want) === 0)
          return known == null
            ? peer.send(from, { presences: [{ cid: want, have: false }] })
            : peer.send(from, { blocks: [{ prefix: Uint8Array.of(1, DAG_PB, 0x12, 32), data: known.bytes }] })
        })
        await mkdir(join(bob.dir, 'place'), { recursive: true })
        const err = await failure(
          bob.proofs.fetchTo(block.cid, join(bob.dir, 'place', 'out'), {
            from: [{ peerId: evil.libp2p.peerId.toString(), multiaddrs: evil.libp2p.getMultiaddrs().map(String) }, alice.hint]
          })
        )
        expect(err.name, name).to.be.oneOf(['SaveError', 'ProofMalformedError'])
        expect(await readdir(bob.dir), name).to.have.members(['blocks', 'place'])
        expect(await readdir(join(bob.dir, 'place')), name).to.have.length(0)
      }
    })
  })

  describe('for tasks', () => {
    const { signal } = new AbortController()

    it('makes, keeps and reads proofs as the runner asks for them', async () => {
      const proofs: TaskProofs = createTaskProofs(alice.proofs, { keep: () => ({ task: 't', cycle: 4 }) })
      const leaf = await proofs.putNode({ n: 1 }, { signal })
      const root = await proofs.putNode({ leaf: { '/': leaf }, also: CID.parse(leaf) }, { signal })
      expect(await proofs.getNode(root, { signal })).to.deep.equal({ leaf: CID.parse(leaf), also: CID.parse(leaf) })
      const dir = await proofs.putFiles(
        [
          { path: 'z.txt', content: Buffer.from('zz') },
          { path: 'a/b.txt', content: Buffer.from('bbb') }
        ],
        { signal }
      )
      const files = await proofs.listFiles(dir, { signal })
      expect(files.map(({ path, size }) => [path, size])).to.deep.equal([
        ['a/b.txt', 3],
        ['z.txt', 2]
      ])
      expect(Buffer.from(await proofs.readFile(dir, 'z.txt', { offset: 1, length: 10, signal })).toString()).to.equal('z')
      expect(Buffer.from(await proofs.readFile(files[0]!.cid, '', { offset: 0, length: 10, signal })).toString()).to.equal('bbb')
      const pins = await alice.proofs.pins('t')
      expect(pins.map(({ cid, shallow, provide }) => [cid.toString(), shallow, provide])).to.have.deep.members([
        [leaf, true, false],
        [root, true, false],
        [dir, false, false]
      ])
    })

    it('lets an audit read the submission before it, and nothing else', async () => {
      const other = (await alice.proofs.packNode({ of: 'another task' })).cid.toString()
      const leaf = (await alice.proofs.packNode({ of: 'the submission' })).cid
      const root = (await alice.proofs.packNode({ leaf })).cid
      const proofs: TaskProofs = createTaskProofs(alice.proofs, { roots: () => [root] })
      expect(await proofs.getNode(leaf.toString(), { signal })).to.deep.equal({ of: 'the submission' })
      expect((await failure(proofs.getNode(other, { signal }))).name).to.equal('ProofMalformedError')
      const made = await proofs.putNode({ of: 'the audit' }, { signal })
      expect(await proofs.getNode(made, { signal })).to.deep.equal({ of: 'the audit' })
    })
  })
})
