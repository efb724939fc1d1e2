/** Whether a node may sign at once when it starts, and whose a message of its key is. Pure. */
import { cycleAt, type Timing, windowOf } from '../clock/index.ts'
import type { Origin } from '../store/index.ts'

/** What a former life of a key has signed is live for less than this. */
export const LISTEN_ROUNDS = 3
/** How much a former life's slot may have been ahead of ours when we started: an endpoint that is further behind is not read. */
export const GRACE_SLOTS = 16

/** What is remembered over restarts, in the store. */
export interface KeyState {
  /** Nothing new is signed before this slot; null when the key may speak. */
  untilSlot: number | null
  /** Votes on K2 for cycles up to this one may be of a former life, and say nothing against this one. */
  votesUpTo: number
  /** Why the node stopped signing for good, when it did. */
  conflict: string | null
  /** What may be said again of cycles before this one is no longer in the log, so that a message of that kind says nothing against us. */
  forgottenTo: number
}

export const NEW_STATE: KeyState = { untilSlot: null, votesUpTo: -1, conflict: null, forgottenTo: 0 }

export interface Standing {
  timing: Timing
  slot: number
  origin: Origin
  before: KeyState
  /** Whether the key speaks for stake in a cycle that is still open. */
  counts: boolean
  /** The last cycle that K2 has a vote of this key for. */
  voted: number | undefined
  /** Whether the log has that vote. */
  voteIsOurs: boolean
  /** The operator says that no other node has used the key for three rounds. */
  idle: boolean
}

/** The slot until which the node listens and why; null when it may sign at once. */
export function whenToSign(standing: Standing): { untilSlot: number; reason: string } | null {
  const { timing, slot, origin, before, counts, voted, voteIsOurs, idle } = standing
  const untilSlot = slot + LISTEN_ROUNDS * timing.roundSlots
  if (idle) {
    return null
  }
  if (before.conflict != null) {
    return { untilSlot, reason: `it stopped before, as another node had its key (${before.conflict})` }
  }
  // once that slot has passed, nobody has listened from the stop until now: it says nothing of what the key has said meanwhile
  if (before.untilSlot != null && before.untilSlot > slot) {
    return { untilSlot: Math.min(before.untilSlot, untilSlot), reason: 'it was listening when it was stopped' }
  }
  const newerVote = voted != null && voted > before.votesUpTo && !voteIsOurs
  if (origin === 'kept') {
    return newerVote
      ? {
          untilSlot,
          reason: `K2 has a vote of this key for cycle ${voted} that the log of what was signed does not have: the log is an older copy`
        }
      : null
  }
  if (!counts && voted == null) {
    return null
  }
  const spoken = voted == null ? 'the stake counts already' : `K2 has a vote of this key for cycle ${voted}`
  return {
    untilSlot,
    reason: origin === 'lost' ? `the log of what was signed is lost, and ${spoken}` : `the log of what was signed is empty, and ${spoken}`
  }
}

/** A node whose log is empty tells nobody that it is there until a twin would have voted: the twin need not stop for it. */
export function quietUntil(timing: Timing, untilSlot: number): number {
  const cycle = cycleAt(timing, untilSlot - LISTEN_ROUNDS * timing.roundSlots)
  return windowOf(timing, cycle - 1, 'distribution').to
}

/** Votes of a former life may still be brought to K2 by others in the round in which it ended. */
export function formerVotes(timing: Timing, slot: number, voted: number | undefined): number {
  return Math.max(voted ?? -1, cycleAt(timing, slot) - 2)
}

/** Whether what our key signed in slot `dated` was signed by somebody who runs beside us, who have run since `sinceSlot`. */
export function isSaidBeside(dated: number, sinceSlot: number): boolean {
  return dated > sinceSlot + GRACE_SLOTS
}
