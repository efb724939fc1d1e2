import { z } from 'zod'
import { decodeBase58, encodeBase58 } from '../base58.ts'
import { feeOf } from '../fees.ts'
import type { Loaded } from '../loading.ts'
import { tokenBalances } from '../token-state.ts'
import { decodeBareMessage, decodeTransaction, type WireTransaction } from '../transaction.ts'
import { describeTransactionError } from '../transaction-error.ts'
import type { AccountState, Simulation } from '../vm.ts'
import { viewAccount } from './account-view.ts'
import { refuseProcessed } from './chain-methods.ts'
import { method, type RpcContext, slotFor, withContext } from './context.ts'
import { INVALID_PARAMS, invalidParams, nodeUnhealthy, preflightFailure, RpcError } from './errors.ts'
import { loadedBytes } from './loaded-bytes.ts'
import * as p from './params.ts'
import { MEMO_PROGRAMS, memosOf } from './parsed/instructions.ts'
import { plainInstructions, viewInner, viewTransaction } from './transaction-view.ts'
import { wireBytes } from './wire-text.ts'

/** The most signatures that one getSignatureStatuses asks for, by Solana's rules. */
const MAX_STATUSES = 256
/** The most signatures that one getSignaturesForAddress gives, by Solana's rules. */
const MAX_SIGNATURES = 1000
/** How far back statuses are told without a search of the history: as many blocks as Solana's nodes keep them of. */
const RECENT_STATUS_BLOCKS = 300

const MEMO_KEYS = MEMO_PROGRAMS.map(decodeBase58)

const wireEncoding = { encoding: z.enum(['base58', 'base64']).nullish() }
const sendConfig = z
  .object({
    ...wireEncoding,
    ...p.minContextSlot,
    skipPreflight: z.boolean().nullish(),
    preflightCommitment: p.commitment.commitment,
    maxRetries: p.usize.nullish()
  })
  .nullish()
const simulateConfig = z
  .object({
    ...wireEncoding,
    ...p.commitment,
    ...p.minContextSlot,
    sigVerify: z.boolean().nullish(),
    replaceRecentBlockhash: z.boolean().nullish(),
    innerInstructions: z.boolean().nullish(),
    accounts: z.object({ encoding: p.accountEncoding, addresses: z.array(p.pubkey) }).nullish()
  })
  .nullish()
const airdropConfig = z.object({ ...p.commitment, recentBlockhash: p.pubkey.nullish() }).nullish()
const transactionConfig = z.object({
  ...p.commitment,
  encoding: p.transactionEncoding,
  maxSupportedTransactionVersion: p.u8.nullish()
})

