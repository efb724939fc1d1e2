import { MIN_AUDIT_WINDOW } from '../clock/index.ts'
import { counted } from '../observe/words.ts'

/** Rounds in which nobody would audit. */
export class RoundTooShortError extends Error {
  override name = 'RoundTooShortError'
}

/** 5 slots to submit, 8 to audit, 1 to spare: shorter rounds are over before a busy machine has done its part of one. */
export const MIN_ROUND_SLOTS = 14

/**
 * How the testnet's task divides its rounds.
 *
 * @throws RoundTooShortError when that leaves no time to audit
 */
export function windowsOf(roundSlots: number): { submissionWindow: number; auditWindow: number } {
  // a round of a few seconds on two cores: the work of all nodes ends at once, and needs its time to be handed in
  const submissionWindow = Math.max(1, Math.floor((roundSlots * 2) / 5))
  const auditWindow = roundSlots - submissionWindow - Math.max(1, Math.floor(roundSlots / 15))
  if (roundSlots < MIN_ROUND_SLOTS || auditWindow < MIN_AUDIT_WINDOW) {
    throw new RoundTooShortError(
      `a round of ${counted(roundSlots, 'slot')} is too short: it leaves ${Math.max(0, auditWindow)} for audits, and with fewer than ${MIN_AUDIT_WINDOW} nobody has the time to look at what others submitted. Give --round-slots ${MIN_ROUND_SLOTS} or more, which leave some to spare`
    )
  }
  return { submissionWindow, auditWindow }
}
