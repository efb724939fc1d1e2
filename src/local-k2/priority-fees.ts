import type { TransactionRecord } from './block.ts'
import { unitPriceOf } from './fees.ts'
import { isWritable } from './transaction.ts'

/** How many blocks are remembered, by Solana's rules. */
const MAX_BLOCKS = 150

/** What was paid in one block, in micro-lamports a compute unit. */
interface BlockFees {
  slot: number
  least: bigint
  /** By address that a transaction wrote to. */
  byAccount: Map<string, bigint>
}

/** The least price for compute units with which a transaction came into each of the last blocks. Begins empty when a chain is opened. */
export class PriorityFees {
  #blocks: BlockFees[] = []
  /** The transactions of the slot in progress. */
  #pending: TransactionRecord[] = []

  /** Takes a transaction of the slot in progress. */
  add(record: TransactionRecord): void {
    this.#pending.push(record)
  }

  /** The slot in progress is complete. */
  complete(slot: number): void {
    const block: BlockFees = { slot, least: 0n, byAccount: new Map() }
    for (const [index, { wire, keys, meta }] of this.#pending.splice(0).entries()) {
      const price = unitPriceOf(wire)
      block.least = index === 0 || price < block.least ? price : block.least
      const loadedWritable = wire.keys.length + meta.loadedAddresses.writable.length
      for (const [position, key] of keys.entries()) {
        const known = block.byAccount.get(key)
        if (
          (position < wire.keys.length ? isWritable(wire, position) : position < loadedWritable) &&
          (known === undefined || price < known)
        ) {
          block.byAccount.set(key, price)
        }
      }
    }
    this.#blocks = [...this.#blocks, block].slice(-MAX_BLOCKS)
  }

  /** For each block, oldest first: what a transaction that writes to `addresses` had to pay to come into it. */
  recent(addresses: readonly string[]): Array<{ slot: number; prioritizationFee: bigint }> {
    return this.#blocks.map(({ slot, least, byAccount }) => ({
      slot,
      prioritizationFee: addresses.reduce((most, address) => {
        const paid = byAccount.get(address) ?? 0n
        return paid > most ? paid : most
      }, least)
    }))
  }
}
