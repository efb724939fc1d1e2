import { KINDS, LIMITS, type Message, offenceOf } from '../wire/index.ts'
import { type CycleState, convict, staked, stakeIn } from './cycle.ts'
import type { RoundsEffect, RoundsInit } from './types.ts'

/**
 * Of all stake, so many tell of an offence on average: that somebody honest does is as good as certain. All of them at once would be a
 * storm, with a wait for the disk for each offence at each node, that many small stakers could raise by contradicting themselves.
 */
const TELLERS = 12

function tells(init: RoundsInit, state: CycleState): boolean {
  const chance = (TELLERS * Number(stakeIn(state, init.self))) / Number(state.stakes?.total ?? 1n)
  return chance >= 1 || init.random() < chance
}

/** Two different messages where one may be: the pair is evidence that convicts before anyone. */
export function onEquivocation(
  init: RoundsInit,
  state: CycleState,
  next: CycleState | undefined,
  first: Message,
  second: Message,
  slot: number
): RoundsEffect[] {
  const recorded = KINDS[first.kind].recorded
  if (recorded) {
    if (state.equivocators.has(first.signer)) {
      return []
    }
    state.equivocators.add(first.signer)
  }
  const note: RoundsEffect = { type: 'note', cycle: state.cycle, note: { event: 'equivocated', staker: first.signer, key: first.kind } }
  const known = (recorded ? state : next)?.evidence.has(offenceOf({ offender: first.signer, kind: first.kind, cycle: state.cycle }))
  if (first.signer === init.self || known === true || !tells(init, state)) {
    return [note]
  }
  // what is said while a record is agreed on comes too late for that record, and counts in the next
  const cycle = recorded ? state.cycle : state.cycle + 1
  return [note, { type: 'publish', body: { cycle, slot, equivocation: { first: first.envelope, second: second.envelope } } }]
}

/**
 * Evidence of the cycle before that no record has counted, as that one was skipped or it came too late for it, is said again for
 * this one: what can be proved is not forgotten because a cycle was lost.
 */
export function tickEvidence(init: RoundsInit, before: CycleState | undefined, state: CycleState, slot: number): RoundsEffect[] {
  const { finalSlot, verdictsEndSlot } = state.schedule
  if (before == null || slot < finalSlot || slot >= verdictsEndSlot || !staked(init, state)) {
    return []
  }
  const effects: RoundsEffect[] = []
  for (const [offence, { message, slot: heard }] of before.evidence) {
    const evidence = message.evidence!
    const counted = before.finalized && heard < before.schedule.verdictsMustSlot
    if (counted || state.evidence.has(offence) || evidence.cycle < state.cycle - LIMITS.evidenceCycles) {
      continue
    }
    // taken as said, so that it is not said in each slot
    state.evidence.set(offence, { message, slot })
    if (!tells(init, state)) {
      continue
    }
    const [first, second] = evidence.halves
    effects.push({
      type: 'publish',
      body: { cycle: state.cycle, slot, equivocation: { first: first.envelope, second: second.envelope } }
    })
  }
  return effects
}

/** Somebody tells of an offence: it convicts in this cycle. @returns the cycle that it is about, while that is live */
export function onEvidence(
  cycles: ReadonlyMap<number, CycleState>,
  state: CycleState,
  message: Message,
  heardSlot: number
): CycleState | undefined {
  convict(state, message, heardSlot)
  const { kind, offender, cycle, halves } = message.evidence!
  const about = cycles.get(cycle)
  if (kind === 'approval' && about != null) {
    about.quorums.addTwoFaced(offender, halves[0].body.approval!.attempt, heardSlot, about.stakes)
  }
  return about
}
