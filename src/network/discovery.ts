import type { Libp2p, PeerId } from '@libp2p/interface'
import type { KeyValue } from '../store/index.ts'
import type { Network } from '../wire/index.ts'
import type { AddressRules } from './addresses.ts'
import { byPeer, nextBatch, type Rumour, type Source } from './candidates.ts'
import { dialAbreast } from './dial-abreast.ts'
import { createDialling } from './dialling.ts'
import { PeerNotFoundError, reasonOf } from './errors.ts'
import type { Hello } from './hello.ts'
import { createPeerCache } from './peer-cache.ts'
import type { Peers } from './peers.ts'
import { createRhythm } from './rhythm.ts'
import { createRumours, type DiscoveryEvent } from './rumours.ts'
import { type Log, silentLog, type Timer, wallTimer } from './seams.ts'
import { rendezvousKey, stakerKey } from './topic.ts'

export type { DiscoveryEvent } from './rumours.ts'
export type { Source }

export interface DiscoveryInit {
  libp2p: Libp2p
  network: Network
  peers: Peers
  hello: Hello
  /** Our own staking key, or undefined for a node without stake: it looks for others but offers itself to nobody. */
  staker?: string
  /** The address hints of the stake accounts on K2. May fail: it is asked again. */
  hints: () => Promise<Array<{ staker: string; address: string }>>
  bootstrap?: string[]
  /** Remembers good peers over restarts. */
  cache?: KeyValue
  local?: boolean
  /** How many staked peers to stay connected to. */
  minPeers?: number | (() => number)
  /** Pause between tellings of the DHT where we are; well within the lifetime of its records. @default 10 minutes */
  reprovideMs?: number
  random?: () => number
  timer?: Timer
  /** In ms, for pauses: a clock that is set must not make them longer. */
  now?: () => number
  log?: Log
  onEvent?: (event: DiscoveryEvent) => void
}

export interface Discovery {
  start(): void
  stop(): Promise<void>
  /** Looks for peers at once: after a restart of the network, or when stakes changed. */
  now(): Promise<void>
  /** Somebody may be found who could not be found before: looks soon, where peers are wanted. */
  hasten(): void
  /**
   * The PeerId of a staker's node, connected and confirmed by its hello.
   *
   * @throws PeerNotFoundError
   */
  findStaker(staker: string, options?: { signal?: AbortSignal }): Promise<string>
}

const MIN_PEERS = 8
const DHT_TIMEOUT_MS = 10_000
/** Between rounds: hasty while alone, unhurried while short of peers, slow when all is well. */
const ALONE_MS = 1_000
const SHORT_MS = 4_000
const FULL_MS = 30_000
/** Rounds without a peer double the pause up to this. */
const MAX_ALONE_MS = 30_000
/** Before somebody who may be dialling us is dialled, and before one that is gone is looked for. */
const MOMENT_MS = 200
/** What a failed dial says against a remembered address, while others answer and while nobody does: see PeerCache. */
const FAILED_AMONG_PEERS = 8
const FAILED_ALONE = 3
/** Providers wander off as nodes come and go, long before their records expire. */
export const REPROVIDE_MS = 10 * 60 * 1_000

/**
 * Finds peers and stays connected to enough of them: cached peers, the address hints of the stake accounts, bootstrap
 * addresses, gossiped announcements, and the DHT last. Everything found is only a rumour until the hello.
 */
