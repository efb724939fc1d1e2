/** The slot in progress: what has happened in it so far, how it begins, and the block that it becomes. */
import { createHash } from 'node:crypto'
import { decodeBase58, encodeBase58 } from './base58.ts'
import type { AccountChange, Block, TransactionRecord } from './block.ts'
import { type AccountState, CLOCK_SYSVAR, RECENT_BLOCKHASHES_SYSVAR, SLOT_HASHES_SYSVAR } from './vm.ts'

/** The sysvars that every slot moves on. */
export const MOVING_SYSVARS = [CLOCK_SYSVAR, SLOT_HASHES_SYSVAR, RECENT_BLOCKHASHES_SYSVAR]

export interface SlotInProgress {
  slot: number
  height: number
  parent: Block
  blockTimeS: number
  transactions: TransactionRecord[]
  bySignature: Map<string, TransactionRecord>
  /** What each account that may have changed in this slot was when it began: the view of `confirmed`. */
  before: Map<string, AccountChange>
  /** Those that did change, to be written with the block. */
  changed: Map<string, Uint8Array>
  /** Programs that can be called from the next slot on. */
  deployed: Set<string>
  burntLamports: bigint
}

/** @param account - as it is before the sysvars move on */
export function beginSlot(
  { slot, parent, blockTimeS }: { slot: number; parent: Block; blockTimeS: number },
  account: (key: Uint8Array) => AccountState | undefined
): SlotInProgress {
  const before = new Map<string, AccountChange>()
  for (const name of MOVING_SYSVARS) {
    const key = decodeBase58(name)
    before.set(name, { key, state: account(key) })
  }
  return {
    slot,
    height: parent.height + 1,
    parent,
    blockTimeS,
    transactions: [],
    bySignature: new Map(),
    before,
    changed: new Map(),
    deployed: new Set(),
    burntLamports: 0n
  }
}

/** The block of a slot in which nothing more happens. */
export function blockOf({ slot, height, parent, blockTimeS, transactions, burntLamports }: SlotInProgress): Block {
  const number = Buffer.alloc(8)
  number.writeBigUInt64LE(BigInt(slot))
  const hash = createHash('sha256').update(decodeBase58(parent.blockhash)).update(number)
  for (const { wire } of transactions) {
    hash.update(wire.signatures[0]!)
  }
  return {
    slot,
    height,
    parentSlot: parent.slot,
    blockhash: encodeBase58(hash.digest()),
    previousBlockhash: parent.blockhash,
    blockTimeS,
    transactions: transactions.length,
    totalTransactions: parent.totalTransactions + transactions.length,
    supply: parent.supply - burntLamports
  }
}
