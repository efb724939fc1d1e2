import type { Connection, Libp2pEvents, Stream } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import type { TypedEventTarget } from 'main-event'
import type { Charge, Meter } from './meter.ts'
import type { ConnectionSlots } from './slots.ts'

/** Protocols that an idle peer speaks too: they keep nobody's connection open, and need few bytes. */
const IDLE: Array<[prefix: string, charge: Charge | undefined]> = [
  ['/ipfs/ping/', 'ping bytes'],
  ['/ipfs/id/', 'identify bytes'],
  ['/koii-mesh/hello/', 'hello bytes'],
  // for peers with stake, who need no excuse for being connected
  ['/koii-mesh/sync/', undefined],
  ['/meshsub/', undefined]
]

interface WatchInit {
  registrar: Registrar
  events: TypedEventTarget<Libp2pEvents>
  meter: Meter
  slots: Pick<ConnectionSlots, 'used'>
}

/**
 * Sees every stream, whoever opens it and for whatever protocol: counts those that the other end opens, and the bytes of
 * such as need few; and knows which connections are of use.
 *
 * The registrar is asked for its middleware once for each stream; that is where it looks.
 */
export function watchStreams({ registrar, events, meter, slots }: WatchInit): void {
  events.addEventListener('connection:open', ({ detail: connection }) => {
    const peerId = connection.remotePeer.toString()
    const { muxer } = connection as unknown as { muxer?: Partial<Pick<EventTarget, 'addEventListener'>> }
    // before its protocol is known: opening streams and saying nothing over them is work for us, too
    muxer?.addEventListener?.('stream', () => void meter.charge(peerId, 'streams'))
  })

  const getMiddleware = registrar.getMiddleware.bind(registrar)
  registrar.getMiddleware = (protocol) => [
    (stream, connection, next) => {
      watch(protocol, stream, connection)
      next(stream, connection)
    },
    ...getMiddleware(protocol)
  ]

  function watch(protocol: string, stream: Stream, connection: Connection): void {
    const idle = IDLE.find(([prefix]) => protocol.startsWith(prefix))
    if (idle == null) {
      slots.used(connection)
      onBytes(stream, () => slots.used(connection))
    } else if (idle[1] != null && stream.direction === 'inbound') {
      const [, charge] = idle
      const peerId = connection.remotePeer.toString()
      onBytes(stream, (bytes) => void meter.charge(peerId, charge, bytes))
    }
  }
}

/**
 * Tells of what arrives, also when nobody reads it. A listener to `message` would take what came before the handler from it.
 * Where a later version has no `onData`, nothing is told, and test/network/streams.spec.ts says so.
 */
function onBytes(stream: Stream, tell: (bytes: number) => void): void {
  const inside = stream as unknown as { onData?: (data: { byteLength: number }) => void }
  const onData = inside.onData?.bind(stream)
  if (onData != null) {
    inside.onData = (data) => {
      tell(data.byteLength)
      onData(data)
    }
  }
}
