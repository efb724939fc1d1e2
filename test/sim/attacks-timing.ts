/** Attacks by when something is said: words held back until they can no longer be answered. */
import type { CycleSchedule } from '../../src/clock/index.ts'
import type { Finding, Message } from '../../src/wire/index.ts'
import { type Adversary, everyCycle, type Power } from './adversary.ts'
import { words } from './words.ts'

type Moment = (schedule: CycleSchedule) => number

/** Submissions of the others. */
const othersIn = (power: Power, cycle: number) => {
  const own = power.own.map((node) => power.address(node))
  return power.submissions(cycle).filter(({ signer }) => !own.includes(signer))
}

/** Calls everybody's work bad in its verdicts, and challenges nobody. `sent` to everybody, or to some first. */
export function accusesAll(
  cycles: number,
  finding: Exclude<Finding, 'valid'>,
  { sent, first }: { sent: Moment; first?: number }
): Adversary {
  return {
    name: 'verdict-only',
    publish: (_power, _node, body) => !words.judges(body),
    start: (power) =>
      everyCycle(power, cycles, sent, (cycle) => {
        const { verdictsEndSlot } = power.schedule(cycle)
        for (const by of power.own) {
          const findings = othersIn(power, cycle).map((about) => ({ about, finding }))
          const body = power.verdicts({ cycle, slot: verdictsEndSlot - 1 }, findings)
          const message = body == null ? null : power.sign(by, body)
          if (message != null) {
            power.send(message, by, power.honest.slice(0, first))
          }
        }
      })
  }
}

/** Challenges signed in the last slot in which they may be, and sent so late that nobody can look at leisure; then verdicts. */
export function challengesLate(
  cycles: number,
  finding: Exclude<Finding, 'valid'>,
  { sent, first }: { sent: Moment; first?: number }
): Adversary {
  return {
    name: 'late-challenge',
    publish: (_power, _node, body) => !words.judges(body),
    start: (power) => {
      everyCycle(power, cycles, sent, (cycle) => {
        const when = { cycle, slot: power.schedule(cycle).challengeSlot - 1 }
        for (const by of power.own) {
          for (const about of othersIn(power, cycle)) {
            const message = power.sign(by, words.challenge(when, about, finding))!
            power.send(message, by, power.honest.slice(0, first))
          }
        }
      })
      everyCycle(
        power,
        cycles,
        ({ verdictsMustSlot }) => verdictsMustSlot - 0.3,
        (cycle) => {
          const when = { cycle, slot: power.schedule(cycle).verdictsEndSlot - 1 }
          for (const by of power.own) {
            const body = power.verdicts(
              when,
              othersIn(power, cycle).map((about) => ({ about, finding }))
            )
            if (body != null) {
              power.send(power.sign(by, body)!, by, power.honest)
            }
          }
        }
      )
    }
  }
}

export interface Release {
  at: Moment
  to: 'all' | 'half' | 'two' | 'one' | 'rest'
}

/** Garbage signed in the submission window and sent after it, to some of the mesh. Its own proposer would take it into the record. */
export function releasesLate(cycles: number, releases: Release[], quality: 'bad' | 'missing' = 'bad'): Adversary {
  const made = new Map<number, Message>()
  return {
    name: 'late-release',
    work: (power, node) => (node === power.own[0] ? null : { quality: 'good' }),
    audit: (power, _node, { signer }) => (signer === power.address(power.own[0]!) ? 'valid' : undefined),
    build(power, node, effect) {
      const late = made.get(effect.cycle)
      const attempts = [0, 1, 2, 3, 4, 5].filter((attempt) => power.proposer(effect.cycle, attempt) === power.address(node))
      if (late == null || attempts.length === 0) {
        return
      }
      power.wait(
        power.build(effect, [...effect.messages.filter(({ id }) => id !== late.id), late]).then((record) => {
          const { proposalSlot, attemptSlots } = power.schedule(effect.cycle)
          for (const attempt of attempts) {
            power.at(proposalSlot + attempt * attemptSlots + 0.05, () => {
              const when = { cycle: effect.cycle, slot: power.slot() }
              power.send(power.sign(node, words.proposal(when, record, attempt))!, node, power.honest)
              for (const by of power.own) {
                power.send(power.sign(by, words.approval(when, record, attempt))!, by, power.honest)
              }
            })
          }
        })
      )
    },
    publish: (_power, _node, body) => words.attemptOf(body) == null,
    start: (power) => {
      const by = power.own[0]!
      everyCycle(
        power,
        cycles,
        ({ submission }) => submission.to - 1,
        (cycle) => {
          const message = power.sign(by, words.submission({ cycle, slot: power.slot() }, 'garbage'))!
          power.offer(message, { quality })
          made.set(cycle, message)
        }
      )
      for (const { at, to } of releases) {
        const half = Math.ceil(power.honest.length / 2)
        const { honest } = power
        const nodes = { all: honest, half: honest.slice(0, half), two: honest.slice(0, 2), one: honest.slice(0, 1), rest: honest.slice(2) }[
          to
        ]
        everyCycle(power, cycles, at, (cycle) => power.send(made.get(cycle)!, by, nodes))
      }
    }
  }
}
