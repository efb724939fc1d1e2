/**
 * Notices connections whose end never came: the other machine lost its power, its address or its way here, and no packet says so.
 * TCP by itself takes many minutes, and libp2p's own monitor 10 to 21 s, and that cuts at the first ping that is slow.
 *
 *   nothing came ──▶ ask over the connection ──▶ nothing came ──▶ ask by another connection ──▶ judge what that came to
 */
import type { Connection, Libp2pEvents, PeerId, PeerStore, Startable, TypedEventTarget } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import { usableAddresses } from './addresses.ts'
import type { Roster } from './roster.ts'
import { type Timer, wallTimer } from './seams.ts'

const TICK_MS = 100
/** A connection to a staked peer that was quiet for so long is asked for a sign of life; whoever was dialled leaves that to the other. */
const ASK_AFTER_MS = 600
const ASK_AFTER_INBOUND_MS = 750
/** With many connections each is asked less often: 33 times a second in all is 1 % of a core. */
const ASK_EACH_MS = 30
/** Those without stake are owed no haste. */
const ASK_STRANGER_AFTER_MS = 5_000
/** From asking over the connection to asking by another one, and to the end, where answers usually come at once. */
const PROBE_AFTER_MS = 300
const CUT_AFTER_MS = 900
/** The other machine takes connections, and the program on it says nothing: it is busy, and that passes. */
const BUSY_MS = 8_000
/** It cannot be dialled, so that a busy one cannot be told from a dead one. */
const UNASKABLE_MS = 4_000
const STRANGER_MS = 10_000
/** Of what waits to be sent nothing was taken for so long: the other end reads nothing, whatever it says. */
const STUCK_MS = 60_000

/** What another connection to the peer came to. */
export type Probe = 'none' | 'underway' | 'accepted' | 'connected' | 'unreachable' | 'unaskable'

export interface LinkFacts {
  /** For how long nothing came, and nothing of what waits to be sent was taken. It does not count while we ourselves were busy. */
  quietMs: number
  askAfterMs: number
  /** Whether a ping is on its way. */
  isAsked: boolean
  /** The slowest answer of late. */
  slowestMs: number
  isStaked: boolean
  probe: Probe
  /** What an answer may take where all nodes share a machine that may be slow: a program that is there and silent is not cut before. */
  answerMs?: number | undefined
}

/** What is to be done about a quiet connection. One sign alone never cuts it. Pure. */
export function judgeLink({
  quietMs,
  askAfterMs,
  isAsked,
  slowestMs,
  isStaked,
  probe,
  answerMs = 0
}: LinkFacts): 'wait' | 'ask' | 'probe' | 'cut' {
  if (!isAsked) {
    return quietMs >= askAfterMs ? 'ask' : 'wait'
  }
  if (!isStaked) {
    return quietMs >= STRANGER_MS ? 'cut' : 'wait'
  }
  if (probe === 'none') {
    return quietMs >= askAfterMs + Math.max(PROBE_AFTER_MS, 2 * slowestMs) ? 'probe' : 'wait'
  }
  const patienceMs = probe === 'accepted' ? Math.max(BUSY_MS, answerMs) : probe === 'unaskable' ? UNASKABLE_MS : askAfterMs + CUT_AFTER_MS
  return quietMs >= Math.max(patienceMs, askAfterMs + 4 * slowestMs) ? 'cut' : 'wait'
}

type Known = Pick<Roster, 'isStaked' | 'stakerOf' | 'bindingOf'>

export interface LinksInit {
  peers: Known
  /** Whether private addresses may be dialled. */
  local: boolean
  /** What an answer may take in ms, where all nodes share a machine that may be slow. */
  answerMs?: number
  timer?: Timer
  /** In ms, from any moment on. */
  now?: () => number
}

interface Components {
  connectionManager: ConnectionManager
  peerStore: PeerStore
  events: TypedEventTarget<Libp2pEvents>
}

/** The parts of libp2p's connection that are used here and that its interface does not show. */
interface Inside {
  maConn?: {
    readStatus?: string
    addEventListener(type: 'message', listener: () => void): void
    socket?: { bytesWritten: number; writableLength: number }
    websocket?: { bufferedAmount: number }
  }
  muxer?: { ping?: () => Promise<number> }
}

interface Link {
  connection: Connection
  inside: Inside
  heardAt: number
  /** When what was sent was taken last, or nothing waited. */
  takenAt: number
  askedAt: number | undefined
  slowestMs: number
  sent: { queued: number; taken: number }
}

