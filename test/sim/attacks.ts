/** The attacks that are known by name, each with the mesh that it is made for. The rules stand all of them. */
import { scheduleFor } from '../../src/clock/index.ts'
import { proposerFor } from '../../src/record/index.ts'
import { blocksLooks, hushesAuditors, splitsQuota } from './attacks-looks.ts'
import { PLAIN } from './attacks-plain.ts'
import {
  convictsItselfLate,
  floods,
  keepsProposing,
  provokesSecondVote,
  racesApprovals,
  splitsProposals,
  starvesProposer
} from './attacks-record.ts'
import { accusesAll, challengesLate, type Release, releasesLate } from './attacks-timing.ts'
import { createChain } from './chain.ts'
import { standInKeys } from './keys.ts'
import { words } from './words.ts'
import { TASK, TESTNET_TIMING, timingOf, type WorldInit } from './world.ts'

export interface Attack {
  name: string
  /** What of it shows, in a line. */
  what: string
  cycles: number
  /** How many seeds are run. */
  seeds?: number
  world: (seed: number) => WorldInit
}

/** Honest stakes, then faulty ones. */
export function meshOf(honest: number[], faulty: number[]): WorldInit['nodes'] {
  return [...honest.map((stake) => ({ stake: BigInt(stake) })), ...faulty.map((stake) => ({ stake: BigInt(stake), faulty: true }))]
}

export const times = (count: number, stake: number): number[] => Array.from({ length: count }, () => stake)

const timing = TESTNET_TIMING

/** The first seed at or after `seed` with which a faulty node proposes in each of the first attempts of a cycle; `node`, if given, in the first. */
export function seedWithProposer(seed: number, nodes: WorldInit['nodes'], node: number | null, attempts = 1, cycle = 0): number {
  for (let tried = seed; tried < seed + 2_000; tried++) {
    const keys = nodes.map((_, index) => standInKeys.keyOf(tried, index))
    const weights = new Map(keys.map(({ address }, index) => [address, nodes[index]!.stake]))
    const chain = createChain({ seed: tried, timing, first: weights, changes: false, bounty: 0n, now: () => 0 })
    const beacon = chain.blockAfter(scheduleFor(timing, cycle).beaconSlot)
    const turns = Array.from({ length: attempts }, (_, attempt) => {
      const proposer = proposerFor({ taskId: TASK, stakes: weights, beacon, cycle, attempt })
      return keys.findIndex(({ address }) => address === proposer)
    })
    if (node == null ? turns.every((turn) => nodes[turn]!.faulty) : turns[0] === node) {
      return tried
    }
  }
  throw new Error(`with these stakes node ${node} never proposes first, whatever the seed: choose others`)
}

const small = meshOf(times(4, 100), [1])
const third = meshOf(times(4, 17), [32])
const tens = meshOf(times(7, 10), times(3, 10))

/** A mesh in which a faulty one proposes first. */
const led = (seed: number, nodes: WorldInit['nodes'], adversary: WorldInit['adversary']): WorldInit => ({
  seed: seedWithProposer(
    seed,
    nodes,
    nodes.findIndex(({ faulty }) => faulty)
  ),
  nodes,
  timing,
  ...(adversary == null ? {} : { adversary })
})

/** Slots after the audit window's first. */
const after =
  (slots: number): Release['at'] =>
  ({ audit }) =>
    audit.from + slots

