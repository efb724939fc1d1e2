/**
 * What counts in which cycle: pure functions over decoded accounts.
 *
 * Stakes, the bounty and the pot are rings of their last values, each with the cycle from which it counts. A change made
 * in round k counts from cycle k + 1, so everyone who reads the accounts in rounds c to c + 2 finds the same for cycle c.
 * Source: protocols/settlement/README.md, "What counts when".
 */
import { cycleAt } from '../../clock/index.ts'
import { LARGEST_SLASH, partOf } from '../../record/index.ts'
import { RingHistoryError } from './errors.ts'

/** The program's rule is the peers' own. */
export { hasQuorum } from '../../record/index.ts'

/** The largest slash of a cycle is told in these: 10,000 are all that a stake holds. */
export const SLASH_UNITS = 10_000
/** What a task is created with unless it is told otherwise: a tenth. */
export const DEFAULT_LARGEST_SLASH = LARGEST_SLASH
/**
 * Rounds from the news of a bundle to its first cycle, unless a task is told otherwise. Whoever unstakes in the round of the news
 * or one of the next two has its stake out before the bundle is run at all, and in the two rounds after those before anything
 * that it says can be finalized. A shorter notice is for testnets.
 */
export const DEFAULT_BUNDLE_NOTICE = 8
export const MAX_BUNDLE_NOTICE = 65_536
/** What holds in tasks of revision 2, whose accounts say nothing of it. */
export const FORMER_TERMS = { largestSlash: LARGEST_SLASH, bundleNotice: 1 }

/** How many values a ring keeps: a cycle is decided two rounds later, and each of those rounds and its own may add one. */
export const RING_ENTRIES = 4

/** A value and the cycle from which it counts. */
export interface RingEntry {
  value: bigint
  from: number
}

/** The last four values, the newest first. */
export type Ring = readonly RingEntry[]

/** The part of a task that says when things happen, in slots. */
export interface TaskTimes {
  startingSlot: number
  roundSlots: number
}

/** The part of a task that says what may be given out. Amounts are in ROE. */
export interface TaskFunds {
  bounty: Ring
  funded: Ring
  totalRewards: bigint
  finalized?: { cycle: number } | undefined
  tally?: { cycle: number; baseRewards: bigint } | undefined
}

/** A ring on which nothing has happened yet. */
export const EMPTY_RING: Ring = Array.from({ length: RING_ENTRIES }, () => ({ value: 0n, from: 0 }))

/**
 * What counts in `cycle`.
 *
 * @throws RingHistoryError when the ring no longer reaches back so far (more than two rounds ago)
 */
export function ringAt(ring: Ring, cycle: number): bigint {
  const entry = ring.find(({ from }) => from <= cycle)
  if (entry == null) {
    throw new RingHistoryError(cycle, ring.at(-1)?.from ?? 0)
  }
  return entry.value
}

/** The ring after `value` was set to count from cycle `from`, as the program does it. */
export function ringPush(ring: Ring, from: number, value: bigint): Ring {
  const older = ring[0]?.from === from ? ring.slice(1) : ring.slice(0, RING_ENTRIES - 1)
  return [{ value, from }, ...older]
}

/** The stake, in ROE, with which a staker counts in `cycle`: 0 when it came later. Throws RingHistoryError. */
export function stakeWeight(stake: { amount: Ring }, cycle: number): bigint {
  return ringAt(stake.amount, cycle)
}

/** The same, and 0 where the account no longer tells: for whom an answer is better than none. */
export function weightOrZero(stake: { amount: Ring }, cycle: number): bigint {
  try {
    return stakeWeight(stake, cycle)
  } catch {
    return 0n
  }
}

/**
 * The key that speaks for a stake in `cycle`: a replaced one still does in the cycles that had begun, so that all who read the
 * accounts know the same.
 */
export function speakerOf(stake: { stakingKey: string; formerKey: string | undefined; keyFrom: number }, cycle: number): string {
  return stake.formerKey == null || cycle >= stake.keyFrom ? stake.stakingKey : stake.formerKey
}

/** All stake, in ROE, that counts in `cycle`. Throws RingHistoryError. */
export function totalStake(task: { stake: Ring }, cycle: number): bigint {
  return ringAt(task.stake, cycle)
}

/**
 * All rewards, in ROE, finalized before `cycle`. Final from the first slot of the round in which `cycle` is voted on;
 * before that, an earlier cycle may still be finalized.
 *
 * @throws RingHistoryError when a later cycle was voted on already
 */
export function baseRewards(task: TaskFunds, cycle: number): bigint {
  // until a cycle is finalized nothing is paid by it; the tally, which changes with every vote and is therefore believed of whichever
  // endpoint told it last, says no more than that
  if ((task.finalized?.cycle ?? -1) < cycle) {
    return task.totalRewards
  }
  if (task.tally?.cycle === cycle) {
    return task.tally.baseRewards
  }
  throw new RingHistoryError(cycle, task.finalized!.cycle)
}

/**
 * The most that `cycle` may give out, in ROE: the bounty per round, or what is left in the pot.
 *
 * @param before - all rewards finalized before it, for who knows them otherwise
 * @throws RingHistoryError when the cycle lies too far back
 */
export function bountyFor(task: TaskFunds, cycle: number, before = baseRewards(task, cycle)): bigint {
  const left = ringAt(task.funded, cycle) - before
  const bounty = ringAt(task.bounty, cycle)
  if (left < bounty) {
    return left
  }
  return bounty
}

/** The cycle from which a change made in `slot` counts. */
export function effectiveCycle(task: TaskTimes, slot: number): number {
  return Math.max(cycleAt(task, slot) + 1, 0)
}

/** The slots, both included, in which `cycle` is voted on. */
export function voteWindow(task: TaskTimes, cycle: number): { firstSlot: number; lastSlot: number } {
  const firstSlot = task.startingSlot + (cycle + 2) * task.roundSlots
  return { firstSlot, lastSlot: firstSlot + task.roundSlots - 1 }
}

/** Whether a task is closed and nothing of it can be finalized any more: its last cycle's voting is over. */
export function isSettled(task: TaskTimes & { closedFrom: number | undefined }, slot: number): boolean {
  return task.closedFrom != null && (task.closedFrom === 0 || cycleAt(task, slot) >= task.closedFrom + 2)
}

/** The slot from which a stake that is unstaked in `slot` can be withdrawn: three rounds after the last vote that it counts in. */
export function unlockSlot(task: TaskTimes, slot: number): number {
  return slot < task.startingSlot ? slot : task.startingSlot + (effectiveCycle(task, slot) + 5) * task.roundSlots
}

/** The most, in ROE, that one cycle may take out of a stake that holds `holds` ROE, what is being unstaked included. Rounded down. */
export function largestSlashOf(task: { largestSlash: number }, holds: bigint): bigint {
  return partOf(holds, task.largestSlash)
}

/** The cycle from which a bundle that is given in `slot` is run. */
export function bundleCycle(task: TaskTimes & { bundleNotice: number }, slot: number): number {
  return effectiveCycle(task, slot) + task.bundleNotice - 1
}

/** The bundle, by its CID, that `cycle` runs: a new one is known for the whole of its notice before it counts. */
export function bundleOf<B extends { from: number }>(task: { bundle: B; formerBundle: B | undefined }, cycle: number): B {
  return task.bundle.from <= cycle || task.formerBundle == null ? task.bundle : task.formerBundle
}
