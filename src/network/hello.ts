import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { LIMITS, type Message, type Network, open, type Verify, verifySignature } from '../wire/index.ts'
import { converse, next } from './frames.ts'
import { HELLO_TIMEOUT_MS } from './limits.ts'
import { type BindFault, type Peers, peerIdText } from './peers.ts'
import { type Log, silentLog } from './seams.ts'
import type { ConnectionSlots } from './slots.ts'
import { HELLO_PROTOCOL, helloProtocol } from './topic.ts'

/** Each hello may cost a signature check: a peer says hello when it connects, and when its addresses change. */
const MAX_HELLOS_PER_CONNECTION = 16
/** And another one after each of these: connections last for days, and announcements for some rounds. */
const HELLO_REFILL_MS = 30_000

/** Faults that no honest peer shows: the connection is closed, where no other task has let the peer in. */
const DISHONEST = new Set<HelloFault>(['malformed', 'other-peer', 'bad-signature'])

export type HelloFault = 'unbound' | 'malformed' | 'other-peer' | 'unstaked' | 'bad-signature' | BindFault
export type HelloOutcome =
  | { peerId: string; staker: string; admitted: boolean }
  | { peerId: string; fault: HelloFault | 'failed' | 'too-many' | 'other-task'; detail?: string }

export interface HelloInit {
  libp2p: Libp2p
  network: Network
  peers: Peers
  slots: Pick<ConnectionSlots, 'greeted'>
  /** Whether another task of this node has let a peer in: then nothing that this one finds ends the connection. @default no other */
  isBeside?: (peerId: string) => boolean
  /** Whether hellos that name no task are answered, too: by the first of a node's tasks. @default false */
  alsoBare?: boolean
  /** Our latest announcement, or undefined when there is none: a node without stake says so with an empty frame. */
  announcement: () => Message | undefined
  verify: Verify
  timeoutMs?: number
  /** Monotonic, in ms. */
  now?: () => number
  log?: Log
  onOutcome?: (outcome: HelloOutcome) => void
}

export interface Hello {
  /** Says hello over all connections that are there, whoever made them, and over each that this node opens from now on. */
  start(): Promise<void>
  stop(): Promise<void>
  /** Says hello over a connection, once; asked again, it tells how that went. */
  greet(connection: Connection): Promise<HelloOutcome>
  /** Says hello again to everybody: our announcement is new. */
  greetAll(): Promise<HelloOutcome[]>
  /** Judges again what was said by those whose stake was not there yet: K2 shows new stakes. */
  judgeAgain(): void
}

/**
 * Judges what a peer said of itself, and binds its stake to it when all is well. Reads down the page of the spec; the
 * signature comes last, and only for stakers.
 *
 * @param remote the PeerId at the other end of the authenticated connection
 */
export function judgeHello(
  bytes: Uint8Array,
  remote: string,
  init: Pick<HelloInit, 'network' | 'peers' | 'verify'>
): HelloFault | undefined {
  const judged = judge(bytes, remote, init)
  return typeof judged === 'object' ? judged.fault : judged
}

/** The same; of whoever has no stake with its staking key, so that nothing is opened twice. */
function judge(
  bytes: Uint8Array,
  remote: string,
  { network, peers, verify }: Pick<HelloInit, 'network' | 'peers' | 'verify'>
): Exclude<HelloFault, 'unstaked'> | { fault: 'unstaked'; signer: string } | undefined {
  if (bytes.length === 0) return 'unbound'
  let message: Message
  try {
    message = open(bytes, network)
  } catch {
    return 'malformed'
  }
  const said = message.body.announcement
  if (said == null) return 'malformed'
  if (peerIdText(said.peerId) !== remote) return 'other-peer'
  if (peers.hasStake(message.signer) === false) return { fault: 'unstaked', signer: message.signer }
  if (!verifySignature(message, network, verify)) return 'bad-signature'
  return peers.confirm(message)
}

