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

/** A handshake takes four to six round trips: a link around the world, with 800 ms for each, still gets through. */
export const ADDRESS_DIAL_TIMEOUT_MS = 7_000

/** All addresses of one peer, side by side: the last begins when the others had a quarter of a second each. */
export const DIAL_TIMEOUT_MS = 10_000

/** Addresses of one peer in one dial: eight from an announcement, and what hints, the cache and the DHT say besides. */
export const MAX_ADDRESSES_PER_DIAL = 16