export function createDiscovery(init: DiscoveryInit): Discovery {
  const { libp2p, network, peers, hello, staker, hints, bootstrap = [], cache, local = false, minPeers = MIN_PEERS } = init
  const enough = typeof minPeers === 'function' ? minPeers : () => minPeers
  const {
    random = Math.random,
    timer = wallTimer,
    now = () => performance.now(),
    log = silentLog,
    onEvent = () => {},
    reprovideMs = REPROVIDE_MS
  } = init
  let stopping = new AbortController()
  /** Somebody was left a moment to dial us first. */
  let isWaiting = false
  let lonelyRounds = 0
  let providedAtMs = Number.NEGATIVE_INFINITY
  let providing: Promise<void> | undefined
  let searching: Promise<Rumour[]> | undefined

  const operatorRules = (): AddressRules => ({ local: true, own: libp2p.getMultiaddrs() })
  const stakedNow = () => libp2p.getPeers().filter((peer) => peers.isStaked(peer.toString())).length
  const isConnected = (peerId: string) => libp2p.getPeers().some((peer) => peer.toString() === peerId)
  const jitter = (ms: number) => ms * (0.75 + random() / 2)
  const remembered = createPeerCache({ store: cache, log, isConnected })
  dialAbreast(libp2p)

  const rumours = createRumours({
    ...{ libp2p, peers, staker, hints, remembered, local, log, onEvent },
    onWaiting: () => {
      isWaiting = true
    }
  })
  const { fromText, cached, hinted, claimedBy, claimed, providersOf } = rumours

  const search = (): Promise<Rumour[]> => {
    searching ??= rendezvousKey(network)
      .then((key) => providersOf(key, AbortSignal.any([AbortSignal.timeout(DHT_TIMEOUT_MS), stopping.signal])))
      .finally(() => {
        searching = undefined
      })
    return searching
  }

  const provide = async () => {
    if (staker == null || libp2p.getPeers().length === 0 || now() - providedAtMs < reprovideMs) {
      return
    }
    providedAtMs = now()
    try {
      for (const key of [await rendezvousKey(network), await stakerKey(network, staker)]) {
        await libp2p.contentRouting.provide(key, { signal: AbortSignal.any([AbortSignal.timeout(DHT_TIMEOUT_MS), stopping.signal]) })
      }
      onEvent({ type: 'dht', action: 'provided', count: 2 })
    } catch (err) {
      // soon again, but not in a loop
      providedAtMs = now() - reprovideMs + SHORT_MS
      onEvent({ type: 'dht', action: 'provided', count: 0, reason: reasonOf(err) })
    }
  }

  const { mayDial, reach } = createDialling({ libp2p, peers, hello, remembered, isConnected, jitter, now, onEvent })

  const dialAll = async (rumours: Rumour[]) => {
    const hasOtherWays = rumours.some(({ source }) => source !== 'cache')
    const rest = byPeer(rumours).filter(mayDial)
    while (rest.length > 0 && stakedNow() < enough() && !stopping.signal.aborted) {
      const batch = nextBatch(rest).filter(mayDial)
      for (const { source, key, peer } of batch) {
        onEvent({ type: 'found', source, peer: peer ?? key })
      }
      const reached = await Promise.all(batch.map((one) => reach(one, stopping.signal)))
      const weight = stakedNow() > 0 ? FAILED_AMONG_PEERS : hasOtherWays ? FAILED_ALONE : 0
      for (const [at, { key }] of batch.entries()) {
        if (reached[at] === false && !isConnected(key) && !stopping.signal.aborted) {
          await remembered.failed(key, weight)
        }
      }
    }
  }

  const look = async () => {
    peers.refresh()
    if (stakedNow() < enough()) {
      const named = bootstrap.flatMap((text) => fromText(text, 'bootstrap', operatorRules()))
      await dialAll([...(await cached()), ...(await hinted()), ...named, ...claimed()])
    }
    if (libp2p.getPeers().length > 0 && !stopping.signal.aborted) {
      // not waited for: a slow DHT must not hold up the next look at everything else
      providing ??= provide().finally(() => {
        providing = undefined
      })
      if (stakedNow() < enough() && searching == null) {
        void search()
          .then(dialAll)
          .catch((err) => log.debug({ err }, 'dialling what the DHT found failed'))
      }
    }
    onEvent({ type: 'peers', staked: stakedNow(), wanted: enough() })
  }

  const pauseMs = (): number => {
    const count = stakedNow()
    lonelyRounds = count === 0 ? lonelyRounds + 1 : 0
    const unhurriedMs = count > 0 ? SHORT_MS : Math.min(MAX_ALONE_MS, ALONE_MS * 2 ** (lonelyRounds - 1))
    const ms = count >= enough() ? FULL_MS : isWaiting ? MOMENT_MS : unhurriedMs
    isWaiting = false
    return jitter(ms)
  }

  const rhythm = createRhythm({ run: () => look().catch((err) => log.warn({ err }, 'discovery failed')), pauseMs, timer, now })

  // a staked peer that is gone may leave us alone: look again soon rather than at the end of a long pause. Those without stake come
  // and go as they like, and hasten nothing
  const onDisconnect = (event?: CustomEvent<PeerId>) => {
    const peer = event?.detail?.toString()
    if (stakedNow() < enough() && (peer == null || peers.isStaked(peer))) {
      rhythm.within(jitter(peer == null ? ALONE_MS : MOMENT_MS))
    }
  }

  return {
    start() {
      stopping = new AbortController()
      libp2p.addEventListener('peer:disconnect', onDisconnect)
      rhythm.start()
    },
    async stop() {
      libp2p.removeEventListener('peer:disconnect', onDisconnect)
      stopping.abort(new Error('stopping'))
      rhythm.stop()
      await Promise.allSettled([rhythm.idle(), providing, searching])
    },
    now: rhythm.now,
    hasten() {
      if (stakedNow() < enough()) {
        rhythm.within(jitter(MOMENT_MS))
      }
    },
    async findStaker(wanted, { signal = AbortSignal.timeout(DHT_TIMEOUT_MS) } = {}) {
      const limit = AbortSignal.any([signal, stopping.signal])
      const bound = () => {
        const binding = peers.bindingOf(wanted)
        return binding != null && peers.isStaked(binding.peerId) && isConnected(binding.peerId) ? binding.peerId : undefined
      }
      const binding = peers.bindingOf(wanted)
      for (const candidate of bound() == null && binding != null ? byPeer(claimedBy(binding)) : []) {
        await reach(candidate, limit, true)
      }
      for (const candidate of bound() == null ? byPeer(await providersOf(await stakerKey(network, wanted), limit)) : []) {
        if (!isConnected(candidate.key)) {
          await reach(candidate, limit, true)
        }
        if (bound() != null) {
          break
        }
      }
      const peerId = bound()
      if (peerId == null) {
        throw new PeerNotFoundError(`no peer that speaks for ${wanted} was found: it may be offline, or not reachable from here`)
      }
      return peerId
    }
  }
}
