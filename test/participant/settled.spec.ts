/** What K2 finalized is told once and in order, whenever it is heard of and whatever of it cannot be had. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { CID } from 'multiformats/cid'
import { createSettled, type SettledCycle } from '../../src/participant/settled.ts'
import { recordCid } from '../../src/record/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { silent } from '../k2/chain.ts'

const cidOf = (cycle: number) => recordCid(new Uint8Array(32).fill(cycle + 1))

describe('participant: what was settled', () => {
  const open: Array<{ store: Store; dir: string }> = []
  afterEach(() => {
    for (const { store, dir } of open.splice(0)) {
      store.close()
      rmSync(dir, { recursive: true })
    }
  })
  const newCycles = () => {
    const dir = mkdtempSync(join(tmpdir(), 'koii-mesh-settled-'))
    const store = openStore({ dir })
    open.push({ store, dir })
    return store.cycles
  }

  /** A chain of records, of which those in `held` come when they are let go, and those in `absent` never; the cycles in `none` have none. */
  function chain({
    stakes = new Map([['us', 10n]]),
    isAway = (): boolean => false,
    pays = true,
    first = 0,
    worked = [] as number[],
    held = new Map<number, Promise<void>>(),
    absent = new Set<number>(),
    none = new Set<number>()
  } = {}) {
    const told: SettledCycle[] = []
    /** Cycles whose records were asked for. */
    const reads: number[] = []
    const slashed: number[] = []
    const skipped: Array<{ cycle: number; reason: string; after: number[] }> = []
    const lastBelow = (cycle: number): number => (none.has(cycle - 1) ? lastBelow(cycle - 1) : cycle - 1)
    const cycles = newCycles()
    for (const cycle of worked) {
      cycles.merge('TASK', cycle, { proofs: [] })
    }
    const stopping = new AbortController()
    const read = async (cid: CID) => {
      const cycle = cid.multihash.digest[0]! - 1
      reads.push(cycle)
      await held.get(cycle)
      if (absent.has(cycle)) {
        throw new Error('nobody has it')
      }
      const content = {
        cycle,
        previous: lastBelow(cycle) < first ? null : cidOf(lastBelow(cycle)),
        distribution: pays ? [{ staker: 'us', amount: BigInt(cycle) }] : []
      }
      // without stakes nobody has a submission that counts
      const accepted = stakes.size === 0 ? [] : [{ signer: 'us' }]
      return { content, ledger: new Map([['us', { reward: 100n }]]), tally: { accepted, rejected: [] } }
    }
    const settled = createSettled({
      task: 'TASK',
      self: 'us',
      staker: () => 'us',
      records: { ensure: read, outcome: read } as never,
      stakesAt: async () => {
        if (isAway()) {
          throw new Error('K2 is away')
        }
        return { weights: stakes, total: 10n }
      },
      blocks: { pin: async () => undefined },
      cycles,
      onLedger: (cycle) => void slashed.push(cycle),
      most: 10,
      signal: stopping.signal,
      log: silent,
      onSettled: (one) => told.push(one),
      onSkipped: (cycle, reason) => {
        skipped.push({ cycle, reason, after: told.map((one) => one.cycle) })
        cycles.merge('TASK', cycle, { skipped: reason })
      }
    })
    return { settled, told: () => told.map(({ cycle }) => cycle), all: told, skipped, reads, slashed, stopping, cycles }
  }

  it('is told in the order of the cycles, where the older one takes longer to come', async () => {
    const gate = Promise.withResolvers<void>()
    const { settled, told, all, slashed } = chain({ worked: [3], held: new Map([[3, gate.promise]]) })
    const all3 = [settled.follow(3, cidOf(3)), settled.follow(4, cidOf(4)), settled.follow(5, cidOf(5))]
    gate.resolve()
    await Promise.all(all3)
    expect(told()).to.deep.equal([3, 4, 5])
    expect(all[1]).to.deep.equal({ cycle: 4, record: cidOf(4).toString(), outcome: 'accepted', paid: '4', total: '100' })
    expect(slashed, 'a newer ledger says what an older one does').to.deep.equal([5])
  })
  it('of an absence comes before the news, whichever is heard of first', async () => {
    for (const newsFirst of [true, false]) {
      const { settled, told } = chain({ worked: [2, 3] })
      const news = () => settled.follow(5, cidOf(5))
      const missed = () => settled.catchUp(4, cidOf(4))
      await Promise.all(newsFirst ? [news(), missed()] : [missed(), news()])
      expect(told()).to.deep.equal([2, 3, 4, 5])
    }
  })
  it('before this node first ran is not told, nor what was told already, nor more than fits a status', async () => {
    const fresh = chain()
    await fresh.settled.catchUp(6, cidOf(6))
    await fresh.settled.follow(7, cidOf(7))
    expect(fresh.told()).to.deep.equal([7])
    await fresh.settled.follow(9, cidOf(9))
    expect(fresh.told(), 'one that K2 never told of is not lost').to.deep.equal([7, 8, 9])
    const away = chain({ worked: [0] })
    await away.settled.catchUp(30, cidOf(30))
    expect(away.told()).to.deep.equal([21, 22, 23, 24, 25, 26, 27, 28, 29, 30])
  })
  it('and cannot be had costs only itself, and is told with the next one that is', async () => {
    const absent = new Set([4])
    const { settled, told } = chain({ worked: [3], absent })
    await settled.follow(3, cidOf(3))
    await settled.follow(4, cidOf(4))
    expect(told()).to.deep.equal([3])
    absent.clear()
    await settled.follow(5, cidOf(5))
    expect(told()).to.deep.equal([3, 4, 5])
  })
  it('and comes only when newer ones are told is told then', async () => {
    const absent = new Set([4])
    const { settled, told } = chain({ worked: [3], absent })
    await settled.follow(3, cidOf(3))
    await settled.follow(4, cidOf(4))
    await settled.follow(5, cidOf(5))
    expect(told()).to.deep.equal([3, 5])
    absent.clear()
    await settled.follow(6, cidOf(6))
    expect(told()).to.deep.equal([3, 5, 4, 6])
  })
  it('and cannot be read for once, as K2 does not tell the stakes, is told with the next one', async () => {
    let away = true
    const { settled, told } = chain({ worked: [3], isAway: () => away })
    await settled.catchUp(4, cidOf(4))
    expect(told()).to.deep.equal([])
    away = false
    await settled.follow(5, cidOf(5))
    expect(told()).to.deep.equal([3, 4, 5])
  })
  it('where an older one is nowhere any more, the news is told all the same', async () => {
    const { settled, told } = chain({ worked: [3], absent: new Set([3, 4]) })
    await settled.catchUp(4, cidOf(4))
    await settled.follow(5, cidOf(5))
    expect(told()).to.deep.equal([5])
  })
  it('is no missing submission where K2 no longer tells the stakes of its cycle', async () => {
    const paid = chain({ worked: [3], stakes: new Map() })
    await paid.settled.catchUp(3, cidOf(3))
    expect(paid.all[0]).to.deep.include({ cycle: 3, outcome: 'accepted', paid: '3' })
    const unpaid = chain({ worked: [3], stakes: new Map(), pays: false })
    await unpaid.settled.catchUp(3, cidOf(3))
    expect(unpaid.all[0]).to.include({ cycle: 3, outcome: 'not known', paid: '0' })
    expect(unpaid.all[0]!.reason).to.match(/no longer tells the stakes/)
  })
  it('is tried once with each news, however many could not be told before', async () => {
    let away = true
    const { settled, told, reads } = chain({ worked: [1], isAway: () => away })
    for (let cycle = 1; cycle <= 24; cycle++) {
      reads.length = 0
      await settled.follow(cycle, cidOf(cycle))
      expect(reads.length, `cycle ${cycle}`).to.be.at.most(Math.min(cycle, 13) + 1)
      expect(new Set(reads).size).to.equal(reads.length)
    }
    away = false
    await settled.follow(25, cidOf(25))
    expect(told().at(-1)).to.equal(25)
    expect(told()).to.deep.equal([...told()].sort((a, b) => a - b))
    expect(told().length).to.be.at.least(10)
  })
  it('has no record between two that follow on each other, and that is told once, before the later one', async () => {
    const none = new Set([4, 5, 8])
    const { settled, told, skipped, cycles } = chain({ worked: [3, 4, 5, 6], none })
    await settled.catchUp(6, cidOf(6))
    expect(told()).to.deep.equal([3, 6])
    const follows = 'the record of cycle 6 follows on that of cycle 3'
    expect(skipped).to.deep.equal([
      { cycle: 4, reason: follows, after: [3] },
      { cycle: 5, reason: follows, after: [3] }
    ])
    // those who were there have said why already
    cycles.merge('TASK', 8, { skipped: 'nobody approved a record' })
    await settled.follow(7, cidOf(7))
    await settled.follow(9, cidOf(9))
    expect(told()).to.deep.equal([3, 6, 7, 9])
    expect(skipped).to.have.length(2)
    // the first of a task, and nothing of before this node ran
    const young = chain({ worked: [1], first: 3, none: new Set([0, 1, 2]) })
    await young.settled.follow(3, cidOf(3))
    expect(young.skipped.map(({ cycle, reason }) => [cycle, reason])).to.deep.equal([
      [1, 'the record of cycle 3 is the first of the task'],
      [2, 'the record of cycle 3 is the first of the task']
    ])
    const fresh = chain({ none })
    await fresh.settled.follow(6, cidOf(6))
    expect(fresh.skipped).to.deep.equal([])
  })
  it('is told as skipped, too, when the record before the gap comes late', async () => {
    const absent = new Set([3])
    const { settled, told, skipped } = chain({ worked: [2, 3, 4], none: new Set([4]), absent })
    await settled.follow(5, cidOf(5))
    expect([told(), skipped]).to.deep.equal([[5], []])
    absent.clear()
    await settled.follow(6, cidOf(6))
    expect(skipped.map(({ cycle }) => cycle)).to.deep.equal([4])
    expect(told()).to.deep.equal([5, 2, 3, 6])
  })
  it('of a later cycle that was told before was a lie: the ledger of the true one is the newest', async () => {
    const { settled, slashed } = chain({ worked: [3], absent: new Set([90]) })
    await settled.follow(90, cidOf(90))
    await settled.follow(4, cidOf(4))
    expect(slashed).to.deep.equal([4])
  })

  it('ends with the node', async () => {
    const gate = Promise.withResolvers<void>()
    const { settled, told, stopping } = chain({ worked: [3], held: new Map([[3, gate.promise]]) })
    const following = settled.follow(3, cidOf(3))
    stopping.abort()
    gate.resolve()
    await following
    expect(told()).to.deep.equal([])
  })
})
