/** Every bound of the network room, each with its reason. */

export interface ConnectionLimits {
  /** Connections in all, but for hellos under way. A libp2p connection costs 60 to 160 KiB of heap (TARGETS P21), so 256 stay under 50 MiB. */
  maxConnections: number
  /** Of those, how many peers without a proven stake may hold: auditors that fetch a proof, and idle strangers. */
  unstakedSlots: number
  /** How many of the unstaked may come from one IP address; one host must not take all the slots (TARGETS A6). */
  unstakedPerIp: number
  /** How many of them from one network: a /24 of IPv4 or a /64 of IPv6, which one holder has cheaply. */
  unstakedPerPrefix: number
  /** Connections whose hello is still to come, apart from all others: who has stake is in one of these for two round trips. */
  helloSlots: number
  /** Of those, from one IP address. */
  hellosPerIp: number
  /** And from one network. */
  hellosPerPrefix: number
  /** Connections that one PeerId may hold: two that dial each other at once have two, and a dead one may linger. */
  perPeer: number
  /** Inbound connections a second from one host. */
  inboundPerSecond: number
  /** Inbound connections that have not finished their handshake, whoever they are. */
  pendingInbound: number
  /** Of those, from one IP address. */
  pendingPerIp: number
  /** And from one network. */
  pendingPerPrefix: number
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  maxConnections: 256,
  unstakedSlots: 32,
  unstakedPerIp: 4,
  unstakedPerPrefix: 12,
  helloSlots: 32,
  hellosPerIp: 8,
  hellosPerPrefix: 16,
  perPeer: 4,
  inboundPerSecond: 5,
  pendingInbound: 128,
  pendingPerIp: 8,
  pendingPerPrefix: 32
}

/** On one machine all peers share an address: nothing can be told from it, so the rules about addresses are off. */
export const LOCAL_CONNECTION_LIMITS: ConnectionLimits = {
  ...CONNECTION_LIMITS,
  unstakedPerIp: CONNECTION_LIMITS.unstakedSlots,
  unstakedPerPrefix: CONNECTION_LIMITS.unstakedSlots,
  hellosPerIp: CONNECTION_LIMITS.helloSlots,
  hellosPerPrefix: CONNECTION_LIMITS.helloSlots,
  inboundPerSecond: 1_000,
  pendingPerIp: CONNECTION_LIMITS.pendingInbound,
  pendingPerPrefix: CONNECTION_LIMITS.pendingInbound
}

/**
 * The limits for so many connections in all: strangers have a quarter of them at most, and hellos as many on top,
 * however few an operator allows.
 */
export function limitsFor(limits: ConnectionLimits): ConnectionLimits {
  const quarter = Math.max(1, Math.floor(limits.maxConnections / 4))
  return { ...limits, unstakedSlots: Math.min(limits.unstakedSlots, quarter), helloSlots: Math.min(limits.helloSlots, quarter) }
}

/** From a connection's arrival to its first byte: the dialler speaks first, together with the end of TCP's own handshake. */
export const FIRST_BYTE_MS = 1_000

/** A whole handshake, TCP's apart: some four round trips, and two on a bad link take 1.2 s. */
export const HANDSHAKE_MS = 5_000

/** Nobody needs a connection of a stranger that has asked for nothing for so long; it can dial again. */
export const UNBOUND_IDLE_MS = 30_000

/** A hello is one envelope each way: two round trips and one signature check fit in easily, even over a bad link. */
export const HELLO_TIMEOUT_MS = 5_000

/** One gossip RPC frame. Control messages are at most 4 KiB, so 16 or more fit in one frame. */
export const GOSSIP_FRAME_BYTES = 64 * 1024

/** What may wait for a peer that does not read before its stream is cut (TARGETS B7). */
export const GOSSIP_BUFFER_BYTES = 4 * 1024 * 1024

/** What is decoded of one gossip RPC: a frame of 64 KiB holds no more useful entries than these (TARGETS B1). */
export const GOSSIP_DECODE_LIMITS = {
  maxSubscriptions: 64,
  // the shortest that means something takes 200 bytes with its topic: go-libp2p fills a frame of 64 KiB with 330 of them, and one
  // message too many loses the whole frame
  maxMessages: 512,
  // a frame has room for 3,640 ids, and gossipsub puts all that it has into one entry
  maxIhaveMessageIDs: 4_096,
  maxIwantMessageIDs: 4_096,
  maxIdontwantMessageIDs: 4_096,
  maxControlMessages: 64,
  maxPeerInfos: 16
}

