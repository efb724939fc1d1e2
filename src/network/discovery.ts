import type { Connection, Libp2p, PeerId, PeerInfo } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { shownText } from '../observe/shown-text.ts'
import type { KeyValue } from '../store/index.ts'
import type { Network } from '../wire/index.ts'
import { type AddressRules, judgeAddress, parseAddress, usableAddresses, withoutPeer } from './addresses.ts'
import { byPeer, type Candidate, nextBatch, peerOf, type Rumour, type Source } from './candidates.ts'
import { dialAbreast } from './dial-abreast.ts'
import { PeerNotFoundError, reasonOf } from './errors.ts'
import type { Hello } from './hello.ts'
import { DIAL_TIMEOUT_MS, MAX_ADDRESSES_PER_DIAL } from './limits.ts'
import { createPeerCache } from './peer-cache.ts'
import type { Binding, Peers } from './peers.ts'
import { createRhythm } from './rhythm.ts'
import { type Log, silentLog, type Timer, wallTimer } from './seams.ts'
import { rendezvousKey, stakerKey } from './topic.ts'

export type { Source }

export type DiscoveryEvent =
  | { type: 'found'; source: Source; peer: string }
  | { type: 'connected'; source: Source; peer: string; staker: string }
  /** Reached, but it does not speak for a stake. */
  | { type: 'unstaked'; source: Source; peer: string; reason: string }
  | { type: 'failed'; source: Source; peer: string; reason: string; retryMs: number }
  | { type: 'refused'; source: Source; address: string; reason: string }
  | { type: 'dht'; action: 'provided' | 'searched'; count: number; reason?: string }
  | { type: 'peers'; staked: number; wanted: number }

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
/** First pause after a failed dial; doubled each time. */
const BACKOFF_MS = 1_000
const MAX_BACKOFF_MS = 5 * 60 * 1_000
/** Providers wander off as nodes come and go, long before their records expire. */
export const REPROVIDE_MS = 10 * 60 * 1_000
const MAX_PROVIDERS = 32
const MAX_FAILURES = 1_024

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
  /** Of peers, and of addresses as those of a peer: a wrong one costs no other its turn. */
  const failures = new Map<string, { count: number; untilMs: number }>()
  /** Addresses without a PeerId, and who answered there. */
  const answered = new Map<string, string>()
  const announced = new Map<string, true>()
  /** Texts that are no address to dial, so that each is told of once. */
  const refused = new Map<string, true>()
  let stopping = new AbortController()
  /** Somebody was left a moment to dial us first. */
  let isWaiting = false
  let lonelyRounds = 0
  let providedAtMs = Number.NEGATIVE_INFINITY
  let providing: Promise<void> | undefined
  let searching: Promise<Rumour[]> | undefined

  const self = libp2p.peerId.toString()
  const rules = (): AddressRules => ({ local, own: libp2p.getMultiaddrs() })
  const operatorRules = (): AddressRules => ({ local: true, own: libp2p.getMultiaddrs() })
  const stakedNow = () => libp2p.getPeers().filter((peer) => peers.isStaked(peer.toString())).length
  const isConnected = (peerId: string) => libp2p.getPeers().some((peer) => peer.toString() === peerId)
  const jitter = (ms: number) => ms * (0.75 + random() / 2)
  const remembered = createPeerCache({ store: cache, log, isConnected })
  dialAbreast(libp2p)

  const fromText = (text: string, source: Source, allowed: AddressRules): Rumour[] => {
    const parsed = parseAddress(text, allowed)
    if ('fault' in parsed) {
      if (parsed.fault !== 'own' && !refused.has(text)) {
        bounded(refused, text, true)
        const address = shownText(text, 64)
        onEvent({ type: 'refused', source, address, reason: parsed.fault })
        // not as `source`, which is what a task says (src/observe/repeats.ts)
        log.warn({ from: source, address, reason: parsed.fault }, 'passed over an address that cannot be dialled')
      }
      return []
    }
    const peer = peerOf(parsed.address)
    return [{ address: peer == null ? parsed.address : withoutPeer(parsed.address), ...(peer == null ? {} : { peer }), source }]
  }

  const cached = async (): Promise<Rumour[]> => {
    const usable = (address: Multiaddr) => judgeAddress(address, rules()) == null
    return (await remembered.list()).flatMap(({ peer, addresses }) =>
      addresses.filter(usable).map((address): Rumour => ({ address: withoutPeer(address), peer, source: 'cache' }))
    )
  }

  const hinted = async (): Promise<Rumour[]> => {
    try {
      const all = (await hints()).filter((one) => one.staker !== staker && one.address !== '')
      return all.flatMap((one) => fromText(one.address, 'hint', rules()).map((rumour) => ({ ...rumour, staker: one.staker })))
    } catch (err) {
      log.debug({ err }, 'no address hints')
      return []
    }
  }

  const claimedBy = ({ peerId: peer, multiaddrs, staker: whose }: Binding): Rumour[] =>
    usableAddresses(multiaddrs, rules()).map((address) => ({ address, peer, source: 'announcement', staker: whose }))

  const claimed = (): Rumour[] =>
    peers.bindings().flatMap((binding) => {
      // both ends hear of each other at the same time: the one with the greater PeerId lets the other dial first
      if (binding.peerId > self && !announced.has(binding.peerId)) {
        bounded(announced, binding.peerId, true)
        isWaiting = true
        return []
      }
      return claimedBy(binding)
    })

  const providersOf = async (key: CID, signal: AbortSignal): Promise<Rumour[]> => {
    const found = new Map<string, Rumour[]>()
    try {
      for await (const provider of libp2p.contentRouting.findProviders(key, { signal })) {
        const rumours = fromProvider(provider)
        if (rumours.length > 0) {
          found.set(provider.id.toString(), rumours)
        }
        if (found.size >= MAX_PROVIDERS) {
          break
        }
      }
      onEvent({ type: 'dht', action: 'searched', count: found.size })
    } catch (err) {
      onEvent({ type: 'dht', action: 'searched', count: found.size, reason: reasonOf(err) })
    }
    return [...found.values()].flat()
  }
  const fromProvider = (provider: PeerInfo): Rumour[] => {
    const peer = provider.id.toString()
    const addresses = provider.multiaddrs.filter((one) => judgeAddress(one, rules()) == null).slice(0, 8)
    return peer === self ? [] : addresses.map((address) => ({ address: withoutPeer(address), peer, source: 'dht' }))
  }

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

function bounded<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > MAX_FAILURES) {
    map.delete(map.keys().next().value as string)
  }
}