/** Transactions: sending them, trying them, and what became of them. */
export const transactionMethods = {
  sendTransaction: method(z.tuple([z.string(), sendConfig.optional()]), (context, [text, config]) => {
    const wire = readTransaction(text, config?.encoding ?? 'base58')
    // without preflight it is the slot in progress that must have come as far
    const commitment = config?.skipPreflight === true ? 'processed' : config?.preflightCommitment
    slotFor(context, { commitment, minContextSlot: config?.minContextSlot })
    if (config?.skipPreflight !== true) {
      preflight(context, wire)
      context.submit(wire, { verified: true })
    } else {
      // without preflight a node forwards what it gets: whoever sends a bad transaction hears its signature and never sees it land
      context.submit(wire, { verified: false })
    }
    return wire.signature
  }),
  simulateTransaction: method(z.tuple([z.string(), simulateConfig.optional()]), (context, [text, config]) => {
    let wire = readTransaction(text, config?.encoding ?? 'base58')
    const slot = slotFor(context, config)
    const replaces = config?.replaceRecentBlockhash === true
    if (replaces && config.sigVerify === true) {
      throw invalidParams('sigVerify may not be used with replaceRecentBlockhash')
    }
    const latest = context.ledger.latestBlockhash()
    if (replaces) {
      wire = withBlockhash(wire, latest.blockhash)
    }
    const simulation = context.ledger.simulate(wire, { verifySignatures: config?.sigVerify === true, anyBlockhash: replaces })
    const asked = config?.accounts
    const encoding = asked?.encoding ?? 'base64'
    if (asked != null && (encoding === 'base58' || encoding === 'binary')) {
      throw invalidParams('base58 encoding not supported')
    }
    const { view, account, count } = viewSimulation(context, wire, simulation, config?.innerInstructions === true)
    if ((asked?.addresses.length ?? 0) > count) {
      throw invalidParams(`Too many accounts provided; max ${count}`)
    }
    const accounts = asked?.addresses.map(({ text: address, bytes }) => {
      const state = simulation.err === null ? account(bytes) : undefined
      return state === undefined ? null : viewAccount(state, { encoding }, { key: address, lookup: account })
    })
    return withContext(slot, { ...view, accounts: accounts ?? null, replacementBlockhash: replaces ? latest : null })
  }),
  // as from a faucet: sent without preflight, so one that fails is told by its status
  requestAirdrop: method(z.tuple([p.pubkey, p.u64, airdropConfig.optional()]), (context, [to, lamports, config]) =>
    context.airdrop(to.bytes, BigInt(lamports), config?.recentBlockhash?.text)
  ),
  getFeeForMessage: method(z.tuple([z.string(), p.viewConfig.optional()]), (context, [text, config]) => {
    const what = 'solana_message::versions::VersionedMessage'
    const bytes = wireBytes(text, 'base64', what)
    const message = orInvalidParams(what, () => decodeBareMessage(bytes))
    const { ledger } = context
    const valid = ledger.isBlockhashValid(message.blockhash, 'processed') || ledger.nonceAccountOf(message) !== undefined
    return withContext(slotFor(context, config), valid ? feeOf(message) : null)
  }),
  getTransaction: method(z.tuple([p.signature, p.encodingOr(transactionConfig).nullish().optional()]), (context, [{ bytes }, given]) => {
    const config: z.output<typeof transactionConfig> = given ?? {}
    refuseProcessed(config)
    const record = context.history.transaction(bytes)
    if (record === undefined) {
      return null
    }
    const viewed = viewTransaction(record, config.encoding ?? 'json', config.maxSupportedTransactionVersion)
    return { slot: record.slot, ...viewed, blockTime: context.history.block(record.slot)?.blockTimeS ?? null }
  }),
  getSignatureStatuses: method(
    z.tuple([
      z.array(p.signature).refine((signatures) => signatures.length <= MAX_STATUSES, `Too many inputs provided; max ${MAX_STATUSES}`),
      z.object({ searchTransactionHistory: z.boolean().nullish() }).nullish().optional()
    ]),
    ({ ledger }, [signatures, config]) => {
      const oldest = config?.searchTransactionHistory === true ? 0 : ledger.firstOfLast(RECENT_STATUS_BLOCKS)
      const statuses = signatures.map(({ text, bytes }) => {
        const status = ledger.status(bytes, text)
        if (status === undefined || status.slot < oldest) {
          return null
        }
        const { slot, err, completed } = status
        return {
          slot,
          // null is Solana's way to say final
          confirmations: completed ? null : 0,
          err,
          status: err === null ? { Ok: null } : { Err: err },
          confirmationStatus: completed ? 'finalized' : 'processed'
        }
      })
      return withContext(ledger.slot('processed'), statuses)
    }
  ),
  getSignaturesForAddress: method(
    z.tuple([
      p.pubkey,
      z
        .object({
          ...p.commitment,
          ...p.minContextSlot,
          before: p.signature.nullish(),
          until: p.signature.nullish(),
          limit: p.usize.refine((limit) => limit >= 1 && limit <= MAX_SIGNATURES, `Invalid limit; max ${MAX_SIGNATURES}`).nullish()
        })
        .nullish()
        .optional()
    ]),
    (context, [{ bytes }, config]) => {
      refuseProcessed(config)
      slotFor(context, config)
      const range = { before: config?.before?.bytes, until: config?.until?.bytes, limit: Number(config?.limit ?? MAX_SIGNATURES) }
      return context.history
        .mentions(bytes, { ...range, memoPrograms: MEMO_KEYS })
        .map(({ signature, slot, index, wire, err, blockTimeS }) => ({
          signature,
          slot,
          transactionIndex: index,
          err,
          // a program is among the message's own keys
          memo: wire === undefined ? null : memosOf(plainInstructions(wire, wire.keys.map(encodeBase58))),
          blockTime: blockTimeS,
          confirmationStatus: 'finalized'
        }))
    }
  )
}

