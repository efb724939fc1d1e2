/** What a node and a signer process say to each other: JSON in bounded bodies, bytes in base64. */
import { z } from 'zod'
import type { LogEntry } from '../../identity/index.ts'
import type { FinalVote } from '../../k2/index.ts'

/** In front of every path: another form gets another number. */
export const VERSION = 'v2'

/** A message has 64 KiB at most and a transaction 1,232 bytes: this is either in base64, and what is around it. */
export const MAX_BODY_BYTES = 128 * 1024
/** A page of the log, the largest of all answers. */
export const MAX_REPLY_BYTES = 1024 * 1024
/** Entries of a page; it ends before `PAGE_BYTES` of their bytes unless the first alone has more. */
export const PAGE_ENTRIES = 500
export const PAGE_BYTES = 256 * 1024

const MAX_BYTES = 80 * 1024
const MAX_REASON = 4096

/** Bytes on the way in; `toText` on the way out. */
const bytes = z
  .base64()
  .max(Math.ceil(MAX_BYTES / 3) * 4)
  .transform((text) => new Uint8Array(Buffer.from(text, 'base64')))
const bytesOf = (length: number) => bytes.refine((value) => value.length === length, `should be ${length} bytes`)
const cycle = z.int().min(0)
// base58: it is shown on terminals
const address = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/)
const roe = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(BigInt)
const reason = z.string().max(MAX_REASON)
const key = z.string().min(1).max(200)
const vote = z.strictObject({ cycle, root: bytesOf(32), recordDigest: bytesOf(32), totalRewards: roe })

export const toText = (value: Uint8Array): string => Buffer.from(value).toString('base64')
export const toReason = (text: string): string => text.slice(0, MAX_REASON)
export const voteToJson = ({ cycle, root, recordDigest, totalRewards }: FinalVote) => ({
  cycle,
  root: toText(root),
  recordDigest: toText(recordDigest),
  totalRewards: String(totalRewards)
})
export const entryToJson = ({ cycle, key, hash, bytes }: LogEntry) => ({ cycle, key, hash, bytes: bytes == null ? null : toText(bytes) })

/** By path, what is asked with. */
export const REQUESTS = {
  /**
   * The first of each connection: for this task nobody else is served until the connection ends, the connection is for no other, and it is
   * held until the node says otherwise.
   */
  session: z.strictObject({ task: address }),
  /** Whether the node may sign. `held`: nothing new that may be said once; `distrust`: the log cannot tell what the key has said. */
  standing: z.union([
    z.strictObject({ state: z.literal('signs') }),
    z.strictObject({ state: z.literal('held'), reason, distrust: z.boolean() }),
    z.strictObject({ state: z.literal('halted'), reason })
  ]),
  /** Nothing: that it answers is what is asked. */
  ping: z.strictObject({}),
  'sign-message': z.strictObject({ bytes }),
  'sign-vote': z.strictObject({ task: address, vote }),
  'reserve-vote': z.strictObject({ task: address, vote }),
  'sign-transaction': z.strictObject({ message: bytes }),
  has: z.strictObject({ bytes }),
  adopt: z.strictObject({ bytes }),
  /** A page of the log. */
  log: z.strictObject({ task: address, fromCycle: cycle, after: z.strictObject({ cycle, key }).optional() }),
  /** Forgets bytes of cycles before `cycle`. */
  prune: z.strictObject({ task: address, cycle })
} as const

export type Path = keyof typeof REQUESTS
export type Asked<P extends Path> = z.output<(typeof REQUESTS)[P]>
/** As it is on the wire. */
export type Asking<P extends Path> = z.input<(typeof REQUESTS)[P]>

const nothing = z.strictObject({})
const signature = z.strictObject({ signature: bytesOf(64) })

/** By path, what is answered. */
export const REPLIES = {
  session: z.strictObject({
    publicKey: bytesOf(32),
    program: address,
    maxFeeRoe: roe,
    /** For the task. */
    origin: z.enum(['kept', 'new', 'lost']),
    /** Of the log: one that is made anew has another. */
    logId: z.string().regex(/^[0-9a-f]{32}$/)
  }),
  standing: nothing,
  ping: nothing,
  'sign-message': signature,
  'sign-vote': signature,
  'reserve-vote': nothing,
  'sign-transaction': signature,
  has: z.strictObject({ has: z.boolean() }),
  adopt: nothing,
  log: z.strictObject({
    entries: z
      .array(
        z.strictObject({
          cycle,
          key,
          hash: z.string().regex(/^[0-9a-f]{64}$/),
          bytes: bytes.nullable()
        })
      )
      .max(PAGE_ENTRIES),
    more: z.boolean()
  }),
  prune: nothing
} as const satisfies Record<Path, z.ZodType>

export type Answer<P extends Path> = z.output<(typeof REPLIES)[P]>
/** As it is on the wire. */
export type Answering<P extends Path> = z.input<(typeof REPLIES)[P]>

/** What a request is refused with. */
export const REFUSAL = z.strictObject({ error: z.string().max(100), message: z.string().max(MAX_REASON) })

/** Names of errors that cross the socket besides those of src/signer/errors.ts. */
export const NO_SESSION = 'NoSession'
export const BUSY = 'Busy'
