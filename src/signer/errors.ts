/** The Signer was asked to sign something that contradicts what it signed before. */
export class ContradictionError extends Error {
  override name = 'ContradictionError'
}

/** The Signer signs nothing new: for a while, as it listens whether the key has spoken elsewhere, or not any more. */
export class SigningHeldError extends Error {
  override name = 'SigningHeldError'
}

/** What was to be signed could not be written down first, so it is not signed. */
export class SignerLogError extends Error {
  override name = 'SignerLogError'
}

/** What was to be signed is nothing that a staking key says, or cannot be read: it is not signed. */
export class UnreadableRequestError extends Error {
  override name = 'UnreadableRequestError'
}

/** The signer process does not answer, or not as one: nothing is signed until it does. */
export class SignerAwayError extends Error {
  override name = 'SignerAwayError'
}

/** Where a signer process is to listen is no place for it: the message says what to do. */
export class SignerSocketError extends Error {
  override name = 'SignerSocketError'
}
