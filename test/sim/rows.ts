/** What the mesh has to stand, a row for each: how it is disturbed, and what must hold then. Any number of seeds of each. */
import { scheduleFor } from '../../src/clock/index.ts'
import type { Adversary } from './adversary.ts'
import { PLAIN } from './attacks-plain.ts'
import type { Breach } from './breaches.ts'
import { breachesOf } from './checker.ts'
import type { Dice } from './random.ts'
import { begins, lostFrom, ROUND, type Row, start, TIMING, withFaulty } from './row.ts'
import { K2_ROWS } from './rows-k2.ts'
import { STAKES } from './rows-stakes.ts'
import { EARLY, TWO_FACED } from './rows-twofaced.ts'
import { timingOf, World, type WorldInit } from './world.ts'

/** Rounds of a minute, as tasks have them. */
const MINUTE: WorldInit['timing'] = { startingSlot: 10, roundSlots: 150, submissionWindow: 40, auditWindow: 100 }

const CALM: Row = {
  name: 'nothing: rounds of 60 s',
  promise: 'each cycle is finalized with everybody in it',
  cycles: 3,
  world: (seed, count) => ({ seed, nodes: Array.from({ length: count ?? 19 }, () => ({ stake: 10n })), timing: MINUTE! }),
  also: (world) => lostFrom(world, 0, 3)
}

const byName = (name: string): (() => Adversary) => PLAIN.map(({ adversary }) => adversary).find((make) => make().name === name)!
const behaviours = PLAIN.map(({ what, adversary }) => ({ what, name: adversary().name }))

const BYZANTINE: Row[] = behaviours.map(({ name, what }) => ({
  name: `byzantine: ${name}`,
  promise: `less than a third of the stake ${what}: no promise is broken, and each cycle is finalized in the first turn of an honest proposer`,
  cycles: 3,
  world: (seed, count) => {
    const { dice, nodes } = start(seed, count)
    return { seed, nodes: withFaulty(dice, nodes), timing: TIMING, adversary: byName(name)() }
  }
}))

const halted = (world: World) =>
  [0, 1, 2].filter((cycle) => world.chain.finalized(cycle) != null).map((cycle) => `cycle ${cycle} is finalized by less than a quorum`)

const TOO_MANY: Row[] = ['absent', 'deny'].map((name) => ({
  name: `too many: ${name}`,
  promise: `a third of the stake or more ${name === 'absent' ? 'takes no part' : 'approves and votes nothing'}: nothing is finalized, rather than something wrong`,
  cycles: 3,
  without: ['not-finalized', 'turn-lost'],
  world: (seed, count) => {
    const { dice, nodes } = start(seed, count)
    return { seed, nodes: withFaulty(dice, nodes, 1 + dice.int(nodes.length)), timing: TIMING, adversary: byName(name)() }
  },
  also: halted
}))

const LOSSES: Row[] = [1, 5, 10, 20, 50].map((percent) => ({
  name: `loss: ${percent} %`,
  promise: 'each cycle is finalized all the same, in its round',
  cycles: 3,
  world: (seed, count) => {
    const { nodes } = start(seed, count)
    return { seed, nodes, timing: timingOf(48, 12), network: { loss: percent / 100, jitterSlots: 0.3 } }
  },
  also: (world) => lostFrom(world, 0, 3)
}))

const HEAVY_LOSSES: Row[] = [80, 100].map((percent) => ({
  name: `loss: ${percent} % for a round`,
  promise: 'nothing wrong is finalized, and whatever begins when it is over is finalized',
  cycles: 5,
  without: ['honest-left-out'],
  world: (seed, count) => {
    const { nodes } = start(seed, count)
    const network = { loss: percent / 100, calmFrom: begins(2), jitterSlots: 0.3, ...(percent === 100 ? { connected: () => false } : {}) }
    return { seed, nodes, timing: TIMING, network }
  },
  also: (world) => lostFrom(world, 2, 5)
}))

type Cut = (dice: Dice, stakes: readonly bigint[]) => (a: number, b: number, at: number) => boolean
const CUTS: Record<string, Cut> = {
  'in halves': (_dice, stakes) => (a, b) => a < stakes.length / 2 === b < stakes.length / 2,
  'two thirds and a third': (_dice, stakes) => (a, b) => a < (stakes.length * 2) / 3 === b < (stakes.length * 2) / 3,
  'one way': (_dice, stakes) => (a, b) => a < stakes.length / 2 === b < stakes.length / 2 || a < b,
  flapping: (dice, stakes) => {
    const period = 2 + dice.int(9)
    return (a, b, at) => Math.floor(at / period) % 2 === 0 || a < stakes.length / 2 === b < stakes.length / 2
  }
}

