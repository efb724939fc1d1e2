import { expect } from 'chai'
import { createK2Client, type K2Client } from '../../src/k2/index.ts'
import type { KeyValue } from '../../src/store/index.ts'
import { randomFrom } from '../sim/random.ts'
import { type Chain, startChain } from './chain.ts'
import { createFork, type FaultProxy, type Faults, startFaultProxy } from './fault-proxy.ts'
import { type Parts, type RunResult, runCycle, type Step } from './faults.ts'

/** KOII_MESH_E1_SEEDS=first-last runs others, for looking further or for a seed that failed. */
const [FIRST = 1, LAST = FIRST + 9] = (process.env.KOII_MESH_E1_SEEDS ?? '').split('-').filter(Boolean).map(Number)

/** Row E1 of the targets: each decided vote counts exactly once, whatever the endpoints do. */
describe('k2: votes under faults (E1)', () => {
  let chain: Chain
  let proxies: FaultProxy[]
  const results: RunResult[] = []
  before(async () => {
    chain = await startChain({ stakers: 4, roundSlots: 300 })
    chain.k2.hold()
    proxies = await Promise.all([1, 2, 3].map((seed) => startFaultProxy({ target: chain.k2.url, random: randomFrom(1000 + seed) })))
  })
  after(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await chain.close()
    const sum = (of: (result: RunResult) => number) => results.reduce((all, result) => all + of(result), 0)
    const faults: Record<string, number> = {}
    for (const [name, count] of results.flatMap((result) => Object.entries(result.faults))) {
      faults[name] = (faults[name] ?? 0) + count
    }
    console.log(
      `      E1: ${results.length} seeds, ${sum(({ figures }) => figures.decided)} votes decided, ` +
        `${sum(({ figures }) => figures.votes)} effective on K2, ${sum(({ figures }) => figures.lost)} lost, ` +
        `${sum(({ figures }) => figures.refused)} duplicates refused by K2; ${sum(({ counters }) => counters.sent)} sends of ` +
        `${sum(({ counters }) => counters.signed)} transactions, ${sum(({ counters }) => counters.rolledBack)} rolled back and sent again, ` +
        `${sum(({ restarts }) => restarts)} restarts, ${sum(({ contradictions }) => contradictions)} contradictions noticed; faults that struck: ${JSON.stringify(faults)}`
    )
  })

  for (let seed = FIRST; seed <= LAST; seed++) {
    it(`seed ${seed}: exactly one effective vote for each that was decided`, async () => {
      const result = await runCycle({ seed, cycle: seed - FIRST, chain, proxies, voters: chain.stakers })
      results.push(result)
      expect(result.violations, JSON.stringify(result)).to.deep.equal([])
      expect(result.figures).to.include({ decided: 4, votes: 4, lost: 0 })
    })
  }
})

/** The same runs with a client that is broken in a known way: whoever breaks it like that again will see red. */
describe('k2: votes under faults, of broken clients', () => {
  let chain: Chain
  let proxies: FaultProxy[]
  let cycle = 0
  before(async () => {
    chain = await startChain({ stakers: 2, roundSlots: 300 })
    chain.k2.hold()
    proxies = await Promise.all([1, 2, 3].map((seed) => startFaultProxy({ target: chain.k2.url, random: randomFrom(seed) })))
  })
  after(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await chain.close()
  })

  const always =
    (faults: Faults) =>
    (_random: () => number, { from }: { from: number }) =>
      proxies.map((_, proxy): Step => ({ slot: from, proxy, faults }))
  const kinds = async (parts: Parts, schedule: Parameters<typeof runCycle>[0]['schedule'], seed = 1) => {
    const { violations } = await runCycle({
      seed,
      cycle: cycle++,
      chain,
      proxies,
      voters: chain.stakers,
      parts,
      patienceMs: 1500,
      ...(schedule == null ? {} : { schedule })
    })
    return violations.map(({ kind }) => kind)
  }

  it('believes one endpoint: false landing', async () => {
    let lone: K2Client | undefined
    const k2 = () => {
      lone ??= createK2Client({ url: proxies[0]!.url })
      return lone
    }
    expect(await kinds({ k2 }, (_random, { from }) => [{ slot: from, proxy: 0, faults: { lies: ['landed'] } }])).to.include('false landing')
  })

  it('believes "confirmed": false landing', async () => {
    const fork = createFork()
    const k2 = (honest: K2Client): K2Client => ({
      ...honest,
      lastVote: (wanted) => honest.lastVote({ ...wanted, commitment: 'confirmed' })
    })
    const schedule = (_random: () => number, { from }: { from: number; to: number }) => always({ fork })(_random, { from })
    expect(await kinds({ k2 }, schedule)).to.include('false landing')
  })

  it('sends once: lost', async () => {
    const k2 = (honest: K2Client): K2Client => {
      let sent = 0
      return { ...honest, broadcast: (wire) => (sent++ === 0 ? honest.broadcast(wire) : Promise.reject(new Error('sent already'))) }
    }
    const schedule = (random: () => number, { from, to }: { from: number; to: number }) => [
      ...always({ fork: createFork() })(random, { from }),
      ...always({})(random, { from: to })
    ]
    expect(await kinds({ k2 }, schedule)).to.include('lost')
  })

  it('keeps votes in memory: lost', async () => {
    const store = (): KeyValue => {
      const memory = new Map<string, Uint8Array>()
      return {
        get: async (key) => memory.get(key),
        put: async (key, value) => void memory.set(key, value),
        delete: async (key) => void memory.delete(key),
        list: async () => [...memory.keys()]
      }
    }
    // nothing gets through until everyone was restarted
    const schedule = (random: () => number, { from, to }: { from: number; to: number }) => [
      ...always({ httpStatus: 503 })(random, { from }),
      ...always({})(random, { from: to })
    ]
    // seeds in which somebody is restarted before that
    const found: string[] = []
    for (let seed = 1; seed <= 3 && !found.includes('lost'); seed++) {
      found.push(...(await kinds({ store }, schedule, seed)))
    }
    expect(found).to.include('lost')
  })
})
