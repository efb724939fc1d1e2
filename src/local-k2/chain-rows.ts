/** Rows of the chain's database, as the blocks and transactions that they stand for. */
import type { SQLOutputValue } from 'node:sqlite'
import { parseJson } from '../k2/json.ts'
import { decodeBase58, encodeBase58 } from './base58.ts'
import type { Block, TransactionMeta, TransactionRecord } from './block.ts'
import { decodeTransaction, messageKeys } from './transaction.ts'
import type { TransactionError } from './transaction-error.ts'

/** A transaction's number is its slot times this plus its place in the block: in order, unique, and exact in a double. */
export const PLACES_PER_SLOT = 2 ** 20

export type Row = Record<string, SQLOutputValue>

export function toBlock(row: Row): Block {
  return {
    slot: Number(row.slot),
    height: Number(row.height),
    parentSlot: Number(row.parent),
    blockhash: encodeBase58(row.blockhash as Uint8Array),
    previousBlockhash: encodeBase58(row.previous as Uint8Array),
    blockTimeS: Number(row.time),
    transactions: Number(row.transactions),
    totalTransactions: Number(row.total),
    supply: BigInt(row.supply as string)
  }
}

export function toRecord(row: Row): TransactionRecord {
  const wire = decodeTransaction(row.bytes as Uint8Array)
  const stored = parseJson(row.meta as string) as TransactionMeta
  const meta = {
    ...stored,
    fee: BigInt(stored.fee),
    preBalances: stored.preBalances.map(BigInt),
    postBalances: stored.postBalances.map(BigInt)
  }
  const { writable, readonly } = meta.loadedAddresses
  const index = Number(row.id) % PLACES_PER_SLOT
  return { slot: slotOf(row), index, wire, keys: [...wire.keys.map(encodeBase58), ...writable, ...readonly], meta }
}

/** All keys of a stored transaction, without the rest of it. */
export function keysOf(bytes: Uint8Array, meta: string): Uint8Array[] {
  const { version, keys } = messageKeys(bytes)
  if (version === 'legacy') {
    return keys
  }
  // only these can have keys from lookup tables
  const { writable, readonly } = (parseJson(meta) as TransactionMeta).loadedAddresses
  return [...keys, ...writable.map(decodeBase58), ...readonly.map(decodeBase58)]
}

export function slotOf(row: Row): number {
  return Math.floor(Number(row.id) / PLACES_PER_SLOT)
}

export function toError(row: Row): TransactionError | null {
  return row.err === null ? null : (JSON.parse(row.err as string) as TransactionError)
}
