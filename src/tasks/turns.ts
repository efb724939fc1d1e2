/**
 * The node's own loop is shared: what a task makes the node do gets a few milliseconds of it at a time, and then the loop is
 * everybody else's for three times as long. Whoever floods the node with what is dear to answer waits.
 */

/** What one task may take of the loop in one go; a single frame or request may take longer. */
const SLICE_MS = 4
/** How much longer the others have it. */
const REST = 3

export interface TurnsInit<T> {
  handle: (item: T) => void
  /** Nothing more is to be read until `onEmpty`. */
  onBacklog: () => void
  onEmpty: () => void
  /** ms, monotonic */
  now: () => number
  /** Calls `fn` once after `delayMs`. */
  after: (delayMs: number, fn: () => void) => void
}

export interface Turns<T> {
  /** Makes items by `read`, whose time counts, and handles them: at once as far as the slice goes. */
  take(read: () => T[]): void
  /** Handles what waits, whatever it takes. */
  drain(): void
}

export function createTurns<T>({ handle, onBacklog, onEmpty, now, after }: TurnsInit<T>): Turns<T> {
  const waiting: T[] = []
  let spentMs = 0
  let isResting = false

  const work = () => {
    while (waiting.length > 0 && spentMs < SLICE_MS) {
      const startMs = now()
      handle(waiting.shift()!)
      spentMs += now() - startMs
    }
    if (spentMs >= SLICE_MS) {
      isResting = true
      onBacklog()
      after(REST * spentMs, () => {
        spentMs = 0
        isResting = false
        work()
        if (!isResting) {
          onEmpty()
        }
      })
    }
  }
  return {
    take(read) {
      const startMs = now()
      waiting.push(...read())
      spentMs += now() - startMs
      if (!isResting) {
        work()
      }
    },
    drain() {
      while (waiting.length > 0) {
        handle(waiting.shift()!)
      }
    }
  }
}
