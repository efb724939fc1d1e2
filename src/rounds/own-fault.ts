/**
 * Whose fault it is that a proof does not come: its submitter's, or that of our own network or machine. Before it accuses anybody a node
 * makes sure that it is not cut off: it asks everybody it is connected to for a sign of life, and goes by what share of the stake gives one.
 */
import { type AuditState, type CycleState, stakeIn } from './cycle.ts'
import type { RoundsEffect, RoundsEvent, RoundsInit } from './types.ts'

type Look = [id: string, look: AuditState]

/** The slot in which a look is over, or will be. */
const endOf = ({ running, untilSlot, endedSlot }: AuditState) => (running ? untilSlot : Math.min(untilSlot, endedSlot))

/** Signs of life count from so many slots before the end of a look: an honest proof has long come by then. */
const freshSlots = ({ schedule: { deliverySlots } }: CycleState) => Math.max(2 * deliverySlots, 3)

const subjectsOf = (state: CycleState, looks: readonly Look[]) =>
  new Set(looks.flatMap(([id]) => state.messages.get(id)?.message.signer ?? []))

/** A look found nothing, and it is not known yet whose fault that is. */
const isOpen = ({ running, result, confirmed }: AuditState) => !running && result?.finding === 'unavailable' && !confirmed

/** Asked in each slot, so without a copy of what is looked at. */
export function hasLook({ audits }: CycleState, test: (look: AuditState) => boolean): boolean {
  for (const look of audits.values()) {
    if (test(look)) {
      return true
    }
  }
  return false
}

/** Asks for signs of life while a proof is missing and there is something to be said about it. */
export function tickProbe(state: CycleState, slot: number): RoundsEffect[] {
  const { deliverySlots } = state.schedule
  if (state.spoken || !hasLook(state, (look) => look.running || isOpen(look))) {
    return []
  }
  const looks = [...state.audits]
  // one that has just ended, and those that are about to while a delivery takes no longer than they have waited
  const ended = looks.filter(([, look]) => isOpen(look) && slot <= look.endedSlot + deliverySlots)
  const late = looks.filter(
    ([, look]) => look.running && slot > look.since && slot >= endOf(look) - freshSlots(state) && slot <= endOf(look) + deliverySlots
  )
  const due = slot >= state.life.probedSlot + deliverySlots || ended.some(([, { endedSlot }]) => endedSlot > state.life.probedSlot)
  if (!due || ended.length + late.length === 0) {
    return []
  }
  state.life.probedSlot = slot
  return [{ type: 'probe', cycle: state.cycle, stakers: [...subjectsOf(state, [...ended, ...late])] }]
}

/** Who was asked for a sign of life, and who has given one. */
export function onProbed(state: CycleState, { asked, answered }: Extract<RoundsEvent, { type: 'probed' }>, slot: number): void {
  for (const staker of asked) {
    state.life.asked.add(staker)
  }
  for (const staker of answered) {
    state.life.answered.set(staker, slot)
  }
  confirm(state)
}

/** All looks that end in one slot end together: what one found is weighed when the others have told what they did. */
export function confirm(state: CycleState): void {
  for (const look of state.audits.values()) {
    look.confirmed ||= isOpen(look)
  }
}

/** Whether a look got a proof: whatever else is amiss, proofs can reach us. */
export const gotThrough = (state: CycleState): boolean =>
  [...state.audits.values()].some(({ result }) => result?.finding === 'valid' || result?.finding === 'invalid')

/**
 * Whether a proof that did not come is our own affair. It is when nobody gave a sign of life around the end of the look; when those who gave
 * none hold more than a third of all stake, as in a partition, so that they cannot all be faulty; and when more than half of the stake
 * cannot be got. When no look got through, also when the submitters that we looked for hold more than a third, when we had no peer at some
 * time since the auditors drew, or when most of those we asked, by stake, are silent. How many they are says nothing: one staker may be many.
 *
 * @param look - the one that found nothing
 */
export function isOwnFault(init: RoundsInit, state: CycleState, look: AuditState): boolean {
  const total = state.stakes?.total ?? 0n
  const sum = (stakers: Iterable<string>) => [...stakers].reduce((weight, staker) => weight + stakeIn(state, staker), 0n)
  const looks = [...state.audits]
  const missing = subjectsOf(
    state,
    looks.filter(([, { result }]) => result?.finding === 'unavailable')
  )
  const asked = new Set([...state.life.asked, ...missing])
  const since = endOf(look) - freshSlots(state)
  const silent = [...asked].filter((staker) => (state.life.answered.get(staker) ?? Number.NEGATIVE_INFINITY) < since)
  // who holds two thirds cannot be cut off from more than a third
  const mayBeCut = 3n * (total - stakeIn(state, init.self)) > total
  if ((mayBeCut && silent.length === asked.size) || 3n * sum(silent) > total || 2n * sum(missing) > total) {
    return true
  }
  return !gotThrough(state) && (state.alone || 3n * sum(subjectsOf(state, looks)) > total || (mayBeCut && 2n * sum(silent) > sum(asked)))
}
