import { type Timing, windowOf } from '../clock/index.ts'

/** The deadlines inside a cycle's windows, all in slots and all derived from the task's own windows. */
export interface CycleSchedule {
  work: { from: number; to: number }
  submission: { from: number; to: number }
  audit: { from: number; to: number }
  distribution: { from: number; to: number }
  /** When sampling starts: what was sent in the last slot of the submission window has arrived by then. */
  sampleSlot: number
  /** When a sampled proof that has not come counts as unavailable, leaving half the window for the challenge. */
  sampleDeadlineSlot: number
  /** When an unavailable verdict is final: an answer to the challenge may come until then. */
  verdictSlot: number
  /** A record must hold what we received before this slot: later messages may not have reached its proposer. */
  graceSlot: number
  /** When the first proposer may speak. */
  proposalSlot: number
  /** How long each proposer has. */
  attemptSlots: number
}

/** One network hop and one tick; a slot is 400 ms on K2. */
const SETTLE_SLOTS = 1

/**
 * The shortest audit window, in slots, in which a node samples what others submitted: with fewer, sampling would have to
 * be over before it begins. The program on K2 takes such a task; nobody would audit it.
 */
export const MIN_AUDIT_WINDOW = 2 * (SETTLE_SLOTS + 1)

export function scheduleFor(timing: Timing, cycle: number): CycleSchedule {
  const audit = windowOf(timing, cycle, 'audit')
  const distribution = windowOf(timing, cycle, 'distribution')
  return {
    work: windowOf(timing, cycle, 'work'),
    submission: windowOf(timing, cycle, 'submission'),
    audit,
    distribution,
    sampleSlot: audit.from + SETTLE_SLOTS,
    sampleDeadlineSlot: audit.from + Math.floor(timing.auditWindow / 2),
    verdictSlot: audit.to - Math.max(2, Math.floor(timing.auditWindow / 6)),
    graceSlot: audit.to - Math.max(1, Math.floor(timing.auditWindow / 10)),
    proposalSlot: distribution.from + SETTLE_SLOTS,
    // six proposers get their turn in a round: with less than a third of the stake faulty one of them is honest
    // with a probability of 1 - (1/3)^6
    attemptSlots: Math.max(4, Math.floor(timing.roundSlots / 6))
  }
}
