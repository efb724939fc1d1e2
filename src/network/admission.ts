import type { Connection, PeerId, Stream, StreamHandler, Topology } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import { HELLO_TIMEOUT_MS } from './limits.ts'
import { registrarOver } from './registrar.ts'
import type { Roster } from './roster.ts'
import type { Timer } from './seams.ts'

/** Streams that wait for the hello of one peer: gossipsub opens one, a reconnection perhaps a second. */
const MAX_HELD_STREAMS = 2

/** What a waiting stream may buffer: a first subscription is a hundred bytes. */
const HELD_BYTES = 64 * 1024

/** First pause before a lost stream is opened again; doubled each time that this fails. */
const MEND_MS = 20
const MAX_MEND_MS = 5_000

type Admitted = Pick<Roster, 'isStaked' | 'isBanned' | 'onChange'>

interface KnownPeer {
  peerId: PeerId
  connections: Set<Connection>
}

/** What is told of peers, and the peers that it may be told of. */
interface Shown {
  topology: Topology
  known: Map<string, KnownPeer>
}

/** What gossip writes to can still be written to. */
function isLive(stream: Stream | undefined): boolean {
  return stream?.status === 'open' && stream.writeStatus === 'writable'
}

/**
 * A registrar that shows a protocol only those peers that may speak, in whichever task. (What about: see task-topics.ts.)
 *
 * Gossipsub gets this one instead of libp2p's: a peer without proven stake is no gossip peer at all, so it is in no mesh, its
 * frames are never decoded, and it cannot put an id into the caches of seen messages. (A bad score alone would not
 * do: subscriptions are sent once, right after connecting, and those of a peer that is not known yet would be lost; and a
 * message that a scored-down peer delivers first would shut out the same message from an honest one.)
 *
 * A stream that arrives while its peer's hello is under way waits for it, unread and bounded.
 *
 * It also keeps both directions of each admitted peer alive. Gossipsub opens its stream to a peer once for each connection
 * that it is shown, does not try again when that fails, tells its subscriptions only on a new stream, and forgets a peer
 * altogether, the streams of its other connections included, when reading one old stream ends in an error. Any of these
 * leaves a direction deaf for as long as the peers stay connected; two that dial each other at once, and lose one of their
 * connections on a busy machine, get there. So what it opens and what it closes is watched here: a stream that is gone is
 * opened again, and one that it gave up is reset, which makes the other end open it and subscribe again.
 */
