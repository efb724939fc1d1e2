import { type KeyPair, type SignerLog, signEd25519 } from '../identity/index.ts'
import { type FinalVote, messageOf } from '../k2/index.ts'
import { SignerLogError, SigningHeldError, UnreadableRequestError } from './errors.ts'
import {
  adoptInto,
  entryOf,
  handedOver,
  isSigned,
  type Reserved,
  refuseSecond,
  reservedByMessage,
  reservedByTransaction,
  reservedByVote
} from './reserved.ts'

export interface SignerInit {
  keyPair: KeyPair
  log: SignerLog
  /** base58: of K2's programs, the one whose instructions the key signs. */
  programId: string
  /** The most, in ROE, that one transaction may bid on top of its signature. */
  maxFeeRoe: bigint
  /** base58: what is about another task is refused. @default any */
  task?: string
  /** The one place where a signature comes into being; tests watch it. */
  signBytes?: typeof signEd25519
}

/**
 * Holds the staking key and signs what counts.
 *
 * Written down, then signed: what is about to be signed is on disk before the signature exists, so that a node that is killed at
 * any instant never signs a second, different message of a kind that may exist once, and can say again what it signed. What is
 * asked for twice is signed twice; what differs under the same task, cycle and kind is refused.
 */
export interface Signer {
  publicKey: Uint8Array
  /** base58 */
  address: string
  /**
   * Signs a message of the mesh: the bytes that `signedBytes` of src/wire makes. What they reserve is read in them.
   *
   * @throws UnreadableRequestError, ContradictionError, SigningHeldError, SignerLogError
   */
  signMessage(bytes: Uint8Array): Promise<Uint8Array>
  /**
   * Signs a final vote for others to bring to K2 in a batch. It reserves what the transaction that carries the same vote does.
   *
   * @throws UnreadableRequestError, ContradictionError, SigningHeldError, SignerLogError
   */
  signVote(task: string, vote: FinalVote): Promise<Uint8Array>
  /** Reserves a final vote, before there is a transaction for it. @throws as `signVote` */
  reserveVote(task: string, vote: FinalVote): Promise<void>
  /**
   * Signs the message of a K2 transaction: a final vote of this key, a batch of others' votes, or a slash that the ledger says, one of
   * these alone, and a bid for its place. It moves nothing that belongs to the key but its fee, which has a bound.
   *
   * @throws UnreadableRequestError, ContradictionError, SigningHeldError, SignerLogError
   */
  signTransaction(message: Uint8Array): Promise<Uint8Array>
  /** Reserves nothing new until `release`; what was reserved before may be said again, and so may what reserves nothing. */
  hold(reason: string): void
  release(): void
  /** Signs nothing any more, for as long as this Signer lives. */
  halt(reason: string): void
  /** Whether exactly this message was signed by this log. `bytes` as for `signMessage`; false for what cannot be read. */
  has(bytes: Uint8Array): boolean
  /** Takes into the log a message that this key is known to have signed elsewhere, unless the log has another in its place. */
  adopt(bytes: Uint8Array): void
}

export function createSigner({ keyPair, log, programId, maxFeeRoe, task: only, signBytes = signEd25519 }: SignerInit): Signer {
  const { address, publicKey } = keyPair
  let held: string | undefined
  let halted: string | undefined

  const refuseWhenHalted = () => {
    if (halted != null) {
      throw new SigningHeldError(`nothing is signed any more: ${halted}`)
    }
  }
  const demandTask = (task: string) => {
    if (only != null && task !== only) {
      throw new UnreadableRequestError(`refusing to sign for the task ${task}: this is asked for in the task ${only}`)
    }
  }
  const reserve = (reserved: Reserved) => {
    refuseWhenHalted()
    const { task, cycle, kind, content } = reserved
    demandTask(task)
    const { hash, key } = entryOf(reserved)
    const before = log.get(task, cycle, key)
    if (before === hash) {
      return
    }
    if (before != null) {
      refuseSecond(reserved, key)
    }
    const what = kind ?? 'message'
    if (held != null && kind != null) {
      throw new SigningHeldError(`no ${what} of cycle ${cycle} is signed for now: ${held}`)
    }
    try {
      log.put(task, cycle, key, hash, content)
    } catch (err) {
      throw new SignerLogError(
        `refusing to sign the ${what} of cycle ${cycle}: it could not be written down first (${messageOf(err)}). ` +
          'Make room on the disk of the data directory, and see that it can be written to',
        { cause: err }
      )
    }
  }
  const sign = async (bytes: Uint8Array) => signBytes(bytes, keyPair.secretKey)

  return {
    publicKey,
    address,
    async signMessage(bytes) {
      reserve(reservedByMessage(bytes))
      return sign(bytes)
    },
    async signVote(task, vote) {
      const { bytes, vote: read } = handedOver(task, vote)
      reserve(reservedByVote(read))
      return sign(bytes)
    },
    async reserveVote(task, vote) {
      reserve(reservedByVote(handedOver(task, vote).vote))
    },
    async signTransaction(message) {
      refuseWhenHalted()
      const vote = reservedByTransaction(message, { address, programId, maxFeeRoe })
      if (vote != null) {
        reserve(reservedByVote(vote))
      }
      return sign(message)
    },
    hold(reason) {
      held = reason
    },
    release() {
      held = undefined
    },
    halt(reason) {
      halted ??= reason
    },
    has: (bytes) => isSigned(log, bytes),
    adopt(bytes) {
      demandTask(reservedByMessage(bytes).task)
      adoptInto(log, bytes)
    }
  }
}
