import { type Timing, windowOf } from '../clock/index.ts'

/** What the chain shows of a task: the part that matters here. */
interface Finalized {
  finalized: { cycle: number } | undefined
}

/** Which finalized cycles of a task are part of a run, and when time has to stand still so that no other is finalized after them. */
export interface Finish {
  /**
   * Takes what K2 shows now.
   *
   * @returns `counts` when a cycle of the run was finalized since, `beyond` when one was that is no longer part of it
   */
  saw(account: Finalized): 'nothing' | 'counts' | 'beyond'
  /** Cycles of the run that K2 has finalized. */
  count(): number
  /** The last cycle that is part of the run; null while that is not known. */
  lastCycle(): number | null
  /**
   * The slot in which time has to stand still; null while that is not known. The last cycle can no longer be voted on, what
   * landed in its last slot is confirmed, and nobody proposes a record of the next one yet (src/rounds, `proposalSlot`).
   */
  endSlot(): number | null
}

/** @param wanted how many cycles a run has; null for any number */
export function createFinish(wanted: number | null, timing: Timing): Finish {
  return createFinishes(wanted, timing, 1)[0]!
}

/**
 * Of tasks with one timing, which end together: with the cycle by which each has as many as wanted, so that some may have more. What a
 * task finalizes after that would leave nothing to pay by.
 *
 * @param wanted how many cycles each has at least; null for any number
 */
export function createFinishes(wanted: number | null, timing: Timing, tasks: number): Finish[] {
  const standings = Array.from({ length: tasks }, () => ({ latest: -1, counted: 0 }))
  let last: number | null = null
  return standings.map((standing) => ({
    saw({ finalized }) {
      if (finalized == null || finalized.cycle <= standing.latest) {
        return 'nothing'
      }
      standing.latest = finalized.cycle
      if (last != null && finalized.cycle > last) {
        return 'beyond'
      }
      standing.counted++
      if (last == null && wanted != null && standings.every(({ counted }) => counted >= wanted)) {
        last = Math.max(...standings.map(({ latest }) => latest))
      }
      return 'counts'
    },
    count: () => standing.counted,
    lastCycle: () => last,
    endSlot: () => (last == null ? null : windowOf(timing, last, 'distribution').to)
  }))
}
