export class KeyFileError extends Error {
  override name = 'KeyFileError'
}

/** The Signer was asked to sign something that contradicts what it signed before. */
export class ContradictionError extends Error {
  override name = 'ContradictionError'
}