/**
 * The hello protocol of one task: two peers exchange their announcements, and so each knows whose stake the other speaks for.
 * Whoever opened the connection opens the stream. Who has not the task does not speak its protocol, which is no fault. Spec: protocols/hello/README.md.
 */
export function createHello(init: HelloInit): Hello {
  const { libp2p, network, peers, slots, announcement, verify, timeoutMs = HELLO_TIMEOUT_MS, log = silentLog, onOutcome } = init
  const { isBeside = () => false, alsoBare = false, now = () => performance.now() } = init
  const protocol = helloProtocol(network)
  const answered = alsoBare ? [protocol, HELLO_PROTOCOL] : [protocol]
  let greeted = new WeakMap<Connection, Promise<HelloOutcome>>()
  /** What is left to each connection, and since when. */
  const hellos = new WeakMap<Connection, { left: number; atMs: number }>()
  /** What a peer said whose signer had no stake, as long as it is connected: 4 KiB at most of each connection. */
  const early = new Map<Connection, { signer: string; bytes: Uint8Array }>()
  let stopping = new AbortController()
  let started = false

  const conclude = (connection: Connection, bytes: Uint8Array): HelloOutcome => {
    const peerId = connection.remotePeer.toString()
    const judged = judge(bytes, peerId, { network, peers, verify })
    const fault = typeof judged === 'object' ? judged.fault : judged
    if (fault === 'bad-signature') {
      peers.strike(peerId)
    }
    early.delete(connection)
    if (typeof judged === 'object' && connection.status === 'open') {
      early.set(connection, { signer: judged.signer, bytes })
    }
    const admitted = peers.isStaked(peerId)
    if (fault != null && DISHONEST.has(fault) && !isBeside(peerId)) {
      connection.abort(new Error(fault))
    }
    slots.greeted(connection)
    const outcome = outcomeOf({ peerId, staker: peers.stakerOf(peerId), admitted, fault })
    log.debug(outcome, 'hello')
    onOutcome?.(outcome)
    return outcome
  }

  const exchange = async (stream: Stream, connection: Connection): Promise<HelloOutcome> => {
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), stopping.signal])
    let outcome: HelloOutcome | undefined
    try {
      await converse(
        stream,
        async function* (frames) {
          yield announcement()?.bytes ?? new Uint8Array(0)
          outcome = conclude(connection, await next(frames))
        },
        { frameBytes: LIMITS.envelopeBytes, totalBytes: LIMITS.envelopeBytes + 8 },
        signal
      )
    } catch (err) {
      // a conclusion may close the connection, and the stream with it
      if (outcome == null) {
        throw err
      }
    }
    return outcome as HelloOutcome
  }

  const failed = (connection: Connection, err: unknown): HelloOutcome => {
    const outcome = failureOf(connection, err)
    log.debug(outcome, 'hello failed')
    slots.greeted(connection)
    onOutcome?.(outcome)
    return outcome
  }

  const say = async (connection: Connection): Promise<HelloOutcome> => {
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), stopping.signal])
      return await exchange(await connection.newStream(protocol, { signal }), connection)
    } catch (err) {
      return failed(connection, err)
    }
  }

  const greet = (connection: Connection): Promise<HelloOutcome> => {
    let saying = greeted.get(connection)
    if (saying == null) {
      saying = say(connection)
      greeted.set(connection, saying)
    }
    return saying
  }

  const handle = async (stream: Stream, connection: Connection) => {
    const atMs = now()
    const { left, atMs: before } = hellos.get(connection) ?? { left: MAX_HELLOS_PER_CONNECTION, atMs }
    const allowed = Math.min(MAX_HELLOS_PER_CONNECTION, left + (atMs - before) / HELLO_REFILL_MS)
    hellos.set(connection, { left: Math.max(0, allowed - 1), atMs })
    if (allowed < 1) {
      stream.abort(new Error('too many hellos'))
      return
    }
    try {
      await exchange(stream, connection)
    } catch (err) {
      failed(connection, err)
    }
  }

  const onOpen = ({ detail: connection }: CustomEvent<Connection>) => {
    if (connection.direction === 'outbound') {
      void greet(connection)
    }
  }
  const onClose = ({ detail: connection }: CustomEvent<Connection>) => {
    early.delete(connection)
  }

  let unfollow: (() => void) | undefined

  return {
    greet,
    greetAll: () =>
      Promise.all(
        libp2p.getConnections().map((connection) => {
          greeted.delete(connection)
          return greet(connection)
        })
      ),
    judgeAgain() {
      for (const [connection, { signer, bytes }] of [...early]) {
        if (peers.hasStake(signer) !== false) {
          conclude(connection, bytes)
        }
      }
    },
    async start() {
      if (started) {
        return
      }
      started = true
      stopping = new AbortController()
      greeted = new WeakMap()
      await libp2p.handle(answered, handle, { maxInboundStreams: 2, maxOutboundStreams: 2 })
      libp2p.addEventListener('connection:open', onOpen)
      libp2p.addEventListener('connection:close', onClose)
      unfollow = followPeers({ libp2p, peers, isBeside, log })
      for (const connection of libp2p.getConnections()) {
        void greet(connection)
      }
    },
    async stop() {
      if (!started) {
        return
      }
      started = false
      libp2p.removeEventListener('connection:open', onOpen)
      libp2p.removeEventListener('connection:close', onClose)
      unfollow?.()
      stopping.abort(new Error('stopping'))
      early.clear()
      await libp2p.unhandle(answered)
    }
  }
}

