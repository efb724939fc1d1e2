/**
 * A process of strangers, for tests: one after another they come, do what a peer without stake can do, and go.
 *
 * `node test/network/strangers.ts MULTIADDR COUNT` writes a line when each has gone: its PeerId, and what failed.
 */
import { randomBytes } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Connection, PrivateKey } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { encode } from 'it-length-prefixed'
import { createLibp2p } from 'libp2p'
import { DHT_PROTOCOL, HELLO_PROTOCOL } from '../../src/network/index.ts'
import { frame, MessageType, someKey } from './kad.ts'

const [target = '', count = '1'] = process.argv.slice(2)
const ABREAST = 3

async function visit(privateKey: PrivateKey, at: number): Promise<void> {
  const libp2p = await createLibp2p({
    privateKey,
    nodeInfo: { userAgent: `stranger ${at} ${'x'.repeat(1_000)}` },
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() }
  })
  // one that answers the DHT is taken into its table, and one that speaks gossip and sync is shown to them
  for (const protocol of [DHT_PROTOCOL, '/meshsub/1.2.0', '/koii-mesh/sync/1', '/ipfs/bitswap/1.2.0']) {
    await libp2p.handle(protocol, (stream) => stream.abort(new Error('a stranger answers nothing')))
  }
  try {
    const connection = await libp2p.dial(multiaddr(target), { signal: AbortSignal.timeout(5_000) })
    await libp2p.services.ping.ping(connection.remotePeer)
    await Promise.allSettled([
      say(connection, HELLO_PROTOCOL, encode.single(new Uint8Array(0)).subarray()),
      say(connection, '/meshsub/1.2.0', encode.single(randomBytes(40)).subarray()),
      say(connection, '/koii-mesh/sync/1', encode.single(randomBytes(40)).subarray()),
      // a want of a block of 34 random bytes' name
      say(connection, '/ipfs/bitswap/1.2.0', encode.single(wantOf(someKey().bytes)).subarray()),
      say(connection, DHT_PROTOCOL, frame({ type: MessageType.FIND_NODE, key: randomBytes(32) })),
      say(connection, DHT_PROTOCOL, frame({ type: MessageType.GET_PROVIDERS, key: someKey().bytes })),
      say(connection, DHT_PROTOCOL, frame({ type: MessageType.PUT_VALUE, key: randomBytes(32), record: randomBytes(32) }))
    ])
    await new Promise((resolve) => setTimeout(resolve, 50))
  } finally {
    await libp2p.stop()
  }
}

async function say(connection: Connection, protocol: string, bytes: Uint8Array): Promise<void> {
  const stream = await connection.newStream(protocol, { signal: AbortSignal.timeout(2_000) })
  stream.send(bytes)
}

/** A Bitswap message with one want, that asks to be told when it is not to be had. */
function wantOf(cid: Uint8Array): Uint8Array {
  const entry = [10, cid.length, ...cid, 16, 1, 40, 1]
  return Uint8Array.from([10, entry.length + 2, 10, entry.length, ...entry])
}

let next = 0
await Promise.all(
  Array.from({ length: ABREAST }, async () => {
    while (next < Number(count)) {
      const at = next++
      const key = await generateKeyPair('Ed25519')
      const fault = await visit(key, at).then(
        () => '',
        (err: Error) => ` ${err.message}`
      )
      console.log(`${peerIdFromPrivateKey(key)}${fault}`)
    }
  })
)
process.exit(0)
