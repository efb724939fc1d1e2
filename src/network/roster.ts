import { createBans } from './bans.ts'
import type { Binding, PeerChange, Peers } from './peers.ts'

/** What the node's one libp2p asks of all its tasks together. Who may speak in which of them, each task's `Peers` say. */
export interface Roster extends Pick<Peers, 'isStaked' | 'isClaimed' | 'hasStake' | 'stakerOf' | 'bindingOf' | 'isBanned' | 'cut'> {
  /** Whether a task has let the peer in. */
  isStaked(peerId: string): boolean
  /** Banned in some task, and let in or claimed in no other; or cut for a flood, which is none of any task. */
  isBanned(peerId: string): boolean
  /** A flood on the wire: out of every task. */
  cut(peerId: string, reason: string): void
  /** A peer is let into its first task, or out of its last. */
  onChange(listener: (change: PeerChange) => void): () => void
  /** Returns what takes it out again. */
  add(peers: Peers): () => void
  /** Whether another task than that of `peers` has let the peer in. */
  isStakedBeside(peers: Peers, peerId: string): boolean
  /** The tasks that have let the peer in. */
  tasksOf(peerId: string): readonly Peers[]
  /** How many tasks there are. */
  size(): number
}

/**
 * Who is a peer of this node: whoever one of its tasks has let in.
 *
 * @param now wall clock in ms, as that of `createPeers`
 */
export function createRoster({ now = Date.now }: { now?: () => number } = {}): Roster {
  const tasks = new Set<Peers>()
  const listeners = new Set<(change: PeerChange) => void>()
  /** As the listeners know it. */
  const inside = new Set<string>()
  /** Of PeerIds, also for a task that comes while they are out. */
  const cuts = createBans(now)

  const first = (which: (peers: Peers) => boolean) => [...tasks].find(which)
  const some = (which: (peers: Peers) => boolean): boolean => {
    for (const peers of tasks) {
      if (which(peers)) {
        return true
      }
    }
    return false
  }
  const isStaked = (peerId: string) => some((peers) => peers.isStaked(peerId))

  const settle = ({ peerId, staker }: { peerId: string; staker: string }) => {
    const admitted = isStaked(peerId)
    if (admitted === inside.has(peerId)) {
      return
    }
    admitted ? inside.add(peerId) : inside.delete(peerId)
    for (const listener of listeners) {
      listener({ peerId, staker, admitted })
    }
  }

  const isWelcome = (peers: Peers, peerId: string) => peers.isStaked(peerId) || (peers.isClaimed(peerId) && !peers.isBanned(peerId))

  return {
    isStaked,
    isClaimed: (peerId) => some((peers) => peers.isClaimed(peerId)),
    hasStake(staker) {
      const known = [...tasks].map((peers) => peers.hasStake(staker))
      return known.includes(true) ? true : known.includes(undefined) ? undefined : false
    },
    stakerOf: (peerId) => (first((peers) => peers.isStaked(peerId)) ?? first((peers) => peers.stakerOf(peerId) != null))?.stakerOf(peerId),
    bindingOf(staker): Binding | undefined {
      const found = [...tasks].flatMap((peers) => peers.bindingOf(staker) ?? [])
      return found.find(({ confirmed }) => confirmed) ?? found[0]
    },
    isBanned: (peerId) => cuts.holds(peerId) || (some((peers) => peers.isBanned(peerId)) && !some((peers) => isWelcome(peers, peerId))),
    cut(peerId, reason) {
      cuts.ban(peerId, cuts.flood(peerId))
      for (const peers of [...tasks]) {
        peers.cut(peerId, reason)
      }
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    add(peers) {
      tasks.add(peers)
      const stop = peers.onChange(settle)
      peers.staked().forEach(settle)
      return () => {
        stop()
        tasks.delete(peers)
        peers.staked().forEach(settle)
      }
    },
    isStakedBeside: (peers, peerId) => some((other) => other !== peers && other.isStaked(peerId)),
    tasksOf: (peerId) => [...tasks].filter((peers) => peers.isStaked(peerId)),
    size: () => tasks.size
  }
}
