/**
 * # signer
 *
 * Holds the staking key and signs what counts: gossip messages, final votes, and the few transactions that a node sends. It reads
 * what it is asked to sign, derives from the content what that reserves, and signs nothing that it cannot read.
 *
 * In the node's process, or in one of its own that the node asks over a Unix socket (`remote/`).
 *
 * @example
 * ```ts
 * const signer = createSigner({ keyPair, log: store.signerLog, programId: PROGRAM_ID, maxFeeRoe: 0n })
 * const message = await seal(body, network, { publicKey: signer.publicKey, sign: signer.signMessage })
 * ```
 */
export {
  ContradictionError,
  SignerAwayError,
  SignerLogError,
  SignerSocketError,
  SigningHeldError,
  UnreadableRequestError
} from './errors.ts'
export { connectSigner, type RemoteSigner, type RemoteSignerInit } from './remote/remote.ts'
export { type ServeSignerInit, type SignerStore, serveSigner } from './remote/serve.ts'
export { createSigner, type Signer, type SignerInit } from './signer.ts'