/** Tries a transaction before it is sent. @throws RpcError with the log when it would fail */
function preflight(context: RpcContext, wire: WireTransaction): void {
  if (!context.healthy()) {
    throw nodeUnhealthy(context.trouble?.())
  }
  const simulation = context.ledger.simulate(wire, { verifySignatures: true, anyBlockhash: false })
  if (simulation.err !== null) {
    const { view } = viewSimulation(context, wire, simulation, false)
    const data = { ...view, accounts: null, replacementBlockhash: null }
    throw preflightFailure(describeTransactionError(simulation.err), data)
  }
}

/** What a trial showed, what it left at an address, and how many accounts the transaction has. */
function viewSimulation({ ledger }: RpcContext, wire: WireTransaction, simulation: Loaded<Simulation>, withInner: boolean) {
  const { err, logs, unitsConsumed, returnData } = simulation
  const keys = ledger.addressesOf(wire)
  const keyBytes = keys.map(decodeBase58)
  const before = (key: Uint8Array) => ledger.account(key, 'processed')
  const after = simulation.accountsAfter()
  const account = (key: Uint8Array): AccountState | undefined => {
    const state = after.get(encodeBase58(key)) ?? before(key)
    return state?.lamports === 0n ? undefined : state
  }
  // one that is refused has not been as far as its accounts
  const ran = err === null || logs.length > 0
  const writable = wire.lookups.reduce((sum, lookup) => sum + lookup.writable.length, wire.keys.length)
  const view = {
    err,
    logs,
    unitsConsumed,
    returnData,
    innerInstructions: withInner ? viewInner(simulation, keys) : null,
    fee: ran || simulation.feesOnly ? feeOf(wire) : null,
    loadedAccountsDataSize: ran ? loadedBytes(wire, keyBytes, before) : 0,
    loadedAddresses: ran ? { writable: keys.slice(wire.keys.length, writable), readonly: keys.slice(writable) } : null,
    preBalances: ran ? keyBytes.map((key) => before(key)?.lamports ?? 0n) : null,
    postBalances: ran ? keyBytes.map((key) => account(key)?.lamports ?? 0n) : null,
    preTokenBalances: ran ? tokenBalances(keyBytes, before) : null,
    postTokenBalances: ran ? tokenBalances(keyBytes, account) : null
  }
  return { view, account, count: keys.length }
}

/** @throws RpcError when the text is no transaction */
function readTransaction(text: string, encoding: 'base58' | 'base64'): WireTransaction {
  const what = 'solana_transaction::versioned::VersionedTransaction'
  const bytes = wireBytes(text, encoding, what)
  return orInvalidParams(what, () => decodeTransaction(bytes))
}

function orInvalidParams<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (err) {
    throw new RpcError(INVALID_PARAMS, `failed to deserialize ${what}: ${(err as Error).message}`)
  }
}

function withBlockhash(wire: WireTransaction, blockhash: string): WireTransaction {
  const bytes = Uint8Array.from(wire.bytes)
  bytes.set(decodeBase58(blockhash), wire.blockhashOffset)
  return { ...wire, bytes, blockhash, signature: encodeBase58(wire.signatures[0]!) }
}
