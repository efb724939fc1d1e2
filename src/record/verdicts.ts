/** Who said what of whose work, weighed by stake. Spec: protocols/record/README.md "The tally". */
import { FINDINGS, type Finding, findingOf, type Message } from '../wire/index.ts'
import { placesOf } from './stakers.ts'

/** Stake behind each finding on one submission, in ROE. */
export type Weighed = Record<Finding, bigint>

export interface Weights {
  /** By the submitter's staking key; those that nobody spoke of are left out. */
  of: ReadonlyMap<string, Weighed>
  /** All stake of the cycle: who is silent is in it too. */
  total: bigint
  /** What each signer said of each submitter. */
  said: ReadonlyMap<string, ReadonlyMap<string, Finding>>
  /** The verdicts that say something of a submission that stands and is not their signer's. */
  counting: Message[]
}

/**
 * @param submissions - those that stand, by staking key
 * @param verdicts - one message for each signer
 * @param stakes - of the cycle, in ROE by staking key
 * @param total - all stake of the cycle, where some has no key that speaks for it
 */
export function weigh({
  submissions,
  verdicts,
  stakes,
  total = [...stakes.values()].reduce((sum, stake) => sum + stake, 0n)
}: {
  submissions: ReadonlyMap<string, Message>
  verdicts: readonly Message[]
  stakes: ReadonlyMap<string, bigint>
  total?: bigint | undefined
}): Weights {
  const places = placesOf(stakes)
  const of = new Map<string, Weighed>()
  const said = new Map<string, Map<string, Finding>>()
  const counting: Message[] = []
  for (const message of verdicts) {
    const stake = stakes.get(message.signer) ?? 0n
    const about = new Map<string, Finding>()
    for (const { place, finding } of message.body.verdicts!.findings) {
      const subject = places[place]
      // nobody judges its own work
      if (subject == null || subject === message.signer || !submissions.has(subject)) {
        continue
      }
      const name = findingOf(finding)!
      about.set(subject, name)
      const weighed = of.get(subject) ?? { valid: 0n, invalid: 0n, unavailable: 0n }
      weighed[name] += stake
      of.set(subject, weighed)
    }
    if (about.size > 0) {
      said.set(message.signer, about)
      counting.push(message)
    }
  }
  return { of, total, said, counting }
}

/** Whether more than a third of all stake found work valid, and more than found it bad: who called it *invalid* is refuted. */
export function isRefuted({ of, total }: Pick<Weights, 'of' | 'total'>, subject: string): boolean {
  const { valid, invalid, unavailable } = of.get(subject) ?? { valid: 0n, invalid: 0n, unavailable: 0n }
  return 3n * valid > total && valid > invalid + unavailable
}

/**
 * Who called work *invalid* and was refuted: with the challenge that shows it (the one with the smallest id), or null where its
 * verdicts do. Who took a challenge back by saying *valid* is not among them.
 *
 * @param challenges - sorted by id
 */
export function refutedChallenges(
  challenges: readonly Message[],
  submissions: ReadonlyMap<string, Message>,
  weights: Weights
): Map<string, Message | null> {
  const refuted = new Map<string, Message | null>()
  for (const [signer, about] of weights.said) {
    if ([...about].some(([subject, finding]) => finding === 'invalid' && isRefuted(weights, subject))) {
      refuted.set(signer, null)
    }
  }
  const byId = new Map([...submissions].map(([subject, { id }]) => [id, subject]))
  for (const message of challenges) {
    const { finding, submission } = message.body.challenge!
    const subject = byId.get(Buffer.from(submission).toString('hex'))
    if (subject == null || finding !== FINDINGS.invalid || subject === message.signer || refuted.has(message.signer)) {
      continue
    }
    if (isRefuted(weights, subject) && weights.said.get(message.signer)?.get(subject) !== 'valid') {
      refuted.set(message.signer, message)
    }
  }
  return refuted
}
