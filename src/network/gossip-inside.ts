import type { PeerId } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/**
 * What gossipsub's class has and its interface leaves out, as far as it is used here. Where a later version has none of a name, what
 * hangs on it is left as it is, and test/network/gossip-guard.spec.ts says so.
 */
export interface GossipInside {
  pipePeerReadStream?: (peerId: PeerId, frames: AsyncIterable<Uint8ArrayList>) => Promise<void>
  sendRpc?: (peerId: string, rpc: Rpc) => boolean
  handleReceivedRpc?: (peerId: PeerId, rpc: Rpc) => Promise<void>
  handleReceivedSubscription?: (peerId: PeerId, topic: string, subscribe: boolean) => boolean
  handleReceivedMessage?: (peerId: PeerId, message: RoutedMessage) => Promise<void>
  pushGossip?: (peerId: string, ihave: IHave) => void
  removePeer?: (peerId: PeerId) => void
  peers?: Map<string, PeerId>
  topics?: Map<string, Set<string>>
  mesh?: Map<string, Set<string>>
  mcache?: { msgs?: Map<string, unknown> }
  allowedTopics?: Set<string> | null
  opts?: { scoreParams?: { topics?: Record<string, unknown> } }
  score?: Scores
}

export interface RoutedMessage {
  topic?: string
  from?: Uint8Array
  data?: Uint8Array
  seqno?: Uint8Array
}

export interface IHave {
  topicID?: string
  messageIDs?: Uint8Array[]
}

/** IWANT and IDONTWANT name no topic. */
export interface Ids {
  messageIDs?: Uint8Array[]
}

export interface Control {
  ihave?: IHave[]
  iwant?: Ids[]
  graft?: Array<{ topicID?: string }>
  prune?: Array<{ topicID?: string }>
  idontwant?: Ids[]
}

export interface Subscription {
  topic?: string
  subscribe?: boolean
}

export interface Rpc {
  subscriptions?: Subscription[]
  messages: RoutedMessage[]
  control?: Control
}

export interface Scores {
  addPeer?: (id: string) => void
  markInvalidMessageDelivery?: (from: string, topic: string) => void
  peerStats?: Map<string, PeerStats>
  scoreCache?: Map<string, unknown>
}

export interface PeerStats {
  connected: boolean
  expire: number
  topics?: Record<string, TopicStats>
}

/** What a peer has done in one topic. */
export interface TopicStats {
  inMesh: boolean
  meshMessageDeliveriesActive: boolean
  firstMessageDeliveries: number
  invalidMessageDeliveries: number
}
