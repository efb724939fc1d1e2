import type { CID } from 'multiformats/cid'

/** What is known about a failure, for logs and for the reason of a challenge. */
export type Facts = Record<string, string | number | boolean | undefined | string[]>

class ProofError extends Error {
  readonly cid: string
  readonly facts: Facts

  constructor(cid: CID | string, message: string, facts: Facts = {}) {
    super(message)
    this.cid = cid.toString()
    this.facts = facts
  }
}

/** Nobody asked gave all of its blocks in time. Says nothing about whether the proof is right. */
export class ProofUnavailableError extends ProofError {
  override name = 'ProofUnavailableError'
}

/** More bytes or blocks than the limits, or than its submission declared. */
export class ProofTooLargeError extends ProofError {
  override name = 'ProofTooLargeError'
}

/** More links from the root than the limits allow. */
export class ProofTooDeepError extends ProofError {
  override name = 'ProofTooDeepError'
}

/** A CID outside the profile, a block that does not decode, or sizes other than declared. */
export class ProofMalformedError extends ProofError {
  override name = 'ProofMalformedError'
}

/**
 * Whether a failure is this machine's (no memory, no descriptors, a disk that fails, a call given up), whoever's bytes were
 * being read: then it says nothing about a proof.
 */
export function isOwnFault(err: unknown): boolean {
  const { name, message, errno } = (err ?? {}) as { name?: unknown; message?: unknown; errno?: unknown }
  return (
    name === 'BlockStoreError' ||
    name === 'AbortError' ||
    name === 'TimeoutError' ||
    typeof errno === 'number' ||
    (name === 'RangeError' && /allocation failed|call stack/i.test(String(message)))
  )
}

/** True when the proof itself is at fault: every node that fetches it finds the same. */
export function isInvalidProof(err: unknown): err is ProofError {
  return err instanceof ProofTooLargeError || err instanceof ProofTooDeepError || err instanceof ProofMalformedError
}

/** A Bitswap message that breaks the frame rules; the stream it came on is reset. */
export class MalformedFrameError extends Error {
  override name = 'MalformedFrameError'
}

/** What was to be packed cannot be: the message names the path or the size, and the way out. */
export class PackError extends Error {
  override name = 'PackError'
}

/** The block store failed (disk full, not writable): our own fault, never a peer's. */
export class BlockStoreError extends Error {
  override name = 'BlockStoreError'
}

/** A task has made as much as it may before its cycles are over. */
export class QuotaExceededError extends Error {
  override name = 'QuotaExceededError'
}

/** The place to write to is taken or not safe. */
export class SaveError extends Error {
  override name = 'SaveError'
}
