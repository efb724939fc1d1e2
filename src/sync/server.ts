import type { Connection, Stream } from '@libp2p/interface'
import { converse, type Log, next, type Peers } from '../network/index.ts'
import { Ids } from './generated/sync.js'
import type { SyncParts } from './parts.ts'
import { decodeHave, decodeWant, envelopeFrames, joinIds, SYNC_LIMITS, takeEnvelopes } from './protocol.ts'

/** Exchanges that a peer may ask for at once, and how soon it gets the next: a joining node takes several passes. */
const BURST = 16
const REFILL_MS = 250
const EXCHANGE_MS = 10_000

export interface ServerInit extends SyncParts {
  peers: Pick<Peers, 'isStaked' | 'isBanned'>
  random: () => number
  now: () => number
  log: Log
  signal: () => AbortSignal
  onServed: (peerId: string) => void
}

/** The answering side: for staked peers only, so many a second, and never more than its bounds. */
export function createServer(init: ServerInit) {
  const { pool, cycles, receive, peers, random, now, log, signal, onServed } = init
  const buckets = new Map<string, { tokens: number; atMs: number }>()

  const allowed = (peerId: string): boolean => {
    const at = now()
    const bucket = buckets.get(peerId) ?? { tokens: BURST, atMs: at }
    bucket.tokens = Math.min(BURST, bucket.tokens + (at - bucket.atMs) / REFILL_MS)
    bucket.atMs = at
    buckets.delete(peerId)
    buckets.set(peerId, bucket)
    if (buckets.size > 1_024) {
      buckets.delete(buckets.keys().next().value as string)
    }
    if (bucket.tokens < 1) {
      return false
    }
    bucket.tokens--
    return true
  }

  /** The ids of a cycle, or a stretch of them from a random place when they do not fit. */
  const idsOf = (cycle: number): string[] => {
    const ids = pool.ids(cycle)
    const room = SYNC_LIMITS.idsPerCycle
    if (ids.length <= room) {
      return ids
    }
    const from = Math.floor(random() * (ids.length - room + 1))
    return ids.slice(from, from + room)
  }

  return async (stream: Stream, connection: Connection): Promise<void> => {
    const peerId = connection.remotePeer.toString()
    if (!peers.isStaked(peerId) || !allowed(peerId)) {
      stream.abort(new Error('not served'))
      return
    }
    try {
      await converse(
        stream,
        async function* (frames) {
          const live = new Set(cycles())
          const theirs = decodeHave(await next(frames))
          const differing = theirs.cycles.filter(
            ({ cycle, digest, count }) =>
              live.has(cycle) && (count !== pool.count(cycle) || Buffer.compare(digest, pool.digest(cycle)) !== 0)
          )
          yield Ids.encode({ cycles: differing.map(({ cycle }) => ({ cycle, ids: joinIds(idsOf(cycle)) })) })
          if (differing.length === 0) {
            return
          }
          const wanted = decodeWant(await next(frames))
          for (const frame of envelopeFrames(wanted, pool)) {
            yield frame
          }
          await takeEnvelopes(frames, (bytes) => receive(bytes, peerId).result === 'accept')
          onServed(peerId)
        },
        { frameBytes: SYNC_LIMITS.frameBytes, totalBytes: SYNC_LIMITS.totalBytes },
        AbortSignal.any([AbortSignal.timeout(EXCHANGE_MS), signal()])
      )
    } catch (err) {
      log.debug({ err, peerId }, 'sync: an exchange that a peer asked for failed')
    }
  }
}
