/** K2 late, lying, forking and standing still: what nodes are told is not what is so, for a while. */
import type { StakeAccount } from '../../src/k2/settlement/index.ts'
import type { NewestResult } from './chain.ts'
import { upIn } from './checker.ts'
import { contradictionsIn } from './convictions.ts'
import type { EndpointFaults } from './k2.ts'
import type { Dice } from './random.ts'
import { begins, lostFrom, ROUND, type Row, start, TIMING, withFaulty } from './row.ts'
import type { K2Init, World, WorldInit } from './world.ts'

type Change = NonNullable<K2Init['changes']>[number]

/** A fault of an endpoint, and how long it and what comes of it last. */
interface Trouble {
  faults: EndpointFaults
  from: number
  /** From here on the node has to be as if nothing had been. */
  overAt: number
  /** By so many slots it may have been ahead: what it has said of those times then comes to others in its own time, early or late. */
  ahead?: number
}

/** Rounds that trouble begins in: the first is quiet, so that there is something to lose. */
const TROUBLED_ROUNDS = 3
/** A clock that is contradicted goes back after so many slots (src/k2/slot-clock.ts), and a majority of two takes some more to be believed. */
const CLOCK_BACK_SLOTS = 140

/** Somewhere in the rounds that may be troubled, and how long. */
function spellOf(dice: Dice, shortest: number, longest: number): { from: number; to: number; during: (at: number) => boolean } {
  const from = begins(1) + dice.int(TROUBLED_ROUNDS * ROUND)
  const to = from + shortest + dice.int(longest - shortest + 1)
  return { from, to, during: (at) => at >= from && at < to }
}

/** Stakes change a little, and one key, so that a set that was fixed too early is another one. */
function smallChanges(dice: Dice, nodes: WorldInit['nodes']): { changes: Change[]; others: WorldInit['nodes'] } {
  const slot = () => begins(1) + dice.int((TROUBLED_ROUNDS + 3) * ROUND)
  const [newcomer, successor] = [nodes.length, nodes.length + 1]
  const total = nodes.reduce((sum, { stake }) => sum + stake, 0n)
  // whose key is replaced votes on the open cycles no more: with those who are misled that is less than a third
  const misled = nodes.filter(({ faulty }) => faulty).reduce((sum, { stake }) => sum + stake, 0n)
  const told = nodes
    .map(({ stake, faulty }, node) => ({ node, may: faulty !== true && 3n * (misled + stake) < total }))
    .filter(({ may }) => may)
  const changes: Change[] = [
    { slot: slot(), staker: newcomer, is: 'stake', amount: 1n },
    ...(told.length === 0 ? [] : [{ slot: slot(), staker: dice.pick(told).node, is: 'replace' as const, key: successor }]),
    ...nodes.flatMap(({ faulty }, node) =>
      faulty !== true && dice.chance(0.2) ? [{ slot: slot(), staker: node, is: 'stake' as const, amount: 1n }] : []
    )
  ]
  return { changes, others: [{ stake: 0n }, { stake: 0n }] }
}

/**
 * Either some with less than a third of the stake have one endpoint, and it is at fault, or everybody has three and one of them is.
 *
 * @param trouble - anew for each endpoint that is at fault
 */
function told(seed: number, count: number | undefined, trouble: (dice: Dice) => Trouble, more: Partial<WorldInit> = {}): WorldInit {
  const { dice, nodes } = start(seed, count)
  const few = dice.chance(0.5)
  const odd = withFaulty(dice, nodes)
  const { changes, others } = dice.chance(0.5) ? smallChanges(dice, odd) : { changes: [], others: [] }
  return {
    seed,
    timing: TIMING,
    network: { jitterSlots: 0.3 },
    nodes: [...odd, ...others].map(({ stake, faulty }) => {
      const { faults, from, overAt, ahead = 0 } = trouble(dice)
      const within = (slot: number) => slot >= from && slot < overAt
      if (!few) {
        const at = dice.int(3)
        return { stake, endpoints: [0, 1, 2].map((i) => (i === at ? faults : {})) }
      }
      return faulty
        ? { stake, endpoints: [faults], misled: (slot: number) => within(slot) || within(slot - ahead), backAt: overAt }
        : { stake }
    }),
    k2: { changes },
    ...more
  }
}

