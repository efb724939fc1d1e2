import { expect } from 'chai'
import { randomFrom } from '../sim/simulation.ts'
import { type Chain, startChain } from './chain.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'
import { type RunResult, runCycle } from './faults.ts'

/** KOII_MESH_E1_SEEDS=first-last runs others, for looking further or for a seed that failed. */
const [FIRST = 1, LAST = FIRST + 11] = (process.env.KOII_MESH_E1_SEEDS ?? '').split('-').filter(Boolean).map(Number)

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
