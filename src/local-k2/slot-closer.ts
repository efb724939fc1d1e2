import { NotStoredError } from './errors.ts'
import type { Ledger } from './ledger.ts'
import type { LocalK2Log } from './log.ts'
import { nodeUnhealthy } from './rpc/errors.ts'

/** A block that could not be stored is tried again after this, then after twice as long, and so on. */
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 8_000

/**
 * Closes slots into blocks. While one cannot be stored, the chain stands still and takes nothing: the slot stays in progress,
 * is tried again with longer and longer pauses, and its operator is told when that begins and when it is over.
 */
export class SlotCloser {
  readonly #ledger: Ledger
  readonly #place: string
  readonly #nowMs: () => number
  readonly #log: LocalK2Log
  #waiting: { error: NotStoredError; pauseMs: number; untilMs: number } | undefined

  /** @param init.place the folder of the chain, for words about its disk */
  constructor(init: { ledger: Ledger; place: string; nowMs: () => number; log: LocalK2Log }) {
    this.#ledger = init.ledger
    this.#place = init.place
    this.#nowMs = init.nowMs
    this.#log = init.log
  }

  /** Why nothing can be stored now. */
  get trouble(): NotStoredError | undefined {
    return this.#waiting?.error
  }

  /** @throws RpcError while nothing can be stored */
  demandRoom(): void {
    if (this.#waiting !== undefined) {
      throw nodeUnhealthy(this.#waiting.error.message)
    }
  }

  /** @throws NotStoredError, RangeError when `nextSlot` is not ahead */
  close(nextSlot?: number): void {
    const slot = this.#ledger.slot('processed')
    try {
      this.#ledger.completeSlot(nextSlot)
    } catch (err) {
      throw err instanceof RangeError ? err : new NotStoredError(slot, this.#place, { cause: err })
    }
  }

  /** The time of the slot in progress is over. */
  tick(): void {
    const { slot } = this.#ledger.tip
    const before = this.#waiting
    if (before !== undefined && this.#nowMs() < before.untilMs) {
      return
    }
    try {
      this.close()
    } catch (err) {
      if (before === undefined) {
        this.#log.error(
          { slot: slot + 1 },
          `the chain stands still: ${(err as Error).message}. Until then it takes no transactions; blocks up to slot ${slot} are stored, and it goes on by itself`
        )
      }
      const pauseMs = before === undefined ? FIRST_RETRY_MS : Math.min(LONGEST_RETRY_MS, 2 * before.pauseMs)
      this.#waiting = { error: err as NotStoredError, pauseMs, untilMs: this.#nowMs() + pauseMs }
      return
    }
    if (before !== undefined) {
      this.#waiting = undefined
      this.#log.warn({ slot: slot + 1 }, `the chain goes on: blocks are stored again, from slot ${slot + 1} on`)
    }
  }
}
