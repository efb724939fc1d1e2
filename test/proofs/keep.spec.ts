import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FsBlockstore } from 'blockstore-fs'
import { expect } from 'chai'
import fc from 'fast-check'
import type { CID } from 'multiformats/cid'
import { type BlockFiles, Blocks } from '../../src/proofs/blocks.ts'
import { Keeper } from '../../src/proofs/collect.ts'
import { BlockFolder } from '../../src/proofs/files.ts'
import { createProofs } from '../../src/proofs/index.ts'
import { LIMITS } from '../../src/proofs/limits.ts'
import { packNode } from '../../src/proofs/pack.ts'
import { type Pin, Pins } from '../../src/proofs/pins.ts'
import { systemTimers } from '../../src/proofs/timers.ts'
import { bytesOf, failure, Lab, memoryFiles, memoryStore } from './fixtures.ts'

const task = 'task1'
const quiet = () => {}

/** A keeper on a shelf in memory, whose time stands still unless it is moved. */
function shelf(files: BlockFiles = memoryFiles(), store = memoryStore()) {
  let nowMs = 0
  const timers = { now: () => nowMs, setTimeout: () => 0, clearTimeout: () => {} }
  const blocks = new Blocks({ files, timers, log: quiet })
  return {
    blocks,
    keeper: new Keeper(blocks, new Pins(store)),
    pass: (ms: number) => {
      nowMs += ms
    }
  }
}

const namesOf = (pins: Pin[]) => pins.map(({ cid }) => cid.toString())

