import { within } from '../clock/index.ts'
import { type CycleState, staked } from './cycle.ts'
import type { RoundsEffect, RoundsEvent, RoundsInit } from './types.ts'

/** Work starts with its round; a node that comes back in time may still do it while the submission window is open. */
export function tickSubmission(init: RoundsInit, state: CycleState, slot: number): RoundsEffect[] {
  const { schedule } = state
  if (state.submitted || !staked(init, state)) {
    return []
  }
  if (state.work === 'idle' && slot >= schedule.work.from && slot < schedule.submission.to) {
    state.work = 'running'
    return [{ type: 'work', cycle: state.cycle, deadlineSlot: schedule.submission.to }]
  }
  if (state.draft != null && within(schedule.submission, slot)) {
    state.submitted = true
    const { value, proofs } = state.draft
    return [
      {
        type: 'publish',
        body: {
          cycle: state.cycle,
          slot,
          submission: { value: new Uint8Array(value), proofs: proofs.map((proof) => ({ ...proof, cid: new Uint8Array(proof.cid) })) }
        }
      },
      { type: 'note', cycle: state.cycle, note: { event: 'submitted', value: Buffer.from(value).toString() } }
    ]
  }
  if (slot >= schedule.submission.to && state.work !== 'failed') {
    const reason =
      state.work === 'idle'
        ? 'the node was not running, or signed nothing yet, when the round began'
        : 'the work was not done when the submission window closed'
    state.work = 'failed'
    return [{ type: 'note', cycle: state.cycle, note: { event: 'missed', stage: 'submission', reason } }]
  }
  return []
}

export function onWorked(state: CycleState, { outcome }: Extract<RoundsEvent, { type: 'worked' }>): RoundsEffect[] {
  if (outcome.ok) {
    state.work = state.work === 'failed' ? 'failed' : 'done'
    state.draft = outcome.draft
    return []
  }
  state.work = 'failed'
  return [{ type: 'note', cycle: state.cycle, note: { event: 'missed', stage: 'work', reason: outcome.reason } }]
}
