import { createHash } from 'node:crypto'
import { signEd25519 } from './ed25519.ts'
import { ContradictionError, SignerLogError, SigningHeldError } from './errors.ts'
import type { KeyPair } from './key-file.ts'

/** The write-ahead log of what was signed. `put` returns only when the entry would survive a power cut. */
export interface SignerLog {
  /** The hash of what was signed under a key, 64 hex digits. */
  get(task: string, cycle: number, key: string): string | undefined
  /** `bytes` is what the hash is of, so that it can be said again. */
  put(task: string, cycle: number, key: string, hash: string, bytes: Uint8Array): void
  /** What was signed for `fromCycle` and later, as far as its bytes are kept. */
  list(task: string, fromCycle: number): Logged[]
  /** Forgets the bytes of cycles before `cycle`; the hashes of what may be said once stay for ever. */
  prune(task: string, cycle: number): void
}

export interface Logged {
  cycle: number
  key: string
  bytes: Uint8Array
}

/** What a signature promises: the task and cycle it is about, and the key under which it may be said only once. */
export interface Promised {
  task: string
  cycle: number
  /** `onceKey` of the body or `vote`; null for what may be said again. */
  key: string | null
}

/**
 * Holds the staking key and signs what counts: gossip messages and final votes.
 *
 * Persist, then sign: what is about to be signed is on disk before the signature exists, so that a node that is killed at
 * any instant never signs a second, different message of a kind that may exist once, and can say again what it signed.
 */
export interface Signer {
  publicKey: Uint8Array
  address: string
  /**
   * Signs `bytes`. The same bytes may be signed again; different bytes under the same promise may not.
   *
   * @throws ContradictionError, SigningHeldError, SignerLogError
   */
  sign(bytes: Uint8Array, promised: Promised): Promise<Uint8Array>
  /**
   * Records a promise about content that may be signed several times in different wrappings, as a vote is that is
   * sent again with a fresh blockhash.
   *
   * @throws ContradictionError, SigningHeldError, SignerLogError
   */
  promise(content: Uint8Array, promised: Promised): Promise<void>
  /** Signs a K2 transaction message whose promise was recorded by `promise`. @throws SigningHeldError once halted */
  signTransaction(message: Uint8Array): Promise<Uint8Array>
  /** Makes no new promise until `release`; what was promised before may be said again, and so may what is no promise. */
  hold(reason: string): void
  release(): void
  /** Signs nothing any more, for as long as this Signer lives. */
  halt(reason: string): void
  /** Whether exactly this was signed or promised by this log. */
  has(content: Uint8Array, promised: Promised): boolean
  /** Takes into the log what this key is known to have signed elsewhere, unless the log has another under the same promise. */
  adopt(content: Uint8Array, promised: Promised): void
}

/** `signBytes` is the one place where a signature comes into being; tests watch it. */
export function createSigner(keyPair: KeyPair, log: SignerLog, signBytes = signEd25519): Signer {
  let held: string | undefined
  let halted: string | undefined

  const hashOf = (content: Uint8Array) => createHash('sha256').update(content).digest('hex')
  /** What may be said again is kept by its own hash: nothing contradicts it, and it is known as ours. */
  const entryOf = (content: Uint8Array, { key }: Promised) => {
    const hash = hashOf(content)
    return { hash, key: key ?? `again/${hash}` }
  }
  const refuseWhenHalted = () => {
    if (halted != null) {
      throw new SigningHeldError(`nothing is signed any more: ${halted}`)
    }
  }
  const promise = (content: Uint8Array, promised: Promised) => {
    refuseWhenHalted()
    const { task, cycle } = promised
    const { hash, key } = entryOf(content, promised)
    const before = log.get(task, cycle, key)
    if (before === hash) {
      return
    }
    if (before != null) {
      throw new ContradictionError(`refusing to sign a second, different ${key} of cycle ${cycle}: one was signed before (task ${task})`)
    }
    const what = promised.key ?? 'message'
    if (held != null && promised.key != null) {
      throw new SigningHeldError(`no ${what} of cycle ${cycle} is signed for now: ${held}`)
    }
    try {
      log.put(task, cycle, key, hash, content)
    } catch (err) {
      throw new SignerLogError(
        `refusing to sign the ${what} of cycle ${cycle}: it could not be written down first (${err instanceof Error ? err.message : String(err)}). ` +
          'Make room on the disk of the data directory, and see that it can be written to',
        { cause: err }
      )
    }
  }
  return {
    publicKey: keyPair.publicKey,
    address: keyPair.address,
    async sign(bytes, promised) {
      promise(bytes, promised)
      return signBytes(bytes, keyPair.secretKey)
    },
    async promise(content, promised) {
      promise(content, promised)
    },
    async signTransaction(message) {
      refuseWhenHalted()
      return signBytes(message, keyPair.secretKey)
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
    has(content, promised) {
      const { hash, key } = entryOf(content, promised)
      return log.get(promised.task, promised.cycle, key) === hash
    },
    adopt(content, promised) {
      const { hash, key } = entryOf(content, promised)
      if (log.get(promised.task, promised.cycle, key) == null) {
        log.put(promised.task, promised.cycle, key, hash, content)
      }
    }
  }
}
