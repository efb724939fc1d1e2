/**
 * Brings a proof here, level by level, from those who are said to have it: first its submitter, then the peers that are
 * connected anyway, the DHT last. Every bound is checked before what it bounds is read, or where that is known only
 * afterwards (a block's size) as the first thing.
 *
 *   local blocks ─▶ hinted providers, in order ─▶ connected peers ─▶ DHT ─▶ pause, and again until the deadline
 */
import type { Libp2p, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import type { BlockBytes, BlockClient, BlockSink } from './bitswap/index.ts'
import type { Blocks, WriteSession } from './blocks.ts'
import { keyOf, profileFault } from './cid-profile.ts'
import { isInvalidProof, ProofMalformedError, ProofTooLargeError, ProofUnavailableError } from './errors.ts'
import { type DagLimits, DEFAULT_DAG_LIMITS, LIMITS } from './limits.ts'
import { checkHint, connect, type DialBook, type ProviderHint } from './providers.ts'
import type { Timers } from './timers.ts'
import { DagBooks } from './walk.ts'

export interface FetchOptions {
  /** Who to ask, in this order. */
  from?: ProviderHint[]
  /** What the submission says of the proof. It is held to both. */
  declared?: { sizeBytes: number; blocks: number }
  limits?: Partial<DagLimits>
  /** The root block alone. */
  shallow?: boolean
  signal?: AbortSignal
  /** Until all blocks are here. @default 30000 */
  timeoutMs?: number
  /** Ends it as the timeout does, for who goes by another clock. */
  until?: AbortSignal | undefined
}

export interface Fetched {
  sizeBytes: number
  blocks: number
  /** Blocks that were here already. */
  localBlocks: number
  /** Peers that gave blocks, most first. */
  fromPeers: string[]
}

interface FetchComponents {
  libp2p: Libp2p
  blocks: Blocks
  client: BlockClient
  timers: Timers
  /** What was dialled; without it, as often as it takes. */
  dials?: DialBook | undefined
  log: (format: string, ...args: unknown[]) => void
}

export class Fetcher {
  readonly #components: FetchComponents
  readonly #running = new Map<string, { walk: FetchWalk; waiting: number; result: Promise<Fetched> }>()
  readonly stats = { fetched: 0, bytes: 0, unavailable: 0, invalid: 0, dhtQueries: 0, stalls: 0 }

  constructor(components: FetchComponents) {
    this.#components = components
  }

  /**
   * @throws ProofUnavailableError when it is not complete by the deadline
   * @throws ProofTooLargeError, ProofTooDeepError, ProofMalformedError when no deadline could help
   * @throws BlockStoreError when our own disk fails
   */
  async fetch(
    cid: CID,
    { from = [], declared, limits = {}, shallow = false, signal, timeoutMs = LIMITS.fetchTimeoutMs, until }: FetchOptions = {}
  ) {
    signal?.throwIfAborted()
    const bounds = boundsFor(cid, limits, declared)

    // a proof that two ask for at once is fetched once, from the providers of both
    const name = JSON.stringify([cid.toString(), shallow, bounds, declared])
    let run = this.#running.get(name)
    if (run == null) {
      const walk = new FetchWalk(this.#components, this.stats, cid, bounds, { shallow, declared })
      const result = walk.run().finally(() => this.#running.delete(name))
      result.catch(() => {})
      this.#running.set(name, (run = { walk, waiting: 0, result }))
    }
    run.walk.addHints(from)
    run.waiting++
    const { walk, result } = run
    const { promise: stopped, reject } = Promise.withResolvers<never>()
    stopped.catch(() => {})
    const onAbort = () => reject(signal?.reason)
    const onEnd = () => reject(walk.unavailable(timeoutMs))
    const timer = this.#components.timers.setTimeout(onEnd, timeoutMs)
    signal?.addEventListener('abort', onAbort)
    until?.addEventListener('abort', onEnd)
    if (until?.aborted === true) {
      onEnd()
    }
    try {
      return await Promise.race([result, stopped])
    } catch (err) {
      this.stats.unavailable += err instanceof ProofUnavailableError ? 1 : 0
      this.stats.invalid += isInvalidProof(err) ? 1 : 0
      throw err
    } finally {
      this.#components.timers.clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      until?.removeEventListener('abort', onEnd)
      if (--run.waiting === 0) {
        this.#running.delete(name)
        walk.stop()
      }
    }
  }

  stop(): void {
    for (const { walk } of this.#running.values()) {
      walk.stop()
    }
  }
}

/** The tighter of the limits and the declaration, which must itself be within the limits. */
function boundsFor(cid: CID, limits: Partial<DagLimits>, declared: FetchOptions['declared']): DagLimits {
  const bounds = { ...DEFAULT_DAG_LIMITS, ...limits }
  bounds.maxBlockBytes = Math.min(bounds.maxBlockBytes, LIMITS.blockBytes)
  const fault = profileFault(cid)
  if (fault != null) {
    throw new ProofMalformedError(cid, `proof ${cid} has ${fault}`, { block: cid.toString() })
  }
  if (declared == null) {
    return bounds
  }
  for (const [what, value, max] of [
    ['bytes', declared.sizeBytes, bounds.maxBytes],
    ['blocks', declared.blocks, bounds.maxBlocks]
  ] as const) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new ProofMalformedError(cid, `proof ${cid} is declared to have ${value} ${what}`, { [what]: value })
    }
    if (value > max) {
      throw new ProofTooLargeError(cid, `proof ${cid} is declared to have ${value} ${what}; ${max} are allowed`, { [what]: value, max })
    }
  }
  return { ...bounds, maxBytes: declared.sizeBytes, maxBlocks: declared.blocks }
}

interface Provider {
  peerId: PeerId
  name: string
  multiaddrs: Multiaddr[]
  /** Only the DHT names it. */
  isStranger: boolean
  state: 'new' | 'connecting' | 'ready' | 'failed'
  /** Since when it owes us something: a connection, or the next block. */
  waitingSinceMs: number
  /** The client's count of its bytes at that time. */
  bytesThen: number
  /** Not asked before then. */
  restsUntilMs: number
  asked: Set<string>
  gave: number
  why: string
  /** What broke the rules of the wire, lately. */
  fault?: string
}

interface Item {
  key: string
  /** One block may be linked under two codecs. */
  cids: CID[]
  /** Whom it was asked of, last; undefined while nobody is at it. */
  at: Provider | undefined
  refusedBy: Set<Provider>
  askedOf: Set<Provider>
  /** It has come and is being written, which may take long: it is asked for no more, and counts once. */
  here?: boolean
}

/** One proof under way. */
class FetchWalk implements BlockSink {
  readonly #components: FetchComponents
  readonly #stats: Fetcher['stats']
  readonly #root: CID
  readonly #options: { shallow: boolean; declared: FetchOptions['declared'] }
  readonly #books: DagBooks
  readonly #session: WriteSession
  readonly #controller = new AbortController()
  readonly #providers = new Map<string, Provider>()
  readonly #items = new Map<string, Item>()
  #level = Promise.withResolvers<void>()
  #timer: unknown
  #stage: 'hinted' | 'connected' | 'dht' | 'pause' = 'hinted'
  #stageEndsMs = 0
  #lookingUp = false
  /** Size of the blocks that come, lately: what is asked for at once is bounded in bytes too. */
  #typicalBytes = LIMITS.chunkBytes
  #nextLookUpMs = 0
  #pumping = false
  #localBlocks = 0

  constructor(
    components: FetchComponents,
    stats: Fetcher['stats'],
    root: CID,
    limits: DagLimits,
    options: { shallow: boolean; declared: FetchOptions['declared'] }
  ) {
    this.#components = components
    this.#stats = stats
    this.#root = root
    this.#options = options
    this.#books = new DagBooks(root, limits)
    this.#session = components.blocks.open()
    this.#level.promise.catch(() => {})
  }

  addHints(hints: ProviderHint[]): void {
    for (const hint of hints.slice(0, LIMITS.providers)) {
      const checked = checkHint(hint)
      if (checked != null) {
        this.#addProvider(checked.peerId, checked.multiaddrs)
      }
    }
    if (this.#items.size > 0) {
      this.#pump()
    }
  }

  async run(): Promise<Fetched> {
    let complete = false
    try {
      for (let level = this.#books.nextLevel(); level != null; level = this.#books.nextLevel()) {
        const missing = await this.#enterLocal(level)
        if (missing.length > 0) {
          await this.#enterRemote(missing)
        }
      }
      this.#checkDeclared()
      complete = true
    } finally {
      this.#session.close({ hold: complete })
      this.stop()
    }
    const { sizeBytes, blocks } = this.#books
    this.#stats.fetched++
    this.#stats.bytes += sizeBytes
    const givers = [...this.#providers.values()].filter(({ gave }) => gave > 0).sort((a, b) => b.gave - a.gave)
    return { sizeBytes, blocks, localBlocks: this.#localBlocks, fromPeers: givers.map(({ name }) => name) }
  }

  stop(): void {
    if (this.#controller.signal.aborted) {
      return
    }
    this.#controller.abort()
    this.#components.timers.clearTimeout(this.#timer)
    this.#components.client.release(this, this.#items.keys())
    this.#items.clear()
    this.#level.reject(new Error('the fetch was stopped'))
  }

  unavailable(timeoutMs: number): ProofUnavailableError {
    const missing = this.#items.values().next().value?.cids[0]
    const providers = [...this.#providers.values()].map(
      ({ name, why, gave, state }) => `${name}: ${why || state}${gave > 0 ? `, gave ${gave}` : ''}`
    )
    return new ProofUnavailableError(
      this.#root,
      `proof ${this.#root} did not arrive within ${Math.round(timeoutMs)} ms (${this.#books.blocks} of at least ${this.#books.known} blocks did). ` +
        (providers.length === 0 ? 'No peer is known to have it' : `Asked: ${providers.slice(0, 4).join('; ')}`),
      { timeoutMs, blocks: this.#books.blocks, known: this.#books.known, missing: missing?.toString(), providers }
    )
  }

  /** @returns the blocks that are not here */
  async #enterLocal(level: CID[]): Promise<CID[]> {
    const missing: CID[] = []
    for (let at = 0; at < level.length; at += LIMITS.walkConcurrency) {
      this.#controller.signal.throwIfAborted()
      const cids = level.slice(at, at + LIMITS.walkConcurrency)
      const found = await Promise.all(cids.map((cid) => this.#session.read(cid)))
      for (const [index, cid] of cids.entries()) {
        const bytes = found[index]
        if (bytes == null) {
          missing.push(cid)
        } else {
          this.#localBlocks++
          this.#enter(cid, bytes)
        }
      }
    }
    return missing
  }

  async #enterRemote(cids: CID[]): Promise<void> {
    this.#controller.signal.throwIfAborted()
    this.#level = Promise.withResolvers()
    for (const cid of cids) {
      const key = keyOf(cid)
      const item = this.#items.get(key)
      item == null
        ? this.#items.set(key, { key, cids: [cid], at: undefined, refusedBy: new Set(), askedOf: new Set() })
        : item.cids.push(cid)
    }
    this.#pump()
    this.#tick()
    try {
      await this.#level.promise
    } finally {
      this.#components.timers.clearTimeout(this.#timer)
    }
  }

  #enter(cid: CID, bytes: BlockBytes): void {
    this.#books.enter(cid, bytes, { follow: !this.#options.shallow })
  }

  #checkDeclared(): void {
    const { declared } = this.#options
    const { sizeBytes, blocks } = this.#books
    if (declared != null && (declared.sizeBytes !== sizeBytes || declared.blocks !== blocks)) {
      throw new ProofMalformedError(
        this.#root,
        `proof ${this.#root} is declared to have ${declared.blocks} blocks of ${declared.sizeBytes} bytes; it has ${blocks} of ${sizeBytes}`,
        { declaredBytes: declared.sizeBytes, declaredBlocks: declared.blocks, sizeBytes, blocks }
      )
    }
  }

  // --- what the exchange says

  async onBlock(key: string, bytes: BlockBytes, from: PeerId): Promise<void> {
    const item = this.#items.get(key)
    if (item == null || item.here === true) {
      return
    }
    item.here = true
    const provider = this.#addProvider(from, [])
    provider.gave++
    this.#typicalBytes += (bytes.byteLength - this.#typicalBytes) / 8
    this.#progress(provider)
    for (const asked of item.askedOf) {
      asked.asked.delete(key)
    }
    if (provider.restsUntilMs > 0) {
      this.#recover(provider)
    }
    try {
      // bounds first: a block that breaks one is never stored
      for (const cid of item.cids) {
        this.#enter(cid, bytes)
      }
      await this.#session.put(item.cids[0]!, bytes)
    } catch (err) {
      this.#level.reject(err)
      return
    }
    this.#items.delete(key)
    if (this.#items.size === 0) {
      this.#level.resolve()
    }
  }

  onDontHave(key: string, from: PeerId): void {
    const provider = this.#providers.get(from.toString())
    const item = this.#items.get(key)
    if (provider != null && item != null) {
      provider.asked.delete(key)
      provider.why = 'does not have it'
      item.refusedBy.add(provider)
      if (item.at === provider) {
        item.at = undefined
      }
      this.#pumpSoon()
    }
  }

  onLost(keys: string[], from: PeerId, reason: string): void {
    const provider = this.#providers.get(from.toString())
    if (provider == null) {
      return
    }
    this.#fail(provider, reason)
    for (const key of keys) {
      const item = this.#items.get(key)
      if (item?.at === provider) {
        item.at = undefined
      }
    }
    this.#pumpSoon()
  }

  onOversize(key: string, bytes: number): void {
    const cid = this.#items.get(key)?.cids[0]
    if (cid != null) {
      this.#level.reject(this.#books.oversize(cid, bytes))
    }
  }

  onFault(from: PeerId, reason: string): void {
    const provider = this.#providers.get(from.toString())
    if (provider != null) {
      provider.fault = reason
    }
  }

  onRoom(): void {
    this.#pumpSoon()
  }

  // --- whom to ask

  #addProvider(peerId: PeerId, multiaddrs: Multiaddr[], isStranger = false): Provider {
    const name = peerId.toString()
    let provider = this.#providers.get(name)
    if (provider == null) {
      provider = {
        peerId,
        name,
        multiaddrs,
        isStranger,
        state: 'new',
        waitingSinceMs: 0,
        bytesThen: 0,
        restsUntilMs: 0,
        asked: new Set(),
        gave: 0,
        why: ''
      }
      this.#providers.set(name, provider)
    } else if (multiaddrs.length > 0) {
      // who names another's PeerId with an address of his own does not take that one's place
      const known = new Set(provider.multiaddrs.map(String))
      const more = multiaddrs.filter((address) => !known.has(address.toString()))
      provider.multiaddrs = [...provider.multiaddrs, ...more].slice(0, LIMITS.multiaddrs)
    }
    provider.isStranger &&= isStranger
    return provider
  }

  #pumpSoon(): void {
    if (!this.#pumping) {
      this.#pumping = true
      setImmediate(() => {
        this.#pumping = false
        this.#pump()
      })
    }
  }

  /** Gives every block that nobody is at to the first provider who may have it. */
  #pump(): void {
    const waiting = [...this.#items.values()].filter(({ at, here }) => at == null && here !== true)
    if (waiting.length === 0 || this.#controller.signal.aborted) {
      return
    }
    const nowMs = this.#components.timers.now()
    let left = waiting
    for (const provider of this.#providers.values()) {
      if (provider.peerId.equals(this.#components.libp2p.peerId) || provider.state === 'failed' || provider.restsUntilMs > nowMs) {
        continue
      }
      if (provider.state === 'new') {
        this.#connect(provider)
      }
      if (provider.state === 'connecting') {
        if (nowMs - provider.waitingSinceMs < LIMITS.stallMs) {
          return // it may be ready in a moment: the tick comes back
        }
        continue
      }
      const others: Item[] = []
      const most = Math.max(LIMITS.minWantsInFlight, Math.floor(LIMITS.bytesInFlightPerPeer / this.#typicalBytes))
      let room = Math.min(this.#components.client.room(provider.peerId), most - provider.asked.size)
      let full = false
      for (const item of left) {
        if (item.refusedBy.has(provider)) {
          others.push(item)
        } else if (room <= 0) {
          full = true
        } else {
          room--
          this.#ask(provider, item, nowMs)
        }
      }
      if (full) {
        this.#components.client.whenRoom(this)
        return
      }
      left = others
      if (left.length === 0) {
        return
      }
    }
    this.#widen(nowMs)
  }

  #ask(provider: Provider, item: Item, nowMs: number): void {
    const again = item.askedOf.has(provider)
    if (provider.asked.size === 0) {
      provider.waitingSinceMs = nowMs
      provider.bytesThen = this.#components.client.bytesFrom(provider.peerId)
    }
    item.at = provider
    item.askedOf.add(provider)
    provider.asked.add(item.key)
    this.#components.client.ask(provider.peerId, item.cids[0]!, this, { again })
  }

  #connect(provider: Provider): void {
    const { libp2p, timers, dials } = this.#components
    if (libp2p.getConnections(provider.peerId).some(({ status }) => status === 'open')) {
      provider.state = 'ready'
      return
    }
    provider.state = 'connecting'
    provider.waitingSinceMs = timers.now()
    connect(libp2p, provider.peerId, provider.multiaddrs, this.#controller.signal, { book: dials, isStranger: provider.isStranger }).then(
      () => {
        provider.state = 'ready'
        this.#pump()
      },
      (err) => {
        this.#fail(provider, (err as Error).message)
        this.#pump()
      }
    )
  }

  #fail(provider: Provider, why: string): void {
    provider.state = 'failed'
    provider.why = why
    provider.asked.clear()
  }

  #progress(provider: Provider): void {
    provider.waitingSinceMs = this.#components.timers.now()
    provider.bytesThen = this.#components.client.bytesFrom(provider.peerId)
  }

  /** It was only slow: what it was asked for is awaited from it again, not asked for twice. */
  #recover(provider: Provider): void {
    provider.restsUntilMs = 0
    provider.why = ''
    for (const item of this.#items.values()) {
      if (item.at == null && this.#components.client.isAsked(provider.peerId, item.key)) {
        item.at = provider
        provider.asked.add(item.key)
      }
    }
  }

  /** Some block is wanted that no present provider may have: the next circle is asked. */
  #widen(nowMs: number): void {
    switch (this.#stage) {
      case 'hinted': {
        this.#stage = 'connected'
        for (const peerId of this.#components.libp2p.getPeers().slice(0, LIMITS.providers)) {
          this.#addProvider(peerId, [])
        }
        this.#pumpSoon()
        return
      }
      case 'connected':
        this.#stage = 'dht'
        if (nowMs >= this.#nextLookUpMs) {
          this.#nextLookUpMs = nowMs + LIMITS.reaskMs
          void this.#lookUp()
        } else {
          this.#pumpSoon()
        }
        return
      case 'dht':
        if (!this.#lookingUp) {
          this.#stage = 'pause'
          this.#stageEndsMs = nowMs + LIMITS.retryMs
        }
        return
      case 'pause':
        if (nowMs >= this.#stageEndsMs) {
          this.#stage = 'hinted'
          for (const provider of this.#providers.values()) {
            if (provider.state === 'failed') {
              provider.state = 'new'
            }
          }
          for (const item of this.#items.values()) {
            item.refusedBy.clear()
          }
          this.#pumpSoon()
        }
        return
    }
  }

  async #lookUp(): Promise<void> {
    this.#lookingUp = true
    this.#stats.dhtQueries++
    let found = 0
    try {
      for await (const { id, multiaddrs } of this.#components.libp2p.contentRouting.findProviders(this.#root, {
        signal: this.#controller.signal
      })) {
        const hint = checkHint({ peerId: id.toString(), multiaddrs: multiaddrs.map((address) => address.toString()) })
        if (hint != null) {
          this.#addProvider(hint.peerId, hint.multiaddrs, true)
          this.#pump()
        }
        if (++found >= LIMITS.providers) {
          break
        }
      }
    } catch (err) {
      if (!this.#controller.signal.aborted) {
        this.#components.log('no providers of %s from the DHT - %s', this.#root, (err as Error).message)
      }
    } finally {
      this.#lookingUp = false
      this.#pump()
    }
  }

  /** Looks after the providers that owe us something. */
  #tick(): void {
    const { timers, client } = this.#components
    const nowMs = timers.now()
    for (const provider of this.#providers.values()) {
      if (provider.state !== 'ready' || provider.asked.size === 0) {
        continue
      }
      if (client.bytesFrom(provider.peerId) - provider.bytesThen >= LIMITS.progressBytes) {
        this.#progress(provider)
      } else if (nowMs - provider.waitingSinceMs >= LIMITS.stallMs) {
        // it keeps what it was asked for, and what it still sends is taken; but others are asked for the same now
        this.#stats.stalls++
        provider.why = provider.fault ?? `sent nothing for ${LIMITS.stallMs} ms`
        delete provider.fault
        provider.restsUntilMs = nowMs + LIMITS.reaskMs
        for (const key of provider.asked) {
          const item = this.#items.get(key)
          if (item?.at === provider) {
            item.at = undefined
          }
        }
        provider.asked.clear()
      }
    }
    this.#pump()
    this.#timer = timers.setTimeout(() => this.#tick(), LIMITS.stallMs / 5)
  }
}
