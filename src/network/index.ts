/**
 * # network
 *
 * The node's one libp2p, who its peers are, and how it finds them. Specs: protocols/hello, protocols/gossip.
 *
 * @example
 * ```ts
 * const roster = createRoster()
 * const { libp2p, slots, join } = await createHost({ privateKey, peers: roster, listen: ['/ip4/0.0.0.0/tcp/0'] })
 *
 * // and for each task
 * const peers = createPeers({ stakes, timing, slot })
 * const { traffic, leave } = join({ network, peers })
 * const announcer = createAnnouncer({ network, timing, slot, signer, peerId: libp2p.peerId, multiaddrs: libp2p.services.addresses.told })
 * await announcer.renew()
 * const isBeside = (peerId) => roster.isStakedBeside(peers, peerId)
 * const hello = createHello({ libp2p, network, peers, slots, isBeside, verify, announcement: announcer.current })
 * await hello.start()
 * const discovery = createDiscovery({ libp2p, network, peers, hello, staker, hints })
 * discovery.start()
 * ```
 */
export { type AddressFault, type AddressRules, isPublicIp, judgeAddress, parseAddress, usableAddresses } from './addresses.ts'
export { type Announcer, type AnnouncerInit, createAnnouncer } from './announcer.ts'
export { DHT_PROTOCOL } from './dht.ts'
export { createDiscovery, type Discovery, type DiscoveryEvent, type DiscoveryInit, REPROVIDE_MS, type Source } from './discovery.ts'
export { HostError, NodeKeyError, PeerNotFoundError, StreamLimitError } from './errors.ts'
export { converse, type FrameLimits, next } from './frames.ts'
export { createHello, type Hello, type HelloFault, type HelloInit, type HelloOutcome, judgeHello } from './hello.ts'
export { type HintedAddress, readHint } from './hints.ts'
export { createHost, explainStart, type Host } from './host.ts'
export type { HostStore } from './host-store.ts'
export { keepPorts, withKeptPorts } from './kept-ports.ts'
export { type HostServices, type Libp2pConfig, type Libp2pConfigInit, libp2pConfig } from './libp2p-config.ts'
export {
  CONNECTION_LIMITS,
  type ConnectionLimits,
  LOCAL_CONNECTION_LIMITS,
  MAX_BAD_SIGNATURES,
  PEER_BUDGETS,
  recordLifetimeMs
} from './limits.ts'
export { createMessageIds, type MessageIds, type Traffic } from './message-ids.ts'
export { type Charge, createMeter, type Meter } from './meter.ts'
export { ownIps, watchNetworks } from './networks.ts'
export { readNodeKey, readOrMakeNodeKey } from './node-key.ts'
export { type OwnAddresses, unreachableNotice } from './own-addresses.ts'
export { pastHintNotice } from './past-hint.ts'
export {
  type BindFault,
  type Binding,
  contactFault,
  createPeers,
  type PeerChange,
  type PeerIdentity,
  type Peers
} from './peers.ts'
export { createPresence, type Presence } from './presence.ts'
export { createRoster, type Roster } from './roster.ts'
export { type Log, silentLog, type Timer, wallTimer } from './seams.ts'
export { type ConnectionSlots, createConnectionSlots, type Holder, overflow, type SlotFault, type SlotUse } from './slots.ts'
export { HELLO_PROTOCOL, helloProtocol, rendezvousKey, stakerKey, topicOf } from './topic.ts'
