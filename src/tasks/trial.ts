/**
 * Runs a bundle's `distribution` over made-up inputs before a task is created with it: what it cannot do in the
 * interpreter it cannot do on any node, and a task whose lists nobody can compute finalizes nothing.
 */
import type { DistributionInput } from './api.ts'
import type { TaskRunner } from './runner.ts'
import { whyFailed } from './stack.ts'

/** ROE */
const BOUNTY = 1_000_000_007n
const STAKERS = ['1', '2', '3', '4', '5'].map((digit, i) => ({ staker: digit.repeat(44), stake: String(1_000_000_000 * 7 ** i) }))

const input = (accepted: number, rejected: number): DistributionInput => ({
  taskId: 'T'.repeat(44),
  cycle: 1,
  bounty: BOUNTY.toString(),
  seed: '0123456789abcdef'.repeat(4),
  submissions: STAKERS.slice(0, accepted).map((entry) => ({ ...entry, value: '{}' })),
  rejected: STAKERS.slice(accepted, accepted + rejected).map((entry) => ({ ...entry, reason: 'invalid' })),
  stakes: STAKERS
})

/** [accepted, rejected] */
const TRIALS: Array<[number, number]> = [
  [0, 0],
  [1, 0],
  [4, 0],
  [0, 2],
  [3, 2]
]

/** The values are made up: a function may throw at one. Not for what it lacks, whatever it is given. */
const LACKS = /^(TaskAccessError|TaskLimitError|ReferenceError|SyntaxError|InternalError)\b|not a function|not a constructor/

/** @returns why nodes could not compute the task's lists, in words; null when they can, as far as this shows */
export async function trialDistribution(runner: TaskRunner): Promise<string | null> {
  for (const [accepted, rejected] of TRIALS) {
    const outcome = await runner.distribution(input(accepted, rejected))
    if (outcome.ok || (outcome.reason === 'threw' && accepted > 0 && !LACKS.test(outcome.detail))) {
      continue
    }
    return `distribution cannot run with ${accepted} accepted and ${rejected} rejected submissions (${whyFailed(outcome)})`
  }
  return null
}
