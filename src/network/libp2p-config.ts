import { type GossipSub, gossipsub, StrictNoSign } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { PrivateKey, Startable } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type Ping, ping } from '@libp2p/ping'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2pOptions } from 'libp2p'
import type { Network } from '../wire/index.ts'
import { isForbidden } from './addresses.ts'
import { admitOnly } from './admission.ts'
import { boundedDht, filterForPeerStore } from './dht.ts'
import { dialAbreast } from './dial-abreast.ts'
import { type DialRules, guardedTcp, guardedWebSockets, type Resolve } from './dial-guard.ts'
import { createDoorstep, type Doorstep } from './doorstep.ts'
import { guardGossip } from './gossip-guard.ts'
import { createHostStore, type HostStore } from './host-store.ts'
import {
  ADDRESS_DIAL_TIMEOUT_MS,
  CONNECTION_LIMITS,
  type ConnectionLimits,
  DHT_LIMITS,
  DIAL_TIMEOUT_MS,
  EARLY_STREAMS,
  GOSSIP_BUFFER_BYTES,
  GOSSIP_DECODE_LIMITS,
  GOSSIP_FRAME_BYTES,
  HANDSHAKE_MS,
  INBOUND_STREAMS,
  LOCAL_CONNECTION_LIMITS,
  limitsFor,
  MAX_ADDRESSES_PER_DIAL
} from './limits.ts'
import { watchLinks } from './links.ts'
import { createMessageIds, type Traffic } from './message-ids.ts'
import { createMeter, type Meter } from './meter.ts'
import { boundFrames } from './muxer-guard.ts'
import { type OwnAddresses, type OwnAddressesComponents, ownAddresses, tellable } from './own-addresses.ts'
import type { Peers } from './peers.ts'
import type { Roster } from './roster.ts'
import { SCORE_THRESHOLDS, scoreParams } from './score.ts'
import { type Timer, wallTimer } from './seams.ts'
import { type ConnectionSlots, createConnectionSlots } from './slots.ts'
import { watchStreams } from './streams.ts'
import { createTaskTopics } from './task-topics.ts'
import { topicOf } from './topic.ts'
import { gatherSends, leanNoise, leanYamux } from './write-path.ts'

export type HostServices = {
  identify: Identify
  ping: Ping
  dht: KadDHT
  pubsub: GossipSub
  addresses: OwnAddresses
  links: Startable
}

export interface Libp2pConfigInit {
  /** The node key (src/network/node-key): who the node is on the network. */
  privateKey: PrivateKey
  /** Who is a peer in any task. Tasks are added by `join`. */
  peers: Roster
  /** Multiaddrs to listen on, for example '/ip4/0.0.0.0/tcp/0' and '/ip4/0.0.0.0/tcp/0/ws'. */
  listen: string[]
  /** Multiaddrs to tell others instead of those found, for nodes behind a port forward. */
  announce?: string[]
  /** Loopback and private ranges are dialled and told, and the rules about addresses are off. */
  local?: boolean
  /** Addresses that may be dialled although they are private: what the operator named. */
  allowed?: Multiaddr[]
  /** How strangers' names become addresses; what is not public of these is not dialled. */
  resolve?: Resolve
  limits?: Partial<ConnectionLimits>
  /** `auto`: a DHT server once the node is publicly reachable. */
  dht?: 'auto' | 'server' | 'client'
  /** Gossipsub's heartbeat; the mesh heals once in each. */
  heartbeatMs?: number
  /** Peers that each node forwards to. */
  degree?: number
  /** Whether our own messages go to all peers of the topic at once rather than to the mesh's degree. */
  floodPublish?: boolean
  /** How long this node keeps what others provide, asked each time: tasks come and go. @default 45 minutes @see recordLifetimeMs */
  recordLifetimeMs?: number | (() => number)
  /** What a handshake and a ping may take in ms, where all nodes share a machine that may be slow. */
  answerMs?: number | undefined
  timer?: Timer
  /** Milliseconds that only ever grow. */
  now?: () => number
}

export interface Libp2pConfig {
  /** For `createLibp2p`, or for Helia's libp2p mixin. */
  options: Libp2pOptions<HostServices>
  slots: ConnectionSlots
  meter: Meter
  doorstep: Doorstep
  /** What libp2p keeps of peers and for the DHT, bounded. */
  store: HostStore
  /**
   * Takes up a task, once libp2p is there: those whom `peers` lets in are peers of this node, and its topic is gossiped with them.
   * `leave` ends that, after gossip's own `stop`.
   *
   * @returns `traffic`: what passes about this task alone
   * @throws HostError when it was taken up already
   */
  join(task: { network: Network; peers: Peers }): { traffic: Traffic; leave(): void }
}

/**
 * The configuration of the node's one libp2p: TCP and WebSocket, noise, yamux, identify, ping, the mesh's own DHT, and
 * gossipsub that carries no signatures of its own and knows staked peers only.
 *
 * @example
 * ```ts
 * const { options, slots, join } = libp2pConfig({ privateKey, peers: createRoster(), listen: ['/ip4/127.0.0.1/tcp/0'], local: true })
 * const libp2p = await createLibp2p(options)
 * const { traffic } = join({ network, peers })
 * ```
 */
