/** Bytes that are not a well-formed message: what was wrong, for the log and the peer's standing. */
export class MalformedMessageError extends Error {
  override name = 'MalformedMessageError'
}
