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
  /** When the signed slot may lie, in rounds after the cycle's start. */
  window: 'any' | 'submission' | 'audit' | 'distribution'
}

/** Audits sample 8 submissions (DESIGN.md, Time), so an honest auditor challenges at most 8. */
export const AUDITS_PER_CYCLE = 8

export const KINDS = {
  announcement: { perCycle: 16, window: 'any' },
  submission: { perCycle: 2, window: 'submission' },
  challenge: { perCycle: 2 * AUDITS_PER_CYCLE, window: 'audit' },
  response: { perCycle: 2, window: 'audit' },
  // everyone audits what is challenged: as many as there may be challenged submissions
  verdict: { perCycle: 4096, window: 'audit' },
  record: { perCycle: 64, window: 'distribution' },
  approval: { perCycle: 64, window: 'distribution' },
  // K2 takes one; a node that came back may say it again
  vote: { perCycle: 4, window: 'distribution' },
  equivocation: { perCycle: 64, window: 'any' }
} as const satisfies Record<string, KindFacts>

export type Kind = keyof typeof KINDS
export const KIND_NAMES = Object.keys(KINDS) as Kind[]

/** The one kind that a body holds, or undefined when it holds none or several. */
export function kindOf(body: Body): Kind | undefined {
  const present = KIND_NAMES.filter((kind) => body[kind] != null)
  return present.length === 1 ? present[0] : undefined
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/**
 * What a signer may say only once: two different bodies with the same signer, cycle and key are equivocation.
 * `null` for kinds that may be said again (an announcement with a later sequence number, evidence about others).
 */
export function onceKey(body: Body): string | null {
  if (body.submission != null) return 'submission'
  if (body.challenge != null) return `challenge/${hex(body.challenge.submission)}`
  if (body.response != null) return `response/${hex(body.response.submission)}`
  if (body.verdict != null) return `verdict/${hex(body.verdict.submission)}`
  if (body.record != null) return `record/${body.record.attempt}`
  if (body.approval != null) return `approval/${body.approval.attempt}`
  return null
}
