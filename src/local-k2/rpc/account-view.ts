import { constants, zstdCompressSync } from 'node:zlib'
import type { z } from 'zod'
import { decodeBase58, encodeBase58 } from '../base58.ts'
import type { AccountState } from '../vm.ts'
import { INVALID_REQUEST, invalidParams, RpcError } from './errors.ts'
import type { accountEncoding, accountFilters, dataSlice, Integer } from './params.ts'
import { parseAccount } from './parsed/accounts.ts'
import type { Lookup } from './parsed/parsed-account.ts'

/** Account data of more bytes is not given in base58, which takes quadratic time; Solana's bound. */
const MAX_BASE58_BYTES = 128
/** The longest memcmp filter, by Solana's rules. */
const MAX_MEMCMP_BYTES = 128

/** 2^(10 + 11), in a zstd frame's header. */
const WINDOW_2_MIB = 0x58

type Encoding = z.output<typeof accountEncoding>

/** What `jsonParsed` needs beside the account: its address, and what other addresses hold. */
export interface ParseTools {
  /** base58 */
  key: string
  lookup: Lookup
}

/**
 * An account as JSON-RPC gives it; without an encoding, in the old form of bare base58.
 *
 * @throws RpcError when its data is too long for base58
 */
export function viewAccount(
  account: AccountState,
  config: { encoding?: Encoding; dataSlice?: z.output<typeof dataSlice> } | null | undefined,
  { key, lookup }: ParseTools
) {
  const parsed = config?.encoding === 'jsonParsed' ? parseAccount(account, key, lookup) : undefined
  const { lamports, owner, executable, rentEpoch } = account
  const slice = config?.dataSlice
  const data = slice == null ? account.data : cut(account.data, slice.offset, slice.length)
  return {
    lamports,
    owner: encodeBase58(owner),
    data: parsed ?? viewData(data, config?.encoding ?? 'binary'),
    executable,
    rentEpoch,
    space: account.data.length
  }
}

/** A frame as a node streams it: it does not say its content's size, and asks for a window of 2 MiB whatever that is. */
function zstdFrame(data: Uint8Array): Buffer {
  const frame = zstdCompressSync(data, { params: { [constants.ZSTD_c_contentSizeFlag]: 0 } })
  // after the magic number and the descriptor; a window may be larger than the content needs, and none of this level is
  frame[5] = Math.max(frame[5]!, WINDOW_2_MIB)
  return frame
}

/** So many bytes from `offset` on, as far as there are. */
function cut(data: Uint8Array, offset: Integer, length: Integer): Uint8Array {
  const from = offset < data.length ? Number(offset) : data.length
  return length < data.length - from ? data.subarray(from, from + Number(length)) : data.subarray(from)
}

function viewData(data: Uint8Array, encoding: NonNullable<Encoding>): string | [string, string] {
  switch (encoding) {
    case 'binary':
      return viewBase58(data)
    case 'base58':
      return [viewBase58(data), 'base58']
    case 'base64+zstd':
      return [zstdFrame(data).toString('base64'), 'base64+zstd']
    // Solana's nodes too give base64 for an account that they have no parser for
    case 'jsonParsed':
    case 'base64':
      return [Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'), 'base64']
  }
}

function viewBase58(data: Uint8Array): string {
  if (data.length > MAX_BASE58_BYTES) {
    throw new RpcError(
      INVALID_REQUEST,
      `Encoded binary (base 58) data should be less than ${MAX_BASE58_BYTES} bytes, please use Base64 encoding.`
    )
  }
  return encodeBase58(data)
}

/** A test of an account's data that holds when all `filters` do. @throws RpcError when a filter's bytes are not in its encoding */
export function accountMatcher(filters: z.output<typeof accountFilters>): (state: AccountState) => boolean {
  const tests = (filters ?? []).map((filter) => {
    if ('dataSize' in filter) {
      return ({ data }: AccountState) => BigInt(data.length) === BigInt(filter.dataSize)
    }
    const { offset } = filter.memcmp
    const wanted = filterBytes(filter.memcmp.bytes, filter.memcmp.encoding ?? 'base58')
    return ({ data }: AccountState) => Buffer.compare(cut(data, offset, wanted.length), wanted) === 0
  })
  return (state) => tests.every((test) => test(state))
}

function filterBytes(bytes: string | number[], encoding: string): Uint8Array {
  let decoded: Uint8Array
  try {
    decoded =
      typeof bytes !== 'string' ? Uint8Array.from(bytes) : encoding === 'base64' ? Buffer.from(bytes, 'base64') : decodeBase58(bytes)
  } catch {
    throw invalidParams(`Invalid param: the filter's bytes are not ${encoding}`)
  }
  if (decoded.length > MAX_MEMCMP_BYTES) {
    throw invalidParams(`Invalid param: the filter's bytes are more than ${MAX_MEMCMP_BYTES}`)
  }
  return decoded
}