type Following = Required<Pick<HelloInit, 'libp2p' | 'peers' | 'isBeside' | 'log'>>

/** Closes the connections of those who may not speak any more, in this task nor in another. */
function followPeers({ libp2p, peers, isBeside, log }: Following): () => void {
  const stopBans = peers.onBan((peerId, reason) => {
    log.warn({ peerId, reason }, 'peer cut')
    if (isBeside(peerId)) {
      return
    }
    for (const connection of libp2p.getConnections()) {
      if (connection.remotePeer.toString() === peerId) {
        connection.abort(new Error(reason))
      }
    }
  })
  const stopChanges = peers.onChange(({ peerId, admitted }) => {
    if (!admitted && isBeside(peerId)) {
      return
    }
    const connections = libp2p.getConnections().filter((one) => one.remotePeer.toString() === peerId)
    if (!admitted) {
      // both ends begin anew, with a hello: gossip streams that one end gave up would leave the other deaf
      for (const connection of connections) {
        void connection.close().catch((err) => connection.abort(err))
      }
      return
    }
    // libp2p closes the least valuable connections first when there are too many
    for (const { remotePeer } of connections.slice(0, 1)) {
      libp2p.peerStore
        .merge(remotePeer, { tags: { 'koii-mesh-staked': { value: 50 } } })
        .catch((err) => log.debug({ err }, 'tagging failed'))
    }
  })
  return () => {
    stopBans()
    stopChanges()
  }
}

function failureOf(connection: Connection, err: unknown): HelloOutcome {
  const peerId = connection.remotePeer.toString()
  if (err instanceof Error && err.name === 'UnsupportedProtocolError') {
    return { peerId, fault: 'other-task' }
  }
  return {
    peerId,
    fault: 'failed',
    detail: err instanceof Error ? err.message : String(err)
  }
}

interface Concluded {
  peerId: string
  staker: string | undefined
  admitted: boolean
  fault: HelloFault | undefined
}

function outcomeOf({ peerId, staker, admitted, fault }: Concluded): HelloOutcome {
  return fault == null && staker != null ? { peerId, staker, admitted } : { peerId, fault: fault ?? 'unbound' }
}