const ACCUSATIONS: Attack[] = (
  [
    ['1/401', small],
    ['32 of 100 in one coalition', third]
  ] as const
).flatMap(([who, nodes]) =>
  (['invalid', 'unavailable'] as const).flatMap((finding): Attack[] => [
    {
      name: `verdict-only, ${finding}, by ${who}`,
      what: 'everybody’s work is called bad without a challenge',
      cycles: 3,
      world: (seed) => ({ seed, nodes, timing, adversary: accusesAll(3, finding, { sent: ({ finalSlot }) => finalSlot + 0.1 }) })
    },
    {
      name: `verdicts held back, ${finding}, by ${who}`,
      what: 'to one, just before a record must hold them',
      cycles: 3,
      world: (seed) => ({
        seed,
        nodes,
        timing,
        adversary: accusesAll(3, finding, { sent: ({ verdictsMustSlot }) => verdictsMustSlot - 0.25, first: 1 })
      })
    },
    {
      name: `late-challenge, ${finding}, by ${who}`,
      what: 'everybody is challenged in the last slot in which it may be',
      cycles: 3,
      world: (seed) => ({
        seed,
        nodes,
        timing,
        adversary: challengesLate(3, finding, { sent: ({ challengeSlot }) => challengeSlot - 0.1 })
      })
    },
    {
      name: `challenge held back, ${finding}, by ${who}`,
      what: 'to one, just before nobody heeds it any more',
      cycles: 3,
      world: (seed) => ({
        seed,
        nodes,
        timing,
        adversary: challengesLate(3, finding, {
          sent: ({ challengeSlot, deliverySlots }) => challengeSlot + deliverySlots - 0.25,
          first: 1
        })
      })
    }
  ])
)

const RELEASES: Array<[string, Release[]]> = [
  ['at 9.5', [{ at: after(9.5), to: 'all' }]],
  ['at 9.5, to half', [{ at: after(9.5), to: 'half' }]],
  ['at 3.0', [{ at: after(3), to: 'all' }]],
  ['at 2.7, to half', [{ at: after(2.7), to: 'half' }]],
  ['at 2.5', [{ at: after(2.5), to: 'all' }]],
  ['at 1.9', [{ at: after(1.9), to: 'all' }]],
  ['at 1.7, to one', [{ at: after(1.7), to: 'one' }]],
  ['at 1.5', [{ at: after(1.5), to: 'all' }]],
  ['at 0.7, to one', [{ at: after(0.7), to: 'one' }]],
  [
    'at 0.9 to two, at 1.9 to the others',
    [
      { at: after(0.9), to: 'two' },
      { at: after(1.9), to: 'rest' }
    ]
  ]
]

