import { expect } from 'chai'
import { ATTACKS } from './attacks.ts'
import { realKeys } from './keys.ts'
import { CYCLES, meshFrom } from './meshes.ts'
import { report, runWorld } from './run.ts'

const SEED = 1

describe('sim: attacks by less than a third of the stake', () => {
  for (const { name, what, cycles, world, seeds = 1 } of ATTACKS) {
    it(`${name}: ${what}`, async () => {
      for (let seed = SEED; seed < SEED + seeds; seed++) {
        const outcome = await runWorld(world(seed), cycles)
        expect(
          outcome.breaches.map((breach) => breach.name),
          report(outcome, `npm run test:only -- test/sim/attacks.spec.ts -f '${name}'`)
        ).to.deep.equal([])
      }
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
})
