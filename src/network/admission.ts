import type { Connection, PeerId, Stream, StreamHandler, Topology } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import { HELLO_TIMEOUT_MS } from './limits.ts'
import type { Peers } from './peers.ts'
import type { Timer } from './seams.ts'

/** Streams that wait for the hello of one peer: gossipsub opens one, a reconnection perhaps a second. */
const MAX_HELD_STREAMS = 2

/** What a waiting stream may buffer: a first subscription is a hundred bytes. */
const HELD_BYTES = 64 * 1024

/** Streams of a closed connection end a little after it. */
const TAKE_OVER_MS = 50

interface KnownPeer {
  peerId: PeerId
  connections: Set<Connection>
}

function openOf(peer: KnownPeer): Connection | undefined {
  return [...peer.connections].find((connection) => connection.status === 'open')
}

/**
 * A registrar that shows a protocol only those peers that may speak.
 *
 * Gossipsub gets this one instead of libp2p's: a peer without proven stake is no gossip peer at all, so it is in no mesh, its
 * frames are never decoded, and it cannot put an id into the caches of seen messages. (A bad score alone would not
 * do: subscriptions are sent once, right after connecting, and those of a peer that is not known yet would be lost; and a
 * message that a scored-down peer delivers first would shut out the same message from an honest one.)
 *
 * A stream that arrives while its peer's hello is under way waits for it, unread and bounded.
 */
export function admitOnly(registrar: Registrar, peers: Peers, timer: Timer): Registrar {
  const held = new Map<string, Array<() => void>>()
  const topologies = new Map<string, { topology: Topology; known: Map<string, KnownPeer> }>()
  let stopWatching: (() => void) | undefined
  let handlers = 0

  const onChange = ({ peerId: text, admitted }: { peerId: string; admitted: boolean }) => {
    for (const { topology, known } of topologies.values()) {
      const peer = known.get(text)
      if (peer == null) {
        continue
      }
      const connection = openOf(peer)
      if (admitted && connection != null) {
        void topology.onConnect?.(peer.peerId, connection)
      } else if (!admitted) {
        void topology.onDisconnect?.(peer.peerId)
      }
    }
    if (admitted) {
      const waiting = held.get(text) ?? []
      held.delete(text)
      for (const release of waiting) {
        release()
      }
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
        void handler(stream, connection)
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
    getProtocols: () => registrar.getProtocols(),
    getHandler: (protocol) => registrar.getHandler(protocol),
    getTopologies: (protocol) => registrar.getTopologies(protocol),
    use: (protocol, middleware) => registrar.use(protocol, middleware),
    unuse: (protocol) => registrar.unuse(protocol),
    getMiddleware: (protocol) => registrar.getMiddleware(protocol),
    async handle(protocol, handler, options) {
      handlers++
      watch()
      await registrar.handle(
        protocol,
        (stream, connection) => {
          if (peers.isStaked(connection.remotePeer.toString())) {
            return handler(stream, connection)
          }
          hold(handler, stream, connection)
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
              timer(() => {
                const other = openOf(peer)
                if (other != null && peers.isStaked(text)) {
                  void topology.onConnect?.(peerId, other)
                }
              }, TAKE_OVER_MS)
            })
            if (peers.isStaked(text)) {
              await topology.onConnect?.(peerId, connection)
            }
          },
          async onDisconnect(peerId) {
            known.delete(peerId.toString())
            await topology.onDisconnect?.(peerId)
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
  }
}
