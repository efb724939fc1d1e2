import { expect } from 'chai'
import fc from 'fast-check'
import { planArbitrary } from './arbitrary.ts'
import { ATTACKS } from './attacks.ts'
import { fuzz, replayOf } from './fuzz.ts'
import { realKeys } from './keys.ts'
import { CYCLES, meshFrom } from './meshes.ts'
import { report, runWorld } from './run.ts'

/** What the arbitrary adversary may still break. The rules keep every other promise. */
const KNOWN = new Set(['honest-rejected', 'took-more', 'bad-escaped', 'bad-accepted', 'not-finalized'])

const SEED = 1

describe('sim: attacks by less than a third of the stake', () => {
  for (const { name, what, cycles, world, breaks } of ATTACKS) {
    it(`${name}: ${what}${breaks.length > 0 ? `; it breaks ${breaks.join(' and ')}` : ''}`, async () => {
      const outcome = await runWorld(world(SEED), cycles)
      const broken = [...new Set(outcome.breaches.map((breach) => breach.name))].sort()
      expect(broken, report(outcome, `npm run test:only -- test/sim/attacks.spec.ts -g '${name}'`)).to.deep.equal([...breaks].sort())
    }).timeout(60_000)
  }

  it('gives the same run for the same seed, and another for another', async () => {
    const runs = await Promise.all([17, 17, 18].map((seed) => runWorld(meshFrom({ seed, size: 4 }), CYCLES)))
    const [a, b, c] = runs.map(({ world }) => world.digest())
    expect(a).to.equal(b)
    expect(a).to.not.equal(c)
  }).timeout(60_000)

  it('keeps every promise with real signatures, and every node decoding for itself, when nobody is faulty', async () => {
    const nodes = Array.from({ length: 5 }, () => ({ stake: 10n }))
    const outcome = await runWorld({ seed: 1, nodes, keys: realKeys, thorough: true }, 3)
    expect(outcome.breaches, report(outcome, 'this test')).to.deep.equal([])
    expect(outcome.world.history.cycle(2).record!.tally.accepted).to.have.length(5)
  }).timeout(60_000)

  it('stands an arbitrary adversary but for the known attacks, over many seeds', async () => {
    const { byBreach, firstReport } = await fuzz({ from: 1, count: 60, size: 4 })
    expect(
      [...byBreach.keys()].filter((name) => !KNOWN.has(name)),
      firstReport ?? ''
    ).to.deep.equal([])
  }).timeout(120_000)

  it('shrinks a failure of the arbitrary adversary to few actions', async () => {
    const seen = await fc.check(
      fc.asyncProperty(planArbitrary({ cycles: CYCLES, maxActions: 12 }), async (plan) => {
        const { breaches } = await runWorld(meshFrom({ seed: 4, size: 4, auditWindow: 16, plan }), CYCLES)
        return breaches.every(({ name }) => name !== 'honest-rejected')
      }),
      { numRuns: 60, seed: 1 }
    )
    expect(seen.failed, 'today an arbitrary adversary has honest work rejected').to.equal(true)
    expect(seen.counterexample![0].actions.length).to.be.at.most(2)
  }).timeout(120_000)

  it('says how to run a seed again', () => {
    expect(replayOf(17)).to.equal('node scripts/run.mjs test/sim/fuzz.ts --seed 17')
  })
})
