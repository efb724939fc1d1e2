import type { PeerId } from '@libp2p/interface'
import type { HostStore } from './host-store.ts'
import { type Timer, wallTimer } from './seams.ts'

/** Between a peer's going and its being forgotten: libp2p reads its entry while it tells everybody that the peer has gone. */
export const FORGET_MS = 1_000

interface PeerEvents {
  addEventListener(type: 'peer:connect' | 'peer:disconnect', listener: (event: CustomEvent<PeerId>) => void): void
}

export interface StrangersInit {
  libp2p: PeerEvents & { getConnections(peer: PeerId): unknown[]; getPeers(): PeerId[]; services: { dht: unknown } }
  store: HostStore
  /** Whether a peer has proven or claimed stake. */
  isKept: (peer: string) => boolean
  timer?: Timer
}

/** Forgets peers without stake soon after they have gone: stock libp2p keeps all of them. Lasts as long as libp2p itself. */
export function forgetStrangers({ libp2p, store, isKept, timer = wallTimer }: StrangersInit): void {
  const gone = new Map<string, PeerId>()
  const table = tableOf(libp2p.services.dht)

  const forget = async () => {
    const absent = [...gone.values()].filter((peer) => libp2p.getConnections(peer).length === 0)
    gone.clear()
    for (const peer of absent.filter((one) => !isKept(one.toString()))) {
      // the table writes to the peer's entry, so it goes first
      await table?.remove(peer).catch(() => {})
    }
    store.release(absent.map(String))
  }

  // some may have come while libp2p was starting
  for (const peer of libp2p.getPeers()) {
    store.hold(peer.toString())
  }
  libp2p.addEventListener('peer:connect', ({ detail }) => {
    store.hold(detail.toString())
  })
  libp2p.addEventListener('peer:disconnect', ({ detail }) => {
    if (gone.size === 0) {
      timer(() => void forget(), FORGET_MS)
    }
    gone.set(detail.toString(), detail)
  })
}

/** kad-dht takes a peer out of its table only when another wants its place. */
function tableOf(dht: unknown): { remove(peer: PeerId): Promise<void> } | undefined {
  const { routingTable } = dht as { routingTable?: { remove(peer: PeerId): Promise<void> } }
  return typeof routingTable?.remove === 'function' ? routingTable : undefined
}
