import type { Libp2p } from '@libp2p/interface'
import type { Timing } from '../clock/index.ts'
import type { Pool, Verdict } from '../judge/index.ts'
import { type Log, type Peers, silentLog, type Timer, wallTimer } from '../network/index.ts'
import type { Network } from '../wire/index.ts'
import { ask, type SyncResult } from './client.ts'
import type { SyncParts } from './parts.ts'
import { cyclesAt, SYNC_PROTOCOL, syncProtocol } from './protocol.ts'
import { createServer } from './server.ts'

export interface SyncInit {
  libp2p: Libp2p
  network: Network
  pool: Pool
  peers: Peers
  timing: Timing
  slot: () => number | undefined
  /** `gossip.receive`, told that it came by sync. */
  receive: (bytes: Uint8Array, from: string) => Verdict
  /** Whether who names no task is answered, too: by the first of a node's tasks. @default false */
  alsoBare?: boolean
  intervalMs?: number
  random?: () => number
  timer?: Timer
  now?: () => number
  log?: Log
}

export interface SyncCounters {
  asked: number
  served: number
  received: number
  sent: number
  failed: number
}

export interface Sync {
  start(): Promise<void>
  stop(): Promise<void>
  /** Compares with up to `count` random staked peers at once: after joining, a restart, or a partition. Resolves with what came. */
  now(count?: number): Promise<{ peers: number; received: number; sent: number }>
  counters(): SyncCounters
}

/** What gossip lost is found within one or two of these (TARGETS A4: within 2 s). */
const INTERVAL_MS = 1_500
const EXCHANGE_MS = 10_000
/** Comparisons under way, so that a few slow peers do not end the others. */
const MAX_RUNNING = 4
/** Passes with one peer in a row: 8 x 512 messages is more than a cycle of a thousand nodes. */
const MAX_PASSES = 8

/**
 * Anti-entropy: every now and then the node compares digests of the live cycles with one random staked peer, and both get
 * what they lack. Spec: protocols/sync/README.md.
 */
export function createSync(init: SyncInit): Sync {
  const { libp2p, network, pool, peers, timing, slot, receive, alsoBare = false, intervalMs = INTERVAL_MS } = init
  const { random = Math.random, timer = wallTimer, now = Date.now, log = silentLog } = init
  const protocol = syncProtocol(network)
  const answered = alsoBare ? [protocol, SYNC_PROTOCOL] : [protocol]
  const counts: SyncCounters = { asked: 0, served: 0, received: 0, sent: 0, failed: 0 }
  const inFlight = new Set<string>()
  let stopping = new AbortController()
  let cancelNext: (() => void) | undefined
  let running = new Set<Promise<unknown>>()
  let started = false

  const parts: SyncParts = {
    pool,
    receive,
    cycles: () => {
      const at = slot()
      return at == null ? [] : cyclesAt(timing, at)
    }
  }
  const serve = createServer({
    ...parts,
    peers,
    random,
    now,
    log,
    signal: () => stopping.signal,
    onServed: () => {
      counts.served++
    }
  })

  const exchange = async (peerId: string): Promise<SyncResult> => {
    const connection = libp2p.getConnections().find((one) => one.remotePeer.toString() === peerId && one.status === 'open')
    if (connection == null) {
      throw new Error('no open connection')
    }
    const signal = AbortSignal.any([AbortSignal.timeout(EXCHANGE_MS), stopping.signal])
    const stream = await connection.newStream(protocol, { signal })
    counts.asked++
    return ask(stream, peerId, { ...parts, inFlight }, signal)
  }

  const compare = async (peerId: string): Promise<{ received: number; sent: number }> => {
    const total = { received: 0, sent: 0 }
    try {
      for (let pass = 0; pass < MAX_PASSES; pass++) {
        const { received, sent, more } = await exchange(peerId)
        total.received += received
        total.sent += sent
        counts.received += received
        counts.sent += sent
        if (!more) {
          break
        }
      }
    } catch (err) {
      counts.failed++
      log.debug({ err, peerId }, 'sync: an exchange failed')
    }
    return total
  }

  const pick = (count: number): string[] => {
    const open = new Set(libp2p.getPeers().map(String))
    const rest = peers
      .staked()
      .map(({ peerId }) => peerId)
      .filter((peerId) => open.has(peerId))
    const picked: string[] = []
    while (picked.length < count && rest.length > 0) {
      picked.push(...rest.splice(Math.floor(random() * rest.length), 1))
    }
    return picked
  }

  const run = async (count: number) => {
    const picked = parts.cycles().length === 0 ? [] : pick(count)
    const results = await Promise.all(picked.map(compare))
    return {
      peers: picked.length,
      received: results.reduce((sum, one) => sum + one.received, 0),
      sent: results.reduce((sum, one) => sum + one.sent, 0)
    }
  }

  const tracked = <T>(work: Promise<T>): Promise<T> => {
    running.add(work)
    return work.finally(() => running.delete(work))
  }

  const schedule = () => {
    if (started) {
      // spread, so that nodes that started together do not all ask in the same instant
      cancelNext = timer(
        () => {
          // a peer that takes all the time that an exchange has keeps us from no other
          if (running.size < MAX_RUNNING) {
            void tracked(run(1))
          }
          schedule()
        },
        intervalMs * (0.75 + random() / 2)
      )
    }
  }

  return {
    async start() {
      if (started) {
        return
      }
      started = true
      stopping = new AbortController()
      running = new Set()
      await libp2p.handle(answered, serve, { maxInboundStreams: 2, maxOutboundStreams: 2 })
      schedule()
    },
    async stop() {
      if (!started) {
        return
      }
      started = false
      cancelNext?.()
      stopping.abort(new Error('stopping'))
      await libp2p.unhandle(answered)
      await Promise.allSettled([...running])
    },
    now: (count = 3) => tracked(run(count)),
    counters: () => ({ ...counts })
  }
}
