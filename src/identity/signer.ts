import { createHash } from 'node:crypto'
import { signEd25519 } from './ed25519.ts'
import { ContradictionError } from './errors.ts'
import type { KeyPair } from './key-file.ts'

/** The write-ahead log of what was signed. `put` returns only when the entry would survive a power cut. */
export interface SignerLog {
  get(task: string, cycle: number, key: string): string | undefined
  put(task: string, cycle: number, key: string, hash: string): void
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
 * Persist, then sign: the hash of what is about to be signed is on disk before the signature exists, so that a node
 * that is killed at any instant never signs a second, different message of a kind that may exist once.
 */
export interface Signer {
  publicKey: Uint8Array
  address: string
  /**
   * Signs `bytes`. The same bytes may be signed again; different bytes under the same promise may not.
   *
   * @throws ContradictionError
   */
  sign(bytes: Uint8Array, promised: Promised): Promise<Uint8Array>
  /**
   * Records a promise about content that may be signed several times in different wrappings, as a vote is that is
   * sent again with a fresh blockhash.
   *
   * @throws ContradictionError
   */
  promise(content: Uint8Array, promised: Promised): Promise<void>
  /** Signs a K2 transaction message whose promise was recorded by `promise`. */
  signTransaction(message: Uint8Array): Promise<Uint8Array>
}

export function createSigner(keyPair: KeyPair, log: SignerLog): Signer {
  const promise = (content: Uint8Array, { task, cycle, key }: Promised) => {
    if (key == null) {
      return
    }
    const hash = createHash('sha256').update(content).digest('hex')
    const before = log.get(task, cycle, key)
    if (before == null) {
      log.put(task, cycle, key, hash)
    } else if (before !== hash) {
      throw new ContradictionError(`refusing to sign a second, different ${key} of cycle ${cycle}: one was signed before (task ${task})`)
    }
  }
  return {
    publicKey: keyPair.publicKey,
    address: keyPair.address,
    async sign(bytes, promised) {
      promise(bytes, promised)
      return signEd25519(bytes, keyPair.secretKey)
    },
    async promise(content, promised) {
      promise(content, promised)
    },
    async signTransaction(message) {
      return signEd25519(message, keyPair.secretKey)
    }
  }
}
