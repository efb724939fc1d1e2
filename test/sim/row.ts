/** What a row is, and what rows are made of: meshes by the seed, and windows. */
import type { BreachName } from './breaches.ts'
import { type Dice, diceFrom } from './random.ts'
import { timingOf, type World, type WorldInit } from './world.ts'

export interface Row {
  name: string
  /** What must hold, in a line. */
  promise: string
  cycles: number
  /** So many in each run of the tests, where that is not what the others have. */
  seeds?: number
  world: (seed: number, nodes: number | undefined) => WorldInit
  /** Promises that are no part of this row, as who was disturbed may lose its own part. */
  without?: readonly BreachName[]
  /** What else must hold. */
  also?: (world: World) => string[]
}

export const SIZES = [4, 7, 10, 19] as const
const NODES = (dice: Dice, n: number) => {
  const isSkewed = dice.chance(0.5)
  return Array.from({ length: n }, () => ({ stake: BigInt(isSkewed ? 1 + dice.int(10) : 10) }))
}

/** As many as stay under a third of the stake, or so many more that they do not. */
export function withFaulty(dice: Dice, nodes: WorldInit['nodes'], beyond = 0): WorldInit['nodes'] {
  const total = nodes.reduce((sum, { stake }) => sum + stake, 0n)
  const order = nodes.map((_, i) => ({ i, at: dice.next() })).sort((a, b) => a.at - b.at)
  let stake = 0n
  let more = beyond
  const faulty = new Set<number>()
  for (const { i } of order) {
    const next = stake + nodes[i]!.stake
    if (next * 3n < total || more-- > 0) {
      stake = next
      faulty.add(i)
    }
  }
  return nodes.map((node, i) => ({ ...node, faulty: faulty.has(i) }))
}

export const start = (seed: number, nodes: number | undefined) => {
  const dice = diceFrom(seed ^ 0x0a0a)
  const n = nodes ?? dice.pick(SIZES)
  return { dice, n, nodes: NODES(dice, n) }
}

/** Three in a row, and what is needed of the third is that it is over: what disturbs is over with the first. */
export const TIMING = timingOf(16, 8)
export const ROUND = TIMING.roundSlots
/** The slot in which cycle `c` begins. */
export const begins = (cycle: number) => TIMING.startingSlot + cycle * ROUND

/** Of the cycles from `first` on, those that nobody finalized. */
export const lostFrom = (world: World, first: number, cycles: number) =>
  Array.from({ length: cycles - first }, (_, i) => first + i)
    .filter((cycle) => world.chain.finalized(cycle) == null)
    .map((cycle) => `cycle ${cycle} is not finalized`)