/** Cycles in which nobody is misled. */
const whole = (world: World, cycles: number) =>
  Array.from({ length: cycles }, (_, cycle) => cycle).filter((cycle) => upIn(world, cycle).length === world.nodes.length)

/** Who is not misled any more agrees and votes like the others. @param finalized - in cycles that are finalized alone */
const silentIn = (world: World, cycles: number, finalized = false) =>
  Array.from({ length: cycles }, (_, cycle) => world.history.cycle(cycle)).flatMap(({ cycle, decided, record }) =>
    finalized && record == null
      ? []
      : upIn(world, cycle)
          // its votes are those of the key that has taken its place
          .filter(({ key }) => (world.chain.stakesOf(cycle).weights.get(key.address) ?? 0n) > 0n)
          .filter(({ index }) => !decided.some(({ by }) => by === index))
          .map(({ index }) => `n${index} votes for nothing in cycle ${cycle}`)
  )

/** Who has come back agrees and votes in what begins then, though its own words for that time may have come too early. */
const notBack = (world: World, cycles: number) =>
  world.init.nodes.flatMap(({ backAt = Number.POSITIVE_INFINITY }, index) =>
    Array.from({ length: cycles }, (_, cycle) => world.history.cycle(cycle))
      .filter(({ cycle, record, decided }) => begins(cycle) >= backAt && record != null && !decided.some(({ by }) => by === index))
      .map(({ cycle }) => `n${index} is back and votes for nothing in cycle ${cycle}`)
  )

/** What nodes have been told was finalized, and believe in the end. */
const deafIn = (world: World, cycles: number) =>
  upIn(world, cycles - 1).flatMap(({ index, participant, disk }) => {
    const followed = participant.follow.finalizedCycle()
    const settled = [...disk.cycles].filter(([cycle, { record }]) => record != null && record !== world.chain.finalized(cycle)?.cid)
    return [
      ...(followed === cycles - 1 ? [] : [`n${index} follows cycle ${followed}, and cycle ${cycles - 1} is finalized`]),
      ...settled.map(([cycle]) => `n${index} has settled cycle ${cycle} by a record that is not final`)
    ]
  })

const goesOn = (cycles: number) => (world: World) => [...lostFrom(world, 0, cycles), ...silentIn(world, cycles), ...deafIn(world, cycles)]

function behind(dice: Dice): Trouble {
  const { from, to, during } = spellOf(dice, 5, 2 * ROUND)
  const slots = 3 + dice.int(40)
  // it stops hearing of the chain, or requests are answered by another that is behind
  const freezes = dice.chance(0.5)
  return {
    faults: { behind: (at) => (during(at) ? (freezes ? at - from : slots) : 0), hidesIt: dice.chance(0.3) },
    from,
    overAt: to + CLOCK_BACK_SLOTS
  }
}

function ahead(dice: Dice): Trouble {
  const { from, to, during } = spellOf(dice, 2, 2 * ROUND)
  const slots = dice.pick([10, 60, 150, 200, 250, 300, 10_000, 100_000_000])
  return { faults: { ahead: (at) => (during(at) ? slots : 0) }, from, overAt: to + CLOCK_BACK_SLOTS, ahead: slots }
}

function cutShort(dice: Dice): Trouble {
  const { from, to, during } = spellOf(dice, 2, 2 * ROUND)
  const kept = dice.pick([0, 0.3, 0.9])
  const some = (all: readonly StakeAccount[]) => all.slice(0, Math.floor(all.length * kept))
  return {
    faults: { stakes: (at, all) => (during(at) ? some(all) : all), fits: dice.chance(0.4) },
    from,
    overAt: to + ROUND
  }
}

const digestOf = (dice: Dice) => Uint8Array.from({ length: 32 }, () => dice.int(256))

