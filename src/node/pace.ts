import type { PaceQuestion, Slots } from '../k2/index.ts'

export interface PaceInit {
  slots: Pick<Slots, 'now' | 'on' | 'believe'>
  /** K2 has leapt, and the clock with it. */
  onLeap: () => void
  /** Whether something is under way that `slot` has to wait for; K2 asked at `askedMs`. */
  holds: (slot: number, askedMs: number) => boolean
  /** Grows with whatever the node does, and hears from others. */
  moves: () => number
  done: (question: PaceQuestion, moves: number) => void
  busy: () => void
  /** Runs `run` when all that has arrived by now has been handled. */
  soon?: (run: () => void) => void
  /** Time, handed in: calls `run` after `ms`; the returned function cancels it. */
  after?: (ms: number, run: () => void) => () => void
  nowMs?: () => number
}

/** Tells a K2 whose slots wait for its followers when this node is through with one. */
export interface Pace {
  /** K2 asks; the answer comes when it is true, and none to a question that another one has overtaken. */
  asked(question: PaceQuestion): void
  stop(): void
}

/** What arrives in the node's sockets takes some turns of the event loop to come to the rounds, and what they say to leave it. */
const QUIET_TURNS = 4
/** How often it is looked whether what was under way has ended. */
const LOOK_MS = 4
/** K2 is told so often that the node is alive and at it. */
const BUSY_MS = 1000

export function createPace(init: PaceInit): Pace {
  const { slots, holds, moves, done, busy, soon = setImmediate, nowMs = () => performance.now() } = init
  const after = init.after ?? systemAfter
  /** What ends the wait for the answer that is owed. */
  let drop = () => {}

  const asked = (question: PaceQuestion) => {
    drop()
    const { slot } = question
    let dropped = false
    let cancel = () => {}
    const askedMs = nowMs()
    let saidMs = askedMs
    if (slots.believe(slot)) {
      init.onLeap()
    }
    const leave = slots.on(() => look())
    drop = () => {
      dropped = true
      leave()
      cancel()
    }
    const isFree = () => (slots.now() ?? -1) >= slot && !holds(slots.now() ?? slot, askedMs)
    const sayBusy = () => {
      if (nowMs() - saidMs >= BUSY_MS) {
        saidMs = nowMs()
        busy()
      }
    }
    const later = () => {
      cancel()
      cancel = after(LOOK_MS, () => {
        sayBusy()
        look()
      })
    }
    let looking = false
    const look = () => {
      if (dropped || looking) {
        return
      }
      if (!isFree()) {
        later()
        return
      }
      looking = true
      quiet(QUIET_TURNS, moves())
    }
    /** Nothing has begun, ended or come for some turns: whatever was here before the question is done with. */
    const quiet = (turns: number, before: number) => {
      soon(() => {
        if (dropped) {
          return
        }
        sayBusy()
        const now = moves()
        if (!isFree()) {
          looking = false
          later()
        } else if (turns > 1 || now !== before) {
          quiet(now === before ? turns - 1 : QUIET_TURNS, now)
        } else {
          drop()
          done(question, now)
        }
      })
    }
    look()
  }

  return { asked, stop: () => drop() }
}

function systemAfter(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}
