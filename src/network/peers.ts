import { peerIdFromMultihash } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import * as Digest from 'multiformats/hashes/digest'
import { cycleAt, type Timing } from '../clock/index.ts'
import type { StakeWeights } from '../judge/index.ts'
import { counted } from '../observe/words.ts'
import type { Message } from '../wire/index.ts'
import { createBans } from './bans.ts'
import { namesOfHints } from './hints.ts'
import { BAN_MS, MAX_BAD_SIGNATURES } from './limits.ts'

/** What a staker said of itself in its latest announcement. */
export interface Binding {
  /** base58 staking key. */
  staker: string
  peerId: string
  /** Binary multiaddrs, without /p2p, not yet judged. */
  multiaddrs: Uint8Array[]
  sequence: number
  /** The slot in which it was said, or heard where it claims to be said later. */
  saidSlot: number
  expirySlot: number
  /** Whether that PeerId itself presented the announcement over an authenticated connection. Gossip alone proves only what the staker claims. */
  confirmed: boolean
}

export type BindFault = 'not-an-announcement' | 'stale' | 'expired' | 'too-long' | 'banned'
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
  /** Whether a staker with stake claims this PeerId, in an announcement or in its stake account's hint: enough to keep a slot for its hello. */
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
  /** The same for a peer that sent too much: for `CUT_MS`, and twice as long each further time. */
  cut(peerId: string, reason: string): void
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
  stakes: StakeWeights
  timing: Timing
  /** The slot of K2 now; undefined while it is not known. */
  slot: () => number | undefined
  /** The address hints of the stake accounts on K2, as they are known now. */
  hints?: () => Iterable<{ staker: string; address: string }>
  /** Wall clock in ms, for how long a ban lasts, and for sequence numbers of a time that is not yet. It may be wrong. */
  now?: () => number
}

/** Bindings of all together: those with stake are fewer. */
const MAX_BINDINGS = 4_096

/** Rounds that an announcement holds at most; a node's own hold half of that. What says more is not believed at all. */
export const MAX_VALID_ROUNDS = 8

/** Sequence numbers are wall clocks: one that is further ahead of ours than this was made by a clock that was wrong, or ours is. */
const MAX_AHEAD_MS = 24 * 60 * 60 * 1_000

/**
 * Who is who, and who may speak: stakers bound to PeerIds by their announcements. One binding per staker (the latest wins, by K2's
 * slots, and by the sequence number within one of them) and one staker per PeerId.
 */
export function createPeers({ stakes, timing, slot, hints = () => [], now = Date.now }: PeersInit): Peers {
  const bindings = new Map<string, Binding>()
  /** PeerId to staker, of confirmed bindings. */
  const owners = new Map<string, string>()
  const claimants = new Map<string, string>()
  const hinted = namesOfHints(hints)
  const admitted = new Set<string>()
  const out = createBans(now)
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

  const isBanned = (peerId: string) => out.holds(peerId) || out.holds(owners.get(peerId) ?? '')

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
    if (isBanned(peerId) || out.holds(staker) || staked === false || (at != null && at > expirySlot)) {
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

  /** Above zero when the first was said later. */
  const compare = (one: { saidSlot: number; sequence: number }, other: { saidSlot: number; sequence: number }): number => {
    const isAhead = ({ sequence }: { sequence: number }) => Number(sequence > now() + MAX_AHEAD_MS)
    return one.saidSlot - other.saidSlot || isAhead(other) - isAhead(one) || one.sequence - other.sequence
  }

  const bind = (message: Message, confirmed: boolean): BindFault | undefined => {
    const said = message.body.announcement
    const peerId = said == null ? undefined : peerIdText(said.peerId)
    if (said == null || peerId == null) {
      return 'not-an-announcement'
    }
    const staker = message.signer
    if (isBanned(peerId) || out.holds(staker)) {
      return 'banned'
    }
    const at = slot()
    if (at != null && at > said.expirySlot) {
      return 'expired'
    }
    // nothing is said later than it is heard, so that a slot of the far future wins for a moment at most
    const heardSlot = at ?? message.body.slot
    const saidSlot = Math.min(message.body.slot ?? heardSlot, heardSlot)
    if (said.expirySlot - saidSlot > MAX_VALID_ROUNDS * timing.roundSlots) {
      return 'too-long'
    }
    const before = bindings.get(staker)
    const same = before?.peerId === peerId
    const order = before == null ? 1 : compare({ saidSlot, sequence: said.sequence }, before)
    // the same announcement again says nothing new, unless it now comes from the PeerId itself
    if (before != null && order < 0 && !(same && confirmed)) {
      return 'stale'
    }
    // what a PeerId says of itself now is what holds, whatever its clock was when it said more
    const isNews = before == null || order >= 0 || saidSlot === before.saidSlot
    const newest = isNews ? { ...said, saidSlot } : before
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
      saidSlot: newest.saidSlot,
      expirySlot: newest.expirySlot,
      confirmed: confirmed || (same && before.confirmed)
    }
    bindings.set(staker, binding)
    claimants.set(peerId, staker)
    evaluate(binding)
    if (bindings.size > MAX_BINDINGS) {
      // while K2 is not read, anybody may bind any key to itself: those with stake are few, and stay
      const idle = [...bindings.values()].find((one) => one !== binding && hasStake(one.staker) !== true)
      unbind(idle ?? binding)
    }
    return undefined
  }

  const ban = (peerId: string, reason: string, forMs = BAN_MS) => {
    const staker = owners.get(peerId)
    out.ban(peerId, forMs)
    if (staker != null) {
      out.ban(staker, forMs)
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
    isClaimed: (peerId) =>
      [claimants.get(peerId), ...hinted.stakersOf(peerId)].some(
        (staker) => staker != null && !out.holds(staker) && hasStake(staker) === true
      ),
    stakerOf: (peerId) => owners.get(peerId),
    bindingOf: (staker) => bindings.get(staker),
    staked: () => [...admitted].map((peerId) => ({ peerId, staker: owners.get(peerId) as string })),
    bindings: () => [...bindings.values()],
    strike(peerId) {
      // counted for the staker where there is one, so that a new PeerId brings no new allowance
      const key = owners.get(peerId) ?? peerId
      const count = out.strike(key)
      if (count >= MAX_BAD_SIGNATURES && !isBanned(peerId)) {
        ban(peerId, counted(count, 'wrong signature'))
        return true
      }
      return false
    },
    ban: (peerId, reason) => ban(peerId, reason),
    cut: (peerId, reason) => ban(peerId, reason, out.flood(owners.get(peerId) ?? peerId)),
    isBanned,
    refresh() {
      hinted.read()
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

/** What is wrong with where an announcement says that its node is; undefined when it can be read. The text of the PeerId, which costs much more, is not made. */
export function contactFault({ peerId, multiaddrs }: { peerId: Uint8Array; multiaddrs: Uint8Array[] }): string | undefined {
  try {
    peerIdFromMultihash(Digest.decode(peerId))
  } catch {
    return 'the PeerId does not parse'
  }
  try {
    for (const bytes of multiaddrs) {
      multiaddr(bytes)
    }
    return undefined
  } catch {
    return 'an address does not parse'
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
