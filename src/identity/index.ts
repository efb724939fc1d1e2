/** # identity: key files, native Ed25519, and the Signer that never contradicts itself. */
export { signEd25519, verifyEd25519 } from './ed25519.ts'
export { ContradictionError, KeyFileError, KeyInUseError, SignerLogError, SigningHeldError } from './errors.ts'
export { generateKeyPair, type KeyPair, keyPairFromSeed, readKeyFile, writeKeyFile } from './key-file.ts'
export { type KeyHolder, type KeyLock, lockKeyFile } from './key-lock.ts'
export { createSigner, type Logged, type Promised, type Signer, type SignerLog } from './signer.ts'
