import type { Connection, Libp2p, PeerInfo } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { shownText } from '../observe/shown-text.ts'
import type { KeyValue } from '../store/index.ts'
import type { Network } from '../wire/index.ts'
import { type AddressRules, judgeAddress, parseAddress, usableAddresses, withoutPeer } from './addresses.ts'
import { type Candidate, nextBatch, peerOf, type Source } from './candidates.ts'
import { PeerNotFoundError } from './errors.ts'
import type { Hello } from './hello.ts'
import type { Peers } from './peers.ts'
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
  now?: () => number
  log?: Log
  onEvent?: (event: DiscoveryEvent) => void
}

export interface Discovery {
  start(): void
  stop(): Promise<void>
  /** Looks for peers at once: after a restart of the network, or when stakes changed. */
  now(): Promise<void>
  /**
   * The PeerId of a staker's node, connected and confirmed by its hello.
   *
   * @throws PeerNotFoundError
   */
  findStaker(staker: string, options?: { signal?: AbortSignal }): Promise<string>
}

const MIN_PEERS = 8
const DIAL_TIMEOUT_MS = 5_000
const DHT_TIMEOUT_MS = 10_000
/** Between rounds: hasty while alone, unhurried while short of peers, slow when all is well. */
const ALONE_MS = 1_000
const SHORT_MS = 4_000
const FULL_MS = 30_000
/** Rounds without a peer double the pause up to this. */
const MAX_ALONE_MS = 30_000
/** First pause after a failed dial; doubled each time. */
const BACKOFF_MS = 1_000
const MAX_BACKOFF_MS = 5 * 60 * 1_000
/** Providers wander off as nodes come and go, long before their records expire. */
export const REPROVIDE_MS = 10 * 60 * 1_000
const MAX_CACHED = 64
const MAX_PROVIDERS = 32
const MAX_FAILURES = 1_024
const CACHE_PREFIX = 'peer/'

/**
 * Finds peers and stays connected to enough of them: cached peers, the address hints of the stake accounts, bootstrap
 * addresses, gossiped announcements, and the DHT last. Everything found is only a rumour until the hello.
 */
