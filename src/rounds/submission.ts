import { CID } from 'multiformats/cid'
import { within } from '../clock/index.ts'
import { type CycleState, staked } from './cycle.ts'
import { triedInVain, tryAgain } from './not-yet.ts'
import type { RoundsEffect, RoundsEvent, RoundsInit } from './types.ts'

/** Our own task made it, and nothing hangs on it here: what is no CID is shown by its bytes. */
function textOf(cid: Uint8Array): string {
  try {
    return CID.decode(cid).toString()
  } catch {
    return Buffer.from(cid).toString('hex')
  }
}

/** Fewer at once are notices that were held up. */
const UNSEEN_SLOTS = 8

/** The clock came from `last` to `slot` at once. A node that has just started saw none before. */
export function noteUnseen(state: CycleState, last: number, slot: number): void {
  const { work, submission } = state.schedule
  if (last >= 0 && slot - last > UNSEEN_SLOTS && slot > work.from && last < submission.to) {
    state.unseen = { from: last, to: slot }
  }
}

/** K2's part in what was not done in time: it was away when the work was to be handed in, or for half of the time before that. */
function awayAt({ unseen, schedule: { work, submission } }: CycleState): string {
  const isWhy = unseen != null && (unseen.to > submission.from || 2 * (unseen.to - unseen.from) >= submission.from - work.from)
  return isWhy ? `: K2 was away from slot ${unseen.from} to slot ${unseen.to}` : ''
}

function whyMissed(state: CycleState): string {
  if (state.draft != null) {
    return `the work was done, and could not be handed in before the submission window closed${awayAt(state)}`
  }
  const away = awayAt(state)
  if (state.workRetry != null) {
    // what the first try lacked is not what the end of the window did
    const before = triedInVain(state.workRetry)
    return away === '' ? before : `the work was not done when the submission window closed${away}; before that: ${before}`
  }
  // it would have begun in any slot that it saw before; whether it ran before that nobody knows any more
  return state.work === 'idle' && away === ''
    ? 'the node was not running, or signed nothing yet, when the submission window closed'
    : `the work was not done when the submission window closed${away}`
}

/** Work starts with its round; a node that comes back in time may still do it while the submission window is open. */
export function tickSubmission(init: RoundsInit, state: CycleState, slot: number): RoundsEffect[] {
  const { schedule } = state
  if (state.submitted || !staked(init, state)) {
    return []
  }
  if (state.work === 'idle' && slot >= (state.workRetry?.slot ?? 0) && slot >= schedule.work.from && slot < schedule.submission.to) {
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
      {
        type: 'note',
        cycle: state.cycle,
        note: { event: 'submitted', value: Buffer.from(value).toString(), proofs: proofs.map(({ cid }) => textOf(cid)) }
      }
    ]
  }
  if (slot >= schedule.submission.to && state.work !== 'failed') {
    const reason = whyMissed(state)
    state.work = 'failed'
    return [{ type: 'note', cycle: state.cycle, note: { event: 'missed', stage: 'submission', reason } }]
  }
  return []
}

export function onWorked(state: CycleState, { outcome }: Extract<RoundsEvent, { type: 'worked' }>, slot: number): RoundsEffect[] {
  if (outcome.ok) {
    state.work = state.work === 'failed' ? 'failed' : 'done'
    state.draft = outcome.draft
    return []
  }
  if (outcome.notYet === true && slot < state.schedule.submission.to) {
    const { reason } = outcome
    state.work = 'idle'
    state.workRetry = tryAgain(state.workRetry, slot, reason)
    return [{ type: 'note', cycle: state.cycle, note: { event: 'not-yet', what: 'work', reason } }]
  }
  // what failed of itself is not repeated
  const before = state.workRetry
  const again = before != null && outcome.notYet === true
  const reason = again
    ? triedInVain(tryAgain(before, slot, outcome.reason))
    : before == null || before.reason === outcome.reason
      ? outcome.reason
      : `${outcome.reason}; before that: ${triedInVain(before)}`
  const isTold = state.work === 'failed'
  state.work = 'failed'
  return isTold ? [] : [{ type: 'note', cycle: state.cycle, note: { event: 'missed', stage: 'work', reason } }]
}