const PARTITIONS: Row[] = Object.entries(CUTS).map(([name, cut]) => ({
  name: `partition: ${name}`,
  promise: 'no two results, nobody honest punished, and whatever begins when it has healed is finalized',
  cycles: 5,
  without: ['honest-left-out'],
  world: (seed, count) => {
    const { dice, nodes } = start(seed, count)
    const from = begins(1) + dice.int(ROUND)
    const connected = cut(
      dice,
      nodes.map(({ stake }) => stake)
    )
    return {
      seed,
      nodes,
      timing: TIMING,
      network: { connected: (a, b, at) => at < from || connected(a, b, at), calmFrom: begins(2), jitterSlots: 0.3 }
    }
  },
  also: (world) => lostFrom(world, 2, 5)
}))

/** At 400 ms a slot, two seconds. */
const SKEW = 5
const CLOCKS: Row[] = (
  [
    ['behind', () => SKEW],
    ['ahead', () => -SKEW],
    ['steps back', (at) => (at < begins(1) + 10 ? 0 : SKEW)],
    ['steps on', (at) => (at < begins(1) + 10 ? 0 : -SKEW)]
  ] as Array<[string, (at: number) => number]>
).map(([name, lagAt]) => ({
  name: `clock: ${name} by two seconds`,
  promise: 'no wrong vote, and the others go on as if it were faulty',
  cycles: 3,
  // its own turn to propose may be lost with it
  without: ['honest-left-out', 'honest-rejected', 'honest-refused', 'turn-lost'],
  world: (seed, count) => {
    const { dice, nodes } = start(seed, count)
    const odd = withFaulty(dice, nodes)
    return { seed, nodes: odd.map(({ stake, faulty }) => (faulty ? { stake, lagAt } : { stake })), timing: TIMING }
  }
}))

const STALLS: Row = {
  name: 'clock: stopped for 30 seconds',
  promise: 'who stands still for a while is away meanwhile, contradicts nothing, and is back within a round',
  cycles: 5,
  world: (seed, count) => {
    const { dice, nodes } = start(seed, count)
    const from = begins(1) + dice.int(ROUND)
    const odd = withFaulty(dice, nodes)
    const down = (slot: number) => slot >= from && slot < from + 75
    return { seed, nodes: odd.map(({ stake, faulty }) => (faulty ? { stake, down } : { stake })), timing: TIMING }
  },
  also: (world) => lostFrom(world, 0, 5)
}

/** Nobody gives these proofs: who looked has said so before it is too late to say. */
const WITHHELD: Row = {
  name: 'proofs withheld',
  promise: 'all who looked agree that it is unavailable, by the deadline, and no cycle waits for it',
  cycles: 3,
  world: (seed, count) => {
    const { dice, nodes } = start(seed, count)
    return { seed, nodes: withFaulty(dice, nodes), timing: TIMING, adversary: byName('withhold proofs')() }
  },
  also: (world) =>
    world.history
      .cycles()
      .flatMap(({ cycle, audits }) =>
        audits
          .filter(({ node, submission }) => world.nodes[node]!.honest && world.proofs.truth(submission)?.quality === 'missing')
          .flatMap(({ node, finding, at }) => [
            ...(finding === 'unavailable' ? [] : [`n${node} finds ${finding} what nobody gives`]),
            ...(at <= scheduleFor(world.timing, cycle).audit.to ? [] : [`n${node} says so at ${at.toFixed(1)}, after the audit window`])
          ])
      )
}

export interface RowOutcome {
  world: World
  faults: string[]
}

export const ROWS: readonly Row[] = [
  CALM,
  ...BYZANTINE,
  ...TOO_MANY,
  ...LOSSES,
  ...HEAVY_LOSSES,
  ...PARTITIONS,
  ...CLOCKS,
  STALLS,
  WITHHELD,
  ...STAKES,
  ...TWO_FACED,
  EARLY,
  ...K2_ROWS
]

export const faultOf = ({ cycle, name, detail }: Breach): string => `cycle ${cycle}: ${name} (${detail})`

/** @param rounds - of the row's own when left out */
export async function runRow(row: Row, seed: number, { nodes, rounds }: { nodes?: number; rounds?: number } = {}): Promise<RowOutcome> {
  const world = new World(row.world(seed, nodes))
  await world.runCycles(rounds ?? row.cycles)
  const breaches = breachesOf(world, rounds ?? row.cycles).filter(({ name }) => row.without?.includes(name) !== true)
  return { world, faults: [...breaches.map(faultOf), ...(rounds == null ? (row.also?.(world) ?? []) : [])] }
}
