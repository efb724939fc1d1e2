/** A peer with no more than libp2p, that writes the DHT's messages by hand: as many, as long and as wrong as a test wants. */
import { randomBytes } from 'node:crypto'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { decode, encode } from 'it-length-prefixed'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { Message, MessageType } from '../../node_modules/@libp2p/kad-dht/dist/src/message/dht.js'
import { DHT_PROTOCOL } from '../../src/network/index.ts'

export { MessageType }

export interface KadPeer {
  libp2p: Libp2p
  peerId: string
  dial(to: Multiaddr[]): Promise<Connection>
  open(connection: Connection): Promise<Stream>
  stop(): Promise<void>
}

export async function kadPeer(): Promise<KadPeer> {
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() }
  })
  return {
    libp2p,
    peerId: libp2p.peerId.toString(),
    dial: (to) => libp2p.dial(to),
    open: (connection) => connection.newStream(DHT_PROTOCOL),
    stop: async () => libp2p.stop()
  }
}

export function someKey(): CID {
  return CID.createV1(0x55, create(0x12, randomBytes(32)))
}

/** A message in its frame. */
export function frame(message: Partial<Message>): Uint8Array {
  return encode.single(Message.encode({ closer: [], providers: [], clusterLevel: 0, ...message })).subarray()
}

export function addProvider(peer: { libp2p: Pick<Libp2p, 'peerId'> }, key = someKey(), addresses = ['/ip4/127.0.0.1/tcp/9']): Uint8Array {
  const multiaddrs = addresses.map((text) => multiaddr(text).bytes)
  return frame({
    type: MessageType.ADD_PROVIDER,
    key: key.bytes,
    providers: [{ id: peer.libp2p.peerId.toMultihash().bytes, multiaddrs }]
  })
}

export function getProviders(key = someKey()): Uint8Array {
  return frame({ type: MessageType.GET_PROVIDERS, key: key.bytes })
}

/** Sends a frame on a stream of its own, and reads the answer. @throws when there is none */
export async function ask(peer: KadPeer, connection: Connection, bytes: Uint8Array): Promise<Message> {
  const stream = await peer.open(connection)
  stream.send(bytes)
  for await (const answer of decode(stream)) {
    stream.abort(new Error('done'))
    return Message.decode(answer)
  }
  throw new Error('the stream was closed without an answer')
}

/** Sends frames as fast as they are taken, until the stream or the connection is gone. */
export async function pour(stream: Stream, frames: Iterable<Uint8Array>): Promise<void> {
  try {
    for (const bytes of frames) {
      if (!stream.send(bytes)) {
        await stream.onDrain({ signal: AbortSignal.timeout(20_000) })
      }
    }
  } catch {
    // gone: whoever asked for it looks at what that brought
  }
}