function otherRecord(dice: Dice): Trouble {
  const { from, to, during } = spellOf(dice, 2, 2 * ROUND)
  const forward = dice.pick([0, 1, 2, 40, 1_000_000])
  const lie = { root: digestOf(dice), recordDigest: digestOf(dice) }
  const silent = dice.chance(0.2)
  const of = (truth: NewestResult | undefined) => (silent ? undefined : { cycle: (truth?.cycle ?? 0) + forward, ...lie })
  return { faults: { finalized: (at, truth) => (during(at) ? of(truth) : truth) }, from, overAt: to }
}

/** Cycles that are run: the trouble, the clock's way back, and two that are as if nothing had been. */
const LONG = TROUBLED_ROUNDS + 1 + 2 + Math.ceil(CLOCK_BACK_SLOTS / ROUND) + 2
const SHORT = TROUBLED_ROUNDS + 1 + 2 + 3

/** Votes that are taken back are at most so old: older ones are final. */
const DEEPEST_FORK = 6

export const K2_ROWS: Row[] = [
  {
    name: 'K2: behind',
    promise: 'an endpoint that is behind for a while, and may hide it, costs the others nothing, and one of three costs nobody anything',
    cycles: LONG,
    seeds: 6,
    world: (seed, count) => told(seed, count, behind),
    also: goesOn(LONG)
  },
  {
    name: 'K2: far ahead',
    promise: 'slots far ahead that one endpoint tells and takes back: no wrong vote, nothing signed twice, and its node is back',
    cycles: LONG,
    seeds: 6,
    world: (seed, count) => told(seed, count, ahead),
    // what its node says before its time others take up by sync, some of them later than a delivery (docs/simulation.md, "What it shows")
    // nor may its rounds know any more what it has signed: the Signer's log does, and refuses
    without: ['honest-refused', 'turn-lost', 'not-finalized', 'contradiction'],
    also: (world) => [
      ...whole(world, LONG).flatMap((cycle) => lostFrom(world, cycle, cycle + 1)),
      ...silentIn(world, LONG, true),
      ...notBack(world, LONG),
      ...contradictionsIn(world),
      ...deafIn(world, LONG)
    ]
  },
  {
    name: 'K2: stakes cut short',
    promise: 'a list of stakes that lacks some is not believed beside an honest account of the task; a lie in both is corrected',
    cycles: SHORT,
    seeds: 8,
    world: (seed, count) => told(seed, count, cutShort),
    also: goesOn(SHORT)
  },
  {
    name: 'K2: another record finalized',
    promise: 'a result that one endpoint makes up and takes back makes nobody vote for it, and its node goes on',
    cycles: SHORT,
    seeds: 8,
    world: (seed, count) => told(seed, count, otherRecord, { ownRecords: true }),
    also: goesOn(SHORT)
  },
  {
    name: 'K2: forks',
    promise: 'votes that a fork takes back are given again, the same ones, and each cycle is finalized',
    cycles: SHORT,
    seeds: 8,
    world: (seed, count) => {
      const { dice, nodes } = start(seed, count)
      // most of them while votes are young
      const forks = Array.from({ length: 2 + dice.int(4) }, () => {
        const cycle = dice.int(SHORT - 1)
        const slot = begins(cycle + 2) + (dice.chance(0.8) ? 2 + dice.int(8) : dice.int(ROUND))
        return { slot, depth: 1 + dice.int(DEEPEST_FORK) }
      })
      return { seed, nodes, timing: TIMING, network: { jitterSlots: 0.3 }, k2: { forks } }
    },
    // what was taken back is final later
    without: ['turn-lost'],
    also: goesOn(SHORT)
  },
  {
    name: 'K2: stands still',
    promise: 'while K2 makes no slot for some rounds nothing is lost, and all goes on where it was',
    cycles: 5,
    world: (seed, count) => {
      const { dice, nodes } = start(seed, count)
      const first = begins(0) + dice.int(3 * ROUND)
      const halts = [
        { slot: first, slots: ROUND + dice.int(2 * ROUND) },
        { slot: first + 1 + dice.int(ROUND), slots: 1 + dice.int(ROUND) }
      ].slice(0, 1 + dice.int(2))
      return { seed, nodes, timing: TIMING, network: { jitterSlots: 0.3 }, k2: { halts } }
    },
    also: goesOn(5)
  }
]
