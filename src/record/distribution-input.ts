import { beaconSeed } from './beacon.ts'
import { byStaker } from './stakers.ts'
import type { CycleInputs, RejectionReason, Tally } from './tally.ts'

/**
 * What a task's distribution function gets: plain JSON, amounts in ROE as decimal strings, lists sorted by the
 * bytes of the staking key. The same for every node that has the same record.
 */
export interface DistributionInput {
  taskId: string
  cycle: number
  /** The most that may be paid. */
  bounty: string
  /** 64 hex digits, from a block of K2 that came after the submissions: the seed of the function's randomness. */
  seed: string
  /** The accepted ones. `value` is what the task submitted, as text. */
  submissions: Array<{ staker: string; value: string; stake: string }>
  rejected: Array<{ staker: string; reason: RejectionReason; stake: string }>
  /** Everyone who had stake in the cycle. */
  stakes: Array<{ staker: string; stake: string }>
}

/** One line of a distribution list: a reward, or a slash when negative. In ROE. */
export interface DistributionEntry {
  staker: string
  amount: bigint
}

const SEED_TAG = 'koii-mesh/distribution-seed/2'

export function distributionInput(inputs: CycleInputs, tally: Tally): DistributionInput {
  const { taskId, cycle, bounty, stakes } = inputs
  const stakeOf = (staker: string) => (stakes.get(staker) ?? 0n).toString()
  return {
    taskId,
    cycle,
    bounty: bounty.toString(),
    seed: Buffer.from(beaconSeed(SEED_TAG, inputs)).toString('hex'),
    submissions: tally.accepted.map(({ signer, body }) => ({
      staker: signer,
      value: Buffer.from(body.submission!.value).toString('utf8'),
      stake: stakeOf(signer)
    })),
    rejected: tally.rejected.map(({ staker, reason }) => ({ staker, reason, stake: stakeOf(staker) })),
    stakes: byStaker(stakes, ([staker]) => staker).map(([staker, stake]) => ({ staker, stake: stake.toString() }))
  }
}
