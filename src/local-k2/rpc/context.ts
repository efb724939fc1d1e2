import type { z } from 'zod'
import type { ChainFacts } from '../genesis.ts'
import type { History } from '../history.ts'
import type { Commitment, Ledger, Submission } from '../ledger.ts'
import type { PriorityFees } from '../priority-fees.ts'
import type { WireTransaction } from '../transaction.ts'
import type { ParseTools } from './account-view.ts'
import { minContextSlotNotReached } from './errors.ts'
import type { Integer } from './params.ts'

/** What the methods touch. */
export interface RpcContext {
  ledger: Ledger
  history: History
  chain: ChainFacts
  /** False while blocks cannot be stored. */
  healthy: () => boolean
  /** Whether slots wait for those who follow them: then nodes ask to be waited for. */
  pace: 'auto' | 'strict'
  /** Why not. */
  trouble?: () => string | undefined
  /** What came into the last blocks had to pay. */
  priorityFees: PriorityFees
  /** Where it listens, as host and port. */
  listens: () => { rpc: string; pubsub: string }
  /** Runs a transaction into the slot in progress. */
  submit: (wire: WireTransaction, options: { verified: boolean }) => Submission
  /** Pays from the faucet, on `blockhash` if it is given, and gives the signature, whatever comes of it. */
  airdrop: (to: Uint8Array, lamports: bigint, blockhash?: string) => string
}

/** One method: what it takes, checked by `params`, and what it gives. */
export interface RpcMethod {
  params: z.ZodType
  call: (context: RpcContext, params: never) => unknown
}

/** Types a method by its parameters. */
export function method<P extends z.ZodType>(params: P, call: (context: RpcContext, params: z.output<P>) => unknown): RpcMethod {
  return { params, call }
}

/** What `jsonParsed` needs to read the account at `key`, as `commitment` sees the others. */
export function parseTools(ledger: Ledger, key: string, commitment: Commitment): ParseTools {
  return { key, lookup: (other) => ledger.account(other, commitment) }
}

/** A value with the slot that it was true at. */
export function withContext<T>(slot: number, value: T): { context: { apiVersion: string; slot: number }; value: T } {
  return { context: { apiVersion: API_VERSION, slot }, value }
}

/** The Solana version whose JSON-RPC this is; clients read it from getVersion and from contexts. */
export const API_VERSION = '4.1.0'

/** The set of features that the node has; here, all that the VM has. */
export const FEATURE_SET = 0

/** The slot that a request is answered at. @throws RpcError when it asks for a later one */
export function slotFor(
  context: RpcContext,
  config: { commitment?: Commitment | null | undefined; minContextSlot?: Integer | null | undefined } | null | undefined
): number {
  const slot = context.ledger.slot(config?.commitment ?? 'finalized')
  if (config?.minContextSlot != null && slot < config.minContextSlot) {
    throw minContextSlotNotReached(slot)
  }
  return slot
}