describe('proofs: keep', () => {
  it('keeps three finalized cycles and all later ones, and clears what no kept pin reaches', async () => {
    const { blocks, keeper, pass } = shelf()
    const shared = (await packNode(blocks, { shared: true })).cid
    const roots: CID[] = []
    for (let cycle = 0; cycle <= 6; cycle++) {
      const own = (await packNode(blocks, { own: cycle })).cid
      const root = (await packNode(blocks, { cycle, own, shared })).cid
      roots.push(root)
      expect(await keeper.pin(root, { task, cycle })).to.include({ blocks: 3, provide: true })
    }
    pass(LIMITS.holdMs)

    const collected = await keeper.collect({ task, finalizedCycle: 4 })

    expect(namesOf(collected.unpinned)).to.deep.equal(roots.slice(0, 2).map(String)) // 2, 3 and 4 are kept
    expect(collected).to.include({ blocks: 4, overQuota: false })
    for (const [cycle, root] of roots.entries()) {
      if (cycle < 2) {
        expect((await failure(keeper.measure(root))).name, `cycle ${cycle}`).to.equal('ProofUnavailableError')
      } else {
        expect((await keeper.measure(root)).blocks, `cycle ${cycle}`).to.equal(3)
      }
    }
    expect((await keeper.collect({ task, finalizedCycle: 4 })).blocks).to.equal(0)
  })

  it('leaves other tasks alone, and a block that one of them still needs', async () => {
    const { blocks, keeper, pass } = shelf()
    const { cid } = await packNode(blocks, { both: 'need this' })
    await keeper.pin(cid, { task, cycle: 0 })
    await keeper.pin(cid, { task: 'task2', cycle: 0 })
    pass(LIMITS.holdMs)
    expect((await keeper.collect({ task, finalizedCycle: 9 })).unpinned).to.have.length(1)
    expect(await keeper.measure(cid)).to.include({ blocks: 1 })
    await keeper.unpin(cid, { task: 'task2', cycle: 0 })
    expect((await keeper.collect({ task, finalizedCycle: 9 })).blocks).to.equal(1)
  })

  it('refuses to keep fewer than three cycles', async () => {
    const { keeper } = shelf()
    expect((await failure(keeper.collect({ task, finalizedCycle: 9, keepCycles: 2 }))).name).to.equal('RangeError')
  })

  it('gives up the oldest cycles first over the quota, and never the three', async () => {
    const { blocks, keeper } = shelf()
    for (let cycle = 0; cycle < 8; cycle++) {
      const { cid } = await packNode(blocks, { cycle, data: bytesOf(1000, cycle) })
      await keeper.pin(cid, { task, cycle })
    }
    const all = await keeper.collect({ task, finalizedCycle: 7, keepCycles: 8 })
    expect(all.unpinned).to.have.length(0)
    const some = await keeper.collect({ task, finalizedCycle: 7, keepCycles: 8, quotaBytes: 4900 })
    expect(some.unpinned.map(({ cycle }) => cycle)).to.deep.equal([0, 1, 2, 3])
    expect(some.overQuota).to.equal(false)
    const most = await keeper.collect({ task, finalizedCycle: 7, keepCycles: 8, quotaBytes: 1 })
    expect(most.unpinned.map(({ cycle }) => cycle)).to.deep.equal([4])
    expect(most.overQuota).to.equal(true)
  })

  it('keeps only the record itself with a shallow pin, not the chain behind it', async () => {
    const { blocks, keeper, pass } = shelf()
    const first = (await packNode(blocks, { record: 0 })).cid
    const second = (await packNode(blocks, { record: 1, previous: first })).cid
    expect(await keeper.pin(second, { task, cycle: 1, shallow: true })).to.include({ blocks: 1, provide: false })
    pass(LIMITS.holdMs)
    expect((await keeper.collect({ task, finalizedCycle: 1 })).blocks).to.equal(1)
    expect((await failure(keeper.measure(second))).name).to.equal('ProofUnavailableError')
    expect(await keeper.measure(second, { shallow: true })).to.include({ blocks: 1 })
  })

  it('does not pin what is not all here', async () => {
    const { blocks, keeper } = shelf()
    const other = shelf()
    const elsewhere = (await packNode(other.blocks, { not: 'here' })).cid
    const root = (await packNode(blocks, { elsewhere })).cid
    expect((await failure(keeper.pin(root, { task, cycle: 0 }))).name).to.equal('ProofUnavailableError')
  })

  it('lets what was packed wait for its pin, ten minutes long', async () => {
    const { blocks, keeper, pass } = shelf()
    const { cid } = await packNode(blocks, { waits: true })
    pass(LIMITS.holdMs - 1)
    expect((await keeper.collect({ task, finalizedCycle: 0 })).blocks).to.equal(0)
    pass(1)
    expect((await keeper.collect({ task, finalizedCycle: 0 })).blocks).to.equal(1)
    expect((await failure(keeper.pin(cid, { task, cycle: 0 }))).name).to.equal('ProofUnavailableError')
  })

  it('clears nothing while a block of a kept proof is lost, and says which', async () => {
    const files = memoryFiles()
    const { blocks, keeper, pass } = shelf(files)
    const leaf = (await packNode(blocks, { leaf: 1 })).cid
    const middle = (await packNode(blocks, { leaf })).cid
    const root = (await packNode(blocks, { middle })).cid
    await keeper.pin(root, { task, cycle: 5 })
    pass(LIMITS.holdMs)
    files.blocks.get(files.nameOf(middle))!.bytes = Uint8Array.of(0) // rots

    const collected = await keeper.collect({ task, finalizedCycle: 5 })

    expect(collected.missing.map(({ block }) => block.toString())).to.deep.equal([middle.toString()])
    expect(await blocks.has(leaf)).to.equal(true)
    await packNode(blocks, { leaf })
    expect((await keeper.collect({ task, finalizedCycle: 5 })).missing).to.have.length(0)
    expect(await keeper.measure(root)).to.include({ blocks: 3 })
  })

  it('writes a block anew whose file had rotted', async () => {
    const files = memoryFiles()
    const { blocks, keeper } = shelf(files)
    const { cid } = await packNode(blocks, { good: true })
    files.blocks.get(files.nameOf(cid))!.bytes = Uint8Array.of(0)
    await packNode(blocks, { good: true })
    expect(await keeper.measure(cid)).to.include({ blocks: 1 })
  })

  // TARGETS D5, in small
  it('loses no block of any proof, in any order of puts, fetches, pins and collections', async function () {
    this.timeout(120_000)
    const step = fc.record({
      kind: fc.constantFrom('pack', 'pack', 'write', 'collect', 'unpin', 'read'),
      root: fc.nat(3),
      cycle: fc.nat(6)
    })
    let interleavings = 0
    let deletions = 0
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(step, { minLength: 4, maxLength: 14 }), async (s, steps) => {
        interleavings++
        const raw = memoryFiles()
        // every call has its effect at some later point, and is answered at a later one still
        const slowly =
          <A extends unknown[], R>(run: (...args: A) => Promise<R>) =>
          async (...args: A): Promise<R> => {
            await s.schedule(Promise.resolve())
            const result = await run(...args)
            await s.schedule(Promise.resolve())
            return result
          }
        const slow: BlockFiles = {
          has: slowly(raw.has),
          put: slowly((cid: CID, bytes: Uint8Array) => raw.put(cid, bytes)) as BlockFiles['put'],
          delete: slowly(async (cid: CID) => {
            deletions++
            await raw.delete(cid)
          }),
          async *get(cid: CID) {
            await s.schedule(Promise.resolve())
            yield* raw.get(cid)
            await s.schedule(Promise.resolve())
          },
          async *getAll() {
            for await (const pair of raw.getAll()) {
              await s.schedule(Promise.resolve())
              yield pair
            }
          }
        }
        const store = memoryStore()
        const { blocks, keeper, pass } = shelf(slow, {
          ...store,
          put: slowly(store.put),
          list: slowly(store.list),
          delete: slowly(store.delete)
        })
        // a few proofs that share blocks, and half of them lie there from before, pinned by nobody: what a collection and a
        // writer can get in each other's way about
        const values = Array.from({ length: 4 }, (_, at) => ({ leaf: { leaf: at % 2 }, root: { root: at } }))
        const pack = async (at: number) => {
          const leaf = (await packNode(blocks, values[at]!.leaf)).cid
          return (await packNode(blocks, { ...values[at]!.root, leaf })).cid
        }
        const left = memoryFiles()
        const past = shelf(left)
        for (const { leaf: value, root } of values.slice(0, 3)) {
          const leaf = (await packNode(past.blocks, value)).cid
          await packNode(past.blocks, { ...root, leaf })
        }
        for (const [name, block] of left.blocks) {
          raw.blocks.set(name, block)
        }
        const expected = new Map<string, { cid: CID; cycle: number }>()
        const run = async ({ kind, root, cycle }: { kind: string; root: number; cycle: number }) => {
          if (kind === 'pack') {
            const cid = await pack(root)
            await keeper.pin(cid, { task, cycle: cycle + 10 })
            expected.set(`${cid}/${cycle}`, { cid, cycle: cycle + 10 })
          } else if (kind === 'write') {
            // as a fetch does: it looks for its blocks here first, and takes those that it finds as its own
            const source = shelf()
            const leaf = (await packNode(source.blocks, values[root]!.leaf)).cid
            const { cid } = await packNode(source.blocks, { ...values[root]!.root, leaf })
            const session = blocks.open()
            for (const block of [cid, leaf]) {
              if ((await session.read(block)) == null) {
                await session.put(block, (await source.blocks.read(block))!)
              }
            }
            expect(await blocks.read(leaf)).to.be.instanceOf(Uint8Array)
            session.close({ hold: true })
            await keeper.pin(cid, { task, cycle: cycle + 10 })
            expected.set(`${cid}/${cycle}`, { cid, cycle: cycle + 10 })
          } else if (kind === 'collect') {
            const finalizedCycle = cycle
            const { missing } = await keeper.collect({ task, finalizedCycle })
            expect(missing).to.have.length(0)
          } else if (kind === 'read') {
            await blocks.read((await packNode(shelf().blocks, values[root]!.leaf)).cid)
          } else {
            // something old, to be cleared by whoever collects next
            const cid = await pack(root)
            await keeper.pin(cid, { task: 'old', cycle })
            await keeper.unpin(cid, { task: 'old', cycle })
          }
        }
        await s.waitFor(Promise.all(steps.map(run)))

        await s.waitFor(
          (async () => {
            for (const { cid } of expected.values()) {
              expect((await keeper.measure(cid)).blocks).to.equal(2)
            }
            // and at the end all can be cleared
            pass(LIMITS.holdMs)
            await keeper.collect({ task, finalizedCycle: 100 })
          })()
        )
        expect(raw.blocks.size).to.equal(0)
      }),
      { numRuns: Number(process.env.KOII_MESH_INTERLEAVINGS ?? 600) }
    )
    console.log(`      ${interleavings} interleavings, ${deletions} deletions among them`)
  })

  describe('on disk', () => {
    const lab = new Lab()
    afterEach(() => lab.end())

    it('has nothing left of writes that a kill cut short, and all blocks', async () => {
      const dir = await lab.dir()
      const { cid } = await packNode(new Blocks({ files: await BlockFolder.open(dir), timers: systemTimers, log: quiet }), { a: 1 })
      const [shard] = await readdir(dir)
      await writeFile(join(dir, shard!, 'CUT.data.123-0.tmp'), 'half of it')
      const again = await BlockFolder.open(dir)
      expect(await again.has(cid)).to.equal(true)
      expect(await readdir(join(dir, shard!))).to.have.length(1)
    })

    it('has blocks and pins again after a restart, provides what is pinned, and clears the rest', async () => {
      const dir = await lab.dir()
      const store = memoryStore()
      const provided: string[] = []
      const libp2p = await lab.host({
        routing: () => ({
          [Symbol.for('@libp2p/content-routing')]: {
            async provide(cid: CID) {
              provided.push(cid.toString())
            },
            cancelReprovide: async () => {}
          }
        })
      })
      const init = { blocksDir: join(dir, 'blocks') }
      const before = await createProofs({ libp2p, store }, init)
      await before.start()
      const kept = (await before.packNode({ kept: true })).cid
      const lost = (await before.packNode({ kept: false })).cid
      await before.pin(kept, { task, cycle: 3 })
      await before.stop()
      provided.length = 0

      const after = await createProofs({ libp2p, store }, init)
      await after.start()
      lab.onEnd(() => after.stop())
      expect((await after.collect({ task, finalizedCycle: 3 })).blocks).to.equal(1)
      expect(await after.reader(kept).getNode()).to.deep.equal({ kept: true })
      expect(await new FsBlockstore(init.blocksDir).has(lost)).to.equal(false)
      expect(namesOf(await after.pins())).to.deep.equal([kept.toString()])
      while (provided.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      expect(provided).to.deep.equal([kept.toString()])
    })
  })
})
