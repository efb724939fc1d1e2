import { isRecorded } from '../record/index.ts'
import type { Message } from '../wire/index.ts'
import { attemptAt, considerProposal, considerVote, propose } from './agreement.ts'
import { startCheck } from './checks.ts'
import { type CycleState, staked } from './cycle.ts'
import { tryAgain } from './not-yet.ts'
import type { Base, RoundsEffect, RoundsEvent, RoundsInit } from './types.ts'

/** What our own record is made from. What pays must have been heard early; what accuses needs no cut, as a threshold bounds it. */
export function recordable(state: CycleState): Message[] {
  const { sampleSlot } = state.schedule
  const heard = [...state.messages.values()].filter(
    ({ message, slot }) => isRecorded(message.kind) && (message.kind !== 'submission' || state.deaf || slot < sampleSlot)
  )
  return heard.map(({ message }) => message)
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
  const attempt = attemptAt(schedule, slot)
  if (attempt > state.attempt) {
    state.attempt = attempt
    forgetUnreadable(state, slot)
  }
  const proposer = proposerOf(init, state, state.base, attempt)
  const proposal = proposer == null ? undefined : state.first.get(`${proposer}/record/${attempt}`)
  const proposing = proposer === init.self && proposal == null && !state.finalized
  const effects = [...build(state, slot, proposing ? attempt : null), ...checkBacked(state, slot)]
  if (proposing) {
    effects.push(...propose(state, slot, attempt))
  }
  if (proposal != null && !state.finalized) {
    effects.push(...considerProposal(state, proposal, slot, attempt))
  }
  return [...effects, ...considerVote(state, slot)]
}

/** What could not be read for a reason of our own, or as nobody gave it yet, is tried again in each attempt: it may be what all vote for. */
function forgetUnreadable({ checks }: CycleState, slot: number): void {
  for (const [cid, check] of [...checks]) {
    if (check.state === 'unreadable') {
      checks.delete(cid)
    } else if (check.state === 'waiting') {
      check.retry.slot = slot
    }
  }
}

function proposerOf(init: RoundsInit, state: CycleState, base: Base, attempt: number): string | null {
  let proposer = state.proposers.get(attempt)
  if (proposer === undefined) {
    proposer = init.proposer({ stakes: state.stakes!, base, cycle: state.cycle, attempt })
    state.proposers.set(attempt, proposer)
  }
  return proposer
}

/**
 * Our own record; again when it is our turn and we have heard more since. Once in each turn: what somebody held back could come while
 * we build, and then again, until the turn is over.
 *
 * @param turn - the attempt that runs, when it is ours
 */
function build(state: CycleState, slot: number, turn: number | null): RoundsEffect[] {
  const key = String(state.version)
  const before = state.build
  const stale = before?.key !== key || before.state === 'failed'
  const again = turn != null && !state.builtIn.has(turn) && stale && state.build?.state !== 'building'
  const due = before?.state === 'waiting' && slot >= before.retry.slot
  if (before != null && !again && !due) {
    return []
  }
  if (turn != null) {
    state.builtIn.add(turn)
  }
  state.build = { key, state: 'building', ...(before?.state === 'waiting' ? { retry: before.retry } : {}) }
  return [{ type: 'build', cycle: state.cycle, key, messages: recordable(state), stakes: state.stakes!, base: state.base! }]
}

/** Records that somebody honest approves are fetched and checked, whoever proposed them and whenever: we may have to vote for one. */
function checkBacked(state: CycleState, slot: number): RoundsEffect[] {
  return state.quorums.backed(state.stakes!.total).flatMap(({ cid, signers }) => startCheck(state, cid, signers, slot))
}

export function onBuilt(state: CycleState, event: Extract<RoundsEvent, { type: 'built' }>, slot: number, effects: RoundsEffect[]): void {
  if (state.build?.state !== 'building' || state.build.key !== event.key) {
    return
  }
  const { key, result } = event
  if (result.ok) {
    state.build = { key, state: 'built', record: result.record }
  } else if (result.notYet === true) {
    const before = state.build.retry
    state.build = { key, state: 'waiting', retry: tryAgain(before, slot, result.reason) }
    if (before == null) {
      effects.push({ type: 'note', cycle: state.cycle, note: { event: 'not-yet', what: 'record', reason: result.reason } })
    }
  } else {
    state.build = { key, state: 'failed', reason: result.reason }
    effects.push({ type: 'note', cycle: state.cycle, note: { event: 'build-failed', reason: result.reason } })
  }
}
