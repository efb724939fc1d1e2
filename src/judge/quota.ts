import { KINDS, type Message, offenceOf, onceKey } from '../wire/index.ts'

/**
 * Under which key a message counts, and how many the pool takes under it. Each signer has keys of its own, so nobody can use up
 * another's; and what a record can hold has one key, so that no two nodes can hold different ones of it for good.
 */
export function quotaOf({ kind, signer, body, evidence }: Message): { key: string; max: number } {
  if (evidence != null) {
    // whoever tells of an offence: one piece of evidence says all
    return { key: `evidence/${offenceOf(evidence)}`, max: 1 }
  }
  const once = onceKey(body)
  // two that contradict each other are proof, a third adds nothing
  return once == null ? { key: `${signer}/${kind}`, max: KINDS[kind].perCycle } : { key: `${signer}/${once}`, max: 2 }
}
