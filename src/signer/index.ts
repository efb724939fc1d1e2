/**
 * # signer
 *
 * Holds the staking key and signs what counts: gossip messages, final votes, and the few transactions that a node sends. It reads
 * what it is asked to sign, derives from the content what that reserves, and signs nothing that it cannot read.
 *
 * @example
 * ```ts
 * const signer = createSigner({ keyPair, log: store.signerLog, programId: PROGRAM_ID, maxFeeRoe: 0n })
 * const message = await seal(body, network, { publicKey: signer.publicKey, sign: signer.signMessage })
 * ```
 */
export { ContradictionError, SignerLogError, SigningHeldError, UnreadableRequestError } from './errors.ts'
export { createSigner, type Signer, type SignerInit } from './signer.ts'
