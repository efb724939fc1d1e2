/**
 * Keeping and clearing: pins are set and dropped one at a time with collections, so a collection sees all of them; blocks
 * being written meanwhile are protected by their sessions (blocks.ts), so nothing waits for a fetch.
 */
import type { CID } from 'multiformats/cid'
import type { Blocks } from './blocks.ts'
import { keyOf } from './cid-profile.ts'
import { type DagLimits, DEFAULT_DAG_LIMITS, LIMITS } from './limits.ts'
import type { Pin, Pins } from './pins.ts'
import { walkLocal } from './walk.ts'

export interface PinOptions {
  task: string
  cycle: number
  /** Keeps the root block alone: for a record, whose link to the one before leads through all of history. */
  shallow?: boolean
  /** Tells the DHT of the root, for as long as the pin lasts. @default true, false for a shallow pin */
  provide?: boolean
  /** The task itself made it, which is counted while the cycle lasts. */
  made?: boolean
}

export interface CollectOptions {
  task: string
  /** The last cycle of `task` that K2 finalized. */
  finalizedCycle: number
  /** Cycles kept up to and including `finalizedCycle`; at least and by default 3. Later cycles are always kept. */
  keepCycles?: number
  /** Over this much pinned of `task`, its oldest cycles go first, down to 3. Blocks of two pins count twice. */
  quotaBytes?: number
  signal?: AbortSignal
}

export interface Collected {
  /** Pins dropped. */
  unpinned: Pin[]
  /** Blocks deleted. */
  blocks: number
  /** What is still pinned of the task. */
  pinnedBytes: number
  /** The quota does not hold even the cycles that must be kept: more disk, or fewer tasks. */
  overQuota: boolean
  /** Blocks of kept pins that are gone or rotted. While there are any, no block is deleted: fetch these proofs again. */
  missing: Array<{ pin: Pin; block: CID }>
}

/** Walking what is pinned is bounded by what was let in, which a caller may have set higher than the defaults. */
const NO_LIMITS: DagLimits = {
  maxBytes: Number.POSITIVE_INFINITY,
  maxBlocks: Number.POSITIVE_INFINITY,
  maxDepth: Number.POSITIVE_INFINITY,
  maxBlockBytes: DEFAULT_DAG_LIMITS.maxBlockBytes
}

export class Keeper {
  readonly #blocks: Blocks
  readonly #pins: Pins
  #tail: Promise<unknown> = Promise.resolve()

  constructor(blocks: Blocks, pins: Pins) {
    this.#blocks = blocks
    this.#pins = pins
  }

  /**
   * Reads all of a local DAG, checking each block.
   *
   * @returns its distinct blocks and the sum of their bytes, as a submission declares them
   * @throws ProofUnavailableError when a block is not here
   */
  async measure(root: CID, { shallow = false, keys }: { shallow?: boolean; keys?: Set<string> } = {}) {
    let sizeBytes = 0
    let blocks = 0
    for await (const { cid, bytes } of walkLocal(this.#blocks, root, { limits: NO_LIMITS, shallow })) {
      blocks++
      sizeBytes += bytes?.length ?? 0
      keys?.add(keyOf(cid))
    }
    return { sizeBytes, blocks }
  }

  /** @throws ProofUnavailableError when not all of it is here: a pin that cannot be kept is not set */
  pin(cid: CID, { task, cycle, shallow = false, provide = !shallow, made }: PinOptions): Promise<Pin> {
    return this.#alone(async () => {
      const keys = new Set<string>()
      const size = await this.measure(cid, { shallow, keys })
      const pin: Pin = { task, cycle, cid, shallow, provide, ...size, ...(made === true ? { made } : {}) }
      await this.#pins.put(pin)
      this.#blocks.releaseHolds(keys)
      return pin
    })
  }

  unpin(cid: CID, { task, cycle }: Pick<PinOptions, 'task' | 'cycle'>): Promise<void> {
    return this.#alone(() => this.#pins.delete({ task, cycle, cid }))
  }

  collect({ task, finalizedCycle, keepCycles = LIMITS.keepCycles, quotaBytes, signal }: CollectOptions): Promise<Collected> {
    if (!Number.isSafeInteger(keepCycles) || keepCycles < LIMITS.keepCycles) {
      return Promise.reject(new RangeError(`keepCycles is ${keepCycles}: proofs are promised for ${LIMITS.keepCycles} cycles`))
    }
    return this.#alone(async () => {
      const ours = await this.#pins.list(task)
      let pinnedBytes = ours.reduce((sum, pin) => sum + pin.sizeBytes, 0)
      const unpinned: Pin[] = []
      for (const pin of ours) {
        const age = finalizedCycle - pin.cycle
        if (age < LIMITS.keepCycles) {
          break // oldest first: all that follow are younger
        }
        if (age >= keepCycles || (quotaBytes != null && pinnedBytes > quotaBytes)) {
          await this.#pins.delete(pin)
          unpinned.push(pin)
          pinnedBytes -= pin.sizeBytes
        }
      }

      const kept = new Set<string>()
      const missing: Collected['missing'] = []
      for (const pin of await this.#pins.list()) {
        const onMissing = (block: CID) => {
          missing.push({ pin, block })
        }
        for await (const { cid } of walkLocal(this.#blocks, pin.cid, {
          limits: NO_LIMITS,
          shallow: pin.shallow,
          skipRaw: true,
          onMissing,
          signal
        })) {
          kept.add(keyOf(cid))
        }
      }
      // what hangs below a missing block cannot be known, so nothing is cleared until it is back, or its pin has run out
      const { blocks } = missing.length > 0 ? { blocks: 0 } : await this.#blocks.sweep((key) => kept.has(key), signal)
      return { unpinned, blocks, pinnedBytes, overQuota: quotaBytes != null && pinnedBytes > quotaBytes, missing }
    })
  }

  #alone<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(run)
    this.#tail = result.catch(() => {})
    return result
  }
}
