/** The attacks that are known by name, each with the mesh that it is made for. */
import { proposerFor } from '../../src/record/index.ts'
import type { Message } from '../../src/wire/index.ts'
import { type Adversary, everyCycle } from './adversary.ts'
import { PLAIN } from './attacks-plain.ts'
import { floods, keepsProposing, splitsProposals } from './attacks-record.ts'
import type { BreachName } from './checker.ts'
import { standInKeys } from './keys.ts'
import { nobody, words } from './words.ts'
import { NETWORK, TESTNET_TIMING, type WorldInit } from './world.ts'

export interface Attack {
  name: string
  /** What of it shows, in a line. */
  what: string
  cycles: number
  world: (seed: number) => WorldInit
  /** The promises that it breaks by today's rules; none where the rules stand it. */
  breaks: BreachName[]
}

/** Honest stakes, then faulty ones. */
export function meshOf(honest: number[], faulty: number[]): WorldInit['nodes'] {
  return [...honest.map((stake) => ({ stake: BigInt(stake) })), ...faulty.map((stake) => ({ stake: BigInt(stake), faulty: true }))]
}

export const times = (count: number, stake: number): number[] => Array.from({ length: count }, () => stake)

/** The first seed at or after `seed` with which `node` proposes first in the first cycle. */
export function seedWithProposer(seed: number, nodes: WorldInit['nodes'], node: number): number {
  for (let tried = seed; tried < seed + 1_000; tried++) {
    const keys = nodes.map((_, index) => standInKeys.keyOf(tried, index))
    const stakes = new Map(keys.map(({ address }, index) => [address, nodes[index]!.stake]))
    if (proposerFor({ stakes, seed: NETWORK.taskId, cycle: 0, attempt: 0 }) === keys[node]!.address) {
      return tried
    }
  }
  throw new Error(`with these stakes node ${node} never proposes first, whatever the seed: choose others`)
}

const timing = TESTNET_TIMING
const small = meshOf(times(4, 100), [1])

/** Says *invalid* of everybody's work, and challenges nobody. */
function verdictOnly(cycles: number): Adversary {
  return {
    name: 'verdict-only',
    publish: (_power, _node, body) => !words.judges(body),
    start: (power) =>
      everyCycle(
        power,
        cycles,
        ({ audit }) => audit.from + 5,
        (cycle) => {
          const own = power.own.map((node) => power.address(node))
          const findings = power
            .submissions(cycle)
            .filter(({ signer }) => !own.includes(signer))
            .map((about) => ({ about, finding: 'invalid' as const }))
          for (const body of words.verdicts({ cycle, slot: power.slot() }, findings, 'because I say so')) {
            power.publish(power.sign(power.own[0]!, body)!, power.own[0]!)
          }
        }
      )
  }
}

/** Challenges and verdicts signed in the last slot of the audit window, and sent then. */
function lateChallenge(cycles: number): Adversary {
  return {
    name: 'late-challenge',
    publish: (_power, _node, body) => !words.judges(body),
    start: (power) =>
      everyCycle(
        power,
        cycles,
        ({ audit }) => audit.to - 0.1,
        (cycle) => {
          const when = { cycle, slot: power.slot() }
          const by = power.own[0]!
          const subjects = power.submissions(cycle).filter(({ signer }) => signer !== power.address(by))
          const findings = subjects.map((about) => ({ about, finding: 'unavailable' as const }))
          const bodies = [...subjects.map((about) => words.challenge(when, about, 'unavailable')), ...words.verdicts(when, findings)]
          for (const body of bodies) {
            power.publish(power.sign(by, body)!, by)
          }
        }
      )
  }
}

/** Half of the mesh gets one set of challenges, the other half another: each fills its quota with its own. */
function quotaSplit(cycles: number, targets: 'naive' | 'real'): Adversary {
  return {
    name: `quota-split (${targets} targets)`,
    start: (power) =>
      everyCycle(
        power,
        cycles,
        ({ audit }) => audit.from + 6.5,
        (cycle) => {
          const when = { cycle, slot: power.slot() }
          const by = power.own[0]!
          const subjects = power.submissions(cycle).filter(({ signer }) => signer !== power.address(by))
          const half = power.honest.length / 2
          for (const [side, nodes] of [power.honest.slice(0, half), power.honest.slice(half)].entries()) {
            // each side's real one is about one of the other side's: its own would answer at once
            const about =
              targets === 'naive'
                ? [...Array.from({ length: 15 }, (_, i) => nobody(`${cycle}/${side}/${i}`)), subjects[side]!]
                : [...subjects.slice(side * 16), ...subjects.slice(0, side * 16)].slice(0, 16)
            for (const subject of about) {
              power.send(power.sign(by, words.challenge(when, subject, 'invalid'))!, by, nodes)
            }
          }
        }
      )
  }
}

/** Garbage signed in the submission window and sent long after, to some of the mesh. */
function lateRelease(cycles: number, releases: Array<{ after: number; to: 'all' | 'half' | 'two' | 'rest' }>): Adversary {
  return {
    name: 'late-release',
    work: () => null,
    start: (power) => {
      const by = power.own[0]!
      const made = new Map<number, Message>()
      everyCycle(
        power,
        cycles,
        ({ submission }) => submission.to - 1,
        (cycle) => {
          const message = power.sign(by, words.submission({ cycle, slot: power.slot() }, 'garbage'))!
          power.offer(message, { quality: 'bad' })
          made.set(cycle, message)
        }
      )
      for (const { after, to } of releases) {
        const half = Math.ceil(power.honest.length / 2)
        const nodes = { all: power.honest, half: power.honest.slice(0, half), two: power.honest.slice(0, 2), rest: power.honest.slice(2) }[
          to
        ]
        everyCycle(
          power,
          cycles,
          ({ audit }) => audit.from + after,
          (cycle) => power.send(made.get(cycle)!, by, nodes)
        )
      }
    }
  }
}