export function admitOnly(registrar: Registrar, peers: Admitted, timer: Timer): Registrar {
  const topologies = new Map<string, Shown>()
  /** The stream that gossip writes to each peer, and the one that it reads last. */
  const outbound = new Map<string, Stream>()
  const inbound = new Map<string, { stream: Stream; connection: Connection }>()
  /** Those whose end is looked at, as it may be that of their peer. */
  const lastOnes = new WeakSet<Connection>()
  let stopWatching: (() => void) | undefined
  let handlers = 0

  /** The connections that a peer has, as far as gossip was shown them or reads from one. */
  const openOf = (known: Map<string, KnownPeer>, text: string): Connection[] => {
    const peer = known.get(text)
    const read = inbound.get(text)?.connection
    return [...new Set([...(peer == null ? [] : openConnections(peer)), ...(read?.status === 'open' ? [read] : [])])]
  }

  const { mend, mended } = createMending({
    isDone: (text) => !peers.isStaked(text) || isLive(outbound.get(text)),
    topologies,
    open(peer, connection, topology) {
      void topology.onConnect?.(peer.peerId, viewOf(connection))
    },
    timer
  })

  const forget = (text: string) => {
    mended(text)
    outbound.delete(text)
    inbound.delete(text)
  }

  const viewOf = createViews({ mend, onOpened: (text, stream) => outbound.set(text, stream) })

  const leave = async ({ topology, known }: Shown, peerId: PeerId) => {
    known.delete(peerId.toString())
    forget(peerId.toString())
    await topology.onDisconnect?.(peerId)
  }

  /**
   * With the last connection that gossip knows of its peer is gone. libp2p tells of that only while its store says that the peer speaks
   * the protocol, which is for the peer to say.
   */
  const leaveWith = (connection: Connection) => {
    if (lastOnes.has(connection)) {
      return
    }
    lastOnes.add(connection)
    connection.addEventListener('close', () => {
      const all = [...topologies.values()]
      if (all.every(({ known }) => openOf(known, connection.remotePeer.toString()).length === 0)) {
        for (const one of all) {
          void leave(one, connection.remotePeer)
        }
      }
    })
  }

  /** Hands a stream of an admitted peer to gossip. */
  const admit = (handler: StreamHandler, stream: Stream, connection: Connection) => {
    const text = connection.remotePeer.toString()
    inbound.set(text, { stream, connection })
    leaveWith(connection)
    onGivenUp(stream, () => {
      // a newer one in its place comes in the same turn; without one it is the peer that was given up
      queueMicrotask(() => {
        if (inbound.get(text)?.stream === stream && stream.status === 'open') {
          inbound.delete(text)
          stream.abort(new Error('begun anew'))
          mend(text)
        }
      })
    })
    return handler(stream, viewOf(connection))
  }

  const holding = createHolding({ peers, timer, admit })

  const onChange = ({ peerId: text, admitted }: { peerId: string; admitted: boolean }) => {
    for (const { topology, known } of topologies.values()) {
      const peer = known.get(text)
      const connection = peer == null ? undefined : openConnections(peer)[0]
      // one that gossip reads from may be there before libp2p shows it, or without
      const peerId = peer?.peerId ?? inbound.get(text)?.connection.remotePeer
      if (admitted && peer != null && connection != null) {
        void topology.onConnect?.(peer.peerId, viewOf(connection))
      } else if (!admitted && peerId != null) {
        void topology.onDisconnect?.(peerId)
      }
    }
    if (admitted) {
      holding.release(text)
    }
  }
  const watch = () => {
    stopWatching ??= peers.onChange(onChange)
  }
  const unwatch = () => {
    if (handlers === 0 && topologies.size === 0) {
      stopWatching?.()
      stopWatching = undefined
    }
  }

  return registrarOver(registrar, {
    async handle(protocol, handler, options) {
      handlers++
      watch()
      await registrar.handle(
        protocol,
        (stream, connection) => {
          if (peers.isStaked(connection.remotePeer.toString())) {
            return admit(handler, stream, connection)
          }
          holding.hold(handler, stream, connection)
        },
        options
      )
    },
    async unhandle(protocols, options) {
      handlers -= Array.isArray(protocols) ? protocols.length : 1
      unwatch()
      await registrar.unhandle(protocols, options)
    },
    async register(protocol, topology, options) {
      watch()
      const known = new Map<string, KnownPeer>()
      const id = await registrar.register(
        protocol,
        {
          ...(topology.notifyOnLimitedConnection == null ? {} : { notifyOnLimitedConnection: topology.notifyOnLimitedConnection }),
          ...(topology.filter == null ? {} : { filter: topology.filter }),
          async onConnect(peerId, connection) {
            const text = peerId.toString()
            const peer = known.get(text) ?? { peerId, connections: new Set() }
            known.set(text, peer)
            peer.connections.add(connection)
            // two peers that dial each other hold two connections; when the one with the streams goes, the other must take over
            connection.addEventListener('close', () => {
              peer.connections.delete(connection)
              mend(text)
              // libp2p tells of a peer's end only while its store says that it spoke the protocol
              if (peer.connections.size === 0 && known.get(text) === peer && !peers.isStaked(text)) {
                known.delete(text)
                forget(text)
              }
            })
            if (peers.isStaked(text)) {
              await topology.onConnect?.(peerId, viewOf(connection))
            }
          },
          async onDisconnect(peerId) {
            // libp2p reads its store before it tells of an end, and a peer that dialed again meanwhile is there, and has said what it
            // is subscribed to: whoever forgets it now neither hears that again nor sends it anything. Nor does libp2p mean an end
            // where a peer says that it no longer speaks the protocol, and does not tell of it later
            const open = openOf(known, peerId.toString())
            if (open.length === 0) {
              await leave({ topology, known }, peerId)
            }
            open.forEach(leaveWith)
          }
        },
        options
      )
      topologies.set(id, { topology, known })
      return id
    },
    unregister(id) {
      topologies.delete(id)
      unwatch()
      registrar.unregister(id)
    }
  })
}

/** Calls `then` when gossip itself closes a stream: it tells nobody, and the other end does not notice. */
function onGivenUp(stream: Stream, then: () => void): void {
  const close = stream.close.bind(stream)
  stream.close = async (options) => {
    then()
    await close(options)
  }
}

