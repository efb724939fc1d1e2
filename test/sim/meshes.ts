/** Meshes by the seed: how many, with which stakes, which of them faulty, on which windows and what network. */

import { scheduleFor, type Timing } from '../../src/clock/index.ts'
import { arbitraryAdversary, type Plan, planFrom } from './arbitrary.ts'
import { cunningAdversary } from './cunning.ts'
import type { NetworkModel } from './network.ts'
import { type Dice, diceFrom } from './random.ts'
import { timingOf, type WorldInit } from './world.ts'

export const SIZES = [4, 7, 10, 19] as const

export interface MeshChoice {
  seed: number
  size?: number
  auditWindow?: number
  plan?: Plan
}

export const CYCLES = 2

/** A mesh with less than a third of the stake faulty, under an arbitrary adversary. */
export function meshFrom({ seed, size, auditWindow, plan }: MeshChoice): WorldInit {
  const dice = diceFrom(seed ^ 0x5eed)
  const n = size ?? dice.pick(SIZES)
  const stakes = stakesFrom(dice, n)
  const faulty = faultyFrom(dice, stakes)
  const nodes = stakes.map((stake, i) => ({ stake: BigInt(stake), faulty: faulty.has(i) }))
  const calm = dice.chance(0.75)
  // short windows are the hard ones, and the quick ones
  const window = auditWindow ?? (dice.chance(0.7) ? 8 + dice.int(17) : 8 + dice.int(93))
  const timing = timingOf(window, 4 + dice.int(4))
  return {
    seed,
    nodes,
    timing,
    network: calm ? calmNetwork(dice, timing) : roughNetwork(dice, n),
    adversary: plan == null && dice.chance(0.3) ? cunningAdversary(seed, CYCLES) : arbitraryAdversary(plan ?? planFrom(seed, CYCLES))
  }
}

/** All equal, two sizes, or all different. */
function stakesFrom(dice: Dice, n: number): number[] {
  switch (dice.int(4)) {
    case 0:
      return Array.from({ length: n }, () => 10)
    case 1:
      return Array.from({ length: n }, () => (dice.chance(0.3) ? 100 : 1 + dice.int(9)))
    case 2: {
      // a few who hold nearly all, and many small ones
      const large = 1 + dice.int(3)
      return Array.from({ length: n }, (_, i) => (i < large ? 100 : 1 + dice.int(3)))
    }
    default:
      return Array.from({ length: n }, () => 1 + Math.floor(100 ** dice.next()))
  }
}

/** As many as fit under a third, in a random order. */
function faultyFrom(dice: Dice, stakes: number[]): Set<number> {
  const total = stakes.reduce((sum, stake) => sum + stake, 0)
  const faulty = new Set<number>()
  let sum = 0
  for (const i of stakes
    .map((_, i) => ({ i, at: dice.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ i }) => i)) {
    if ((sum + stakes[i]!) * 3 < total && faulty.size < 7) {
      sum += stakes[i]!
      faulty.add(i)
    }
  }
  return faulty
}

/** As slow as the protocol allows, and clocks apart. */
function calmNetwork(dice: Dice, timing: Timing): Partial<NetworkModel> {
  const { deliverySlots, marginSlots } = scheduleFor(timing, 0)
  const slack = Math.min(deliverySlots, marginSlots) - 0.6
  return { hopSlots: 0.2, skewSlots: dice.pick([0, 0.3]), jitterSlots: dice.pick([0, 0.3, 0.3, slack]) }
}

function roughNetwork(dice: Dice, n: number): Partial<NetworkModel> {
  const from = 10 + dice.int(80)
  const to = from + dice.int(30)
  const half = 1 + dice.int(n - 1)
  const cut = dice.int(3)
  return {
    loss: dice.pick([0, 0.1, 0.3]),
    jitterSlots: dice.pick([0.2, 1, 3]),
    duplicates: dice.pick([0, 0.2]),
    connected: cut === 0 ? null : (a, b, at) => at < from || at > to || a < half === b < half || (cut === 2 && a < half) // the last: one way only
  }
}
