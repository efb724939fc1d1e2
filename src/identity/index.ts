/** # identity: key files, native Ed25519, and the Signer that never contradicts itself. */
export { signEd25519, verifyEd25519 } from './ed25519.ts'
export { ContradictionError, KeyFileError } from './errors.ts'
export { generateKeyPair, type KeyPair, keyPairFromSeed, readKeyFile, writeKeyFile } from './key-file.ts'
export { createSigner, type Promised, type Signer, type SignerLog } from './signer.ts'