export function createDiscovery(init: DiscoveryInit): Discovery {
  const { libp2p, network, peers, hello, staker, hints, bootstrap = [], cache, local = false, minPeers = MIN_PEERS } = init
  const enough = typeof minPeers === 'function' ? minPeers : () => minPeers
  const { random = Math.random, timer = wallTimer, now = Date.now, log = silentLog, onEvent = () => {}, reprovideMs = REPROVIDE_MS } = init
  const failures = new Map<string, { count: number; untilMs: number }>()
  /** Addresses without a PeerId, and who answered there. */
  const answered = new Map<string, string>()
  const announced = new Map<string, true>()
  /** Texts that are no address to dial, so that each is told of once. */
  const refused = new Map<string, true>()
  let stopping = new AbortController()
  let cancelNext: (() => void) | undefined
  let round: Promise<void> | undefined
  let lonelyRounds = 0
  let providedAtMs = Number.NEGATIVE_INFINITY
  let providing: Promise<void> | undefined
  let searching: Promise<Candidate[]> | undefined

  const self = libp2p.peerId.toString()
  const rules = (): AddressRules => ({ local, own: libp2p.getMultiaddrs() })
  const operatorRules = (): AddressRules => ({ local: true, own: libp2p.getMultiaddrs() })
  const stakedNow = () => libp2p.getPeers().filter((peer) => peers.isStaked(peer.toString())).length
  const isConnected = (peerId: string) => libp2p.getPeers().some((peer) => peer.toString() === peerId)
  const jitter = (ms: number) => ms * (0.75 + random() / 2)

  const fromText = (text: string, source: Source, allowed: AddressRules): Candidate | undefined => {
    const parsed = parseAddress(text, allowed)
    if ('fault' in parsed) {
      if (parsed.fault !== 'own' && !refused.has(text)) {
        bounded(refused, text, true)
        const address = shownText(text, 64)
        onEvent({ type: 'refused', source, address, reason: parsed.fault })
        log.warn({ source, address, reason: parsed.fault }, 'passed over an address that cannot be dialled')
      }
      return undefined
    }
    const peer = peerOf(parsed.address)
    return { key: parsed.address.toString(), ...(peer == null ? {} : { peer }), addresses: [parsed.address], source }
  }

  const cached = async (): Promise<Candidate[]> => {
    const found: Candidate[] = []
    const keys = await cache?.list(CACHE_PREFIX).catch((err) => log.debug({ err }, 'no peers are remembered'))
    for (const key of (keys ?? []).slice(0, MAX_CACHED)) {
      try {
        const bytes = (await cache?.get(key)) as Uint8Array
        const addresses = (JSON.parse(Buffer.from(bytes).toString()) as string[]).map((text) => multiaddr(text))
        const peer = key.slice(CACHE_PREFIX.length)
        found.push({
          key: peer,
          peer,
          addresses: addresses.filter((one) => judgeAddress(one, rules()) == null),
          source: 'cache'
        })
      } catch {
        // no list of addresses, or one that is damaged
        await cache?.delete(key).catch((err) => log.debug({ err }, 'a peer that cannot be read stays remembered'))
      }
    }
    return found
  }

  const hinted = async (): Promise<Candidate[]> => {
    try {
      const all = await hints()
      return all
        .filter((one) => one.staker !== staker && one.address !== '')
        .flatMap((one) => {
          const candidate = fromText(one.address, 'hint', rules())
          return candidate == null ? [] : [{ ...candidate, staker: one.staker }]
        })
    } catch (err) {
      log.debug({ err }, 'no address hints')
      return []
    }
  }

  const claimed = (): Candidate[] =>
    peers.bindings().flatMap((binding): Candidate[] => {
      // both ends hear of each other at the same time: the one with the greater PeerId lets the other dial first
      if (binding.peerId > self && !announced.has(binding.peerId)) {
        bounded(announced, binding.peerId, true)
        return []
      }
      return [
        { key: binding.peerId, peer: binding.peerId, addresses: usableAddresses(binding.multiaddrs, rules()), source: 'announcement' }
      ]
    })

  const providersOf = async (key: CID, signal: AbortSignal): Promise<Candidate[]> => {
    const found: Candidate[] = []
    try {
      for await (const provider of libp2p.contentRouting.findProviders(key, { signal })) {
        found.push(...fromProvider(provider))
        if (found.length >= MAX_PROVIDERS) {
          break
        }
      }
      onEvent({ type: 'dht', action: 'searched', count: found.length })
    } catch (err) {
      onEvent({ type: 'dht', action: 'searched', count: found.length, reason: reasonOf(err) })
    }
    return found
  }
  const fromProvider = (provider: PeerInfo): Candidate[] => {
    const key = provider.id.toString()
    const addresses = provider.multiaddrs.filter((one) => judgeAddress(one, rules()) == null)
    return key === self || addresses.length === 0 ? [] : [{ key, peer: key, addresses: addresses.slice(0, 8), source: 'dht' }]
  }

  const search = (): Promise<Candidate[]> => {
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

  const mayDial = ({ key, peer: said, addresses, staker: whose }: Candidate) => {
    const peer = said ?? answered.get(key) ?? key
    const theirs = whose == null ? undefined : peers.bindingOf(whose)?.peerId
    const connected = isConnected(peer) || (theirs != null && isConnected(theirs))
    return addresses.length > 0 && peer !== self && !peers.isBanned(peer) && !connected && (failures.get(key)?.untilMs ?? 0) <= now()
  }

  /** Dials and waits for the hello. True when the peer may speak. */
  const reach = async (candidate: Candidate, signal: AbortSignal): Promise<boolean> => {
    const { key, peer: said, addresses, source } = candidate
    let connection: Connection
    try {
      const target = addresses.map((one) => (peerOf(one) == null && said != null ? one.encapsulate(`/p2p/${said}`) : one))
      const limit = AbortSignal.any([AbortSignal.timeout(DIAL_TIMEOUT_MS), signal])
      connection = await libp2p.dial(target, { signal: limit })
    } catch (err) {
      const retryMs = fail(key)
      onEvent({ type: 'failed', source, peer: said ?? key, reason: reasonOf(err), retryMs })
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
    onEvent({ type: 'connected', source, peer, staker: peers.stakerOf(peer) as string })
    await remember(peer, connection.remoteAddr)
    return true
  }

  const fail = (key: string): number => {
    const count = (failures.get(key)?.count ?? 0) + 1
    const retryMs = jitter(Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (count - 1)))
    bounded(failures, key, { count, untilMs: now() + retryMs })
    return retryMs
  }

  const remember = async (peer: string, address: Multiaddr) => {
    try {
      await cache?.put(`${CACHE_PREFIX}${peer}`, Buffer.from(JSON.stringify([withoutPeer(address).toString()])))
      const keys = (await cache?.list(CACHE_PREFIX)) ?? []
      for (const key of keys.slice(0, Math.max(0, keys.length - MAX_CACHED))) {
        await cache?.delete(key)
      }
    } catch (err) {
      log.debug({ err }, 'peer not remembered')
    }
  }

  const dialAll = async (candidates: Candidate[]) => {
    const seen = new Set<string>()
    const rest = candidates.filter((one) => mayDial(one) && !seen.has(one.key) && seen.add(one.key))
    while (rest.length > 0 && stakedNow() < enough() && !stopping.signal.aborted) {
      const batch = nextBatch(rest).filter(mayDial)
      for (const { source, key, peer } of batch) {
        onEvent({ type: 'found', source, peer: peer ?? key })
      }
      await Promise.all(batch.map((one) => reach(one, stopping.signal)))
    }
  }

  const look = async () => {
    peers.refresh()
    if (stakedNow() < enough()) {
      const named = bootstrap.flatMap((text) => fromText(text, 'bootstrap', operatorRules()) ?? [])
      await dialAll([...(await cached()), ...(await hinted()), ...named, ...claimed()])
    }
    if (libp2p.getPeers().length > 0) {
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

  const lookOnce = (): Promise<void> => {
    round ??= look()
      .catch((err) => log.warn({ err }, 'discovery failed'))
      .finally(() => {
        round = undefined
      })
    return round
  }

  const schedule = () => {
    if (stopping.signal.aborted) {
      return
    }
    const count = stakedNow()
    lonelyRounds = count === 0 ? lonelyRounds + 1 : 0
    const pauseMs = count >= enough() ? FULL_MS : count > 0 ? SHORT_MS : Math.min(MAX_ALONE_MS, ALONE_MS * 2 ** (lonelyRounds - 1))
    cancelNext = timer(() => void lookOnce().then(schedule), jitter(pauseMs))
  }

  // a peer that is gone may leave us alone: look again soon rather than at the end of a long pause
  const onDisconnect = () => {
    if (cancelNext != null && stakedNow() < enough()) {
      cancelNext()
      cancelNext = timer(() => void lookOnce().then(schedule), jitter(ALONE_MS))
    }
  }

  return {
    start() {
      stopping = new AbortController()
      libp2p.addEventListener('peer:disconnect', onDisconnect)
      void lookOnce().then(schedule)
    },
    async stop() {
      libp2p.removeEventListener('peer:disconnect', onDisconnect)
      stopping.abort(new Error('stopping'))
      cancelNext?.()
      cancelNext = undefined
      await Promise.allSettled([round, providing, searching])
    },
    now: lookOnce,
    async findStaker(wanted, { signal = AbortSignal.timeout(DHT_TIMEOUT_MS) } = {}) {
      const limit = AbortSignal.any([signal, stopping.signal])
      const bound = () => {
        const binding = peers.bindingOf(wanted)
        return binding != null && peers.isStaked(binding.peerId) && isConnected(binding.peerId) ? binding.peerId : undefined
      }
      const binding = peers.bindingOf(wanted)
      if (bound() == null && binding != null) {
        await reach(
          { key: binding.peerId, peer: binding.peerId, addresses: usableAddresses(binding.multiaddrs, rules()), source: 'announcement' },
          limit
        )
      }
      if (bound() == null) {
        for (const candidate of await providersOf(await stakerKey(network, wanted), limit)) {
          if (!isConnected(candidate.key)) {
            await reach(candidate, limit)
          }
          if (bound() != null) {
            break
          }
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

function reasonOf(err: unknown): string {
  if (err instanceof AggregateError) {
    return [...new Set(err.errors.map(reasonOf))].slice(0, 3).join('; ')
  }
  return err instanceof Error ? err.message : String(err)
}