interface Probing {
  outcome: Probe
  connection: Connection | undefined
  controller: AbortController
}

/** A service for libp2p, in the place of its connection monitor. */
export function watchLinks({ peers, local, timer = wallTimer, now = () => performance.now(), answerMs = 0 }: LinksInit) {
  return (components: Components): Startable => new Links(components, peers, local, timer, now, answerMs)
}

class Links implements Startable {
  readonly #components: Components
  readonly #peers: Known
  readonly #local: boolean
  readonly #answerMs: number
  readonly #timer: Timer
  readonly #now: () => number
  readonly #links = new Map<string, Link>()
  /** By peer: its connections share it. */
  readonly #probes = new Map<string, Probing>()
  #cancel: (() => void) | undefined
  #lastTick = 0
  /** Counts while we are awake: what came while we were not is read only after the timers have run. */
  #awakeMs = 0

  constructor(components: Components, peers: Known, local: boolean, timer: Timer, now: () => number, answerMs: number) {
    this.#answerMs = answerMs
    this.#components = components
    this.#peers = peers
    this.#local = local
    this.#timer = timer
    this.#now = now
  }

  start(): void {
    this.#components.events.addEventListener('connection:open', this.#onOpen)
    this.#components.events.addEventListener('connection:close', this.#onClose)
    this.#lastTick = this.#now()
    this.#arm()
  }

  stop(): void {
    this.#components.events.removeEventListener('connection:open', this.#onOpen)
    this.#components.events.removeEventListener('connection:close', this.#onClose)
    this.#cancel?.()
    this.#cancel = undefined
    for (const { controller } of this.#probes.values()) {
      controller.abort(new Error('stopping'))
    }
    this.#probes.clear()
    this.#links.clear()
  }

  readonly #onOpen = ({ detail: connection }: CustomEvent<Connection>) => {
    const inside = connection as unknown as Inside
    if (typeof inside.muxer?.ping !== 'function' || inside.maConn == null || connection.status !== 'open') {
      return
    }
    const [heardAt, takenAt] = [this.#awakeMs, this.#awakeMs]
    const link: Link = { connection, inside, heardAt, takenAt, askedAt: undefined, slowestMs: 0, sent: sentOf(inside) }
    inside.maConn.addEventListener('message', () => this.#heard(link))
    this.#links.set(connection.id, link)
    // how fast this link is, before anything hangs on it
    this.#ask(link)
  }

  readonly #onClose = ({ detail: connection }: CustomEvent<Connection>) => {
    this.#links.delete(connection.id)
  }

