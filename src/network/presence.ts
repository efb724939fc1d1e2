import type { Libp2p, PeerId } from '@libp2p/interface'
import type { PeerIdentity, Peers } from './peers.ts'

/** Which staked peers are connected now. (Peers knows who may speak, whether it is there or not.) */
export interface Presence {
  staked(): PeerIdentity[]
  /** Calls `listener` whenever a staked peer comes, or goes. */
  onChange(listener: (change: PeerIdentity & { present: boolean }) => void): () => void
  stop(): void
}

export function createPresence({
  libp2p,
  peers
}: {
  libp2p: Pick<Libp2p, 'getPeers' | 'addEventListener' | 'removeEventListener'>
  peers: Peers
}): Presence {
  const present = new Map<string, string>()
  const listeners = new Set<(change: PeerIdentity & { present: boolean }) => void>()

  const settle = (peerId: string, isConnected: boolean, staker = peers.stakerOf(peerId)) => {
    const before = present.get(peerId)
    const now = isConnected && peers.isStaked(peerId) ? staker : undefined
    if (now === before) {
      return
    }
    now == null ? present.delete(peerId) : present.set(peerId, now)
    for (const listener of listeners) {
      if (before != null) {
        listener({ peerId, staker: before, present: false })
      }
      if (now != null) {
        listener({ peerId, staker: now, present: true })
      }
    }
  }

  const isConnected = (peerId: string) => libp2p.getPeers().some((one) => one.toString() === peerId)
  const onConnect = ({ detail }: CustomEvent<PeerId>) => settle(detail.toString(), true)
  const onDisconnect = ({ detail }: CustomEvent<PeerId>) => settle(detail.toString(), false)
  libp2p.addEventListener('peer:connect', onConnect)
  libp2p.addEventListener('peer:disconnect', onDisconnect)
  const stopChanges = peers.onChange(({ peerId, staker }) => settle(peerId, isConnected(peerId), staker))
  for (const { peerId } of peers.staked()) {
    settle(peerId, isConnected(peerId))
  }

  return {
    staked: () => [...present].map(([peerId, staker]) => ({ peerId, staker })),
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop() {
      libp2p.removeEventListener('peer:connect', onConnect)
      libp2p.removeEventListener('peer:disconnect', onDisconnect)
      stopChanges()
    }
  }
}
