export class KeyFileError extends Error {
  override name = 'KeyFileError'
}

/** The Signer was asked to sign something that contradicts what it signed before. */
export class ContradictionError extends Error {
  override name = 'ContradictionError'
}

/** Somebody else has the staking key: another node of this machine, or one that was heard or seen on K2. */
export class KeyInUseError extends Error {
  override name = 'KeyInUseError'
}

/** The Signer signs nothing new: for a while, as it listens whether the key has spoken elsewhere, or not any more. */
export class SigningHeldError extends Error {
  override name = 'SigningHeldError'
}

/** What was to be signed could not be written down first, so it is not signed. */
export class SignerLogError extends Error {
  override name = 'SignerLogError'
}
