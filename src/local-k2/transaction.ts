import { counted } from '../observe/words.ts'
import { encodeBase58 } from './base58.ts'
import { MalformedTransactionError } from './errors.ts'

/** The largest transaction that Solana's network carries: one IPv6 packet of 1,280 bytes less its headers. */
export const MAX_TRANSACTION_BYTES = 1232

/** One instruction of a message; numbers are positions among the message's keys. */
export interface WireInstruction {
  program: number
  accounts: number[]
  data: Uint8Array
}

/** Keys that a version 0 message takes from an address lookup table, by their position in it. */
export interface WireLookup {
  table: Uint8Array
  writable: number[]
  readonly: number[]
}

/** A transaction taken apart, as it came over the wire. */
export interface WireTransaction {
  bytes: Uint8Array
  signatures: Uint8Array[]
  /** The first signature in base58: the transaction's name. */
  signature: string
  version: 'legacy' | 0
  requiredSignatures: number
  readonlySigned: number
  readonlyUnsigned: number
  /** The keys in the message itself, without those from lookup tables. */
  keys: Uint8Array[]
  blockhash: string
  /** Where the blockhash lies in `bytes`. */
  blockhashOffset: number
  instructions: WireInstruction[]
  lookups: WireLookup[]
}

/** Solana's wire format: integers of 16 bits in one to three bytes, everything else of fixed length. */
class Reader {
  readonly bytes: Uint8Array
  offset = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  byte(): number {
    const value = this.bytes[this.offset++]
    if (value === undefined) {
      throw new MalformedTransactionError(`the transaction ends early, at byte ${this.bytes.length}`)
    }
    return value
  }

  take(length: number): Uint8Array {
    if (this.offset + length > this.bytes.length) {
      throw new MalformedTransactionError(`the transaction ends early, at byte ${this.bytes.length}`)
    }
    return this.bytes.subarray(this.offset, (this.offset += length))
  }

  shortInt(): number {
    let value = 0
    for (let shift = 0; shift < 21; shift += 7) {
      const byte = this.byte()
      value |= (byte & 0x7f) << shift
      if ((byte & 0x80) === 0) {
        if (value > 0xffff || (shift > 0 && byte === 0)) {
          break
        }
        return value
      }
    }
    throw new MalformedTransactionError(`a length at byte ${this.offset} is not well formed`)
  }

  list<T>(item: () => T): T[] {
    return Array.from({ length: this.shortInt() }, item)
  }
}

/**
 * Takes a transaction apart and checks that its parts refer to each other within bounds.
 *
 * @throws MalformedTransactionError
 */
export function decodeTransaction(bytes: Uint8Array): WireTransaction {
  if (bytes.length > MAX_TRANSACTION_BYTES) {
    throw new MalformedTransactionError(`the transaction is too large: ${bytes.length} bytes (max: ${MAX_TRANSACTION_BYTES})`)
  }
  const reader = new Reader(bytes)
  const signatures = reader.list(() => reader.take(64))
  const message = decodeMessage(reader)
  if (signatures.length === 0 || signatures.length !== message.requiredSignatures) {
    throw new MalformedTransactionError(
      `the transaction has ${counted(signatures.length, 'signature')} and its message asks for ${message.requiredSignatures}`
    )
  }
  return { ...message, bytes, signatures, signature: encodeBase58(signatures[0]!) }
}

/**
 * Takes a message without signatures apart, as `getFeeForMessage` has it.
 *
 * @throws MalformedTransactionError
 */
export function decodeBareMessage(bytes: Uint8Array): Omit<WireTransaction, 'bytes' | 'signatures' | 'signature'> {
  return decodeMessage(new Reader(bytes))
}

/** The keys in the message of a transaction that was decoded before, and nothing else of it: where many are gone through. */
export function messageKeys(bytes: Uint8Array): { version: 'legacy' | 0; keys: Uint8Array[] } {
  const reader = new Reader(bytes)
  reader.take(reader.shortInt() * 64)
  const first = reader.byte()
  const version = first & 0x80 ? 0 : 'legacy'
  reader.take(version === 0 ? 3 : 2)
  return { version, keys: reader.list(() => reader.take(32)) }
}

function decodeMessage(reader: Reader) {
  const first = reader.byte()
  // the top bit tells a versioned message from a legacy one, which begins with its count of signatures
  const version = first & 0x80 ? first & 0x7f : 'legacy'
  if (version !== 'legacy' && version !== 0) {
    throw new MalformedTransactionError(`transaction version ${version} is not known`)
  }
  const requiredSignatures = version === 'legacy' ? first : reader.byte()
  const readonlySigned = reader.byte()
  const readonlyUnsigned = reader.byte()
  const keys = reader.list(() => reader.take(32))
  const blockhashOffset = reader.offset
  const blockhash = encodeBase58(reader.take(32))
  const numbers = () => [...reader.take(reader.shortInt())]
  const instructions: WireInstruction[] = reader.list(() => ({
    program: reader.byte(),
    accounts: numbers(),
    data: reader.take(reader.shortInt())
  }))
  const lookups: WireLookup[] =
    version === 'legacy' ? [] : reader.list(() => ({ table: reader.take(32), writable: numbers(), readonly: numbers() }))
  if (reader.offset !== reader.bytes.length) {
    throw new MalformedTransactionError(`${counted(reader.bytes.length - reader.offset, 'byte')} after the end of the transaction`)
  }
  const total = keys.length + lookups.reduce((sum, lookup) => sum + lookup.writable.length + lookup.readonly.length, 0)
  if (requiredSignatures === 0 || requiredSignatures > keys.length || readonlySigned >= requiredSignatures) {
    throw new MalformedTransactionError(
      `its header asks for ${counted(requiredSignatures, 'signer')} (${readonlySigned} read-only) of ${counted(keys.length, 'key')}`
    )
  }
  if (readonlyUnsigned > keys.length - requiredSignatures || total > 256) {
    throw new MalformedTransactionError('its header and its keys do not fit each other')
  }
  for (const { program, accounts } of instructions) {
    // the fee payer cannot be a program, nor can a key from a lookup table
    if (program === 0 || program >= keys.length || accounts.some((account) => account >= total)) {
      throw new MalformedTransactionError('an instruction refers to a key that the message does not have')
    }
  }
  return {
    version: version as 'legacy' | 0,
    requiredSignatures,
    readonlySigned,
    readonlyUnsigned,
    keys,
    blockhash,
    blockhashOffset,
    instructions,
    lookups
  }
}

/** Whether the key at `position` of the message itself may be written, by the message's header. */
export function isWritable(
  message: Pick<WireTransaction, 'keys' | 'requiredSignatures' | 'readonlySigned' | 'readonlyUnsigned'>,
  position: number
): boolean {
  return position < message.requiredSignatures
    ? position < message.requiredSignatures - message.readonlySigned
    : position < message.keys.length - message.readonlyUnsigned
}
