/** An adversary that plays several of the known attacks at once, at moments of its own, and anything else beside them. */
import type { Adversary } from './adversary.ts'
import { arbitraryAdversary, planFrom } from './arbitrary.ts'
import { blocksLooks, hushesAuditors } from './attacks-looks.ts'
import { convictsItselfLate, racesApprovals, splitsProposals, starvesProposer } from './attacks-record.ts'
import { accusesAll, challengesLate, type Release, releasesLate } from './attacks-timing.ts'
import { type Dice, diceFrom } from './random.ts'

const DEADLINES = ['submissionMustSlot', 'sampleSlot', 'lateSlot', 'challengeSlot', 'finalSlot', 'verdictsMustSlot'] as const

/** Around one of the deadlines. */
function momentBy(dice: Dice, names: ReadonlyArray<(typeof DEADLINES)[number]>): Release['at'] {
  const name = dice.pick(names)
  const near = dice.pick([-1, -0.5, -0.3, -0.25, -0.1, 0.05])
  return (schedule) => schedule[name] + near
}

export function cunningAdversary(seed: number, cycles: number): Adversary {
  const dice = diceFrom(seed ^ 0xc0de)
  const finding = dice.pick(['invalid', 'unavailable'] as const)
  const first = dice.chance(0.5) ? 1 + dice.int(3) : 99
  const looks: Array<() => Adversary> = [
    () => hushesAuditors(cycles),
    () => blocksLooks(cycles),
    () => {
      const to = dice.pick(['all', 'half', 'two', 'one'] as const)
      const again: Release[] = dice.chance(0.5) ? [{ at: momentBy(dice, ['sampleSlot', 'lateSlot']), to: 'rest' }] : []
      const releases: Release[] = [{ at: momentBy(dice, ['submissionMustSlot', 'sampleSlot', 'lateSlot']), to }, ...again]
      return releasesLate(cycles, releases, dice.pick(['bad', 'missing'] as const))
    }
  ]
  const words: Array<() => Adversary> = [
    () => accusesAll(cycles, finding, { sent: momentBy(dice, ['finalSlot', 'verdictsMustSlot']), first }),
    () => challengesLate(cycles, finding, { sent: momentBy(dice, ['sampleSlot', 'challengeSlot']), first }),
    () => starvesProposer(cycles),
    () => convictsItselfLate(cycles)
  ]
  const agreement: Array<() => Adversary> = [() => racesApprovals(seed), () => splitsProposals(), () => convictsItselfLate(cycles)]
  const chosen = [looks, words, agreement].filter(() => dice.chance(0.7)).map((some) => dice.pick(some)())
  return together([...chosen, ...(dice.chance(0.5) ? [arbitraryAdversary(planFrom(seed, cycles, 8))] : [])])
}

/** What any of them does is done, and said is what all of them let be said. */
function together(all: Adversary[]): Adversary {
  const works = all.filter(({ work }) => work != null)
  const audits = all.filter(({ audit }) => audit != null)
  return {
    name: all.map(({ name }) => name).join(' and '),
    silentRelay: all.some(({ silentRelay }) => silentRelay),
    start(power) {
      for (const one of all) one.start?.(power)
    },
    hear(power, node, message) {
      for (const one of all) one.hear?.(power, node, message)
    },
    build(power, node, effect) {
      for (const one of all) one.build?.(power, node, effect)
    },
    publish: (power, node, body) => all.every((one) => one.publish?.(power, node, body) ?? true),
    vote: (power, node, cycle, cid) => all.every((one) => one.vote?.(power, node, cycle, cid) ?? true),
    ...(works[0] == null ? {} : { work: works[0].work! }),
    ...(audits[0] == null ? {} : { audit: audits[0].audit! })
  }
}
