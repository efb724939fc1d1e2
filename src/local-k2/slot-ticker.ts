/** Time, handed in. */
export interface LocalK2Clock {
  /** Milliseconds since 1970. */
  nowMs(): number
  /** Calls `fn` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, fn: () => void): () => void
}

/** The machine's own clock. */
export function systemClock(): LocalK2Clock {
  return {
    nowMs: () => Date.now(),
    after: (delayMs, fn) => {
      const timer = setTimeout(fn, delayMs)
      return () => clearTimeout(timer)
    }
  }
}

/**
 * Calls `tick` every `slotMs` between `start` and `stop`, except while held.
 *
 * Ticks keep to a grid, so that one late tick makes the next slot shorter and the pace holds; after a longer sleep the
 * grid begins anew, because a burst of empty slots helps nobody.
 */
export class SlotTicker {
  readonly #clock: LocalK2Clock
  readonly #slotMs: number
  readonly #tick: () => void
  #running = false
  #held = false
  #dueMs = 0
  #cancel: (() => void) | undefined

  constructor(init: { clock: LocalK2Clock; slotMs: number; tick: () => void }) {
    this.#clock = init.clock
    this.#slotMs = init.slotMs
    this.#tick = init.tick
  }

  start(): void {
    this.#running = true
    this.#restart()
  }

  stop(): void {
    this.#running = false
    this.#cancel?.()
  }

  hold(): void {
    this.#held = true
    this.#cancel?.()
  }

  release(): void {
    this.#held = false
    this.#restart()
  }

  /** Gives the slot in progress its full length again, from now. */
  #restart(): void {
    this.#cancel?.()
    if (this.#running && !this.#held) {
      this.#dueMs = this.#clock.nowMs() + this.#slotMs
      this.#arm()
    }
  }

  #arm(): void {
    // a listener of the tick may have released already
    this.#cancel?.()
    this.#cancel = this.#clock.after(Math.max(0, this.#dueMs - this.#clock.nowMs()), () => {
      const lateMs = this.#clock.nowMs() - this.#dueMs
      this.#dueMs = lateMs > 2 * this.#slotMs ? this.#clock.nowMs() + this.#slotMs : this.#dueMs + this.#slotMs
      this.#tick()
      if (this.#running && !this.#held) {
        this.#arm()
      }
    })
  }
}
