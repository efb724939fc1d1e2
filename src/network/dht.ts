/** The mesh's own Kademlia, apart from the public one: a register of who provides what, and of who is near, and no more. */
import type { PeerId } from '@libp2p/interface'
import { type KadDHT, type KadDHTComponents, kadDHT } from '@libp2p/kad-dht'
import type { Multiaddr } from '@multiformats/multiaddr'
import { judgeAddress, withoutPeer } from './addresses.ts'
import { byTurns } from './by-turns.ts'
import { createDhtGuard } from './dht-guard.ts'
import { DHT_STORE_PREFIX } from './host-store.ts'
import { DHT_LIMITS } from './limits.ts'

export const DHT_PROTOCOL = '/koii-mesh/kad/1.0.0'

export interface BoundedDhtInit {
  /** Whether an address of a peer is told others: what may be dialled. */
  mayTell: (address: Multiaddr) => boolean
  /** Whether to answer nobody; left out, that hangs on having a public address. */
  client?: boolean
  isStaked: (peer: string) => boolean
  /** Milliseconds that only ever grow. */
  now: () => number
}

/** kad-dht behind its guard, over the bounded store. It keeps no values for others, not even public keys: nobody here asks. */
export function boundedDht({ mayTell, client, isStaked, now }: BoundedDhtInit): (components: KadDHTComponents) => KadDHT {
  const guard = createDhtGuard({ isStaked, now })
  const create = kadDHT({
    protocol: DHT_PROTOCOL,
    logPrefix: 'koii-mesh:kad',
    datastorePrefix: DHT_STORE_PREFIX,
    metricsPrefix: 'koii_mesh_kad',
    peerInfoMapper: (peer) => ({ ...peer, multiaddrs: peer.multiaddrs.filter(mayTell) }),
    validators: { pk: refuseValue },
    routingTableUpdateMaxQueueSize: DHT_LIMITS.tableQueue,
    ...(client == null ? {} : { clientMode: client })
  })
  return (components) =>
    create({
      peerId: components.peerId,
      privateKey: components.privateKey,
      registrar: guard.registrar(components.registrar),
      addressManager: components.addressManager,
      peerStore: byTurns(components.peerStore),
      connectionManager: guard.connectionManager(components.connectionManager),
      datastore: components.datastore,
      events: components.events,
      logger: components.logger,
      ping: components.ping,
      ...(components.metrics == null ? {} : { metrics: components.metrics })
    })
}

async function refuseValue(): Promise<void> {
  throw new Error('this DHT keeps no values')
}

export interface PeerStoreFilterInit {
  /** Text of this node's PeerId. */
  self: string
  local: boolean
  /** Addresses that may be dialled although they are private: what the operator named. */
  allowed: Multiaddr[]
}

/** Which addresses of others the peer store takes: those that may be dialled. What is not in it, the DHT tells nobody. */
export function filterForPeerStore({ self, local, allowed }: PeerStoreFilterInit) {
  return (peer: PeerId, address: Multiaddr): boolean =>
    peer.toString() === self ||
    judgeAddress(address, { local }) == null ||
    allowed.some((one) => withoutPeer(one).equals(withoutPeer(address)))
}
