import type { Stream } from '@libp2p/interface'
import { converse, next } from '../network/index.ts'
import { Have, Want } from './generated/sync.js'
import type { SyncParts } from './parts.ts'
import { decodeIds, envelopeFrames, haveOf, joinIds, SYNC_LIMITS, takeEnvelopes } from './protocol.ts'

export interface SyncResult {
  /** Messages that we lacked and now have. */
  received: number
  /** Messages that the other lacked and now was sent. */
  sent: number
  /** Whether the pools were the same from the start. */
  same: boolean
  /** Whether a further pass would bring more. */
  more: boolean
}

/** The asking side: says what we have, fetches what we lack, and hands over what the other lacks. */
export async function ask(
  stream: Stream,
  peerId: string,
  { pool, cycles, receive, inFlight }: SyncParts & { inFlight: Set<string> },
  signal: AbortSignal
): Promise<SyncResult> {
  const result: SyncResult = { received: 0, sent: 0, same: false, more: false }
  const wants: string[] = []
  try {
    await converse(
      stream,
      async function* (frames) {
        yield Have.encode(haveOf(pool, cycles()))
        const theirs = decodeIds(await next(frames))
        if (theirs.length === 0) {
          result.same = true
          return
        }
        const offers: string[] = []
        for (const { cycle, ids } of theirs) {
          wants.push(...ids.filter((id) => !pool.isSettled(id) && !inFlight.has(id)))
          offers.push(...lackedBy(ids, pool.ids(cycle)))
        }
        result.more = wants.length > SYNC_LIMITS.wants
        wants.length = Math.min(wants.length, SYNC_LIMITS.wants)
        for (const id of wants) {
          inFlight.add(id)
        }
        yield Want.encode({ ids: joinIds(wants) })
        for (const frame of envelopeFrames(offers, pool)) {
          yield frame
        }
        result.sent = offers.length
        result.received = await takeEnvelopes(frames, (bytes) => receive(bytes, peerId).result === 'accept')
        // the other may have had more to say than fits into one exchange; whoever only says so holds us up no longer
        result.more = result.received > 0 && (result.more || result.received < wants.length)
      },
      { frameBytes: SYNC_LIMITS.frameBytes, totalBytes: SYNC_LIMITS.totalBytes },
      signal
    )
    return result
  } finally {
    for (const id of wants) {
      inFlight.delete(id)
    }
  }
}

/** Our ids that a list lacks. A list of the greatest length may be a cut: it speaks only for the range that it covers. */
function lackedBy(theirs: string[], ours: string[]): string[] {
  const held = new Set(theirs)
  const last = theirs.length < SYNC_LIMITS.idsPerCycle ? undefined : theirs.at(-1)
  const first = theirs.length < SYNC_LIMITS.idsPerCycle ? undefined : theirs[0]
  return ours.filter((id) => !held.has(id) && (first == null || last == null || (id >= first && id <= last)))
}
