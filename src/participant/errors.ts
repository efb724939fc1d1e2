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