export const ATTACKS: Attack[] = [
  ...ACCUSATIONS,
  {
    name: 'quota-split, junk targets',
    what: 'one of 1/401 fills its quota of challenges differently at each half',
    cycles: 3,
    world: (seed) => ({ seed, nodes: small, timing, adversary: splitsQuota(3, 'naive') })
  },
  {
    name: 'quota-split, real targets',
    what: 'one of 1/401 challenges 16 towards one half and 16 others towards the other',
    cycles: 2,
    world: (seed) => ({ seed, nodes: meshOf(times(20, 20), [1]), timing, adversary: splitsQuota(2, 'real') })
  },
  ...RELEASES.flatMap(([when, releases]): Attack[] => [
    {
      name: `late-release ${when}`,
      what: 'one of 1/401 sends garbage late',
      cycles: 3,
      world: (seed) => ({ seed, nodes: small, timing, adversary: releasesLate(3, releases) })
    },
    {
      name: `late-release ${when}, its friend proposes`,
      what: 'three of ten send garbage late, and one of them proposes it',
      cycles: 1,
      world: (seed) => led(seed, tens, releasesLate(1, releases))
    },
    {
      name: `late-release ${when}, without a proof`,
      what: 'three of ten send a submission late whose proof nobody gets, and one of them proposes it',
      cycles: 1,
      world: (seed) => led(seed, tens, releasesLate(1, releases, 'missing'))
    }
  ]),
  {
    name: 'hush',
    what: 'a friend challenges garbage towards those who ask for it, its quota is spent at the others',
    cycles: 2,
    seeds: 5,
    world: (seed) => ({ seed, nodes: meshOf(times(30, 10), times(6, 10)), timing, adversary: hushesAuditors(2) })
  },
  {
    name: 'block looks',
    what: 'sixteen small ones without proofs keep all looks waiting, a big one submits garbage',
    cycles: 2,
    seeds: 3,
    world: (seed) => ({ seed, nodes: meshOf(times(20, 10), [...times(16, 1), 80]), timing: timingOf(40), adversary: blocksLooks(2) })
  },
  {
    name: 'many without proofs',
    what: 'thirty small ones with a fourth of the stake submit without a proof: an auditor may draw nobody else',
    cycles: 2,
    seeds: 3,
    world: (seed) => ({
      seed,
      nodes: meshOf(times(4, 100), times(30, 5)),
      timing,
      adversary: {
        name: 'many without proofs',
        work: () => ({ quality: 'missing' }),
        publish: (_power, _node, body) => body.challenge == null && body.verdicts == null && body.response == null
      }
    })
  },
  {
    name: 'many without proofs, challenged by each other',
    what: 'the same, and they challenge each other: an auditor that still looks at these may not be sure of what it drew',
    cycles: 2,
    seeds: 6,
    world: (seed) => ({
      seed,
      nodes: meshOf(times(4, 100), times(30, 5)),
      timing,
      adversary: { ...blocksLooks(2), work: () => ({ quality: 'missing' }), publish: (_power, _node, body) => !words.judges(body) }
    })
  },
  {
    name: 'record-bomb',
    what: 'eight of 1 beside four of 100 say all they may, bodies padded; the reader stops at 4,100 bytes a staker',
    cycles: 2,
    world: (seed) => ({
      seed,
      nodes: meshOf(times(4, 100), times(8, 1)),
      timing,
      adversary: floods(2, { pad: 1_780, about: 'standing' }),
      maxRecordBytes: 12 * 4_100 + 1_024
    })
  },
  {
    name: 'pool-fill',
    what: 'two of 1 challenge 300 submissions that nobody made, twice each',
    cycles: 2,
    world: (seed) => ({ seed, nodes: meshOf(times(4, 100), [1, 1]), timing, adversary: floods(2, { pad: 0, about: 'nothing' }) })
  },
  {
    name: 'grinding',
    what: 'one of 1/41 signs its own submission again and again until it proposes next',
    cycles: 6,
    world: (seed) => led(seed, meshOf([8, 9, 11, 12], [1]), keepsProposing())
  },
  {
    name: 'split proposals',
    what: 'three of ten propose two records and approve each towards its own group',
    cycles: 1,
    seeds: 5,
    world: (seed) => led(seed * 1_000, tens, splitsProposals())
  },
  {
    name: 'second vote',
    what: 'three of ten let two vote in the last moment of an attempt, and propose another record in the next',
    cycles: 1,
    seeds: 5,
    world: (seed) => ({
      seed: seedWithProposer(seed * 1_000, tens, null, 2),
      nodes: tens,
      timing,
      adversary: provokesSecondVote()
    })
  },
  ...[7, 10].map((size) => ({
    name: `race of approvals, ${size} nodes`,
    what: 'a third shows each side another record, and lets its approvals out around the ends of attempts',
    cycles: 2,
    seeds: 60,
    world: (seed: number): WorldInit => ({
      seed,
      nodes: size === 7 ? meshOf(times(5, 10), times(2, 10)) : tens,
      timing: seed % 2 === 0 ? timing : timingOf(8),
      network: { hopSlots: 0.2, jitterSlots: seed % 3 === 0 ? 0.3 : 0, skewSlots: seed % 5 === 0 ? 0.3 : 0 },
      adversary: racesApprovals(seed)
    })
  })),
  {
    name: 'late twin',
    what: 'three of ten turn out to have submitted twice, one at the start of each attempt, to all but the proposer',
    cycles: 2,
    seeds: 5,
    world: (seed) => ({ seed, nodes: tens, timing, adversary: convictsItselfLate(2) })
  },
  {
    name: 'starve the proposer',
    what: 'three of ten hold back what a record may hold, and let it out while an honest proposer builds',
    cycles: 2,
    seeds: 3,
    world: (seed) => ({ seed, nodes: tens, timing, buildSlots: 0.5, adversary: starvesProposer(2) })
  },
  ...PLAIN.map(({ what, adversary }) => ({
    name: adversary().name,
    what: `three of ten: ${what}`,
    cycles: 3,
    world: (seed: number): WorldInit => ({ seed, nodes: tens, timing, adversary: adversary() })
  }))
]