/** Streams of one connection that the other end may have open: each protocol has a bound of its own, of 32 at most. */
export const INBOUND_STREAMS = 256

/** Streams of a connection that come before this end has taken note of it: a hello for each of 32 tasks, and what libp2p says at once. */
export const EARLY_STREAMS = 64

/**
 * Frames of the muxer that one connection may bring. A block of 1 MiB in frames of 16 KiB at 60 MiB a second makes 4,000 a
 * second; a stock yamux answers each data frame of ours with one of its own, and gossip may send 2,048 a second.
 */
export const MUXER_FRAMES = { burst: 65_536, perSecond: 16_384 }

/** What one frame of the muxer may have: go-yamux and ours send 64 KiB, and nobody more than a stream's first window. */
export const MUXER_FRAME_BYTES = 1024 * 1024

/** Pings of the muxer on one connection, each of which is answered: ours ask once in 0.6 s at most, a stock monitor once in 10 s. */
export const MUXER_PINGS = { burst: 256, perSecond: 16 }

/** Frames of noise that hold nothing: nobody has a use for them. */
export const EMPTY_FRAMES = { burst: 16, perSecond: 1 }

/** Pings and pongs of WebSocket on one connection: we send none, and libp2p has its own. */
export const WEBSOCKET_CONTROLS = { burst: 64, perSecond: 1 }

/** Wrong signatures by one identity before it is cut. Honest relayers check first, so even one is a fault; TARGETS B3 allows 130. */
export const MAX_BAD_SIGNATURES = 32

/** How long a peer that was cut stays out of favour. */
export const BAN_MS = 30 * 60 * 1000

/** The first time for one that sent too much; doubled each time, up to `BAN_MS`. */
export const CUT_MS = 30 * 1000

/** Without a further cut for so long, the next one is the first again. */
export const CUTS_FORGOTTEN_MS = 6 * 60 * 60 * 1000

/**
 * What one peer may send: `burst` at once, and `perSecond` from then on. More is a flood, and cuts it.
 *
 * The most that an honest peer sends, in a mesh of 1,000 stakers: in each stage of a round every staker says one message of
 * at most 4 KiB, and a peer brings us each of them once. A burst of 8,192 is eight stages at once (a partition heals, our
 * own event loop was away for long), 2,048 a second is everybody speaking twice in each. What honest peers never send, or a
 * few in an hour, has little.
 */
export const PEER_BUDGETS = {
  /** RPCs: one for each message, when nothing is gathered. */
  frames: { burst: 8_192, perSecond: 2_048 },
  bytes: { burst: 32 * 1024 * 1024, perSecond: 8 * 1024 * 1024 },
  messages: { burst: 8_192, perSecond: 2_048 },
  /** Messages that the same peer has just sent: one that we asked for may cross one that was on its way. */
  copies: { burst: 256, perSecond: 32 },
  /** Messages that were ignored. Our clock or K2's view may be at fault, so this is four stages of a thousand stakers at once. */
  'ignored messages': { burst: 4_096, perSecond: 256 },
  /** Without data: no honest peer has one. */
  'empty messages': { burst: 16, perSecond: 1 },
  /** Of our topics, all of them together: one for each stream, and streams are opened again some times. */
  subscriptions: { burst: 128, perSecond: 4 },
  /** A host of many tasks tells all of its topics, once for each stream. */
  'entries about other topics': { burst: 256, perSecond: 4 },
  /** Entries of IHAVE, IWANT and IDONTWANT: the last may come for each message. */
  'control entries': { burst: 8_192, perSecond: 2_048 },
  /** A heartbeat's IHAVE fills one frame at most, 3,640 ids in 700 ms; IWANT asks for some of ours, IDONTWANT names each message. */
  'message ids': { burst: 32_768, perSecond: 8_192 },
  /** GRAFT and PRUNE, of as many topics as are ours: some in a heartbeat when the mesh changes. */
  'grafts and prunes': { burst: 128, perSecond: 8 },
  /** Peer exchange is off; others may offer it. */
  'peer infos': { burst: 256, perSecond: 16 },
  /** Fields that a later gossipsub may have, one or two for each RPC. */
  'unknown fields': { burst: 8_192, perSecond: 2_048 },
  /** Bytes that nothing in the frame accounts for. */
  'wasted bytes': { burst: 256 * 1024, perSecond: 16 * 1024 },
  /** Not protobuf. */
  'broken frames': { burst: 4, perSecond: 1 / 30 },
  /** Longer than `GOSSIP_FRAME_BYTES`. Each ends its stream. */
  'oversized frames': { burst: 2, perSecond: 1 / 60 },
  /** Streams that it opens, of whatever protocol: Bitswap, gossip and sync keep theirs, the DHT opens one for each query. */
  streams: { burst: 512, perSecond: 64 },
  /** An echo has 32 bytes, every ten seconds. */
  'ping bytes': { burst: 16 * 1024, perSecond: 1024 },
  /** Who answers an identify says nothing in the other direction. */
  'identify bytes': { burst: 64 * 1024, perSecond: 1024 },
  'hello bytes': { burst: 256 * 1024, perSecond: 8 * 1024 }
} as const

