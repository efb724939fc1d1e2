/** Brings one proof here, level by level: every bound is checked before what it bounds is read, or as the first thing where only the block tells. */
import type { PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { BlockBytes, BlockSink } from './bitswap/index.ts'
import type { WriteSession } from './blocks.ts'
import { keyOf } from './cid-profile.ts'
import { type Facts, ProofMalformedError, type ProofUnavailableError } from './errors.ts'
import { Circles } from './fetch-circles.ts'
import { type Item, isRefused, notHere } from './fetch-items.ts'
import { type FetchComponents, type Provider, Providers } from './fetch-providers.ts'
import { type DagLimits, LIMITS } from './limits.ts'
import { checkHint, type ProviderHint } from './providers.ts'
import { DagBooks } from './walk.ts'

/** What a submission says of its proof. */
export interface Declared {
  sizeBytes: number
  blocks: number
}

export interface Fetched {
  sizeBytes: number
  blocks: number
  /** Blocks that were here already. */
  localBlocks: number
  /** Peers that gave blocks, most first. */
  fromPeers: string[]
}

export interface FetchStats {
  fetched: number
  bytes: number
  unavailable: number
  invalid: number
  dhtQueries: number
  stalls: number
}

/** One proof under way. */
export class FetchWalk implements BlockSink {
  readonly #components: FetchComponents
  readonly #stats: FetchStats
  readonly #root: CID
  readonly #options: { shallow: boolean; declared: Declared | undefined }
  readonly #books: DagBooks
  readonly #session: WriteSession
  readonly #controller = new AbortController()
  readonly #providers: Providers
  readonly #circles: Circles
  readonly #items = new Map<string, Item>()
  #level = Promise.withResolvers<void>()
  #timer: unknown
  /** Size of the blocks that come, lately: what is asked for at once is bounded in bytes too. */
  #typicalBytes = LIMITS.chunkBytes
  #pumping = false
  #localBlocks = 0

  constructor(
    components: FetchComponents,
    stats: FetchStats,
    root: CID,
    limits: DagLimits,
    options: { shallow: boolean; declared: Declared | undefined }
  ) {
    this.#components = components
    this.#stats = stats
    this.#root = root
    this.#options = options
    this.#books = new DagBooks(root, limits)
    this.#session = components.blocks.open()
    this.#level.promise.catch(() => {})
    const { signal } = this.#controller
    this.#providers = new Providers(components, signal, () => this.#pump())
    this.#circles = new Circles({
      components,
      root,
      signal,
      providers: this.#providers,
      stats,
      onFound: () => this.#pump(),
      onWider: () => this.#pumpSoon(),
      onAgain: () => {
        if (components.endsWhenRefused === true && isRefused(this.#items.values(), this.#providers, components.libp2p.peerId)) {
          this.#level.reject(this.refused())
          return false
        }
        for (const item of this.#items.values()) {
          item.refusedBy.clear()
        }
        return true
      }
    })
  }

  addHints(hints: ProviderHint[]): void {
    for (const hint of hints.slice(0, LIMITS.providers)) {
      const checked = checkHint(hint)
      if (checked != null) {
        this.#providers.add(checked.peerId, checked.multiaddrs)
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
    return { sizeBytes, blocks, localBlocks: this.#localBlocks, fromPeers: this.#providers.givers() }
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
    return this.#notHere(`did not arrive within ${Math.round(timeoutMs)} ms`, { timeoutMs })
  }

  /** Everybody who is known has said so. */
  refused(): ProofUnavailableError {
    return this.#notHere('is not to be had', { refused: true })
  }

  #notHere(what: string, facts: Facts): ProofUnavailableError {
    return notHere(this.#root, what, { facts, books: this.#books, missing: this.#items.values().next().value, providers: this.#providers })
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
    const provider = this.#providers.add(from, [])
    provider.gave++
    this.#typicalBytes += (bytes.byteLength - this.#typicalBytes) / 8
    this.#providers.progress(provider)
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
    const provider = this.#providers.get(from)
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
    const provider = this.#providers.get(from)
    if (provider == null) {
      return
    }
    this.#providers.fail(provider, reason)
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
    const provider = this.#providers.get(from)
    if (provider != null) {
      provider.fault = reason
    }
  }

  onRoom(): void {
    this.#pumpSoon()
  }

  // --- whom to ask

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
    for (const provider of this.#providers) {
      if (provider.peerId.equals(this.#components.libp2p.peerId) || provider.state === 'failed' || provider.restsUntilMs > nowMs) {
        continue
      }
      if (provider.state === 'new') {
        this.#providers.connect(provider)
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
    this.#circles.widen(nowMs)
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

  /** Looks after the providers that owe us something. */
  #tick(): void {
    const { timers } = this.#components
    const nowMs = timers.now()
    for (const provider of this.#providers.stalled(nowMs)) {
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
    this.#pump()
    this.#timer = timers.setTimeout(() => this.#tick(), LIMITS.stallMs / 5)
  }
}
