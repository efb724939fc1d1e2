/** Attacks on who looks at what: quotas, budgets and turns of the audits that a challenge asks for. */
import { type Adversary, everyCycle } from './adversary.ts'
import { nobody, words } from './words.ts'

/** Half of the mesh gets one set of challenges, the other half another: each fills its quota with its own. */
export function splitsQuota(cycles: number, targets: 'naive' | 'real'): Adversary {
  return {
    name: `quota-split (${targets} targets)`,
    start: (power) =>
      everyCycle(
        power,
        cycles,
        ({ challengeSlot }) => challengeSlot - 1.5,
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

/**
 * One submits garbage and lets those wait who ask for it. A friend challenges it towards these, so that they may think it said, and
 * has spent its quota on others' work towards everybody else, who thus never hear that challenge.
 */
export function hushesAuditors(cycles: number): Adversary {
  const asked = new Map<number, Set<number>>()
  let serving = Number.POSITIVE_INFINITY
  return {
    name: 'hush',
    silentRelay: true,
    audit: (power, _node, { signer }) => (signer === power.address(power.own[0]!) ? 'valid' : undefined),
    work: (power, node, cycle) =>
      node !== power.own[0]
        ? { quality: 'good' }
        : {
            quality: 'bad',
            value: 'garbage',
            servedTo: (to, at) => {
              asked.set(cycle, (asked.get(cycle) ?? new Set()).add(to))
              return at >= serving
            }
          },
    start: (power) =>
      everyCycle(
        power,
        cycles,
        ({ sampleSlot }) => sampleSlot + 0.6,
        (cycle) => {
          const [garbage, friend] = power.own
          serving = power.now() + 0.5
          const when = { cycle, slot: power.slot() }
          const subjects = power.submissions(cycle)
          const hushed = friend == null ? undefined : subjects.find(({ signer }) => signer === power.address(garbage!))
          if (friend == null || hushed == null) {
            return
          }
          const others = subjects.filter(({ signer }) => power.honest.some((node) => power.address(node) === signer)).slice(0, 8)
          const auditors = power.honest.filter((node) => asked.get(cycle)?.has(node))
          power.send(power.sign(friend, words.challenge(when, hushed, 'unavailable'))!, friend, auditors)
          for (const about of others) {
            power.send(
              power.sign(friend, words.challenge(when, about, 'unavailable'))!,
              friend,
              power.honest.filter((node) => !auditors.includes(node))
            )
          }
          power.at(power.schedule(cycle).challengeSlot + 2, () => {
            serving = Number.POSITIVE_INFINITY
          })
        }
      )
  }
}

/** Many small ones, none of whose proofs can be had, challenge each other at once: the looks that wait for these keep others waiting. */
export function blocksLooks(cycles: number): Adversary {
  return {
    name: 'block looks',
    audit: (power, _node, { signer }) => (power.own.some((own) => power.address(own) === signer) ? 'valid' : undefined),
    work: (power, node) => (node === power.own.at(-1) ? { quality: 'bad', value: 'garbage' } : { quality: 'missing' }),
    start: (power) =>
      everyCycle(
        power,
        cycles,
        ({ sampleSlot }) => sampleSlot + 0.05,
        (cycle) => {
          const when = { cycle, slot: power.slot() }
          const small = power.own.slice(0, -1)
          const subjects = power.submissions(cycle)
          for (const [i, by] of small.entries()) {
            const about = subjects.find(({ signer }) => signer === power.address(small[(i + 1) % small.length]!))
            if (about != null && small.length > 1) {
              power.publish(power.sign(by, words.challenge(when, about, 'unavailable'))!, by)
            }
          }
        }
      )
  }
}
