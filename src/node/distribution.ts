import type { DistributionEntry, DistributionInput } from '../record/index.ts'
import { ENDINGS, type TaskRunner, whyFailed } from '../tasks/index.ts'

/** The task's distribution function could not be run: our own fault or the bundle's, never the record's. */
export class DistributionUnavailableError extends Error {
  override name = 'DistributionUnavailableError'
  /** Whether it may be run later: the bundle is still coming, or this machine had no room. */
  readonly passing: boolean

  constructor(message: string, passing: boolean) {
    super(message)
    this.passing = passing
  }
}

/** What everything says that waits for the bundle. */
export const NO_BUNDLE = 'the task’s bundle is not here yet'

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
