/** What the outbox keeps of a final vote, and how it is written. */
import type { Subscription } from './feed.ts'

/** A final vote: hashes of 32 bytes, rewards in ROE since the task began. */
export interface FinalVote {
  cycle: number
  root: Uint8Array
  recordDigest: Uint8Array
  totalRewards: bigint
}

/** A signed transaction that carries the vote. */
export interface Attempt {
  signature: string
  blockhash: string
  wire: string
  /** The slot when it was signed. */
  slot: number
  /** What it bids for a compute unit, in micro-lamports. */
  price?: string
}

export interface Entry {
  vote: FinalVote
  attempts: Attempt[]
  handedOver: boolean
  /** Some endpoint refused the last transaction for its blockhash. */
  unknownBlockhash?: boolean
  /** When this process first heard that the window is over. */
  overSinceMs?: number | undefined
  /** By subscription: which transaction most endpoints say has landed, and how surely. A reason to look, and to wait with sending. */
  told?: { signature: string; final: boolean } | undefined
  /** When this process sent the last transaction for the first time. */
  sentSlot?: number | undefined
  /** The staking key can pay for the signature, and for no more. */
  mayNotBid?: boolean
  /** By signature, what is told of it by subscription. */
  watches?: Map<string, Subscription[]>
  /** Ends the wait before the next look. */
  wake?: () => void
}

interface Written {
  cycle: number
  root: string
  recordDigest: string
  totalRewards: string
  /** Left out by version 0.1. */
  attempts?: Attempt[]
  handedOver?: boolean
}

export const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function written({ cycle, root, recordDigest, totalRewards }: FinalVote): Written {
  return { cycle, root: hex(root), recordDigest: hex(recordDigest), totalRewards: totalRewards.toString() }
}

/** What the signer's log holds the hash of: the vote, in whatever transaction. */
export function encodeVote(vote: FinalVote): Uint8Array {
  return Buffer.from(JSON.stringify(written(vote)))
}

/** The vote of a content that the Signer's log holds. */
export function decodeVote(bytes: Uint8Array): FinalVote {
  return decodeEntry(bytes).vote
}

export function encodeEntry({ vote, attempts, handedOver }: Entry): Uint8Array {
  return Buffer.from(JSON.stringify({ ...written(vote), attempts, handedOver }))
}

export function decodeEntry(bytes: Uint8Array): Entry {
  const {
    cycle,
    root,
    recordDigest,
    totalRewards,
    attempts = [],
    handedOver = false
  } = JSON.parse(Buffer.from(bytes).toString()) as Written
  return {
    vote: { cycle, root: Buffer.from(root, 'hex'), recordDigest: Buffer.from(recordDigest, 'hex'), totalRewards: BigInt(totalRewards) },
    attempts,
    handedOver
  }
}
