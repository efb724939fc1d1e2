/**
 * Whether a list of stakes is whole: pure. A list can be cut short by whoever gives it, and by an endpoint that keeps no index of the
 * program's accounts; one account cannot. The task's own account says how many stakers there are and what they have staked in all, now
 * and in each cycle that is still open.
 */
import { cycleAt } from '../clock/index.ts'
import { counted } from '../observe/words.ts'
import { RingHistoryError, type StakeAccount, stakeWeight, type TaskAccount, type TaskTimes, totalStake } from './settlement/index.ts'

/** A cycle is decided two rounds after its own. */
const OPEN_CYCLES = 3

/** What the task's account tells of its stakers. */
export type StakeWitness = TaskTimes & Pick<TaskAccount, 'stakerCount' | 'stake'>

/** What is wrong with a list. */
export interface Contradiction {
  reason: string
  /** It cannot come of the two being of different slots. */
  firm: boolean
}

/**
 * What of a list contradicts the task's account; undefined when nothing does. What counts in a cycle that has begun never changes, so
 * that the two may be of different slots; the newest amounts may have changed between the two.
 *
 * @param slot - of which both know at least
 */
export function contradictionIn(stakes: readonly StakeAccount[], task: StakeWitness, slot: number): Contradiction | undefined {
  const now = cycleAt(task, slot)
  for (let cycle = Math.max(0, now - OPEN_CYCLES + 1); cycle <= now; cycle++) {
    const reason = contradictionOf(stakes, task, cycle)
    if (reason != null) {
      return { reason, firm: true }
    }
  }
  if (stakes.length !== task.stakerCount) {
    return { reason: `it lists ${counted(stakes.length, 'stake')}, and the task has ${task.stakerCount}`, firm: false }
  }
  const newest = sumOf(stakes.map(({ amount }) => amount[0]?.value ?? 0n))
  const whole = task.stake[0]?.value ?? 0n
  return newest === whole ? undefined : { reason: `it lists stakes of ${newest} ROE, and the task has ${whole}`, firm: false }
}

/** The same for one cycle that has begun; undefined also where the accounts no longer tell. */
export function contradictionOf(stakes: readonly StakeAccount[], task: StakeWitness, cycle: number): string | undefined {
  try {
    const whole = totalStake(task, cycle)
    const listed = sumOf(stakes.map((stake) => stakeWeight(stake, cycle)))
    return listed === whole ? undefined : `it lists stakes of ${listed} ROE in cycle ${cycle}, and the task has ${whole}`
  } catch (err) {
    if (err instanceof RingHistoryError) {
      return undefined
    }
    throw err
  }
}

function sumOf(values: bigint[]): bigint {
  return values.reduce((sum, value) => sum + value, 0n)
}
