import { type GossipSub, gossipsub, StrictNoSign } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { PrivateKey } from '@libp2p/interface'
import { type KadDHT, kadDHT, passthroughMapper, removePrivateAddressesMapper } from '@libp2p/kad-dht'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Datastore } from 'interface-datastore'
import type { Libp2pOptions } from 'libp2p'
import type { Network } from '../wire/index.ts'
import { admitOnly } from './admission.ts'
import { createDoorstep, type Doorstep } from './doorstep.ts'
import { guardGossip } from './gossip-guard.ts'
import {
  CONNECTION_LIMITS,
  type ConnectionLimits,
  GOSSIP_BUFFER_BYTES,
  GOSSIP_DECODE_LIMITS,
  GOSSIP_FRAME_BYTES,
  HANDSHAKE_MS,
  INBOUND_STREAMS,
  LOCAL_CONNECTION_LIMITS,
  limitsFor
} from './limits.ts'
import { createMessageIds, type Traffic } from './message-ids.ts'
import { createMeter, type Meter } from './meter.ts'
import { boundFrames } from './muxer-guard.ts'
import type { Peers } from './peers.ts'
import { SCORE_THRESHOLDS, scoreParams } from './score.ts'
import { type Timer, wallTimer } from './seams.ts'
import { createSlots, type Slots } from './slots.ts'
import { watchStreams } from './streams.ts'
import { topicOf } from './topic.ts'
import { gatherSends, leanNoise, leanYamux } from './write-path.ts'

/** The mesh's own DHT, apart from the public one. */
export const DHT_PROTOCOL = '/koii-mesh/kad/1.0.0'

export type HostServices = {
  identify: Identify
  ping: Ping
  dht: KadDHT
  pubsub: GossipSub
}

export interface Libp2pConfigInit {
  /** The node key (src/network/node-key): who the node is on the network. */
  privateKey: PrivateKey
  network: Network
  peers: Peers
  /** Multiaddrs to listen on, for example '/ip4/0.0.0.0/tcp/0' and '/ip4/0.0.0.0/tcp/0/ws'. */
  listen: string[]
  /** Multiaddrs to tell others instead of those found, for nodes behind a port forward. */
  announce?: string[]
  /** Keeps the peer store and the DHT over restarts; in memory when left out. */
  datastore?: Datastore
  /** Loopback and private ranges are dialled and told, and the rules about addresses are off. */
  local?: boolean
  /** Addresses that may be dialled although they are private: what the operator named. */
  allowed?: Multiaddr[]
  limits?: Partial<ConnectionLimits>
  /** `auto`: a DHT server once the node is publicly reachable. */
  dht?: 'auto' | 'server' | 'client'
  /** Gossipsub's heartbeat; the mesh heals once in each. */
  heartbeatMs?: number
  /** Peers that each node forwards to. */
  degree?: number
  /** Whether our own messages go to all peers of the topic at once rather than to the mesh's degree. */
  floodPublish?: boolean
  timer?: Timer
}

export interface Libp2pConfig {
  /** For `createLibp2p`, or for Helia's libp2p mixin. */
  options: Libp2pOptions<HostServices>
  slots: Slots
  traffic: Traffic
  meter: Meter
  doorstep: Doorstep
}

/**
 * The configuration of the node's one libp2p: TCP and WebSocket, noise, yamux, identify, ping, the mesh's own DHT, and
 * gossipsub that carries no signatures of its own and knows staked peers only.
 *
 * @example
 * ```ts
 * const { options, slots, traffic } = libp2pConfig({ privateKey, network, peers, listen: ['/ip4/127.0.0.1/tcp/0'], local: true })
 * const libp2p = await createLibp2p(options)
 * ```
 */
