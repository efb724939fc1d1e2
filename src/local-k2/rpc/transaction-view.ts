import type { z } from 'zod'
import { decodeBase58, encodeBase58 } from '../base58.ts'
import type { TransactionMeta, TransactionRecord } from '../block.ts'
import { isWritable, type WireTransaction } from '../transaction.ts'
import { unsupportedVersion } from './errors.ts'
import type { Integer, transactionEncoding } from './params.ts'
import { type PlainInstruction, parseInstruction } from './parsed/instructions.ts'

type Encoding = NonNullable<z.output<typeof transactionEncoding>>

/** Refuses versioned transactions to a client that did not say that it reads them, as Solana's nodes do. @throws RpcError */
export function checkVersion(wire: WireTransaction, maxSupported: Integer | null | undefined): void {
  if (wire.version !== 'legacy' && (maxSupported == null || maxSupported < wire.version)) {
    throw unsupportedVersion(wire.version)
  }
}

/** A transaction with its outcome, as in a block; the version is told only to those who say which they read. */
export function viewTransaction(record: TransactionRecord, encoding: Encoding, maxSupported: Integer | null | undefined) {
  checkVersion(record.wire, maxSupported)
  return {
    transaction: viewWire(record, encoding),
    meta: viewMeta(record, encoding),
    ...(maxSupported == null ? {} : { version: record.wire.version })
  }
}

/** A transaction with its accounts and balances only: `transactionDetails: "accounts"`. */
export function viewTransactionAccounts(record: TransactionRecord, maxSupported: Integer | null | undefined) {
  checkVersion(record.wire, maxSupported)
  const { err, status, fee, preBalances, postBalances, preTokenBalances, postTokenBalances } = viewMeta(record, 'json')
  return {
    transaction: { signatures: record.wire.signatures.map(encodeBase58), accountKeys: viewKeys(record) },
    meta: { err, status, fee, preBalances, postBalances, preTokenBalances, postTokenBalances },
    ...(maxSupported == null ? {} : { version: record.wire.version })
  }
}

/** The instructions of the transaction itself, with addresses. */
export function plainInstructions({ instructions }: WireTransaction, keys: readonly string[]): PlainInstruction[] {
  return instructions.map(({ program, accounts, data }) => ({
    programId: keys[program]!,
    accounts: accounts.map((account) => keys[account]!),
    data
  }))
}

function viewWire(record: TransactionRecord, encoding: Encoding) {
  const { wire } = record
  switch (encoding) {
    case 'base64':
      return [Buffer.from(wire.bytes).toString('base64'), 'base64']
    case 'base58':
      return [encodeBase58(wire.bytes), 'base58']
    case 'binary':
      return encodeBase58(wire.bytes)
    case 'json':
    case 'jsonParsed':
      return { signatures: wire.signatures.map(encodeBase58), message: viewMessage(record, encoding) }
  }
}

function viewMessage(record: TransactionRecord, encoding: 'json' | 'jsonParsed') {
  const { wire, keys } = record
  const lookups = wire.lookups.map(({ table, writable, readonly }) => ({
    accountKey: encodeBase58(table),
    writableIndexes: writable,
    readonlyIndexes: readonly
  }))
  const tail = { recentBlockhash: wire.blockhash, ...(wire.version === 'legacy' ? {} : { addressTableLookups: lookups }) }
  if (encoding === 'jsonParsed') {
    const instructions = plainInstructions(wire, keys).map((instruction) => viewInstruction(instruction, 1))
    return { accountKeys: viewKeys(record), instructions, ...tail }
  }
  return {
    header: {
      numRequiredSignatures: wire.requiredSignatures,
      numReadonlySignedAccounts: wire.readonlySigned,
      numReadonlyUnsignedAccounts: wire.readonlyUnsigned
    },
    accountKeys: keys.slice(0, wire.keys.length),
    instructions: wire.instructions.map(({ program, accounts, data }) => ({
      programIdIndex: program,
      accounts,
      data: encodeBase58(data),
      stackHeight: 1
    })),
    ...tail
  }
}

/** An instruction as `jsonParsed` gives it: read where there is a parser for the program, else as it is with addresses for positions. */
function viewInstruction(instruction: PlainInstruction, stackHeight: number) {
  const { programId, accounts, data } = instruction
  const read = parseInstruction(instruction)
  return read === undefined
    ? { programId, accounts, data: encodeBase58(data), stackHeight }
    : { program: read.program, programId, parsed: read.parsed, stackHeight }
}

function viewKeys({ wire, keys, meta }: TransactionRecord) {
  const loadedWritable = wire.keys.length + meta.loadedAddresses.writable.length
  return keys.map((key, position) => ({
    pubkey: key,
    signer: position < wire.requiredSignatures,
    source: position < wire.keys.length ? 'transaction' : 'lookupTable',
    writable: position < wire.keys.length ? isWritable(wire, position) : position < loadedWritable
  }))
}

function viewMeta({ meta, keys }: TransactionRecord, encoding: Encoding) {
  const parsed = encoding === 'jsonParsed'
  return {
    err: meta.err,
    status: meta.err === null ? { Ok: null } : { Err: meta.err },
    fee: meta.fee,
    preBalances: meta.preBalances,
    postBalances: meta.postBalances,
    innerInstructions: viewInner(meta, parsed ? keys : undefined),
    logMessages: meta.logMessages,
    preTokenBalances: meta.preTokenBalances ?? [],
    postTokenBalances: meta.postTokenBalances ?? [],
    rewards: [],
    // in the parsed form they are among the keys
    ...(parsed ? {} : { loadedAddresses: meta.loadedAddresses }),
    ...(meta.returnData === null ? {} : { returnData: meta.returnData }),
    computeUnitsConsumed: meta.computeUnitsConsumed
  }
}

/** Inner instructions, as `jsonParsed` gives them when `keys` are given. */
export function viewInner({ innerInstructions }: Pick<TransactionMeta, 'innerInstructions'>, keys: readonly string[] | undefined) {
  return keys === undefined
    ? innerInstructions
    : innerInstructions.map(({ index, instructions }) => ({
        index,
        instructions: instructions.map(({ programIdIndex, accounts, data, stackHeight }) =>
          viewInstruction(
            { programId: keys[programIdIndex]!, accounts: accounts.map((account) => keys[account]!), data: decodeBase58(data) },
            stackHeight
          )
        )
      }))
}
