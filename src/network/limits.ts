/** Every bound of the network room, each with its reason. */

export interface ConnectionLimits {
  /** Connections in all. A libp2p connection costs 60 to 160 KiB of heap (TARGETS P21), so 256 stay under 50 MiB. */
  maxConnections: number
  /** Of those, how many peers without a proven stake may hold: auditors that fetch a proof, and hellos under way. */
  unstakedSlots: number
  /** How many of the unstaked may come from one IP address; one host must not take all the slots (TARGETS A6). */
  unstakedPerIp: number
  /** Inbound connections a second from one host. */
  inboundPerSecond: number
  /** Inbound connections that have not finished their handshake, whoever they are. */
  pendingInbound: number
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  maxConnections: 256,
  unstakedSlots: 32,
  unstakedPerIp: 4,
  inboundPerSecond: 5,
  pendingInbound: 64
}

/** On one machine all peers share an address: nothing can be told from it, so the rules about addresses are off. */
export const LOCAL_CONNECTION_LIMITS: ConnectionLimits = {
  ...CONNECTION_LIMITS,
  unstakedPerIp: CONNECTION_LIMITS.unstakedSlots,
  inboundPerSecond: 1_000
}

/** A hello is one envelope each way: two round trips and one signature check fit in easily, even over a bad link. */
export const HELLO_TIMEOUT_MS = 5_000

/** One gossip RPC frame. Control messages are at most 4 KiB, so 16 or more fit in one frame. */
export const GOSSIP_FRAME_BYTES = 64 * 1024

/** What may wait for a peer that does not read before its stream is cut (TARGETS B7). */
export const GOSSIP_BUFFER_BYTES = 4 * 1024 * 1024

/** What is decoded of one gossip RPC: a frame of 64 KiB holds no more useful entries than these (TARGETS B1). */
export const GOSSIP_DECODE_LIMITS = {
  maxSubscriptions: 64,
  maxMessages: 256,
  maxIhaveMessageIDs: 512,
  maxIwantMessageIDs: 512,
  maxIdontwantMessageIDs: 512,
  maxControlMessages: 64,
  maxPeerInfos: 16
}

/** Wrong signatures by one identity before it is cut. Honest relayers check first, so even one is a fault; TARGETS B3 allows 130. */
export const MAX_BAD_SIGNATURES = 32

/** How long a peer that was cut stays out of favour. */
export const BAN_MS = 30 * 60 * 1000

/** The longest address text that is looked at: the stake account's hint field is shorter. */
export const MAX_ADDRESS_TEXT = 256

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
  protocols: 64,
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
