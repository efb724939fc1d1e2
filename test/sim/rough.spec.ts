import { expect } from 'chai'
import { arbitraryAdversary, planFrom } from './arbitrary.ts'
import { isCalm } from './checker.ts'
import { cunningAdversary } from './cunning.ts'
import type { NetworkModel } from './network.ts'
import { type Dice, diceFrom } from './random.ts'
import { report, runWorld } from './run.ts'
import { timingOf, type WorldInit } from './world.ts'

const SHIFT = Number(process.env.KOII_MESH_SIM_SHIFT ?? 0)
const CYCLES = 4
/** The first cycle that nothing disturbs. */
const HEALED = 2

type Cut = NonNullable<NetworkModel['connected']>

/** Who reaches whom while it lasts. */
const CUTS: Record<string, (dice: Dice, n: number) => Cut | null> = {
  'losses and delays': () => null,
  'a partition': (dice, n) => {
    const half = 1 + dice.int(n - 1)
    return (a, b) => a < half === b < half
  },
  'a cut that is open one way': (dice, n) => {
    const half = 1 + dice.int(n - 1)
    return (a, b) => a < half === b < half || a < half
  },
  'one node cut off': (dice, n) => {
    const alone = dice.int(n)
    return (a, b) => a !== alone && b !== alone
  },
  'links that come and go': (dice) => {
    const salt = dice.int(1_000)
    return (a, b, at) => ((Math.min(a, b) * 31 + Math.max(a, b) * 17 + Math.floor(at / 7) * 13 + salt) % 10) / 10 > 0.4
  },
  'nodes that go away and come back': () => null
}

function worldOf(seed: number, what: string): WorldInit {
  const dice = diceFrom(seed)
  const n = dice.pick([4, 4, 7, 7, 10])
  const timing = timingOf(8 + dice.int(25), 4 + dice.int(4))
  const calmFrom = timing.startingSlot + (HEALED + 1) * timing.roundSlots - 1
  const faulty = Math.ceil(n / 3) - 1
  const leaving = what === 'nodes that go away and come back'
  return {
    seed,
    timing,
    nodes: Array.from({ length: n }, (_, i) => {
      const from = dice.int(calmFrom)
      const to = from + dice.int(40)
      const away = leaving && i >= faulty && dice.chance(0.5)
      return { stake: 10n, faulty: i < faulty, ...(away ? { down: (slot: number) => slot >= from && slot < to && slot < calmFrom } : {}) }
    }),
    network: {
      hopSlots: 0.2,
      jitterSlots: leaving ? 0.3 : dice.pick([0.3, 1, 3]),
      loss: leaving ? 0 : dice.pick([0, 0.1, 0.4]),
      duplicates: dice.pick([0, 0.2]),
      connected: CUTS[what]!(dice, n),
      calmFrom
    },
    adversary: dice.chance(0.5) ? cunningAdversary(seed, CYCLES) : arbitraryAdversary(planFrom(seed, CYCLES))
  }
}

describe('sim: rough networks', () => {
  for (const what of Object.keys(CUTS)) {
    it(`${what}: no promise is broken, and once it has healed every cycle is finalized`, async () => {
      let healed = 0
      for (let seed = 1 + SHIFT; seed <= 60 + SHIFT; seed++) {
        const outcome = await runWorld(worldOf(seed, what), CYCLES)
        expect(outcome.breaches, report(outcome, `this test: ${what}`)).to.deep.equal([])
        healed += [HEALED, HEALED + 1].filter(
          (cycle) => isCalm(outcome.world, cycle) && outcome.world.chain.finalized(cycle) != null
        ).length
      }
      // a cycle is lost only when all of its proposers are faulty
      expect(healed).to.be.at.least(118)
    }).timeout(5 * 60_000)
  }
})
