import type { Connection, ConnectionGater, MultiaddrConnection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { ipOf, isForbidden } from './addresses.ts'
import type { ConnectionLimits } from './limits.ts'
import type { Peers } from './peers.ts'

export type SlotFault = 'banned' | 'full' | 'unstaked-full' | 'ip-full'

/** The facts that a connection slot is given by. */
export interface SlotFacts {
  banned: boolean
  /** Bound to stake, or claimed by a staker: a slot is kept for it. */
  staked: boolean
  total: number
  unstaked: number
  unstakedFromIp: number
}

/** Whether a connection gets a slot. Pure. */
export function judgeSlot(facts: SlotFacts, limits: ConnectionLimits): SlotFault | undefined {
  if (facts.banned) return 'banned'
  if (facts.total >= limits.maxConnections) return 'full'
  if (facts.staked) return undefined
  if (facts.unstaked >= limits.unstakedSlots) return 'unstaked-full'
  if (facts.unstakedFromIp >= limits.unstakedPerIp) return 'ip-full'
  return undefined
}

/** The connections that are open, by who holds them: libp2p's gater is asked before libp2p exists, so it counts by itself. */
export interface Slots {
  gater: ConnectionGater
  opened(connection: Connection): void
  closed(connection: Connection): void
  counts(): { total: number; unstaked: number }
  /** Whether the unstaked hold more than their slots: one that was let in on a staker's claim turned out to be none. */
  isCrowded(): boolean
}

export interface SlotsInit {
  peers: Peers
  limits: ConnectionLimits
  /** Whether private ranges may be dialled. */
  local: boolean
  /** Addresses that the operator named: these may be private. */
  allowed?: Multiaddr[]
}

export function createSlots({ peers, limits, local, allowed = [] }: SlotsInit): Slots {
  const open = new Map<string, { peerId: string; ip: string | undefined }>()

  const facts = (peerId: string, address: Multiaddr): SlotFacts => {
    const ip = ipOf(address)
    let unstaked = 0
    let unstakedFromIp = 0
    for (const one of open.values()) {
      if (!peers.isStaked(one.peerId)) {
        unstaked++
        unstakedFromIp += one.ip === ip ? 1 : 0
      }
    }
    return {
      banned: peers.isBanned(peerId),
      staked: peers.isStaked(peerId) || peers.isClaimed(peerId),
      total: open.size,
      unstaked,
      unstakedFromIp
    }
  }

  const unstaked = () => [...open.values()].filter((one) => !peers.isStaked(one.peerId)).length

  return {
    gater: {
      denyDialPeer: (peerId) => peers.isBanned(peerId.toString()),
      denyDialMultiaddr: (address) => isForbidden(address, { local, allowed }),
      denyInboundEncryptedConnection: (peerId, connection: MultiaddrConnection) =>
        judgeSlot(facts(peerId.toString(), connection.remoteAddr), limits) != null,
      // what we dial we want, so only a ban closes it
      denyOutboundEncryptedConnection: (peerId) => peers.isBanned(peerId.toString())
    },
    opened(connection) {
      open.set(connection.id, { peerId: connection.remotePeer.toString(), ip: ipOf(connection.remoteAddr) })
    },
    closed(connection) {
      open.delete(connection.id)
    },
    counts: () => ({ total: open.size, unstaked: unstaked() }),
    isCrowded: () => unstaked() > limits.unstakedSlots
  }
}
