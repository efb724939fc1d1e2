import type { KeyPair } from '../identity/index.ts'
import type { Ledger, Submission } from './ledger.ts'
import { decodeTransaction } from './transaction.ts'
import { signTransfer } from './transfer.ts'

/** Limits begin here where two airdrops differ by them. */
const FIRST_UNIT_LIMIT = 10_000

/** Pays airdrops as a validator's faucet does: one transfer, signed by the faucet's own key. */
export class Faucet {
  readonly #ledger: Ledger
  readonly #keys: KeyPair
  /** The newest blockhash when `#tried` began, and how many blockhashes were taken since for airdrops of one kind: each is looked at once. */
  #newest = ''
  #tried = new Map<string, number>()
  #limits = 0

  constructor(init: { ledger: Ledger; keys: KeyPair }) {
    this.#ledger = init.ledger
    this.#keys = init.keys
  }

  /**
   * Sends a transfer without preflight.
   *
   * An airdrop that is equal to another would be the same transaction, so it is built on an older blockhash that lives still. A chain that is as
   * young as its first slots may have none left; only then does a compute unit limit stand before the transfer.
   *
   * @param blockhash to build on this one, and then an equal airdrop is the same transaction as the first
   */
  pay(to: Uint8Array, lamports: bigint, blockhash?: string): { signature: string; result: Submission } {
    const sign = (on: string, unitLimit?: number) =>
      signTransfer({ from: this.#keys, to, lamports, blockhash: on, ...(unitLimit === undefined ? {} : { unitLimit }) })
    if (blockhash !== undefined) {
      return this.#send(sign(blockhash))
    }
    const living = this.#ledger.livingBlockhashes()
    const newest = living[0]!
    if (this.#newest !== newest) {
      this.#newest = newest
      this.#tried.clear()
    }
    const kind = `${Buffer.from(to).toString('hex')} ${lamports}`
    for (let at = this.#tried.get(kind) ?? 0; at < living.length; at++) {
      this.#tried.set(kind, at + 1)
      const bytes = sign(living[at]!)
      if (this.#ledger.status(bytes.subarray(1, 65)) === undefined) {
        return this.#send(bytes)
      }
    }
    return this.#send(sign(newest, FIRST_UNIT_LIMIT + (this.#limits++ % 1_000_000)))
  }

  #send(bytes: Uint8Array): { signature: string; result: Submission } {
    const wire = decodeTransaction(bytes)
    return { signature: wire.signature, result: this.#ledger.submit(wire) }
  }
}
