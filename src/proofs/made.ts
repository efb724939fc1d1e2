/** What a task makes before its cycle is over has no retention to end it, so that it has a cap. */
import { QuotaExceededError } from './errors.ts'
import type { Pin } from './pins.ts'

export interface MadeLimits {
  /** Of all blocks, those that only look new counted again. */
  bytes: number
  blocks: number
  /** Roots: calls of `putNode` and `putFiles` that gave something new. */
  roots: number
}

/** With the bytes that the operator gives: what three proofs of the most blocks need. */
export const MADE_BLOCKS = 65_536
export const MADE_ROOTS = 16_384

export interface MadeInit {
  limits: MadeLimits
  /** What an earlier process let the task make. */
  pins: () => Promise<Pin[]>
  /** The first cycle that is not over yet. */
  liveFrom: () => number
}

export interface MadeBook {
  /**
   * Runs a put of about so much, and counts what it came to. One that fails counts as what it was to be: it may have left blocks.
   *
   * @throws QuotaExceededError before anything is written
   */
  count<T extends { root: string; sizeBytes: number; blocks: number }>(
    cycle: number,
    about: { bytes: number; blocks: number },
    put: () => Promise<T>
  ): Promise<T>
}

interface Sum {
  bytes: number
  blocks: number
  roots: Set<string>
  /** Puts under way, and those that failed. */
  pending: number
}

export function createMadeBook({ limits, pins, liveFrom }: MadeInit): MadeBook {
  const cycles = new Map<number, Sum>()
  let loading: Promise<void> | undefined

  const sumOf = (cycle: number) => {
    let sum = cycles.get(cycle)
    if (sum == null) {
      cycles.set(cycle, (sum = { bytes: 0, blocks: 0, roots: new Set(), pending: 0 }))
    }
    return sum
  }
  const load = async () => {
    for (const { made, cycle, cid, sizeBytes, blocks } of await pins()) {
      if (made === true) {
        const sum = sumOf(cycle)
        sum.roots.add(cid.toString())
        sum.bytes += sizeBytes
        sum.blocks += blocks
      }
    }
  }
  const total = () => {
    const all = { bytes: 0, blocks: 0, roots: 0 }
    for (const [cycle, sum] of cycles) {
      if (cycle < liveFrom()) {
        cycles.delete(cycle)
        continue
      }
      all.bytes += sum.bytes
      all.blocks += sum.blocks
      all.roots += sum.roots.size + sum.pending
    }
    return all
  }
  return {
    async count(cycle, about, put) {
      loading ??= load().catch((err) => {
        loading = undefined
        throw err
      })
      await loading
      const sum = sumOf(cycle)
      sum.bytes += about.bytes
      sum.blocks += about.blocks
      sum.pending++
      const { bytes, blocks, roots } = total()
      if (bytes > limits.bytes || blocks > limits.blocks || roots > limits.roots) {
        sum.bytes -= about.bytes
        sum.blocks -= about.blocks
        sum.pending--
        throw new QuotaExceededError(
          `what this task makes in cycles that are not over has ${limits.bytes} bytes, ${limits.blocks} blocks and ${limits.roots} roots at most, ` +
            `and this would come to ${bytes}, ${blocks} and ${roots}: make less`
        )
      }
      const done = await put()
      sum.pending--
      sum.bytes -= about.bytes
      sum.blocks -= about.blocks
      if (!sum.roots.has(done.root)) {
        sum.roots.add(done.root)
        sum.bytes += done.sizeBytes
        sum.blocks += done.blocks
      }
      return done
    }
  }
}
