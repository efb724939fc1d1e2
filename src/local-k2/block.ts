/** A finished slot and what is kept of it: its transactions with what they did, and the accounts that it changed. */
import type { TokenBalance } from './token-state.ts'
import type { WireTransaction } from './transaction.ts'
import type { AccountState, Execution } from './vm.ts'

/** A finished slot. */
export interface Block {
  slot: number
  /** How many blocks came before it. */
  height: number
  parentSlot: number
  blockhash: string
  previousBlockhash: string
  /** Unix time in seconds. */
  blockTimeS: number
  transactions: number
  /** Transactions since genesis, with this block's. */
  totalTransactions: number
  /** Lamports in being after this block. */
  supply: bigint
}

/** What a transaction did, beside its bytes. */
export interface TransactionMeta extends Omit<Execution, 'logs' | 'unitsConsumed'> {
  fee: bigint
  /** Of each key, in lamports: first the message's, then those from lookup tables. */
  preBalances: bigint[]
  postBalances: bigint[]
  /** Of the token accounts among the keys. */
  preTokenBalances?: TokenBalance[]
  postTokenBalances?: TokenBalance[]
  logMessages: string[]
  computeUnitsConsumed: number
  loadedAddresses: { writable: string[]; readonly: string[] }
}

/** A transaction that is in a block. */
export interface TransactionRecord {
  slot: number
  /** Its place in the block. */
  index: number
  wire: WireTransaction
  /** All its keys: the message's, then the writable and the read-only ones from lookup tables. */
  keys: string[]
  meta: TransactionMeta
}

/** An account that a block changed; without a state, it is no more. */
export interface AccountChange {
  key: Uint8Array
  state: AccountState | undefined
}
