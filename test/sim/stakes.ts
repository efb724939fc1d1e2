/** The accounts of a task's stakes on K2, as the program keeps them: what comes, goes and changes hands, slot by slot. */
import { cycleAt } from '../../src/clock/index.ts'
import {
  EMPTY_RING,
  effectiveCycle,
  type Ring,
  ringPush,
  type StakeAccount,
  type TaskTimes,
  unlockSlot
} from '../../src/k2/settlement/index.ts'
import type { StakeSet } from '../../src/rounds/index.ts'

/** What somebody does about a stake. Keys are base58, amounts in ROE. */
export type StakeChange = { staker: string } & (
  | { is: 'stake' | 'unstake'; amount: bigint }
  | { is: 'withdraw' }
  | { is: 'replace'; key: string }
)

/** All of them, as of the end of a slot. */
export interface StakeAccounts {
  accounts: readonly StakeAccount[]
  /** Of all stakers. */
  stake: Ring
}

export interface SimStakes {
  /** @throws Error when the program would refuse it */
  change(slot: number, change: StakeChange): void
  at(slot: number): StakeAccounts
  /** What counts in a cycle: fixed for good when its round begins, and one object from `slot` on where it has begun by then. */
  setOf(cycle: number, slot: number): StakeSet
  /** Which account a key signs for on K2 now. */
  accountOf(key: string): StakeAccount | undefined
}

const account = (staker: string, amount: Ring): StakeAccount => ({
  ...{ address: staker, bump: 255, task: '', staker, stakingKey: staker, withdrawAuthority: staker, amount },
  ...{ lastVote: undefined, claimedReward: 0n, appliedSlash: 0n, slashedIn: undefined, unlockSlot: 0 },
  ...{ formerKey: undefined, keyFrom: 0, unstaking: 0n, rentReserve: 0n, addressHint: undefined }
})

/** What stands, in the plainest words: the rings and the rules by which nodes find it again later are theirs. */
function standing(accounts: readonly StakeAccount[]): StakeSet {
  const staked = accounts.filter(({ amount }) => amount[0]!.value > 0n)
  const replaced = staked.filter(({ staker, stakingKey }) => staker !== stakingKey)
  return {
    weights: new Map(staked.map(({ stakingKey, amount }) => [stakingKey, amount[0]!.value])),
    total: staked.reduce((sum, { amount }) => sum + amount[0]!.value, 0n),
    ...(replaced.length === 0 ? {} : { stakers: new Map(replaced.map(({ staker, stakingKey }) => [stakingKey, staker])) })
  }
}

export function createStakes(times: TaskTimes, first: ReadonlyMap<string, bigint>): SimStakes {
  const staked = [...first].filter(([, amount]) => amount > 0n)
  const sum = staked.reduce((all, [, amount]) => all + amount, 0n)
  const states: Array<StakeAccounts & { from: number }> = [
    {
      from: Number.NEGATIVE_INFINITY,
      accounts: staked.map(([staker, amount]) => account(staker, ringPush(EMPTY_RING, 0, amount))),
      stake: ringPush(EMPTY_RING, 0, sum)
    }
  ]
  const sets = new Map<number, StakeSet>()
  const now = () => states.at(-1)!
  const at = (slot: number) => states.findLast(({ from }) => from <= slot)!

  const changed = (before: StakeAccount, slot: number, change: StakeChange): StakeAccount => {
    const from = effectiveCycle(times, slot)
    const holds = before.amount[0]!.value
    switch (change.is) {
      case 'stake':
        return { ...before, amount: ringPush(before.amount, from, holds + change.amount) }
      case 'unstake':
        if (change.amount > holds) {
          throw new Error('more than is staked')
        }
        return {
          ...before,
          amount: ringPush(before.amount, from, holds - change.amount),
          unstaking: before.unstaking + change.amount,
          unlockSlot: unlockSlot(times, slot)
        }
      case 'withdraw':
        if (before.unstaking === 0n || slot < before.unlockSlot) {
          throw new Error('nothing can be withdrawn yet')
        }
        return { ...before, unstaking: 0n }
      case 'replace':
        // two keys are remembered: the next change is three rounds after, or in the same round
        if (before.keyFrom !== from && before.keyFrom > 0 && cycleAt(times, slot) - 2 < before.keyFrom) {
          throw new Error('an open cycle knows the former key')
        }
        return {
          ...before,
          stakingKey: change.key,
          formerKey: before.keyFrom === from ? before.formerKey : before.stakingKey,
          keyFrom: from
        }
    }
  }

  return {
    at,
    change(slot, change) {
      const { accounts, stake, from } = now()
      if (slot < from) {
        throw new Error('K2 goes forward')
      }
      const before = accounts.find(({ staker }) => staker === change.staker)
      const holds = before?.amount[0]?.value ?? 0n
      if (before == null && change.is !== 'stake') {
        throw new Error('there is no such stake')
      }
      const after = changed(before ?? account(change.staker, EMPTY_RING), slot, change)
      const more = (after.amount[0]?.value ?? 0n) - holds
      states.push({
        from: slot,
        accounts: before == null ? [...accounts, after] : accounts.map((one) => (one === before ? after : one)),
        stake: more === 0n ? stake : ringPush(stake, effectiveCycle(times, slot), stake[0]!.value + more)
      })
    },
    setOf(cycle, slot) {
      const begins = times.startingSlot + cycle * times.roundSlots
      const set = sets.get(cycle) ?? standing(at(begins - 1).accounts)
      if (slot >= begins) {
        sets.set(cycle, set)
      }
      return set
    },
    accountOf: (key) => now().accounts.find(({ stakingKey }) => stakingKey === key)
  }
}
