import { peerIdFromMultihash } from '@libp2p/peer-id'
import * as Digest from 'multiformats/hashes/digest'
import { cycleAt, type Timing } from '../clock/index.ts'
import type { Message } from '../wire/index.ts'
import { BAN_MS, MAX_BAD_SIGNATURES } from './limits.ts'

/** What the network asks of K2's stake list. Answers come at once, from what was read last. */
export interface StakeView {
  /**
   * The stake that counts in `cycle`, in ROE, fixed when the cycle begins. 0n only when the set of that cycle is known and
   * holds none; undefined while it is not known.
   */
  weight(staker: string, cycle: number): bigint | undefined
  /**
   * Whether the staker has stake on K2 now, which may count only from a later cycle: it may enter the mesh. undefined while
   * K2 was not read. Left out, whoever has weight in a live cycle or the next may.
   */
  isStaked?(staker: string): boolean | undefined
}

/** What a staker said of itself in its latest announcement. */
export interface Binding {
  /** base58 staking key. */
  staker: string
  peerId: string
  /** Binary multiaddrs, without /p2p, not yet judged. */
  multiaddrs: Uint8Array[]
  sequence: number
  expirySlot: number
  /** Whether that PeerId itself presented the announcement over an authenticated connection. Gossip alone proves only what the staker claims. */
  confirmed: boolean
}

export type BindFault = 'not-an-announcement' | 'stale' | 'expired' | 'banned'
export interface PeerChange {
  peerId: string
  staker: string
  admitted: boolean
}

export interface Peers {
  /** Takes a verified announcement from gossip or sync: a claim, good for finding the peer. */
  claim(message: Message): BindFault | undefined
  /** Takes a verified announcement that its own PeerId presented: a proof, good for admission. */
  confirm(message: Message): BindFault | undefined
  /** Whether the peer may speak: bound by its own hello to a staker with stake, not expired, not out of favour. */
  isStaked(peerId: string): boolean
  /** Whether K2 has stake for this staker; undefined while it is not known. */
  hasStake(staker: string): boolean | undefined
  /** Whether a staker with stake claims this PeerId: enough to keep a slot for its hello. */
  isClaimed(peerId: string): boolean
  stakerOf(peerId: string): string | undefined
  bindingOf(staker: string): Binding | undefined
  /** Peers that may speak. */
  staked(): PeerIdentity[]
  bindings(): Binding[]
  /** Counts a wrong signature against a peer; the one too many cuts it. True when it was cut. */
  strike(peerId: string): boolean
  /** Cuts a peer, and the staker behind it. */
  ban(peerId: string, reason: string): void
  isBanned(peerId: string): boolean
  /** Looks at expiries and stakes again: call it when K2 was read, and now and then. */
  refresh(): void
  onChange(listener: (change: PeerChange) => void): () => void
  onBan(listener: (peerId: string, reason: string) => void): () => void
}

export interface PeerIdentity {
  peerId: string
  staker: string
}

export interface PeersInit {
  stakes: StakeView
  timing: Timing
  /** The slot of K2 now; undefined while it is not known. */
  slot: () => number | undefined
  /** Wall clock, for how long a ban lasts. */
  now?: () => number
}

/** Remembered identities out of favour or with strikes: attackers that rotate PeerIds push each other out, nobody else. */
const MAX_REMEMBERED = 4_096

/**
 * Who is who, and who may speak: stakers bound to PeerIds by their announcements. One binding per staker (the latest
 * sequence number wins) and one staker per PeerId.
 */
