import { DistributionUnavailableError, NO_BUNDLE } from '../participant/index.ts'
import type { DistributionEntry, DistributionInput } from '../record/index.ts'
import { ENDINGS, type TaskRunner, whyFailed } from '../tasks/index.ts'

/** Runs the task's distribution function over what a record holds. @throws DistributionUnavailableError */
export async function distributionOf(runner: TaskRunner | undefined, input: DistributionInput): Promise<readonly DistributionEntry[]> {
  if (runner == null) {
    throw new DistributionUnavailableError(NO_BUNDLE, true)
  }
  const outcome = await runner.distribution(input)
  if (!outcome.ok) {
    const isOurs = outcome.ending != null && ENDINGS[outcome.ending].whose === 'ours'
    throw new DistributionUnavailableError(`the task's distribution ${whyFailed(outcome)}`, isOurs)
  }
  return outcome.value
}
