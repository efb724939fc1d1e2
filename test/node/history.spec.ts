import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import type { CID } from 'multiformats/cid'
import { createHistory, type History, type HistoryInit } from '../../src/node/history.ts'
import { fetchHistoryTo, fetchRecordTo } from '../../src/node/index.ts'
import type { Logger } from '../../src/observe/index.ts'
import { type BuiltRecord, providesRecord } from '../../src/record/index.ts'
import { openRecordArchive, type RecordArchive } from '../../src/store/index.ts'
import { HANGS_MS } from '../cpu.ts'
import { Lab, type TestNode } from '../proofs/fixtures.ts'
import { chainOf, changed } from '../record/chain.ts'
import { GENESIS, person, TASK } from '../wire/people.ts'

const CYCLES = [1, 2, 3, 5, 6, 7, 8, 9]

describe('node: history', function () {
  this.timeout(120_000)
  const lab = new Lab()
  const chain = chainOf(CYCLES)
  const last = chain.at(-1)!
  afterEach(() => lab.end())

  interface Keeper extends TestNode {
    archive: RecordArchive
  }

  /** A node with an archive, which has `records` from before. */
  async function keeper(records: Array<Pick<BuiltRecord, 'cid' | 'content' | 'blocks'>> = [], maxBytes = 2 ** 30): Promise<Keeper> {
    const dir = await lab.dir()
    const open = () => openRecordArchive({ path: join(dir, 'records.sqlite'), maxBytes })
    const before = open()
    for (const { cid, content, blocks } of records) {
      before.put({
        cycle: content.cycle,
        digest: cid.multihash.digest,
        previous: content.previous?.multihash.digest ?? null,
        blocks: blocks.map((block) => ({ digest: block.cid.multihash.digest, bytes: block.bytes }))
      })
    }
    // as after a restart
    before.close()
    const archive = open()
    lab.onEnd(async () => archive.close())
    return { ...(await lab.node({ archive })), archive }
  }

  /** What it does to the chain; `told` are its warnings. */
  function historyOf({ archive, proofs }: Keeper, from: TestNode[], more: Partial<HistoryInit> = {}) {
    const told: string[] = []
    const rests: number[] = []
    const log = { debug() {}, info: () => {}, warn: (fields: object, text: string) => told.push(`${JSON.stringify(fields)} ${text}`) }
    const history: History = createHistory({
      archive,
      proofs,
      network: GENESIS,
      task: TASK,
      keepRecords: 'all',
      providers: () => from.map(({ hint }) => hint),
      log: log as unknown as Logger,
      rest: async (ms) => {
        rests.push(ms)
        await new Promise((resolve) => setImmediate(resolve))
      },
      ...more
    })
    lab.onEnd(() => history.stop())
    return { history, told, rests }
  }
  const follow = async (history: History, { content, cid }: { content: { cycle: number }; cid: CID }) => {
    history.follow(content.cycle, cid)
    await history.idle()
  }
  const cyclesIn = (archive: RecordArchive) =>
    chain.filter(({ cid }) => archive.hasRecord(cid.multihash.digest)).map(({ content }) => content.cycle)

  it('records that were kept are served to strangers after a restart, ledgers and all, and no block of them is among the proofs', async () => {
    const [old, stranger] = [await keeper(chain), await lab.node()]
    await old.proofs.collect({ task: TASK, finalizedCycle: 9 })
    expect((await readdir(join(old.dir, 'blocks'))).length).to.equal(0)
    const path = join(await lab.dir(), 'first')
    const first = await fetchRecordTo(stranger.proofs, chain[0]!.cid.toString(), path, { from: [old.hint], timeoutMs: HANGS_MS })
    expect(first).to.deep.include({ cycle: 1, blocks: chain[0]!.blocks.length, previous: null })
    const reach = async (hints: readonly object[]) => hints as never
    const all = await fetchHistoryTo({ proofs: stranger.proofs, reach }, last.cid.toString(), `${path}.all`, {
      hints: [old.hint],
      timeoutMs: HANGS_MS
    })
    expect(all).to.include({ records: CYCLES.length, cycle: 9, fromCycle: 1, stopped: null, previous: null })
  })

  it('a stranger asks for what a record links to before it wants it, and for a few blocks at a time', async () => {
    const [old, stranger] = [await keeper(chain), await lab.node()]
    let underWay = 0
    let most = 0
    const counted = new Proxy(stranger.proofs, {
      get: (proofs, name) =>
        name === 'fetch'
          ? async (cid: CID, options: object) => {
              most = Math.max(most, ++underWay)
              return proofs.fetch(cid, options).finally(() => underWay--)
            }
          : Reflect.get(proofs, name)
    })
    const options = { hints: [old.hint], timeoutMs: HANGS_MS, fromCycle: 3 }
    const reach = async (hints: readonly object[]) => hints as never
    const path = join(await lab.dir(), 'some')
    const some = await fetchHistoryTo({ proofs: counted, reach }, last.cid.toString(), path, options)
    expect(most).to.be.within(3, 9)
    // what was asked for ahead and not wanted is not counted; the record of cycle 2 is, as it shows where to end
    const wanted = new Set(chain.slice(1).flatMap(({ blocks }) => blocks.map(({ cid }) => cid.toString())))
    expect(some).to.include({ records: 6, fromCycle: 3, stopped: null })
    expect(some!.blocks - some!.localBlocks).to.be.at.most(wanted.size)
  })

  it('one that joins late fetches the chain back, one record at a time with rests, and leaves no blocks among its proofs', async () => {
    const [old, late] = [await keeper(chain), await keeper()]
    const { history, told, rests } = historyOf(late, [old])
    await follow(history, last)
    expect(cyclesIn(late.archive)).to.deep.equal(CYCLES)
    expect(late.archive.status()).to.deep.include({ from: 1, to: 9, gaps: [] })
    expect(told).to.deep.equal([])
    expect(rests).to.have.length(CYCLES.length)
    expect(Math.min(...rests)).to.be.at.least(100)
    // nothing waits for a pin
    expect((await late.proofs.collect({ task: TASK, finalizedCycle: 9 })).blocks).to.be.at.least(CYCLES.length)
    expect(await late.proofs.helia.blockstore.has(chain[0]!.blocks[0]!.cid)).to.equal(true)
    // and it has it to give
    const third = await keeper()
    const { history: next } = historyOf(third, [late])
    await follow(next, last)
    expect(cyclesIn(third.archive)).to.deep.equal(CYCLES)
  })

  it('takes up what it missed while it was away', async () => {
    const [old, back] = [await keeper(chain), await keeper(chain.slice(0, 3))]
    const { history } = historyOf(back, [old])
    await follow(history, last)
    expect(back.archive.status()).to.deep.include({ from: 1, to: 9, gaps: [] })
  })

  it('keeps as many cycles as it is told to, and fetches no others', async () => {
    const [old, late] = [await keeper(chain), await keeper()]
    const { history } = historyOf(late, [old], { keepRecords: 3 })
    await follow(history, last)
    expect(cyclesIn(late.archive)).to.deep.equal([7, 8, 9])
    // cycle 4 was skipped: the record before cycle 5 is one too old
    const other = await keeper()
    const { history: longer, rests } = historyOf(other, [old], { keepRecords: 6 })
    await follow(longer, last)
    await follow(longer, last)
    expect(cyclesIn(other.archive)).to.deep.equal([5, 6, 7, 8, 9])
    expect(rests).to.have.length(5)
    const { history: shorter } = historyOf(old, [], { keepRecords: 4 })
    await follow(shorter, last)
    expect(cyclesIn(old.archive)).to.deep.equal([6, 7, 8, 9])
  })

  it('fetches nothing old where that would push something out', async () => {
    const [old, late] = [await keeper(chain), await keeper([], 1)]
    const { history } = historyOf(late, [old])
    await follow(history, last)
    expect(cyclesIn(late.archive)).to.deep.equal([9])
  })

  it('asks again with the next cycle when nobody had a record', async () => {
    const [old, late] = [await keeper(chain.slice(0, 5)), await keeper(chain.slice(-1))]
    const from: TestNode[] = []
    const end = new AbortController()
    const quick = new Proxy(late.proofs, {
      get: (proofs, name) =>
        name === 'fetch'
          ? (cid: CID, options: object) => proofs.fetch(cid, { ...options, timeoutMs: from.length === 0 ? 1 : HANGS_MS, until: end.signal })
          : Reflect.get(proofs, name)
    })
    const { history, told } = historyOf({ ...late, proofs: quick }, from)
    await follow(history, last)
    expect(cyclesIn(late.archive)).to.deep.equal([9])
    from.push(old, await keeper(chain.slice(5)))
    await follow(history, last)
    expect(cyclesIn(late.archive)).to.deep.equal(CYCLES)
    expect(told).to.deep.equal([])
  })

  for (const [what, of, word] of [
    ['another task', { taskId: person('another').address }, /is of the task/],
    ['another network', { genesisHash: person('another').address }, /is of the network/],
    ['a later cycle', {}, /a chain only goes back/]
  ] as const) {
    it(`a chain that leads to a record of ${what} ends there with a word, which is said once`, async () => {
      const before = chainOf(what === 'a later cycle' ? [50] : [4], of)[0]!
      const top = changed(last, { previous: before.cid })
      const content = { ...last.content, previous: before.cid }
      const [old, late] = [await keeper([before, { ...top, content }]), await keeper()]
      const { history, told } = historyOf(late, [old])
      await follow(history, { content, cid: top.cid })
      await follow(history, { content, cid: top.cid })
      expect(told).to.have.length(1)
      expect(told[0])
        .to.match(word)
        .and.to.match(/the chain of records ends here/)
      expect(late.archive.status()).to.deep.include({ from: 9, to: 9, gaps: [9] })
    })
  }

  it('three stakers tell the DHT of a record, by turns', () => {
    const stakers = Array.from({ length: 7 }, (_, at) => person(`staker ${at}`).address)
    const weights = new Map(stakers.map((staker) => [staker, 1n]))
    const turns = new Map(stakers.map((staker) => [staker, 0]))
    for (let cycle = 0; cycle < 14; cycle++) {
      const telling = stakers.filter((staker) => providesRecord(weights, staker, cycle))
      expect(telling).to.have.length(3)
      for (const staker of telling) {
        turns.set(staker, turns.get(staker)! + 1)
      }
    }
    expect([...new Set(turns.values())]).to.deep.equal([6])
    expect(providesRecord(weights, person('nobody').address, 0)).to.equal(false)
    expect([0, 1, 2].every((cycle) => providesRecord(new Map([[stakers[0]!, 1n]]), stakers[0]!, cycle))).to.equal(true)
  })
})