  #heard(link: Link): void {
    link.heardAt = this.#awakeMs
  }

  #arm(): void {
    this.#cancel = this.#timer(() => {
      this.#arm()
      const nowMs = this.#now()
      this.#awakeMs += Math.max(0, Math.min(nowMs - this.#lastTick, 2 * TICK_MS))
      this.#lastTick = nowMs
      this.#look()
    }, TICK_MS)
  }

  #look(): void {
    const eachMs = this.#links.size * ASK_EACH_MS
    for (const link of [...this.#links.values()]) {
      const sent = sentOf(link.inside)
      const isTaken = sent.taken > link.sent.taken
      if ((link.sent.queued > 0 && isTaken) || link.inside.maConn?.readStatus === 'paused') {
        // what waits to be sent gets through, or what came is left lying by us
        this.#heard(link)
      }
      if (isTaken || sent.queued === 0) {
        link.takenAt = this.#awakeMs
      } else if (this.#awakeMs - link.takenAt >= Math.max(STUCK_MS, this.#answerMs)) {
        this.#cut(link, `it has read nothing for ${Math.round(this.#awakeMs - link.takenAt)} ms`)
        continue
      }
      link.sent = sent
      const peer = link.connection.remotePeer.toString()
      const isStaked = this.#peers.isStaked(peer)
      const first = link.connection.direction === 'outbound' ? ASK_AFTER_MS : ASK_AFTER_INBOUND_MS
      const quietMs = this.#awakeMs - link.heardAt
      const askAfterMs = isStaked ? Math.max(first, eachMs) : ASK_STRANGER_AFTER_MS
      if (quietMs < askAfterMs) {
        continue
      }
      const probe = this.#isHeardElsewhere(link, quietMs) ? 'connected' : (this.#probes.get(peer)?.outcome ?? 'none')
      const facts = {
        quietMs,
        askAfterMs,
        isAsked: link.askedAt != null,
        slowestMs: link.slowestMs,
        isStaked,
        probe,
        answerMs: this.#answerMs
      }
      switch (judgeLink(facts)) {
        case 'ask':
          this.#ask(link)
          break
        case 'probe':
          void this.#probe(link.connection.remotePeer, link.connection)
          break
        case 'cut':
          this.#cut(link, `nothing came for ${Math.round(quietMs)} ms, though it was asked (${probe})`)
      }
    }
    this.#endProbes()
  }

  #cut({ connection }: Link, reason: string): void {
    this.#links.delete(connection.id)
    connection.abort(new Error(reason))
  }

  /** Another connection to the same peer is alive: it is not the peer that is quiet. */
  #isHeardElsewhere(link: Link, quietMs: number): boolean {
    for (const other of this.#links.values()) {
      if (other !== link && other.connection.remotePeer.equals(link.connection.remotePeer)) {
        if (other.connection.status === 'open' && this.#awakeMs - other.heardAt < Math.min(quietMs / 2, ASK_AFTER_INBOUND_MS)) {
          return true
        }
      }
    }
    return false
  }

  #ask(link: Link): void {
    const askedAt = this.#awakeMs
    link.askedAt = askedAt
    link.inside.muxer!.ping!()
      .then(() => {
        link.slowestMs = Math.max(this.#awakeMs - askedAt, link.slowestMs * 0.9)
        link.askedAt = undefined
      })
      // the connection ended meanwhile
      .catch(() => {})
  }

  /** Dials the peer again, by all that is known of it: a machine that is alive answers, however busy the program on it. */
  async #probe(peerId: PeerId, connection: Connection): Promise<void> {
    const probing: Probing = { outcome: 'underway', connection: undefined, controller: new AbortController() }
    this.#probes.set(peerId.toString(), probing)
    const beganAt = this.#awakeMs
    const cancel = this.#timer(() => probing.controller.abort(new Error('no answer in time')), BUSY_MS)
    try {
      const addresses = await this.#addressesOf(peerId, connection)
      if (addresses.length === 0) {
        probing.outcome = 'unaskable'
        return
      }
      probing.connection = await this.#components.connectionManager.openConnection(addresses, {
        force: true,
        signal: probing.controller.signal,
        onProgress: ({ type }) => {
          if (type === 'upgrader:encrypt-outbound-connection') {
            probing.outcome = 'accepted'
          }
        }
      })
      probing.outcome = 'connected'
    } catch {
      // who accepts and then closes is awake, and not the one that we are connected to
      const isBusy = probing.outcome === 'accepted' && this.#awakeMs - beganAt >= BUSY_MS / 2
      probing.outcome = isBusy ? 'accepted' : 'unreachable'
    } finally {
      cancel()
    }
  }

  async #addressesOf(peerId: PeerId, { direction, remoteAddr }: Connection): Promise<Multiaddr[]> {
    const staker = this.#peers.stakerOf(peerId.toString())
    const binding = staker == null ? undefined : this.#peers.bindingOf(staker)
    const stored = await this.#components.peerStore.get(peerId).catch(() => undefined)
    const known = [
      ...(direction === 'outbound' ? [remoteAddr] : []),
      ...usableAddresses(binding?.multiaddrs ?? [], { local: this.#local }),
      ...(stored?.addresses.map(({ multiaddr }) => multiaddr) ?? [])
    ]
    const suffix = `/p2p/${peerId}`
    return [...new Map(known.map((one) => [String(one).replace(suffix, ''), one])).values()].map((one) =>
      String(one).endsWith(suffix) ? one : one.encapsulate(suffix)
    )
  }

  /** What a probe came to is forgotten when its peer speaks again, or has no connection left that it could tell of. */
  #endProbes(): void {
    for (const [peer, { outcome, connection, controller }] of this.#probes) {
      const links = [...this.#links.values()].filter(
        (link) => link.connection.remotePeer.toString() === peer && link.connection !== connection
      )
      const isQuiet = links.some((link) => this.#awakeMs - link.heardAt >= ASK_AFTER_MS)
      if (!isQuiet && outcome !== 'underway') {
        this.#probes.delete(peer)
        controller.abort(new Error('it is heard again'))
        if (links.length > 0) {
          // it was only slow: one connection is enough
          connection?.close().catch((err) => connection.abort(err))
        }
      }
    }
  }
}

function sentOf({ maConn }: Inside): { queued: number; taken: number } {
  if (maConn?.socket != null) {
    const { bytesWritten, writableLength } = maConn.socket
    return { queued: writableLength, taken: bytesWritten - writableLength }
  }
  const queued = maConn?.websocket?.bufferedAmount ?? 0
  return { queued, taken: -queued }
}
