/** # identity: key files and their lock, native Ed25519, and what a log of signatures keeps. */
export { signEd25519, verifyEd25519 } from './ed25519.ts'
export { KeyFileError, KeyInUseError } from './errors.ts'
export { generateKeyPair, type KeyPair, keyPairFromSeed, readKeyFile, writeKeyFile } from './key-file.ts'
export { type KeyHolder, type KeyLock, lockKeyFile, lockPath } from './key-lock.ts'
export type { LogEntry, Logged, SignerLog, WholeLog } from './signer-log.ts'
