import type { DistributionEntry, DistributionInput } from '../record/index.ts'
import type { TaskRunner } from '../tasks/index.ts'

/** The task's distribution function could not be run: our own fault or the bundle's, never the record's. */
export class DistributionUnavailableError extends Error {
  override name = 'DistributionUnavailableError'
}

/** Runs the task's distribution function over what a record holds. @throws DistributionUnavailableError */
export async function distributionOf(runner: TaskRunner | undefined, input: DistributionInput): Promise<readonly DistributionEntry[]> {
  if (runner == null) {
    throw new DistributionUnavailableError('the task’s bundle is not here yet')
  }
  const outcome = await runner.distribution(input)
  if (!outcome.ok) {
    throw new DistributionUnavailableError(`the task's distribution ${outcome.reason}: ${outcome.detail}`)
  }
  return outcome.value
}
