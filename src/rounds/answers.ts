/** What comes back of an effect: an answer about one cycle. */
import { onAudited } from './audit.ts'
import { onChecked } from './checks.ts'
import type { CycleState } from './cycle.ts'
import { onBuilt } from './distribution.ts'
import { onProbed } from './own-fault.ts'
import { onWorked } from './submission.ts'
import type { RoundsEffect, RoundsEvent } from './types.ts'

/** The events that tell of one cycle what was asked for. */
export type Answer = Exclude<RoundsEvent, { type: 'slot' | 'silent-until' | 'closed-from' | 'message' | 'arrived' }>

export function onAnswer(state: CycleState, event: Answer, slot: number): RoundsEffect[] {
  const effects: RoundsEffect[] = []
  switch (event.type) {
    case 'stakes':
      state.stakes = event.stakes
      state.refuted = null
      state.proposers.clear()
      state.quorums.weigh(event.stakes)
      break
    case 'finalized':
      state.finalized = true
      break
    case 'base':
      state.base = event.base
      state.proposers.clear()
      break
    case 'worked':
      effects.push(...onWorked(state, event, slot))
      break
    case 'audited':
      effects.push(...onAudited(state, event, slot))
      break
    case 'probed':
      onProbed(state, event, slot)
      break
    case 'built':
      onBuilt(state, event, slot, effects)
      break
    case 'checked':
      effects.push(...onChecked(state, event, slot))
      break
  }
  return effects
}
