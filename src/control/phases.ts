import { type CycleSchedule, scheduleFor, type Timing } from '../clock/index.ts'
import type { CycleEntry, CyclePhases } from '../store/index.ts'
import type { Cycle } from './schemas.ts'

type State = Cycle['submission']['state']

interface Times {
  /** K2's now; null while it is not known. */
  now: number | null
  from: number
  to: number
}

/** Of a phase of which nothing was told. @param missed whether one knows that it did not happen */
function untold({ now, from, to }: Times, missed: boolean): State {
  if (now == null) {
    return missed ? 'missed' : 'unknown'
  }
  return now < from ? 'waiting' : now < to ? 'open' : missed ? 'missed' : 'unknown'
}

function submissionOf(entry: CycleEntry, phases: CyclePhases, schedule: CycleSchedule, now: number | null): Cycle['submission'] {
  const { from, to } = schedule.submission
  const { submittedSlot, missedSlot } = phases
  const isIn = entry.proofs != null
  const slot = submittedSlot ?? missedSlot ?? null
  const isLate = isIn && slot != null && slot >= to
  const isMissed = !isIn && entry.missed != null
  return {
    state: isIn ? (isLate ? 'late' : 'on time') : isMissed ? 'missed' : untold({ now, from, to }, entry.outcome === 'no submission'),
    ...{ from, to, slot },
    reason: isMissed ? entry.missed! : isLate ? 'the submission window had closed' : null,
    proofs: entry.proofs ?? [],
    challengedBy: phases.challengedBy ?? []
  }
}

function auditsOf(phases: CyclePhases, schedule: CycleSchedule, now: number | null): Cycle['audits'] {
  const { sampleSlot: from, verdictsEndSlot: to, challengeSlot } = schedule
  const made = (phases.audits ?? []).map((audit) => ({
    ...audit,
    late: audit.slot != null && audit.slot >= (audit.purpose === 'sample' ? challengeSlot : to)
  }))
  const bad = made.find(({ finding }) => finding === 'abstained') ?? made.find(({ late }) => late)
  const state: State =
    made.length === 0
      ? phases.closedSlot == null
        ? untold({ now, from, to }, false)
        : 'none'
      : bad == null
        ? 'on time'
        : bad.finding === 'abstained'
          ? 'missed'
          : 'late'
  return {
    ...{ state, from, to },
    slot: made.at(-1)?.slot ?? null,
    reason: bad == null ? null : bad.finding === 'abstained' ? bad.reason : 'it came when nothing could be said about it any more',
    count: phases.auditCount ?? 0,
    made
  }
}

function agreementOf(entry: CycleEntry, phases: CyclePhases, schedule: CycleSchedule, now: number | null): Cycle['agreement'] {
  const [from, to] = [schedule.proposalSlot, schedule.distribution.to]
  const { agreedSlot: slot = null, agreed } = phases
  const isLate = slot != null && slot >= schedule.lastCallSlot
  const isMissed = agreed == null && (entry.skipped != null || phases.closedSlot != null)
  return {
    state: agreed != null ? (isLate ? 'late' : 'on time') : isMissed ? 'missed' : untold({ now, from, to }, false),
    ...{ from, to, slot },
    reason: isLate
      ? 'it came after the last call for votes'
      : isMissed
        ? (entry.skipped ?? phases.noAgreement ?? 'too little of the stake approved one record, as far as this node heard')
        : agreed == null
          ? (phases.noAgreement ?? null)
          : null,
    proposals: phases.proposals ?? 0,
    approvedSlot: phases.approvedSlot ?? null,
    record: agreed ?? null
  }
}

function voteOf(entry: CycleEntry, phases: CyclePhases, schedule: CycleSchedule, now: number | null): Cycle['vote'] {
  const { from, to } = schedule.distribution
  const isLost = entry.voted == null && entry.voteLost != null
  const hadNone = entry.voted == null && !isLost && phases.closedSlot != null && phases.agreed == null
  return {
    state: entry.voted != null ? 'on time' : isLost || hadNone ? 'missed' : untold({ now, from, to }, false),
    ...{ from, to },
    slot: phases.votedSlot ?? phases.voteLostSlot ?? null,
    reason: isLost ? entry.voteLost! : hadNone ? 'there was no agreement on a record' : null,
    root: entry.voted ?? null,
    signature: phases.signature ?? null,
    handedOver: phases.handedOverSlot != null
  }
}

function settlementOf(entry: CycleEntry, phases: CyclePhases, schedule: CycleSchedule, now: number | null): Cycle['settlement'] {
  const { from, to } = schedule.distribution
  const isThere = entry.record != null || entry.outcome != null
  return {
    // K2 takes votes in their window alone: what is finalized is on time
    state: isThere ? 'on time' : entry.skipped != null ? 'missed' : untold({ now, from, to }, false),
    ...{ from, to },
    slot: phases.finalizedSlot ?? phases.settledSlot ?? null,
    reason: isThere ? (entry.reason ?? null) : (entry.skipped ?? null),
    record: entry.record ?? null,
    outcome: entry.outcome ?? null,
    paid: entry.paid ?? null,
    total: entry.total ?? null
  }
}

/**
 * How each phase of a cycle went: on time, late or missed, and why.
 *
 * @param now - K2's slot; null while it is not known
 */
export function phasesOf(cycle: number, entry: CycleEntry, timing: Timing, now: number | null): Cycle {
  const schedule = scheduleFor(timing, cycle)
  const phases = entry.phases ?? {}
  return {
    cycle,
    submission: submissionOf(entry, phases, schedule, now),
    audits: auditsOf(phases, schedule, now),
    agreement: agreementOf(entry, phases, schedule, now),
    vote: voteOf(entry, phases, schedule, now),
    settlement: settlementOf(entry, phases, schedule, now)
  }
}