/** Connections as gossip sees them: the streams that it opens are watched. One view of each. */
function createViews({ mend, onOpened }: { mend: (peer: string) => void; onOpened: (peer: string, stream: Stream) => void }) {
  const views = new WeakMap<Connection, Connection>()
  return (connection: Connection): Connection => {
    let view = views.get(connection)
    if (view == null) {
      const text = connection.remotePeer.toString()
      const newStream: Connection['newStream'] = async (protocols, options) => {
        try {
          const stream = await connection.newStream(protocols, options)
          if (!isLive(stream)) {
            // gossip would wait for a close that has already been
            throw new Error('the stream was closed while it was being opened')
          }
          onOpened(text, stream)
          stream.addEventListener('close', () => mend(text), { once: true })
          onGivenUp(stream, () => mend(text))
          return stream
        } catch (err) {
          mend(text)
          throw err
        }
      }
      view = new Proxy(connection, {
        get(target, key) {
          const value: unknown = key === 'newStream' ? newStream : Reflect.get(target, key, target)
          return typeof value === 'function' ? value.bind(target) : value
        }
      })
      views.set(connection, view)
    }
    return view
  }
}

interface HoldingInit {
  peers: Pick<Admitted, 'isBanned'>
  timer: Timer
  /** Hands a stream to gossip. */
  admit: (handler: StreamHandler, stream: Stream, connection: Connection) => void | Promise<void>
}

/** Streams whose peer's hello is under way: they wait for it, unread and bounded. */
function createHolding({ peers, timer, admit }: HoldingInit) {
  const held = new Map<string, Array<() => void>>()

  const hold = (handler: StreamHandler, stream: Stream, connection: Connection) => {
    const peer = connection.remotePeer.toString()
    const waiting = held.get(peer) ?? []
    if (waiting.length >= MAX_HELD_STREAMS || peers.isBanned(peer)) {
      stream.abort(new Error('not admitted'))
      return
    }
    const before = stream.maxReadBufferLength
    stream.maxReadBufferLength = HELD_BYTES
    const release = () => {
      cancel()
      if (stream.status === 'open' && connection.status === 'open') {
        stream.maxReadBufferLength = before
        void admit(handler, stream, connection)
      }
    }
    const drop = () => {
      const left = (held.get(peer) ?? []).filter((one) => one !== release)
      left.length === 0 ? held.delete(peer) : held.set(peer, left)
      cancel()
    }
    const cancel = timer(() => {
      drop()
      stream.abort(new Error('not admitted: no hello in time'))
    }, HELLO_TIMEOUT_MS)
    stream.addEventListener('close', drop, { once: true })
    held.set(peer, [...waiting, release])
  }

  return {
    hold,
    /** The peer may speak: what waited for that goes on. */
    release(peer: string): void {
      const waiting = held.get(peer) ?? []
      held.delete(peer)
      for (const release of waiting) {
        release()
      }
    }
  }
}

const openConnections = (peer: KnownPeer) => [...peer.connections].filter(({ status }) => status === 'open')

interface MendingInit {
  /** Whether there is nothing to mend: it has a stream, or is not to have one. */
  isDone: (peer: string) => boolean
  topologies: ReadonlyMap<string, Shown>
  /** Has gossip open a stream. */
  open: (peer: KnownPeer, connection: Connection, topology: Topology) => void
  timer: Timer
}

function createMending({ isDone, topologies, open, timer }: MendingInit) {
  /** By peer: ends the wait for the next try. */
  const mending = new Map<string, () => void>()
  const failed = new Map<string, number>()

  /** Sees to it that gossip has a stream to write to a peer, as long as the peer is admitted and connected. */
  const mend = (text: string) => {
    if (mending.has(text)) {
      return
    }
    // a stream that does not live until the next look counts as another failure
    const attempt = failed.get(text) ?? 0
    failed.set(text, attempt + 1)
    const cancel = timer(
      () => {
        mending.delete(text)
        if (isDone(text)) {
          failed.delete(text)
          return
        }
        for (const { topology, known } of topologies.values()) {
          const peer = known.get(text)
          // one that is being closed counts as open for a while: another try takes another one
          const all = peer == null ? [] : openConnections(peer)
          const connection = all[attempt % Math.max(1, all.length)]
          if (peer != null && connection != null) {
            open(peer, connection, topology)
            mend(text)
            return
          }
        }
      },
      Math.min(MAX_MEND_MS, MEND_MS * 2 ** Math.min(attempt, 16))
    )
    mending.set(text, cancel)
  }

  /** There is nothing to mend any more. */
  const mended = (text: string) => {
    mending.get(text)?.()
    mending.delete(text)
    failed.delete(text)
  }

  return { mend, mended }
}