export const ATTACKS: Attack[] = [
  {
    name: 'verdict-only',
    what: 'one of 1/401 says invalid of everybody without a challenge',
    cycles: 3,
    world: (seed) => ({ seed, nodes: small, timing, adversary: verdictOnly(3) }),
    breaks: ['honest-rejected', 'took-more']
  },
  {
    name: 'late-challenge',
    what: 'one of 1/401 challenges everybody in the last slot of the audit window',
    cycles: 3,
    world: (seed) => ({ seed, nodes: small, timing, adversary: lateChallenge(3) }),
    breaks: ['honest-rejected', 'took-more']
  },
  {
    name: 'late-challenge by a third',
    what: '32 of 100 in one coalition challenge everybody in the last slot',
    cycles: 3,
    world: (seed) => ({ seed, nodes: meshOf(times(4, 17), [32]), timing, adversary: lateChallenge(3) }),
    breaks: ['honest-rejected', 'took-more']
  },
  {
    name: 'quota-split, junk targets',
    what: 'one of 1/401 fills its quota of challenges differently at each half',
    cycles: 3,
    world: (seed) => ({ seed, nodes: small, timing, adversary: quotaSplit(3, 'naive') }),
    breaks: ['not-finalized']
  },
  {
    name: 'quota-split, real targets',
    what: 'one of 1/401 challenges 16 towards one half and 16 others towards the other',
    cycles: 2,
    world: (seed) => ({ seed, nodes: meshOf(times(20, 20), [1]), timing, adversary: quotaSplit(2, 'real') }),
    breaks: ['not-finalized']
  },
  {
    name: 'late-release after the samples',
    what: 'one of 1/401 sends garbage at A0 + 9.5',
    cycles: 3,
    world: (seed) => ({ seed, nodes: small, timing, adversary: lateRelease(3, [{ after: 9.5, to: 'all' }]) }),
    breaks: ['bad-escaped']
  },
  {
    name: 'late-release to half',
    what: 'the same, at first to half of the mesh only',
    cycles: 3,
    world: (seed) => ({ seed, nodes: small, timing, adversary: lateRelease(3, [{ after: 9.5, to: 'half' }]) }),
    breaks: ['bad-escaped']
  },
  ...[3, 1.5].map((after) => ({
    name: `late-release at ${after}`,
    what: `one of 1/401 sends garbage at A0 + ${after}`,
    cycles: 3,
    world: (seed: number): WorldInit => ({ seed, nodes: small, timing, adversary: lateRelease(3, [{ after, to: 'all' }]) }),
    breaks: []
  })),
  {
    name: 'late-release in two steps',
    what: 'one of 1/401 sends garbage to two at A0 + 0.9, to the others at 1.9',
    cycles: 3,
    world: (seed) => ({
      seed,
      nodes: small,
      timing,
      adversary: lateRelease(3, [
        { after: 0.9, to: 'two' },
        { after: 1.9, to: 'rest' }
      ])
    }),
    breaks: []
  },
  {
    name: 'late-release just after the samples of many',
    what: 'one of 20 sends garbage when all have drawn their eight',
    cycles: 3,
    world: (seed) => ({ seed, nodes: meshOf(times(7, 20), [1, 1]), timing, adversary: lateRelease(3, [{ after: 12.5, to: 'all' }]) }),
    breaks: ['bad-escaped']
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
    }),
    breaks: ['not-finalized', 'unreadable-record']
  },
  {
    name: 'pool-fill',
    what: 'two of 1 fill a pool of 400 with verdicts about nothing',
    cycles: 2,
    world: (seed) => ({
      seed,
      nodes: meshOf(times(4, 100), [1, 1]),
      timing,
      adversary: floods(2, { pad: 0, about: 'nothing', messages: 300 }),
      maxPoolMessages: 400
    }),
    breaks: ['not-finalized', 'honest-left-out']
  },
  {
    name: 'grinding',
    what: 'one of 1/41 signs its own submission again and again until it proposes next',
    cycles: 6,
    world: (seed) => {
      const nodes = meshOf([8, 9, 11, 12], [1])
      return { seed: seedWithProposer(seed, nodes, 4), nodes, timing, adversary: keepsProposing() }
    },
    breaks: ['always-first']
  },
  {
    name: 'split proposals',
    what: 'three of ten propose two records and approve each towards its own group',
    cycles: 1,
    world: (seed) => {
      const nodes = meshOf(times(7, 10), times(3, 10))
      return { seed: seedWithProposer(seed, nodes, 7), nodes, timing, adversary: splitsProposals() }
    },
    breaks: ['not-finalized']
  },
  ...PLAIN.map(({ what, adversary }) => ({
    name: adversary().name,
    what: `three of ten: ${what}`,
    cycles: 3,
    world: (seed: number): WorldInit => ({ seed, nodes: meshOf(times(7, 10), times(3, 10)), timing, adversary: adversary() }),
    breaks: []
  }))
]
