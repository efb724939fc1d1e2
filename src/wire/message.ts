import type { Body, Envelope } from './generated/envelope.js'
import type { Kind } from './kinds.ts'

/** A message whose shape and sizes are checked; its signature only where a docstring says so. */
export interface Message {
  /** Hash of network, signer and body: 64 hex digits. Not of the signature, so that re-signing makes no new message. */
  id: string
  kind: Kind
  /** base58 staking key. */
  signer: string
  body: Body
  envelope: Envelope
  /** The envelope as it travels. */
  bytes: Uint8Array
  /** Of an `equivocation`: whom it convicts and by what; the signatures of its halves are to be checked by whoever believes it. */
  evidence?: Evidence
}

/** Two messages that one signer must not both have said. */
export interface Evidence {
  /** base58 staking key. */
  offender: string
  /** The kind that was said twice. */
  kind: Kind
  /** The cycle in which it was. */
  cycle: number
  halves: [Message, Message]
}