export function libp2pConfig(init: Libp2pConfigInit): Libp2pConfig {
  const { privateKey, network, peers, local = false, heartbeatMs = 700, degree = 8, floodPublish = true, timer = wallTimer } = init
  const limits = limitsFor({ ...(local ? LOCAL_CONNECTION_LIMITS : CONNECTION_LIMITS), ...init.limits })
  const dhtMode = init.dht ?? (local ? 'server' : 'auto')
  const topic = topicOf(network)
  const ids = createMessageIds()
  const slots = createSlots({ peers, limits, local, allowed: init.allowed ?? [], timer })
  const meter = createMeter({ peers })
  const doorstep = createDoorstep({ limits, timer })
  const makeTcp = tcp()
  const makeWebSockets = webSockets()

  const pubsub = gossipsub({
    globalSignaturePolicy: StrictNoSign,
    fastMsgIdFn: ids.fastMsgIdFn,
    msgIdFn: ids.msgIdFn,
    msgIdToStrFn: (id) => Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1'),
    // nothing is passed on before the judge has said so
    asyncValidation: true,
    fallbackToFloodsub: false,
    allowedTopics: [topic],
    canRelayMessage: false,
    emitSelf: false,
    // a lone node's messages wait in its pool, and sync carries them when peers come
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    floodPublish,
    batchPublish: true,
    doPX: false,
    decodeRpcLimits: GOSSIP_DECODE_LIMITS,
    maxInboundDataLength: GOSSIP_FRAME_BYTES,
    maxOutboundBufferSize: GOSSIP_BUFFER_BYTES,
    // no message is as long, so none is sent: it would arrive with the message itself, and cost as much (docs/decisions/0016)
    idontwantMinDataSize: GOSSIP_FRAME_BYTES,
    maxInboundStreams: 4,
    maxOutboundStreams: 4,
    heartbeatInterval: heartbeatMs,
    D: degree,
    Dlo: Math.max(2, degree - 2),
    Dhi: degree + 4,
    Dscore: Math.max(2, Math.floor(degree / 2)),
    Dout: Math.max(1, Math.floor(degree / 4)),
    scoreParams: scoreParams(topic, peers),
    scoreThresholds: SCORE_THRESHOLDS
  })

  const options: Libp2pOptions<HostServices> = {
    privateKey,
    nodeInfo: { name: 'koii-mesh', userAgent: 'koii-mesh' },
    addresses: { listen: init.listen, ...(init.announce == null || init.announce.length === 0 ? {} : { announce: init.announce }) },
    ...(init.datastore == null ? {} : { datastore: init.datastore }),
    transports: [(components) => doorstep.guard(makeTcp(components)), (components) => doorstep.guard(makeWebSockets(components))],
    connectionEncrypters: [leanNoise()],
    streamMuxers: [boundFrames(leanYamux({ maxInboundStreams: INBOUND_STREAMS }))],
    connectionGater: slots.gater,
    connectionManager: {
      // who goes is for the slots to say: here is room for those that others are closed for
      maxConnections: limits.maxConnections + limits.pendingInbound,
      inboundConnectionThreshold: limits.inboundPerSecond,
      // twice what the doorstep lets in, as one that it has dropped takes a moment to be gone
      maxIncomingPendingConnections: 2 * limits.pendingInbound,
      // the doorstep's comes first, and counts
      inboundUpgradeTimeout: HANDSHAKE_MS + 1_000,
      inboundStreamProtocolNegotiationTimeout: HANDSHAKE_MS,
      maxPeerAddrsToDial: 8,
      maxParallelDials: 16
    },
    services: {
      identify: identify({ maxMessageSize: 8 * 1024 }),
      ping: ping(),
      dht: kadDHT({
        protocol: DHT_PROTOCOL,
        logPrefix: 'koii-mesh:kad',
        datastorePrefix: '/koii-mesh-kad',
        metricsPrefix: 'koii_mesh_kad',
        peerInfoMapper: local ? passthroughMapper : removePrivateAddressesMapper,
        ...(dhtMode === 'auto' ? {} : { clientMode: dhtMode === 'client' })
      }),
      // only staked peers exist for gossip: see admission.ts
      pubsub: (components) => {
        watchStreams({ registrar: components.registrar, events: components.events, meter, slots })
        const router = pubsub({
          privateKey: components.privateKey,
          peerId: components.peerId,
          peerStore: components.peerStore,
          registrar: gatherSends(admitOnly(components.registrar, peers, timer)),
          connectionManager: components.connectionManager,
          logger: components.logger
        })
        return guardGossip(router, meter, topic)
      }
    }
  }
  return { options, slots, traffic: ids.traffic, meter, doorstep }
}
