import type { Libp2pEvents, Listener, PeerId, PeerStore, TypedEventTarget } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { judgeAddress, withoutPeer } from './addresses.ts'
import { ownIps } from './networks.ts'

/** Where the node is: what it tells others, and what is of use on its own machine or network alone. */
export interface OwnAddresses {
  /** What others are told, each with `/p2p`: public addresses, those that the operator announces, or on a local mesh all. */
  told(): Multiaddr[]
  /** Where the node listens, each with `/p2p`, private addresses and loopback included. */
  listens(): Multiaddr[]
  /** One for each address to listen on: those of TCP, then those of WebSocket, each in the order in which they were asked for. */
  listeners(): Listener[]
}

/** What is used of libp2p's components: its address manager is in none of its public interfaces. */
export interface OwnAddressesComponents {
  peerId: PeerId
  events: TypedEventTarget<Libp2pEvents>
  peerStore: Pick<PeerStore, 'patch'>
  transportManager: { getAddrs(): Multiaddr[]; getListeners(): Listener[] }
  addressManager: {
    getAddresses(): Multiaddr[]
    confirmObservedAddr(address: Multiaddr, options: { type: 'transport'; ttl: number }): void
  }
}

const isPublic = (address: Multiaddr) => judgeAddress(address, { local: false }) == null

/** An address of one's own interface does not expire. */
const FOR_GOOD_MS = 2 ** 31

/**
 * A service of libp2p. An address of an interface that is public is told: libp2p leaves it out until an outsider has verified it, and
 * nobody does. Private ones are told on a local mesh alone ({@link tellable}). Interfaces come and go without an event, so both are
 * looked at whenever somebody asks.
 */
export function ownAddresses(components: OwnAddressesComponents): OwnAddresses {
  const { peerId, events, peerStore, transportManager, addressManager } = components
  let before = ''
  const refresh = () => {
    for (const address of transportManager.getAddrs()) {
      if (isPublic(address)) {
        addressManager.confirmObservedAddr(address, { type: 'transport', ttl: FOR_GOOD_MS })
      }
    }
    const told = addressManager.getAddresses()
    const now = told.map(String).sort().join(' ')
    if (now !== before) {
      before = now
      // identify and the DHT read the own addresses there
      peerStore.patch(peerId, { multiaddrs: told.map(withoutPeer) }).catch(() => {})
    }
    return told
  }
  const onListening = () => void refresh()
  events.addEventListener('transport:listening', onListening)
  events.addEventListener('transport:close', onListening)
  return {
    told: refresh,
    listeners: () => transportManager.getListeners(),
    listens: () => transportManager.getAddrs().map((address) => withoutPeer(address).encapsulate(`/p2p/${peerId}`))
  }
}

/** libp2p's filter of what is told. What the operator announces is his word; of the rest, a private address leads nobody here. */
export function tellable({ local, announced }: { local: boolean; announced: boolean }): (addresses: Multiaddr[]) => Multiaddr[] {
  return (addresses) => (local || announced ? addresses : addresses.filter((address) => isPublic(address)))
}

/** What the operator of a node that tells no address should know and do; undefined when it tells one. */
export function unreachableNotice(own: Pick<OwnAddresses, 'told' | 'listens'>, ips = ownIps()): string | undefined {
  if (own.told().length > 0) {
    return undefined
  }
  const listens = own.listens().map(withoutPeer)
  if (listens.length === 0) {
    return 'the node listens nowhere, so nobody can dial it. It takes part by the peers that it dials itself; give it an address with --listen'
  }
  if (ips.length === 0) {
    return 'this machine is in no network (it has no interface that is up but loopback), so it reaches nobody and nobody reaches it. Nothing is to be done here: the node goes on when the network is back'
  }
  const port = listens[0]!.getComponents().find(({ name }) => name === 'tcp')?.value ?? 'PORT'
  return `the node has no public address to tell (it listens on ${listens.slice(0, 3).join(', ')}), so nobody can dial it. It takes part by the peers that it dials itself. Forward port ${port} of your router to it, and say so with --announce /ip4/YOUR-PUBLIC-IP/tcp/${port}; on a mesh of one machine or one private network, start all nodes with --allow-private`
}
