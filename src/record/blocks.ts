/** dag-cbor blocks and lists that are split over several of them. Spec: protocols/record/README.md "Blocks". */
import { createHash } from 'node:crypto'
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'

export interface Block {
  cid: CID
  bytes: Uint8Array
}

/** A chunk is at most this long: small enough for one Bitswap message, long enough that a thousand messages take two. */
export const CHUNK_BYTES = 256 * 1024

const SHA2_256 = 0x12

export interface RecordLimits {
  /** Of one block. */
  blockBytes: number
  /** Of all blocks of one record, or of one ledger. */
  totalBytes: number
}

/**
 * A staker has at most a submission, its verdicts and a challenge in a record, or one proof that it equivocated: 2,348 bytes. So
 * 64 MiB hold the messages of 27,000 stakers, whatever they say, and a ledger of a million.
 */
export const RECORD_LIMITS: RecordLimits = { blockBytes: CHUNK_BYTES, totalBytes: 64 * 1024 * 1024 }

/** What the record of a cycle with so many stakers may take, its ledger aside: whoever proposes more makes the others read for nothing. */
export function recordLimits(stakers: number): RecordLimits {
  return { ...RECORD_LIMITS, totalBytes: Math.min(RECORD_LIMITS.totalBytes, ROOT_BYTES + stakers * BYTES_PER_STAKER) }
}

/** Its messages of 2,348 bytes, what it is paid and what it loses, and its part of the links to chunks. */
const BYTES_PER_STAKER = 2_600
const ROOT_BYTES = 16 * 1024

export function blockOf(value: unknown): Block {
  const bytes = dagCbor.encode(value)
  return { cid: cidOf(bytes), bytes }
}

export function cidOf(bytes: Uint8Array): CID {
  return CID.createV1(dagCbor.code, Digest.create(SHA2_256, createHash('sha256').update(bytes).digest()))
}

/** The record that a digest on K2 names. */
export function recordCid(digest: Uint8Array): CID {
  return CID.createV1(dagCbor.code, Digest.create(SHA2_256, digest))
}

/** Whether `cid` names a dag-cbor block hashed with sha2-256: the only ones that records and ledgers are made of. */
export function isRecordCid(cid: CID): boolean {
  return cid.version === 1 && cid.code === dagCbor.code && cid.multihash.code === SHA2_256 && cid.multihash.size === 32
}

/** A CBOR array head takes at most 5 bytes for as many entries as fit in a chunk. */
const ARRAY_HEAD_BYTES = 5

/** Splits a list into arrays that fill their blocks one after the other; an empty list takes no block. */
export function chunked(entries: readonly unknown[]): Block[] {
  const blocks: Block[] = []
  let chunk: unknown[] = []
  let length = ARRAY_HEAD_BYTES
  for (const entry of entries) {
    const entryLength = dagCbor.encode(entry).length
    if (chunk.length > 0 && length + entryLength > CHUNK_BYTES) {
      blocks.push(blockOf(chunk))
      chunk = []
      length = ARRAY_HEAD_BYTES
    }
    chunk.push(entry)
    length += entryLength
  }
  return chunk.length > 0 ? [...blocks, blockOf(chunk)] : blocks
}
