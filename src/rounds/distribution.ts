import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { hasQuorum, isRecorded } from '../record/index.ts'
import type { Message } from '../wire/index.ts'
import { type Check, type CycleState, staked } from './cycle.ts'
import type { RoundsEffect, RoundsEvent, RoundsInit } from './types.ts'

export function recordedMessages(state: CycleState): Message[] {
  return [...state.messages.values()].map(({ message }) => message).filter((message) => isRecorded(message.kind))
}

/** Builds, proposes, has proposals checked, approves and votes, as far as what is known allows. */
export function tickDistribution(init: RoundsInit, state: CycleState, slot: number): RoundsEffect[] {
  const { schedule } = state
  if (slot < schedule.proposalSlot || !staked(init, state)) {
    return []
  }
  if (state.base == null) {
    if (state.asked.base) {
      return []
    }
    state.asked.base = true
    return [{ type: 'need-base', cycle: state.cycle }]
  }
  const effects: RoundsEffect[] = []
  const attempt = Math.floor((slot - schedule.proposalSlot) / schedule.attemptSlots)
  const proposer = init.proposer({ stakes: state.stakes!, base: state.base, cycle: state.cycle, attempt })
  const proposal = proposer == null ? undefined : state.first.get(`${proposer}/record/${attempt}`)
  const proposing = proposer === init.self && proposal == null
  const key = inputsKey(state)
  // a proposer whose turn comes later has heard more by then: it proposes what it knows now
  if (state.build == null || (proposing && state.build.key !== key && state.build.state !== 'building')) {
    state.build = { key, state: 'building' }
    effects.push({ type: 'build', cycle: state.cycle, key, messages: recordedMessages(state), stakes: state.stakes!, base: state.base })
  }
  if (proposing && state.build.state === 'built' && state.votedFor == null && !state.proposed.has(attempt)) {
    const { cid, root, totalRewards } = state.build.record
    state.proposed.add(attempt)
    effects.push({
      type: 'publish',
      body: {
        cycle: state.cycle,
        slot,
        record: { cid: new Uint8Array(CID.parse(cid).bytes), root: new Uint8Array(root), totalRewards, attempt }
      }
    })
  }
  if (proposal != null) {
    effects.push(...considerProposal(state, proposal, slot, attempt))
  }
  return [...effects, ...considerVote(state)]
}

/** The proposal of the attempt that runs now: checked, then approved or refused. */
function considerProposal(state: CycleState, proposal: Message, slot: number, attempt: number): RoundsEffect[] {
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
  if (check == null) {
    if (state.build?.state === 'building') {
      return effects // it may turn out to be the same
    }
    state.checks.set(cid, { state: 'checking' })
    const { distribution, graceSlot } = state.schedule
    const mustHave = new Set(
      [...state.messages].filter(([, { message, slot: received }]) => isRecorded(message.kind) && received < graceSlot).map(([id]) => id)
    )
    return [
      ...effects,
      { type: 'check', cycle: state.cycle, proposal, mustHave, stakes: state.stakes!, base: state.base!, deadlineSlot: distribution.to }
    ]
  }
  if (check.state === 'checking') {
    return effects
  }
  if (check.state !== 'right' || !sameClaim(record, check.record)) {
    state.refusedAttempts.add(attempt)
    const reason = check.state === 'right' ? 'the proposal names another root or total than its record' : (check.reason ?? check.state)
    return [...effects, { type: 'note', cycle: state.cycle, note: { event: 'refused', cid, attempt, reason } }]
  }
  state.approvedAttempts.add(attempt)
  return [
    ...effects,
    { type: 'publish', body: { cycle: state.cycle, slot, approval: { cid: record.cid, root: record.root, attempt } } },
    { type: 'note', cycle: state.cycle, note: { event: 'approved', cid, attempt } }
  ]
}

/** Our own record is right by construction: nothing to fetch, nothing to recompute. */
function checkOf(state: CycleState, cid: string): Check | undefined {
  return state.build?.state === 'built' && state.build.record.cid === cid
    ? { state: 'right', record: state.build.record }
    : state.checks.get(cid)
}

/**
 * Approvals of more than 2/3 of the stake for one record make us vote for it, once: also when the record lacks a
 * message that we had, but never when it does not recompute.
 */
function considerVote(state: CycleState): RoundsEffect[] {
  if (state.votedFor != null) {
    return []
  }
  const { weights, total } = state.stakes!
  for (const [cid, signers] of state.approvals) {
    const check = checkOf(state, cid)
    const approved = [...signers].reduce((sum, signer) => sum + (weights.get(signer) ?? 0n), 0n)
    if ((check?.state === 'right' || check?.state === 'incomplete') && hasQuorum(approved, total)) {
      state.votedFor = cid
      return [
        { type: 'note', cycle: state.cycle, note: { event: 'agreed', cid, approvals: signers.size } },
        { type: 'vote', cycle: state.cycle, record: check.record }
      ]
    }
  }
  return []
}

export function onApproval(init: RoundsInit, state: CycleState, message: Message): void {
  const { cid: bytes, attempt } = message.body.approval!
  const cid = CID.decode(bytes).toString()
  const signers = state.approvals.get(cid) ?? new Set<string>()
  state.approvals.set(cid, signers.add(message.signer))
  if (message.signer === init.self) {
    state.approvedAttempts.add(attempt) // also after a restart, from the log
  }
}

export function onBuilt(state: CycleState, event: Extract<RoundsEvent, { type: 'built' }>, effects: RoundsEffect[]): void {
  if (state.build?.key !== event.key) {
    return
  }
  if (event.result.ok) {
    state.build = { key: event.key, state: 'built', record: event.result.record }
  } else {
    state.build = { key: event.key, state: 'failed', reason: event.result.reason }
    effects.push({ type: 'note', cycle: state.cycle, note: { event: 'build-failed', reason: event.result.reason } })
  }
}

export function onChecked(state: CycleState, { cid, result }: Extract<RoundsEvent, { type: 'checked' }>): void {
  const { verdict, ...rest } = result
  state.checks.set(cid, { state: verdict, ...rest } as Check)
}

function sameClaim(claim: { root: Uint8Array; totalRewards: bigint }, record: { root: Uint8Array; totalRewards: bigint }): boolean {
  return Buffer.from(claim.root).equals(record.root) && claim.totalRewards === record.totalRewards
}

/** Names what a record would be built from. */
function inputsKey(state: CycleState): string {
  const ids = recordedMessages(state)
    .map((message) => message.id)
    .sort()
  return createHash('sha256').update(ids.join()).digest('hex')
}
