/** What convicts an equivocator: the one rule, for the judge, the rounds and the tally. Spec: protocols/wire/README.md, "Equivocation". */
import { MalformedMessageError } from './errors.ts'
import { KINDS, onceKey } from './kinds.ts'
import { LIMITS } from './limits.ts'
import type { Evidence, Message } from './message.ts'

/**
 * Whom two messages convict. Their signatures are the caller's to check.
 *
 * @param recordCycle - the cycle in whose record the evidence is to count
 * @throws MalformedMessageError when they do not contradict each other, or that record cannot count them
 */
export function evidenceOf(halves: [Message, Message], recordCycle: number): Evidence {
  const [first, second] = halves
  const { cycle } = first.body
  const key = onceKey(first.body)
  if (first.signer !== second.signer || cycle !== second.body.cycle) {
    throw new MalformedMessageError('the halves of the evidence are not by one signer about one cycle')
  }
  if (key == null || key !== onceKey(second.body) || first.id === second.id) {
    throw new MalformedMessageError('the halves of the evidence do not contradict each other')
  }
  // what is said while a record is agreed on is too late for that record
  const last = KINDS[first.kind].recorded ? recordCycle : recordCycle - 1
  if (cycle > last || cycle < recordCycle - LIMITS.evidenceCycles) {
    throw new MalformedMessageError(`evidence about cycle ${cycle} has no place in the record of cycle ${recordCycle}`)
  }
  return { offender: first.signer, kind: first.kind, cycle, halves }
}

/** Names an offence: it is punished once, whoever tells of it and however often. Submitting and proposing twice are two. */
export function offenceOf({ offender, kind, cycle }: Pick<Evidence, 'offender' | 'kind' | 'cycle'>): string {
  return `${offender}/${cycle}/${KINDS[kind].recorded ? 'said' : 'agreed'}`
}
