export class KeyFileError extends Error {
  override name = 'KeyFileError'
}

/** Somebody else has the staking key: another node of this machine, or one that was heard or seen on K2. */
export class KeyInUseError extends Error {
  override name = 'KeyInUseError'
}
