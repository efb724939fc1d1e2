import { isRecorded } from '../record/index.ts'
import type { Check, CycleState } from './cycle.ts'
import { tryAgain } from './not-yet.ts'
import type { RoundsEffect, RoundsEvent } from './types.ts'

/**
 * Has a record checked once, and again while it is not here yet: nothing to do when it is our own, or may turn out to be.
 *
 * @param vouchers - asked for only when it is checked: this is called with each message
 */
export function startCheck(state: CycleState, cid: string, vouchers: () => string[], slot: number): RoundsEffect[] {
  const before = checkOf(state, cid)
  const isDue = before == null || (before.state === 'waiting' && slot >= before.retry.slot)
  if (!isDue || state.build?.state === 'building') {
    return []
  }
  state.checks.set(cid, { state: 'checking', ...(before?.state === 'waiting' ? { retry: before.retry } : {}) })
  const { distribution, lateSlot, submissionMustSlot, verdictsMustSlot } = state.schedule
  const must = [...state.messages].filter(
    ([, { message, slot }]) =>
      isRecorded(message.kind) &&
      message.kind !== 'challenge' &&
      slot < (message.kind === 'submission' ? submissionMustSlot : verdictsMustSlot)
  )
  // whoever made it: that somebody turned out meanwhile to have submitted twice makes what was in time not late
  const timely = [...state.messages].filter(([, { message, slot }]) => message.kind === 'submission' && slot < lateSlot)
  return [
    {
      type: 'check',
      cycle: state.cycle,
      cid,
      vouchers: vouchers(),
      messages: [...state.messages.values()].map(({ message }) => message),
      mustHave: new Set(must.map(([id]) => id)),
      timely: state.deaf ? null : new Set(timely.map(([id]) => id)),
      stakes: state.stakes!,
      base: state.base!,
      deadlineSlot: distribution.to
    }
  ]
}

/** Our own record is right by construction: nothing to fetch, nothing to recompute. */
export function checkOf(state: CycleState, cid: string): Check | undefined {
  return state.build?.state === 'built' && state.build.record.cid === cid
    ? { state: 'right', record: state.build.record }
    : state.checks.get(cid)
}

export function onChecked(state: CycleState, { cid, result }: Extract<RoundsEvent, { type: 'checked' }>, slot: number): RoundsEffect[] {
  const { verdict, ...rest } = result
  if (result.verdict !== 'unreadable' || result.notYet !== true) {
    state.checks.set(cid, { state: verdict, ...rest } as Check)
    return []
  }
  const { reason } = result
  const before = state.checks.get(cid)
  const retry = before?.state === 'checking' ? before.retry : undefined
  state.checks.set(cid, { state: 'waiting', retry: tryAgain(retry, slot, reason) })
  return retry == null ? [{ type: 'note', cycle: state.cycle, note: { event: 'not-yet', what: 'proposal', reason } }] : []
}
