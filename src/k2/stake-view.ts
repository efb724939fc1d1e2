import { cycleAt, type Timing, windowOf } from '../clock/index.ts'
import type { Logger } from '../observe/index.ts'
import { byStaker } from '../record/index.ts'
import type { StakeSet } from '../rounds/index.ts'
import type { K2Client } from './client.ts'
import { K2DoubtError, messageOf } from './errors.ts'
import {
  RingHistoryError,
  type StakeAccount,
  speakerOf,
  stakeWeight,
  type TaskAccount,
  totalStake,
  weightOrZero
} from './settlement/index.ts'
import { contradictionOf } from './witness.ts'

/**
 * Who may speak: the stakes of a task as last read from K2. What counts in a cycle is fixed when the cycle begins, so a
 * set that was read after that is final and kept; before that there is no answer. No set is fixed that is not, to the last ROE, what
 * the task's own account says was staked in its cycle; one that proves to be another is corrected while its cycle lasts.
 */
export interface StakeView {
  /** Of the stake that a staking key speaks for in a cycle. */
  weight(key: string, cycle: number): bigint | undefined
  /** Whether a staking key speaks for stake in a live cycle, or will in the next; it does until two readings in a row say that not. */
  isStaked(key: string): boolean | undefined
  /** All stake accounts as last read: address hints for discovery, last votes for the outbox. */
  accounts(): readonly StakeAccount[]
  /** The set of `cycle`, read from K2 if it was not yet. @throws K2DoubtError while K2 gives no list that is whole */
  at(cycle: number): Promise<StakeSet>
  /** Reads K2 again. */
  refresh(minSlot?: number): Promise<void>
  onRefresh(listener: () => void): () => void
  /** Calls `listener` with the set of a cycle that was fixed as another before. */
  onCorrected(listener: (cycle: number, set: StakeSet) => void): () => void
}

export interface StakeViewInit {
  k2: Pick<K2Client, 'stakes' | 'task'>
  task: string
  timing: Timing
  slot: () => number | undefined
  log: Logger
}

/** A cycle is decided two rounds after its own; one more for messages that come late. */
const KEPT_CYCLES = 5

