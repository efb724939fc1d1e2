import { type SlotRange, type Timing, windowOf } from './timing.ts'

/** The windows of a cycle and the deadlines inside them, in slots. Spec and reasons: protocols/rounds/README.md, "Deadlines". */
export interface CycleSchedule {
  work: SlotRange
  submission: SlotRange
  audit: SlotRange
  distribution: SlotRange
  /** How long a message may take from one honest node to all others, what their clocks differ by included. */
  deliverySlots: number
  /** A record must hold the submissions that its checker heard before this slot. */
  submissionMustSlot: number
  /** Auditors draw; an honest proposer takes what it heard before. */
  sampleSlot: number
  /** What is first heard from here on is not looked at, and no record that holds it is approved. */
  lateSlot: number
  /** Challenges are signed before. */
  challengeSlot: number
  /** From here on *unavailable* is final, and responses change nothing. */
  finalSlot: number
  /** Verdicts are signed in [finalSlot, verdictsEndSlot). */
  verdictsEndSlot: number
  /** A record must hold the verdicts and the evidence that its checker heard before this slot. */
  verdictsMustSlot: number
  /** The first block of K2 at or after this slot is the cycle's beacon: it comes when all verdicts are being signed. */
  beaconSlot: number
  /** When the first proposer may speak. */
  proposalSlot: number
  /** How long each proposer has. */
  attemptSlots: number
  /** What is heard so long before an attempt ends, everybody has heard at its end. */
  marginSlots: number
  /** When a node votes for the best that it knows: later than this its vote may miss the window. */
  lastCallSlot: number
}

/** The shortest audit window, in slots, in which what is submitted can be audited, and an accusation answered. */
export const MIN_AUDIT_WINDOW = 8

/** Gossip reaches everybody well within: K2's slots take 400 ms. */
const MAX_DELIVERY_SLOTS = 8

export function scheduleFor(timing: Timing, cycle: number): CycleSchedule {
  const audit = windowOf(timing, cycle, 'audit')
  const distribution = windowOf(timing, cycle, 'distribution')
  const window = timing.auditWindow
  const delivery = Math.min(MAX_DELIVERY_SLOTS, Math.max(1, Math.floor(window / 16)))
  // what is left of the window for looking, in two halves: before the last challenge, and after it
  const look = Math.floor((window + 1 - 6 * delivery) / 2)
  const verdictsEnd = audit.to + 1 - 2 * delivery
  // six proposers get their turn in a round: with less than a third of the stake faulty one of them is honest
  // with a probability of 1 - (1/3)^6
  const attemptSlots = Math.max(4, Math.floor(timing.roundSlots / 6))
  return {
    work: windowOf(timing, cycle, 'work'),
    submission: windowOf(timing, cycle, 'submission'),
    audit,
    distribution,
    deliverySlots: delivery,
    submissionMustSlot: audit.from + delivery,
    sampleSlot: audit.from + 2 * delivery,
    lateSlot: audit.from + 3 * delivery,
    challengeSlot: audit.from + 3 * delivery + look,
    finalSlot: verdictsEnd - delivery,
    verdictsEndSlot: verdictsEnd,
    verdictsMustSlot: verdictsEnd + delivery,
    beaconSlot: audit.to - delivery,
    proposalSlot: distribution.from + 1,
    attemptSlots,
    marginSlots: Math.max(1, Math.min(delivery, Math.floor(attemptSlots / 5))),
    lastCallSlot: distribution.to - Math.max(2, Math.floor(attemptSlots / 2))
  }
}

/** The windows in which messages are signed. */
export type SignedWindow = 'submission' | 'challenge' | 'response' | 'verdicts' | 'distribution'

/** Where the signed slot of a message lies. */
export function signedWindowOf(timing: Timing, cycle: number, window: SignedWindow): SlotRange {
  if (window === 'submission' || window === 'distribution') {
    return windowOf(timing, cycle, window)
  }
  const { audit, challengeSlot, finalSlot, verdictsEndSlot } = scheduleFor(timing, cycle)
  return {
    challenge: { from: audit.from, to: challengeSlot },
    response: { from: audit.from, to: finalSlot },
    verdicts: { from: finalSlot, to: verdictsEndSlot }
  }[window]
}