/** The longest address text that is looked at: the stake account's hint field is shorter. */
export const MAX_ADDRESS_TEXT = 256

/** A handshake takes four to six round trips: a link around the world, with 800 ms for each, still gets through. */
export const ADDRESS_DIAL_TIMEOUT_MS = 7_000

/** All addresses of one peer, side by side: the last begins when the others had a quarter of a second each. */
export const DIAL_TIMEOUT_MS = 10_000

/** Addresses of one peer in one dial: eight from an announcement, and what hints, the cache and the DHT say besides. */
export const MAX_ADDRESSES_PER_DIAL = 16
/** The DHT: what a message may hold, how much a peer may ask, and what is kept of what it says. */
export const DHT_LIMITS = {
  /** One message to us: a key, and of an ADD_PROVIDER one peer with its addresses. */
  requestBytes: 4 * 1024,
  /** All that comes back on a stream of ours: one answer of 20 closer peers and 20 providers, with eight long addresses each. */
  responseBytes: 32 * 1024,
  /** A message costs one token, and one more for each of these: lists within a message are paid for, too. */
  tokenBytes: 256,
  /** Providing a root costs each peer near its key some three tokens, looking for one a single token, and starting a node some twenty. A node that starts provides some 42 roots. */
  stranger: { burst: 128, perSecond: 8 },
  /** All peers without stake together, as PeerIds cost nothing. */
  strangers: { burst: 512, perSecond: 64 },
  staked: { burst: 512, perSecond: 64 },
  /** Peers whose tokens are remembered, of each kind. */
  peers: 1_024,

  /** A stranger provides a bundle, perhaps; never many proofs. */
  recordsPerStranger: 32,
  strangerRecords: 2_048,
  /** A key's answer holds 20 peers; strangers never fill it alone. */
  strangersPerKey: 8,
  /** A staker has some 42 roots provided at once: three for each cycle of its last fourteen (protocols/proofs). */
  recordsPerStaked: 512,
  /** 20 times 840, which is what twenty honest stakers come to. */
  stakedRecords: 16_384,
  providersPerAnswer: 20,
  /** A multihash of 64 bytes in base32 has 106. */
  keyChars: 128,
  /** A time. */
  recordBytes: 16,
  /** Rounds that a record is kept for after it was last provided, within bounds of time. */
  lifetimeRounds: 8,
  minLifetimeMs: 2 * 60_000,
  maxLifetimeMs: 45 * 60_000,

  /** Kademlia's table takes 64 times 20 peers; what waits to get in is pinged first. */
  tableQueue: 256
}

/** The peer store: what is kept of peers, and of each of them. */
export const PEER_STORE_LIMITS = {
  /** Of peers without stake that are not connected: what was heard of in the DHT. */
  strangerEntries: 256,
  /** Of peers with stake, and of all that are connected. */
  keptEntries: 4_096,
  entryBytes: 8 * 1024,
  addresses: 16,
  addressBytes: 256,
  /** A node of 32 tasks speaks 64 for them alone. */
  protocols: 96,
  /** One protocol, version or tag, with its name. */
  textBytes: 256,
  /** Pieces of metadata, and tags. */
  facts: 16,
  envelopeBytes: 4 * 1024,
  /** All else that libp2p may want to keep: nothing today. */
  otherEntries: 64
}

/** How long this node keeps provider records of a task whose rounds take `roundSlots` slots of 400 ms. */
export function recordLifetimeMs(roundSlots: number): number {
  const ms = DHT_LIMITS.lifetimeRounds * roundSlots * 400
  return Math.min(DHT_LIMITS.maxLifetimeMs, Math.max(DHT_LIMITS.minLifetimeMs, ms))
}
