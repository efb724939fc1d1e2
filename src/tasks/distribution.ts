import type { DistributionEntry, DistributionInput } from './api.ts'

/** A distribution list that no record may hold; the message names the entry. */
export class DistributionError extends Error {
  override name = 'DistributionError'
}

const AMOUNT = /^-?(0|[1-9]\d{0,19})$/

/**
 * What a task without its own `distribution` gets: the bounty to everyone whose submission was accepted, in proportion to
 * stake, each part rounded down. The remainder of the division stays in the pot.
 */
export function defaultDistribution({ bounty, submissions }: DistributionInput): DistributionEntry[] {
  const stakes = new Map(submissions.map(({ staker, stake }) => [staker, BigInt(stake)]))
  const total = [...stakes.values()].reduce((sum, stake) => sum + stake, 0n)
  return [...stakes]
    .map(([staker, stake]) => ({ staker, amount: total === 0n ? 0n : (BigInt(bounty) * stake) / total }))
    .filter(({ amount }) => amount > 0n)
    .sort((a, b) => (a.staker < b.staker ? -1 : 1))
}

/**
 * Checks a task's list against the rules and puts it in the one order that all nodes have: by staker, without zeros.
 *
 * @throws DistributionError for an amount that is no integer of ROE as bigint or decimal text, an unknown or repeated
 * staker, rewards beyond the bounty, a slash beyond the stake
 */
export function checkDistribution(list: unknown, { bounty, stakes: stakers }: DistributionInput): DistributionEntry[] {
  if (!Array.isArray(list)) {
    throw new DistributionError('the list is no array')
  }
  const stakes = new Map(stakers.map(({ staker, stake }) => [staker, BigInt(stake)]))
  const amounts = new Map<string, bigint>()
  let rewards = 0n
  for (const [i, entry] of list.entries()) {
    const { staker, amount } = (entry ?? {}) as { staker?: unknown; amount?: unknown }
    const stake = typeof staker === 'string' ? stakes.get(staker) : undefined
    if (typeof staker !== 'string' || stake == null) {
      throw new DistributionError(`entry ${i}: ${String(staker).slice(0, 64)} has no stake in the task`)
    }
    if (amounts.has(staker)) {
      throw new DistributionError(`entry ${i}: ${staker} is in the list twice`)
    }
    if (typeof amount !== 'bigint' && !(typeof amount === 'string' && AMOUNT.test(amount))) {
      throw new DistributionError(`entry ${i}: the amount is no bigint and no decimal text of ROE`)
    }
    const roe = BigInt(amount)
    if (-roe > stake) {
      throw new DistributionError(`entry ${i}: a slash of ${-roe} ROE is more than the stake of ${stake}`)
    }
    rewards += roe > 0n ? roe : 0n
    if (rewards > BigInt(bounty)) {
      throw new DistributionError(`entry ${i}: rewards of ${rewards} ROE are more than the bounty of ${bounty}`)
    }
    amounts.set(staker, roe)
  }
  return [...amounts]
    .filter(([, amount]) => amount !== 0n)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([staker, amount]) => ({ staker, amount }))
}