export function createPeers({ stakes, timing, slot, now = Date.now }: PeersInit): Peers {
  const bindings = new Map<string, Binding>()
  /** PeerId to staker, of confirmed bindings. */
  const owners = new Map<string, string>()
  const claimants = new Map<string, string>()
  const admitted = new Set<string>()
  const strikes = new Map<string, number>()
  const banned = new Map<string, number>()
  const changes = new Set<(change: PeerChange) => void>()
  const bans = new Set<(peerId: string, reason: string) => void>()

  const hasStake = (staker: string): boolean | undefined => {
    if (stakes.isStaked != null) {
      return stakes.isStaked(staker)
    }
    const at = slot()
    if (at == null) {
      return undefined
    }
    const cycle = Math.max(0, cycleAt(timing, at))
    const weights = [cycle - 2, cycle - 1, cycle, cycle + 1].filter((one) => one >= 0).map((one) => stakes.weight(staker, one))
    if (weights.some((weight) => weight != null && weight > 0n)) {
      return true
    }
    return weights.every((weight) => weight == null) ? undefined : false
  }

  const isBannedKey = (key: string) => {
    const until = banned.get(key)
    if (until == null) {
      return false
    }
    if (until <= now()) {
      banned.delete(key)
      strikes.delete(key)
      return false
    }
    return true
  }
  const isBanned = (peerId: string) => isBannedKey(peerId) || isBannedKey(owners.get(peerId) ?? '')

  const change = (peerId: string, staker: string, admit: boolean) => {
    if (admit === admitted.has(peerId)) {
      return
    }
    admit ? admitted.add(peerId) : admitted.delete(peerId)
    for (const listener of changes) {
      listener({ peerId, staker, admitted: admit })
    }
  }

  const evaluate = (binding: Binding) => {
    const { peerId, staker, expirySlot, confirmed } = binding
    if (!confirmed) {
      return
    }
    const at = slot()
    const staked = hasStake(staker)
    if (isBanned(peerId) || isBannedKey(staker) || staked === false || (at != null && at > expirySlot)) {
      change(peerId, staker, false)
    } else if (staked === true) {
      change(peerId, staker, true)
    }
    // not known: K2 is out of our sight, which must cost no peer its standing, nor give it one
  }

  const unbind = (binding: Binding) => {
    bindings.delete(binding.staker)
    if (claimants.get(binding.peerId) === binding.staker) {
      claimants.delete(binding.peerId)
    }
    if (owners.get(binding.peerId) === binding.staker) {
      change(binding.peerId, binding.staker, false)
      owners.delete(binding.peerId)
    }
  }

  const bind = (message: Message, confirmed: boolean): BindFault | undefined => {
    const said = message.body.announcement
    const peerId = said == null ? undefined : peerIdText(said.peerId)
    if (said == null || peerId == null) {
      return 'not-an-announcement'
    }
    const staker = message.signer
    if (isBanned(peerId) || isBannedKey(staker)) {
      return 'banned'
    }
    const at = slot()
    if (at != null && at > said.expirySlot) {
      return 'expired'
    }
    const before = bindings.get(staker)
    const same = before?.peerId === peerId
    // the same announcement again says nothing new, unless it now comes from the PeerId itself
    if (before != null && said.sequence < before.sequence && !(same && confirmed)) {
      return 'stale'
    }
    const newest = before != null && said.sequence < before.sequence ? before : said
    if (before != null && !same) {
      unbind(before)
    }
    if (confirmed) {
      // the connection is authenticated, so the PeerId's holder itself now speaks for another staker
      const owner = bindings.get(owners.get(peerId) ?? '')
      if (owner != null && owner.staker !== staker) {
        unbind(owner)
      }
      owners.set(peerId, staker)
    }
    const binding: Binding = {
      staker,
      peerId,
      // copies: the bytes are pieces of the frame in which they came
      multiaddrs: newest.multiaddrs.map((one) => new Uint8Array(one)),
      sequence: newest.sequence,
      expirySlot: newest.expirySlot,
      confirmed: confirmed || (same && before.confirmed)
    }
    bindings.set(staker, binding)
    claimants.set(peerId, staker)
    evaluate(binding)
    if (bindings.size > MAX_REMEMBERED) {
      // while K2 is not read, anybody may bind any key to itself: those with stake are few, and stay
      const idle = [...bindings.values()].find((one) => one !== binding && hasStake(one.staker) !== true)
      unbind(idle ?? binding)
    }
    return undefined
  }

  const ban = (peerId: string, reason: string) => {
    const staker = owners.get(peerId)
    const until = now() + BAN_MS
    remember(banned, peerId, until)
    if (staker != null) {
      remember(banned, staker, until)
      change(peerId, staker, false)
    }
    for (const listener of bans) {
      listener(peerId, reason)
    }
  }

  return {
    claim: (message) => bind(message, false),
    confirm: (message) => bind(message, true),
    isStaked: (peerId) => admitted.has(peerId),
    hasStake,
    isClaimed: (peerId) => {
      const staker = claimants.get(peerId)
      return staker != null && !isBannedKey(staker) && hasStake(staker) === true
    },
    stakerOf: (peerId) => owners.get(peerId),
    bindingOf: (staker) => bindings.get(staker),
    staked: () => [...admitted].map((peerId) => ({ peerId, staker: owners.get(peerId) as string })),
    bindings: () => [...bindings.values()],
    strike(peerId) {
      // counted for the staker where there is one, so that a new PeerId brings no new allowance
      const key = owners.get(peerId) ?? peerId
      const count = (strikes.get(key) ?? 0) + 1
      remember(strikes, key, count)
      if (count >= MAX_BAD_SIGNATURES && !isBanned(peerId)) {
        ban(peerId, `${count} wrong signatures`)
        return true
      }
      return false
    },
    ban,
    isBanned,
    refresh() {
      const at = slot()
      for (const binding of [...bindings.values()]) {
        evaluate(binding)
        if (at != null && at > binding.expirySlot) {
          unbind(binding)
        }
      }
    },
    onChange(listener) {
      changes.add(listener)
      return () => changes.delete(listener)
    },
    onBan(listener) {
      bans.add(listener)
      return () => bans.delete(listener)
    }
  }
}

/** Multihash bytes of a PeerId to its text, or undefined when they are not one. */
export function peerIdText(bytes: Uint8Array): string | undefined {
  try {
    return peerIdFromMultihash(Digest.decode(bytes)).toString()
  } catch {
    return undefined
  }
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > MAX_REMEMBERED) {
    map.delete(map.keys().next().value as string)
  }
}
