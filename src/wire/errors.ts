/** Bytes that are not a message: the message says which field is wrong and how. */
export class MalformedMessageError extends Error {
  override name = 'MalformedMessageError'
}

/** Runs a decoder of others' bytes. @throws MalformedMessageError that names what was decoded */
export function decode<T>(run: () => T, what: string): T {
  try {
    return run()
  } catch (err) {
    throw new MalformedMessageError(`the ${what} does not decode: ${err instanceof Error ? err.message : String(err)}`)
  }
}