export function createStakeView({ k2, task, timing, slot, log }: StakeViewInit): StakeView {
  let accounts: StakeAccount[] | undefined
  /** The reading before: what one alone says must not cut peers off. */
  let former: StakeAccount[] = []
  /** Each with the slot that it is of, as far as we know. */
  const sets = new Map<number, { set: StakeSet; slot: number }>()
  const listeners = new Set<() => void>()
  const correctors = new Set<(cycle: number, set: StakeSet) => void>()
  let reading: { promise: Promise<void>; minSlot: number } | undefined
  /** Of a cycle, what was wrong with the list that was read last. */
  const doubts = new Map<number, string>()

  /** Fixes the set of a cycle, and corrects it, when the list is what the task's account says. */
  const fix = (cycle: number, found: readonly StakeAccount[], witness: TaskAccount, from: number) => {
    const fixed = sets.get(cycle)?.set
    if (fixed != null && isOf(fixed, witness, cycle)) {
      return
    }
    const reason = contradictionOf(found, witness, cycle)
    if (reason != null) {
      doubts.set(cycle, reason)
      log.warn({ cycle, reason }, 'K2’s list of stakes is not what its account of the task says: it is asked for again')
      return
    }
    const set = setOf(found, cycle)
    if (set == null) {
      return
    }
    doubts.delete(cycle)
    sets.set(cycle, { set, slot: from })
    if (fixed != null) {
      log.warn(
        { cycle, was: `${fixed.total}`, total: `${set.total}` },
        'the stakes of a cycle were read wrongly from K2, and are corrected'
      )
      for (const listener of correctors) {
        listener(cycle, set)
      }
    }
  }

  /** What was read while the clock followed a lie was read before its time: nothing of it is fixed. */
  const forgetLies = () => {
    const now = slot()
    for (const [cycle, { slot: readFor }] of sets) {
      if (now != null && readFor > now) {
        sets.delete(cycle)
      }
    }
  }

  const read = async (minSlot: number) => {
    const from = Math.max(minSlot, 0)
    const found = await k2.stakes(task, from)
    const witness = await k2.task(task, from)
    former = accounts ?? []
    accounts = found
    forgetLies()
    const current = cycleAt(timing, Math.max(from, slot() ?? 0))
    // only cycles that had begun at the slot we asked for are fixed in what we got
    const begun = cycleAt(timing, from)
    for (const cycle of [...sets.keys(), ...doubts.keys()]) {
      if (cycle <= current - KEPT_CYCLES) {
        sets.delete(cycle)
        doubts.delete(cycle)
      }
    }
    for (let cycle = Math.max(0, current - KEPT_CYCLES + 1); cycle <= begun; cycle++) {
      fix(cycle, found, witness, from)
    }
    for (const listener of listeners) {
      listener()
    }
  }

  const refresh = async (minSlot?: number) => {
    // the confirmed state is one slot behind the slot in progress
    const wanted = minSlot ?? Math.max(0, (slot() ?? 1) - 1)
    if (reading == null || reading.minSlot < wanted) {
      const promise = read(wanted).finally(() => {
        if (reading?.promise === promise) {
          reading = undefined
        }
      })
      reading = { promise, minSlot: wanted }
    }
    await reading.promise
  }

  return {
    weight(key, cycle) {
      const set = sets.get(cycle)?.set
      return set == null ? undefined : (set.weights.get(key) ?? 0n)
    },
    isStaked(key) {
      if (accounts == null) {
        return undefined
      }
      // who has unstaked or been replaced still submits and votes for the cycles in which it counts
      const now = Math.max(0, cycleAt(timing, slot() ?? 0))
      const cycles = [now + 1, now, now - 1, now - 2].filter((cycle) => cycle >= 0)
      return [...accounts, ...former].some((account) =>
        cycles.some((cycle) => speakerOf(account, cycle) === key && weightOrZero(account, cycle) > 0n)
      )
    },
    accounts: () => accounts ?? [],
    async at(cycle) {
      forgetLies()
      if (!sets.has(cycle)) {
        await refresh(windowOf(timing, cycle, 'work').from)
      }
      const fixed = sets.get(cycle)
      if (fixed != null) {
        return fixed.set
      }
      const reason = doubts.get(cycle)
      if (reason != null) {
        throw new K2DoubtError([{ name: 'K2', reason }])
      }
      log.warn({ cycle }, 'the stake accounts no longer tell the stakes of this cycle')
      return { weights: new Map(), total: 0n }
    },
    refresh,
    onRefresh: (listener) => joined(listeners, listener),
    onCorrected: (listener) => joined(correctors, listener)
  }

  function setOf(all: readonly StakeAccount[], cycle: number): StakeSet | undefined {
    try {
      return stakeSetOf(all, cycle)
    } catch (err) {
      log.debug({ cycle, reason: messageOf(err) }, 'no stakes known for the cycle')
      return undefined
    }
  }
}

function joined<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

/** Whether a set that is fixed is still what the task's account says; what that no longer tells stands. */
function isOf(set: StakeSet, witness: TaskAccount, cycle: number): boolean {
  try {
    return totalStake(witness, cycle) === set.total
  } catch (err) {
    if (err instanceof RingHistoryError) {
      return true
    }
    throw err
  }
}

/**
 * The stake set of a cycle by the accounts (protocols/record, "Keys and addresses"). One key speaks for one stake: its own, or else the first of those that it took over; the
 * total is K2's, all stake.
 *
 * @throws RingHistoryError when the accounts no longer tell
 */
export function stakeSetOf(
  accounts: ReadonlyArray<Pick<StakeAccount, 'staker' | 'stakingKey' | 'formerKey' | 'keyFrom' | 'amount'>>,
  cycle: number
): StakeSet {
  const weights = new Map<string, bigint>()
  const stakers = new Map<string, string>()
  let total = 0n
  const sorted = byStaker(accounts, ({ staker }) => staker)
  const isOwn = (account: (typeof accounts)[number]) => speakerOf(account, cycle) === account.staker
  for (const account of [...sorted.filter(isOwn), ...sorted.filter((one) => !isOwn(one))]) {
    const weight = stakeWeight(account, cycle)
    if (weight === 0n) {
      continue
    }
    total += weight
    const key = speakerOf(account, cycle)
    if (!weights.has(key)) {
      weights.set(key, weight)
      if (key !== account.staker) {
        stakers.set(key, account.staker)
      }
    }
  }
  return { weights, total, ...(stakers.size === 0 ? {} : { stakers }) }
}
