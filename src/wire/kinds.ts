import type { SignedWindow } from '../clock/index.ts'
import type { Body } from './generated/envelope.js'

/** The findings of an audit, as numbers on the wire. */
export const FINDINGS = { valid: 1, invalid: 2, unavailable: 3 } as const
export type Finding = keyof typeof FINDINGS

export function findingOf(code: number): Finding | undefined {
  return (Object.keys(FINDINGS) as Finding[]).find((name) => FINDINGS[name] === code)
}

/** Every kind of message, with the facts that the rest of the house needs about it. */
export interface KindFacts {
  /** How many messages of the kind one signer may have counted in one cycle: the quota of the validation ladder. */
  perCycle: number
  /** When the signed slot may lie. */
  window: 'any' | SignedWindow
  /** Whether a record can hold it. Of these there is one key for each signer and cycle, so that no quota decides what a record holds. */
  recorded: boolean
}

/** A node draws 8 submissions to audit (protocols/audit), so an honest one challenges at most 8. */
export const AUDITS_PER_CYCLE = 8

/** Proposers' turns that a round can have: six in rounds of 24 slots and more, fewer in shorter ones; some to spare. */
export const MAX_ATTEMPTS = 16

/** Of what may be said once two are let through, because two are proof. */
const TWICE = 2

export const KINDS = {
  announcement: { perCycle: 16, window: 'any', recorded: false },
  submission: { perCycle: TWICE, window: 'submission', recorded: true },
  challenge: { perCycle: AUDITS_PER_CYCLE, window: 'challenge', recorded: true },
  // one's own submission is the only one; again after a restart
  response: { perCycle: 2, window: 'response', recorded: false },
  verdicts: { perCycle: TWICE, window: 'verdicts', recorded: true },
  record: { perCycle: TWICE * MAX_ATTEMPTS, window: 'distribution', recorded: false },
  approval: { perCycle: TWICE * MAX_ATTEMPTS, window: 'distribution', recorded: false },
  // K2 takes one; a node that came back may say it again
  vote: { perCycle: 4, window: 'distribution', recorded: false },
  // bounded by the offences that there are, not by who tells of them: one for each
  equivocation: { perCycle: Number.POSITIVE_INFINITY, window: 'any', recorded: true }
} as const satisfies Record<string, KindFacts>

export type Kind = keyof typeof KINDS
export const KIND_NAMES = Object.keys(KINDS) as Kind[]

/** The one kind that a body holds, or undefined when it holds none or several. */
export function kindOf(body: Body): Kind | undefined {
  const present = KIND_NAMES.filter((kind) => body[kind] != null)
  return present.length === 1 ? present[0] : undefined
}

/**
 * What a signer may say only once: two different bodies with the same signer, cycle and key are equivocation.
 * `null` for kinds that may be said again (an announcement with a later sequence number, evidence about others) and for those that
 * only make others look (challenges and responses).
 */
export function onceKey(body: Body): string | null {
  if (body.submission != null) return 'submission'
  if (body.verdicts != null) return 'verdicts'
  if (body.record != null) return `record/${body.record.attempt}`
  if (body.approval != null) return `approval/${body.approval.attempt}`
  return null
}
