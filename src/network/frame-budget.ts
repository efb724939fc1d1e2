import type { Budget } from './meter.ts'

/**
 * Counts the frames of one connection, whatever they hold.
 *
 * @returns to be called for each. @throws Error for the first that is one too many
 */
export function frameBudget({ burst, perSecond }: Budget, now: () => number = () => performance.now()): () => void {
  let spent = 0
  let atMs = now()
  return () => {
    if (++spent <= burst) {
      return
    }
    // the clock is asked only where it matters: most connections never come here
    const nowMs = now()
    spent = Math.max(1, spent - ((nowMs - atMs) * perSecond) / 1_000)
    atMs = nowMs
    if (spent > burst) {
      throw new Error(`more than ${burst} frames at once, or ${perSecond} a second`)
    }
  }
}
