import { type Timing, windowOf } from '../clock/index.ts'

/** What the chain shows of a task: the part that matters here. */
interface Finalized {
  finalized: { cycle: number } | undefined
}

/** Which finalized cycles are part of a run, and when time has to stand still so that no other is finalized after them. */
export interface Finish {
  /**
   * Takes what K2 shows now.
   *
   * @returns `counts` when a cycle of the run was finalized since, `beyond` when one was that is no longer part of it
   */
  saw(account: Finalized): 'nothing' | 'counts' | 'beyond'
  /** Cycles of the run that K2 has finalized. */
  count(): number
  /**
   * The slot in which time has to stand still; null while that is not known. The last cycle can no longer be voted on, what
   * landed in its last slot is confirmed, and nobody proposes a record of the next one yet (src/rounds, `proposalSlot`).
   */
  endSlot(): number | null
}

/** @param wanted how many cycles a run has; null for any number */
export function createFinish(wanted: number | null, timing: Timing): Finish {
  let latest = -1
  let counted = 0
  let last: number | null = null
  return {
    saw({ finalized }) {
      if (finalized == null || finalized.cycle <= latest) {
        return 'nothing'
      }
      latest = finalized.cycle
      if (last != null) {
        return 'beyond'
      }
      counted++
      if (counted === wanted) {
        last = latest
      }
      return 'counts'
    },
    count: () => counted,
    endSlot: () => (last == null ? null : windowOf(timing, last, 'distribution').to)
  }
}
