import type { Reason } from './reasons.ts'

/** A message of our own that its peers would refuse: nothing was sent. */
export class PublishRefusedError extends Error {
  override name = 'PublishRefusedError'
  readonly reason: Reason

  constructor(reason: Reason, what: string) {
    super(`${what} was not published: ${reason}`)
    this.reason = reason
  }
}
