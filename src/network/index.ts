/**
 * # network
 *
 * The node's one libp2p, who its peers are, and how it finds them. Specs: protocols/hello, protocols/gossip.
 *
 * @example
 * ```ts
 * const peers = createPeers({ stakes, timing, slot })
 * const { libp2p, slots, traffic } = await createHost({ privateKey, network, peers, listen: ['/ip4/0.0.0.0/tcp/0'] })
 * const announcer = createAnnouncer({ network, timing, slot, signer, peerId: libp2p.peerId, multiaddrs: () => libp2p.getMultiaddrs() })
 * await announcer.renew()
 * const hello = createHello({ libp2p, network, peers, slots, verify, announcement: announcer.current })
 * await hello.start()
 * const discovery = createDiscovery({ libp2p, network, peers, hello, staker, hints })
 * discovery.start()
 * ```
 */
export { type AddressFault, type AddressRules, isPublicIp, judgeAddress, parseAddress, usableAddresses } from './addresses.ts'
export { type Announcer, type AnnouncerInit, createAnnouncer } from './announcer.ts'
export { createDiscovery, type Discovery, type DiscoveryEvent, type DiscoveryInit, type Source } from './discovery.ts'
export { HostError, NodeKeyError, PeerNotFoundError, StreamLimitError } from './errors.ts'
export { converse, type FrameLimits, next } from './frames.ts'
export { createHello, HELLO_PROTOCOL, type Hello, type HelloFault, type HelloInit, type HelloOutcome, judgeHello } from './hello.ts'
export { type HintedAddress, readHint } from './hints.ts'
export { createHost, explainStart, type Host } from './host.ts'
export { DHT_PROTOCOL, type HostServices, type Libp2pConfig, type Libp2pConfigInit, libp2pConfig } from './libp2p-config.ts'
export { CONNECTION_LIMITS, type ConnectionLimits, LOCAL_CONNECTION_LIMITS, MAX_BAD_SIGNATURES } from './limits.ts'
export { createMessageIds, type MessageIds, type Traffic } from './message-ids.ts'
export { readNodeKey, readOrMakeNodeKey } from './node-key.ts'
export {
  type BindFault,
  type Binding,
  createPeers,
  type PeerChange,
  type PeerIdentity,
  type Peers,
  peerIdText,
  type StakeView
} from './peers.ts'
export { createPresence, type Presence } from './presence.ts'
export { type Log, silentLog, type Timer, wallTimer } from './seams.ts'
export { createSlots, judgeSlot, type SlotFault, type Slots } from './slots.ts'
export { rendezvousKey, stakerKey, topicOf } from './topic.ts'
