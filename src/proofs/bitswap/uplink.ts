/**
 * Who may send next. Peers with stake send at once, one frame each at a time, so that they share what the line gives. All others
 * together have a budget: strangers cost nothing to make, and must not fill the uplink of a node that is being audited.
 */
import { LIMITS } from '../limits.ts'
import type { Timers } from '../timers.ts'

export interface UplinkInit {
  isStaked: (peer: string) => boolean
  /** What all peers without stake get together. */
  unstakedBytesPerS: number
  timers: Timers
}

/** One frame that may go. `sent` is to be called once it has gone, or came to nothing. */
export interface Turn {
  sent(bytes: number): void
}

interface Waiter {
  peer: string
  sinceMs: number
  grant: (turn: Turn) => void
  refuse: (err: Error) => void
}

/** Frames of peers without stake that are under way together: four of the largest are 2 MiB. */
export const UNSTAKED_IN_FLIGHT = 4
/** While somebody with stake is being served, a stranger's frame waits, but not for ever. */
export const YIELD_MS = 1000
/** One that takes its frame so slowly does not keep other strangers from theirs. */
const SLOW_MS = 2000

export class Uplink {
  readonly #init: UplinkInit
  readonly #waiting: Waiter[] = []
  /** Bytes that may go; below zero after a frame that was larger than what was left. */
  #credit: number
  #creditMs: number
  #unstaked = 0
  #staked = 0
  #timer: unknown

  constructor(init: UplinkInit) {
    this.#init = init
    this.#credit = this.#most
    this.#creditMs = init.timers.now()
  }

  /** Resolves when one frame may go to the peer. @throws Error when the peer leaves meanwhile */
  async turn(peer: string): Promise<Turn> {
    if (this.#init.isStaked(peer)) {
      this.#staked++
      return {
        sent: once(() => {
          this.#staked--
          this.#next()
        })
      }
    }
    const { promise, resolve, reject } = Promise.withResolvers<Turn>()
    this.#waiting.push({ peer, sinceMs: this.#init.timers.now(), grant: resolve, refuse: reject })
    this.#next()
    return promise
  }

  /** The peer is gone: what it waits for is not to be had. */
  forget(peer: string): void {
    for (let at = this.#waiting.length - 1; at >= 0; at--) {
      if (this.#waiting[at]!.peer === peer) {
        this.#waiting.splice(at, 1)[0]!.refuse(new Error('it left'))
      }
    }
  }

  /** A second's worth, so that what was not used is not saved up. */
  get #most(): number {
    return Math.max(this.#init.unstakedBytesPerS, LIMITS.frameBytes)
  }

  #next(): void {
    const { timers, unstakedBytesPerS } = this.#init
    const nowMs = timers.now()
    this.#credit = Math.min(this.#most, this.#credit + ((nowMs - this.#creditMs) * unstakedBytesPerS) / 1000)
    this.#creditMs = nowMs
    timers.clearTimeout(this.#timer)
    while (this.#waiting.length > 0 && this.#unstaked < UNSTAKED_IN_FLIGHT) {
      const { peer, sinceMs, grant } = this.#waiting[0]!
      // whoever has got stake meanwhile waits for nothing
      const free = this.#init.isStaked(peer)
      const waitMs = free
        ? 0
        : Math.max(
            this.#credit > 0 ? 0 : (1 - this.#credit) / (unstakedBytesPerS / 1000),
            this.#staked === 0 ? 0 : sinceMs + YIELD_MS - nowMs
          )
      if (waitMs > 0) {
        this.#timer = timers.setTimeout(() => this.#next(), Math.ceil(waitMs))
        return
      }
      this.#waiting.shift()
      grant(this.#unstakedTurn())
    }
  }

  #unstakedTurn(): Turn {
    this.#unstaked++
    // the rest of the frame is charged when its size is known; until then it counts as a full one
    this.#credit -= LIMITS.frameBytes
    const leave = once(() => {
      this.#unstaked--
      this.#next()
    })
    const slow = this.#init.timers.setTimeout(leave, SLOW_MS)
    return {
      sent: (bytes) => {
        this.#init.timers.clearTimeout(slow)
        this.#credit += LIMITS.frameBytes - bytes
        leave()
      }
    }
  }
}

function once(run: () => void): () => void {
  let done = false
  return () => {
    if (!done) {
      done = true
      run()
    }
  }
}