export function libp2pConfig(init: Libp2pConfigInit): Libp2pConfig {
  const { privateKey, peers, announce = [], local = false, heartbeatMs = 700, degree = 8, floodPublish = true, timer = wallTimer } = init
  const limits = limitsFor({ ...(local ? LOCAL_CONNECTION_LIMITS : CONNECTION_LIMITS), ...init.limits })
  const dhtMode = init.dht ?? (local ? 'server' : 'auto')
  const ids = createMessageIds()
  const topics = createTaskTopics({ ids, isLetIn: peers.isStaked })
  const slots = createConnectionSlots({ peers, hellos: peers.size, limits, local, allowed: init.allowed ?? [], timer })
  const meter = createMeter({ peers })
  const patience = init.answerMs == null ? {} : { firstByteMs: init.answerMs / 2, handshakeMs: init.answerMs }
  const doorstep = createDoorstep({ limits, timer, ...patience })
  const rules: DialRules = { local, allowed: init.allowed ?? [], ...(init.resolve == null ? {} : { resolve: init.resolve }) }
  const makeTcp = guardedTcp(rules)
  const makeWebSockets = guardedWebSockets(rules)
  const { recordLifetimeMs = DHT_LIMITS.maxLifetimeMs, now = () => performance.now() } = init
  const self = peerIdFromPrivateKey(privateKey).toString()
  const isKept = (peer: string) => peers.isStaked(peer) || peers.isClaimed(peer)
  const store = createHostStore({ self, isKept, recordLifetimeMs, now })

  const pubsub = gossipsub({
    globalSignaturePolicy: StrictNoSign,
    fastMsgIdFn: ids.fastMsgIdFn,
    msgIdFn: ids.msgIdFn,
    msgIdToStrFn: (id) => Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1'),
    // nothing is passed on before the judge has said so
    asyncValidation: true,
    fallbackToFloodsub: false,
    // each task brings its own
    allowedTopics: [],
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
    scoreParams: scoreParams(peers),
    scoreThresholds: SCORE_THRESHOLDS
  })

  const options: Libp2pOptions<HostServices> = {
    privateKey,
    nodeInfo: { name: 'koii-mesh', userAgent: 'koii-mesh' },
    addresses: { listen: init.listen, announce, announceFilter: tellable({ local, announced: announce.length > 0 }) },
    datastore: store,
    peerStore: { addressFilter: filterForPeerStore({ self, local, allowed: init.allowed ?? [] }) },
    transports: [(components) => doorstep.guard(makeTcp(components)), (components) => doorstep.guard(makeWebSockets(components))],
    connectionEncrypters: [leanNoise()],
    streamMuxers: [boundFrames(leanYamux({ maxInboundStreams: INBOUND_STREAMS, maxEarlyStreams: EARLY_STREAMS }))],
    connectionGater: slots.gater,
    connectionManager: {
      // who goes is for the slots to say: here is room for those that others are closed for
      maxConnections: limits.maxConnections + limits.pendingInbound,
      inboundConnectionThreshold: limits.inboundPerSecond,
      // twice what the doorstep lets in, as one that it has dropped takes a moment to be gone
      maxIncomingPendingConnections: 2 * limits.pendingInbound,
      // the doorstep's comes first, and counts
      inboundUpgradeTimeout: (init.answerMs ?? HANDSHAKE_MS) + 1_000,
      inboundStreamProtocolNegotiationTimeout: init.answerMs ?? HANDSHAKE_MS,
      maxPeerAddrsToDial: MAX_ADDRESSES_PER_DIAL,
      // a peer whose addresses all swallow packets holds a place for as long as one dial takes
      maxParallelDials: 64,
      dialTimeout: Math.max(DIAL_TIMEOUT_MS, init.answerMs ?? 0),
      addressDialTimeout: Math.max(ADDRESS_DIAL_TIMEOUT_MS, init.answerMs ?? 0),
      // in the order that was asked for: who asks knows which is the best
      addressSorter: (a, b) => (a.isCertified === b.isCertified ? 0 : a.isCertified ? -1 : 1),
      // /dnsaddr/ is not spoken here: resolving it would ask for names of a stranger's choice
      resolvers: {}
    },
    // see links.ts
    connectionMonitor: { enabled: false },
    services: {
      links: watchLinks({ peers, local, timer, ...(init.answerMs == null ? {} : { answerMs: init.answerMs }) }),
      // the address manager is in none of libp2p's public types
      addresses: (components) => ownAddresses(components as unknown as OwnAddressesComponents),
      identify: identify({ maxMessageSize: 8 * 1024 }),
      // whether a link lives and whether a peer does are asked side by side
      ping: ping({ maxInboundStreams: 4, maxOutboundStreams: 4 }),
      dht: boundedDht({
        mayTell: (address) => !isForbidden(address, rules),
        isStaked: peers.isStaked,
        now,
        ...(dhtMode === 'auto' ? {} : { client: dhtMode === 'client' })
      }),
      // only staked peers exist for gossip: see admission.ts
      pubsub: (components) => {
        dialAbreast(components, timer)
        watchStreams({ registrar: components.registrar, events: components.events, meter, slots })
        const router = pubsub({
          privateKey: components.privateKey,
          peerId: components.peerId,
          peerStore: components.peerStore,
          registrar: gatherSends(admitOnly(components.registrar, peers, timer)),
          connectionManager: components.connectionManager,
          logger: components.logger
        })
        return guardGossip(router, { meter, topics, ids })
      }
    }
  }
  const join: Libp2pConfig['join'] = (task) => {
    const { traffic, leave } = topics.join(topicOf(task.network), task.peers)
    const remove = peers.add(task.peers)
    return {
      traffic,
      leave() {
        leave()
        remove()
      }
    }
  }
  return { options, slots, meter, doorstep, store, join }
}
