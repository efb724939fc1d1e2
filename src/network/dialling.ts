/** Dials those who are said to be somewhere, waits for their hello, and leaves alone for a while what failed. */
import type { Connection, Libp2p } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { withoutPeer } from './addresses.ts'
import { bounded } from './bounded.ts'
import type { Candidate } from './candidates.ts'
import { reasonOf } from './errors.ts'
import type { Hello } from './hello.ts'
import { DIAL_TIMEOUT_MS, MAX_ADDRESSES_PER_DIAL } from './limits.ts'
import type { PeerCache } from './peer-cache.ts'
import type { Peers } from './peers.ts'
import type { DiscoveryEvent } from './rumours.ts'

/** First pause after a failed dial; doubled each time. */
const BACKOFF_MS = 1_000
const MAX_BACKOFF_MS = 5 * 60 * 1_000

export interface DiallingInit {
  libp2p: Libp2p
  peers: Peers
  hello: Pick<Hello, 'greet'>
  remembered: Pick<PeerCache, 'good'>
  isConnected: (peerId: string) => boolean
  jitter: (ms: number) => number
  /** In ms, for pauses. */
  now: () => number
  onEvent: (event: DiscoveryEvent) => void
}

export function createDialling({ libp2p, peers, hello, remembered, isConnected, jitter, now, onEvent }: DiallingInit) {
  /** Of peers, and of addresses as those of a peer: a wrong one costs no other its turn. */
  const failures = new Map<string, { count: number; untilMs: number }>()
  /** Addresses without a PeerId, and who answered there. */
  const answered = new Map<string, string>()
  const self = libp2p.peerId.toString()

  const rests = (key: string) => (failures.get(key)?.untilMs ?? 0) > now()
  const asOf = (key: string, address: Multiaddr) => `${key} ${address}`

  const mayDial = ({ key, peer: said, addresses, staker: whose }: Candidate) => {
    const peer = said ?? answered.get(key) ?? key
    const theirs = whose == null ? undefined : peers.bindingOf(whose)?.peerId
    const connected = isConnected(peer) || (said == null && theirs != null && isConnected(theirs))
    const isRested = !rests(key) && addresses.some((address) => !rests(asOf(key, address)))
    return isRested && peer !== self && !peers.isBanned(peer) && !connected
  }

  /** Connects to whoever must answer at one of the addresses, so many at a time, the best first. */
  const connect = async (candidate: Candidate, signal: AbortSignal, hurried: boolean): Promise<Connection | undefined> => {
    const { key, peer: said, addresses, source } = candidate
    const rested = addresses.filter((address) => hurried || !rests(asOf(key, address)))
    for (let at = 0; at < rested.length && !signal.aborted; at += MAX_ADDRESSES_PER_DIAL) {
      const some = rested.slice(at, at + MAX_ADDRESSES_PER_DIAL)
      try {
        const target = some.map((one) => (said == null ? one : one.encapsulate(`/p2p/${said}`)))
        return await libp2p.dial(target, { signal: AbortSignal.any([AbortSignal.timeout(DIAL_TIMEOUT_MS), signal]) })
      } catch (err) {
        if (signal.aborted) {
          return undefined
        }
        const retryMs = Math.min(...some.map((address) => fail(asOf(key, address))))
        onEvent({ type: 'failed', source, peer: said ?? key, reason: reasonOf(err), retryMs })
      }
    }
    return undefined
  }

  /** Dials and waits for the hello. True when the peer may speak. Hurried, also where a dial failed a moment ago. */
  const reach = async (candidate: Candidate, signal: AbortSignal, hurried = false): Promise<boolean> => {
    const { key, source } = candidate
    const connection = await connect(candidate, signal, hurried)
    if (connection == null) {
      return false
    }
    const outcome = await hello.greet(connection)
    const peer = outcome.peerId
    if (peer !== key) {
      bounded(answered, key, peer)
    }
    if (!peers.isStaked(peer)) {
      fail(key)
      onEvent({ type: 'unstaked', source, peer, reason: 'fault' in outcome ? outcome.fault : 'no stake known yet' })
      return false
    }
    failures.delete(key)
    failures.delete(asOf(key, withoutPeer(connection.remoteAddr)))
    onEvent({ type: 'connected', source, peer, staker: peers.stakerOf(peer) as string })
    await remembered.good(peer, connection.remoteAddr)
    return true
  }

  const fail = (key: string): number => {
    const count = (failures.get(key)?.count ?? 0) + 1
    const retryMs = jitter(Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (count - 1)))
    bounded(failures, key, { count, untilMs: now() + retryMs })
    return retryMs
  }

  return { mayDial, reach }
}
