/**
 * How stakers agree on one record before they vote on K2, where a vote can be given only once.
 * Rules, and the argument why no cycle is lost and no vote split: protocols/rounds/README.md, "Agreement".
 */
import { CID } from 'multiformats/cid'
import type { CycleSchedule } from '../clock/index.ts'
import type { Message } from '../wire/index.ts'
import { checkOf, startCheck } from './checks.ts'
import type { CycleState } from './cycle.ts'
import type { RecordFacts, RoundsEffect } from './types.ts'

export function attemptAt(schedule: CycleSchedule, slot: number): number {
  return Math.floor((slot - schedule.proposalSlot) / schedule.attemptSlots)
}

const startOf = ({ proposalSlot, attemptSlots }: CycleSchedule, attempt: number) => proposalSlot + attempt * attemptSlots

/** What is heard in an attempt before this slot, everybody has heard at its end. */
const marginOf = (schedule: CycleSchedule, attempt: number) => startOf(schedule, attempt + 1) - schedule.marginSlots

/** Our turn: what has a quorum already, or else our own record. */
export function propose(state: CycleState, slot: number, attempt: number): RoundsEffect[] {
  const { schedule } = state
  // whatever anybody knew at the end of the attempt before has arrived by then
  const from = startOf(schedule, attempt) + (attempt === 0 ? 0 : schedule.marginSlots)
  if (state.proposed.has(attempt) || slot < from || slot >= marginOf(schedule, attempt)) {
    return []
  }
  const record = toPropose(state)
  if (record == null) {
    return []
  }
  state.proposed.add(attempt)
  const { cid, root, totalRewards } = record
  const proposal = { cid: new Uint8Array(CID.parse(cid).bytes), root: new Uint8Array(root), totalRewards, attempt }
  return [{ type: 'publish', body: { cycle: state.cycle, slot, record: proposal } }]
}

function toPropose(state: CycleState): RecordFacts | null {
  const cid = state.votedFor ?? state.quorums.best()?.cid
  const check = cid == null ? undefined : checkOf(state, cid)
  if (check?.state === 'right' || check?.state === 'incomplete') {
    return check.record
  }
  // a record with a quorum that is being fetched is worth waiting for: who has voted for it approves nothing else
  return check?.state !== 'checking' && check?.state !== 'waiting' && state.build?.state === 'built' ? state.build.record : null
}

/** The proposal of the attempt that runs now: checked, then approved or refused. At most one is approved in an attempt. */
export function considerProposal(state: CycleState, proposal: Message, slot: number, attempt: number): RoundsEffect[] {
  if (state.approvedAttempts.has(attempt) || state.refusedAttempts.has(attempt)) {
    return []
  }
  const record = proposal.body.record!
  const cid = CID.decode(record.cid).toString()
  const effects: RoundsEffect[] = []
  if (!state.proposed.has(attempt)) {
    state.proposed.add(attempt)
    effects.push({ type: 'note', cycle: state.cycle, note: { event: 'proposed', cid, attempt, by: proposal.signer } })
  }
  const check = checkOf(state, cid)
  if (check == null || check.state === 'waiting') {
    // what is not here yet is not refused for it
    return [...effects, ...startCheck(state, cid, () => [proposal.signer], slot)]
  }
  if (check.state === 'checking') {
    return effects
  }
  const reason =
    check.state === 'right' || check.state === 'incomplete'
      ? (differs(record, check.record) ?? whyNot(state, cid, attempt, check.state === 'right' ? null : (check.reason ?? 'incomplete')))
      : check.reason
  if (reason === 'wait') {
    return effects
  }
  if (reason != null) {
    state.refusedAttempts.add(attempt)
    return [...effects, { type: 'note', cycle: state.cycle, note: { event: 'refused', cid, attempt, reason } }]
  }
  if (slot >= marginOf(state.schedule, attempt)) {
    return effects // too late for a quorum that all see: the next attempt will do
  }
  state.approvedAttempts.add(attempt)
  return [
    ...effects,
    { type: 'publish', body: { cycle: state.cycle, slot, approval: { cid: record.cid, root: record.root, attempt } } },
    { type: 'note', cycle: state.cycle, note: { event: 'approved', cid, attempt } }
  ]
}

function differs(claim: { root: Uint8Array; totalRewards: bigint }, record: RecordFacts): string | null {
  const same = Buffer.from(claim.root).equals(record.root) && claim.totalRewards === record.totalRewards
  return same ? null : 'the proposal names another root or total than its record'
}

/**
 * Why a record that recomputes is not approved; null when it is. 'wait': what would allow it may still come.
 *
 * @param incomplete - what it lacks by our own hearing, or null
 */
function whyNot(state: CycleState, cid: string, attempt: number, incomplete: string | null): string | null {
  if (state.votedFor != null) {
    return state.votedFor === cid ? null : 'another record has our vote'
  }
  const own = state.quorums.of(cid)
  const locked = state.quorums.best(startOf(state.schedule, attempt))
  if (locked != null && locked.cid !== cid && (own == null || own.attempt < locked.attempt)) {
    return 'wait' // somebody may have voted for the other one, or this one may have a later quorum that is on its way
  }
  if (incomplete != null && own == null) {
    return attempt === 0 ? incomplete : 'wait'
  }
  return null
}

/**
 * A quorum heard in good time is one that everybody hears of before the attempt ends, so nobody will approve anything else after
 * it: vote at once. One heard later serves when no rival is in sight, and otherwise makes the next proposal.
 */
export function considerVote(state: CycleState, slot: number): RoundsEffect[] {
  const best = state.votedFor == null ? state.quorums.best() : null
  if (best == null) {
    return []
  }
  const check = checkOf(state, best.cid)
  if (check?.state !== 'right' && check?.state !== 'incomplete') {
    return []
  }
  const { schedule } = state
  const inTime = best.slot < marginOf(schedule, best.attempt)
  const boundary = startOf(schedule, attemptAt(schedule, slot))
  const quiet = best.slot < boundary - schedule.marginSlots && !state.quorums.hasRivals(best.cid, boundary)
  if (!inTime && !quiet && slot < schedule.lastCallSlot) {
    return []
  }
  state.votedFor = best.cid
  return [
    { type: 'note', cycle: state.cycle, note: { event: 'agreed', cid: best.cid, approvals: best.approvals } },
    { type: 'vote', cycle: state.cycle, record: check.record }
  ]
}
