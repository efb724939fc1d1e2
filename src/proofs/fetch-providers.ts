/** Who may have the blocks of one proof, and what each of them owes us. */
import type { Libp2p, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { BlockClient } from './bitswap/index.ts'
import type { Blocks } from './blocks.ts'
import { LIMITS } from './limits.ts'
import { connect, type DialBook } from './providers.ts'
import type { Timers } from './timers.ts'

export interface FetchComponents {
  libp2p: Libp2p
  blocks: Blocks
  client: BlockClient
  timers: Timers
  /** What was dialled; without it, as often as it takes. */
  dials?: DialBook | undefined
  /** Whether a fetch ends when all who are known have said that they lack a block, and the DHT names nobody new; else it waits for one who gets it. */
  endsWhenRefused?: boolean | undefined
  log: (format: string, ...args: unknown[]) => void
}

export interface Provider {
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
  /** Keys of the blocks that are awaited from it. */
  asked: Set<string>
  /** How many blocks it gave. */
  gave: number
  why: string
  /** What broke the rules of the wire, lately. */
  fault?: string
}

export class Providers {
  readonly #components: FetchComponents
  readonly #signal: AbortSignal
  readonly #onSettled: () => void
  readonly #all = new Map<string, Provider>()

  /** @param onSettled called when a connection was made, or was not */
  constructor(components: FetchComponents, signal: AbortSignal, onSettled: () => void) {
    this.#components = components
    this.#signal = signal
    this.#onSettled = onSettled
  }

  get(peerId: PeerId): Provider | undefined {
    return this.#all.get(peerId.toString())
  }

  /** In the order in which they were named. */
  [Symbol.iterator](): IterableIterator<Provider> {
    return this.#all.values()
  }

  add(peerId: PeerId, multiaddrs: Multiaddr[], isStranger = false): Provider {
    const name = peerId.toString()
    let provider = this.#all.get(name)
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
      this.#all.set(name, provider)
    } else if (multiaddrs.length > 0) {
      // who names another's PeerId with an address of his own does not take that one's place
      const known = new Set(provider.multiaddrs.map(String))
      const more = multiaddrs.filter((address) => !known.has(address.toString()))
      provider.multiaddrs = [...provider.multiaddrs, ...more].slice(0, LIMITS.multiaddrs)
    }
    provider.isStranger &&= isStranger
    return provider
  }

  connect(provider: Provider): void {
    const { libp2p, timers, dials } = this.#components
    if (libp2p.getConnections(provider.peerId).some(({ status }) => status === 'open')) {
      provider.state = 'ready'
      return
    }
    provider.state = 'connecting'
    provider.waitingSinceMs = timers.now()
    connect(libp2p, provider.peerId, provider.multiaddrs, this.#signal, { book: dials, isStranger: provider.isStranger }).then(
      () => {
        provider.state = 'ready'
        this.#onSettled()
      },
      (err) => {
        this.fail(provider, (err as Error).message)
        this.#onSettled()
      }
    )
  }

  fail(provider: Provider, why: string): void {
    provider.state = 'failed'
    provider.why = why
    provider.asked.clear()
  }

  /** It has just given us something, or begins to owe it. */
  progress(provider: Provider): void {
    provider.waitingSinceMs = this.#components.timers.now()
    provider.bytesThen = this.#components.client.bytesFrom(provider.peerId)
  }

  /** Those who have sent nothing of what they owe for so long that others are to be asked. */
  stalled(nowMs: number): Provider[] {
    return [...this].filter((provider) => {
      if (provider.state !== 'ready' || provider.asked.size === 0) {
        return false
      }
      if (this.#components.client.bytesFrom(provider.peerId) - provider.bytesThen >= LIMITS.progressBytes) {
        this.progress(provider)
        return false
      }
      return nowMs - provider.waitingSinceMs >= LIMITS.stallMs
    })
  }

  /** Those who failed may be tried again. */
  forgive(): void {
    for (const provider of this) {
      if (provider.state === 'failed') {
        provider.state = 'new'
      }
    }
  }

  /** Who gave blocks, most first. */
  givers(): string[] {
    return [...this]
      .filter(({ gave }) => gave > 0)
      .sort((a, b) => b.gave - a.gave)
      .map(({ name }) => name)
  }

  /** What became of each, in words. */
  describe(): string[] {
    return [...this].map(({ name, why, gave, state }) => `${name}: ${why || state}${gave > 0 ? `, gave ${gave}` : ''}`)
  }
}
