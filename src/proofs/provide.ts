/**
 * Tells the DHT which proofs are here, once when they are pinned and again while they are. Helia does not provide by
 * itself. The DHT is the last resort of whoever fetches, so a failure here is logged and tried again, never thrown.
 */
import type { CID } from 'multiformats/cid'
import PQueue from 'p-queue'
import pRetry from 'p-retry'
import { LIMITS } from './limits.ts'
import type { Timers } from './timers.ts'

export interface ProvideComponents {
  routing: {
    provide(cid: CID, options: { signal: AbortSignal }): Promise<void>
    /** kad-DHT keeps a list of its own of what to provide again. */
    cancelReprovide(cid: CID): Promise<void>
  }
  timers: Timers
  log: (format: string, ...args: unknown[]) => void
}

export interface ProvideInit {
  /** Half of how long peers keep the records, so that one that came late or was missed is there still. Asked each time. @default 20 minutes */
  reprovideIntervalMs?: number | (() => number)
  /** Pause before the second attempt; doubled for the third. @default 1000 */
  retryMs?: number
}

export class Announcer {
  readonly #components: ProvideComponents
  readonly #intervalMs: () => number
  readonly #retryMs: number
  readonly #queue = new PQueue({ concurrency: LIMITS.provideConcurrency })
  readonly #roots = new Map<string, CID>()
  readonly #queued = new Set<string>()
  /** What is being told of at this moment, so that it can be stopped. */
  readonly #underWay = new Map<string, AbortController>()
  readonly #controller = new AbortController()
  #timer: unknown
  readonly stats = { provided: 0, failed: 0 }

  constructor(components: ProvideComponents, { reprovideIntervalMs = LIMITS.reprovideIntervalMs, retryMs = 1000 }: ProvideInit = {}) {
    this.#components = components
    this.#intervalMs = typeof reprovideIntervalMs === 'function' ? reprovideIntervalMs : () => reprovideIntervalMs
    this.#retryMs = retryMs
  }

  start(roots: CID[]): void {
    for (const root of roots) {
      this.add(root)
    }
    const tick = () => {
      for (const root of this.#roots.values()) {
        this.#enqueue(root)
      }
      this.#timer = this.#components.timers.setTimeout(tick, this.#intervalMs())
    }
    this.#timer = this.#components.timers.setTimeout(tick, this.#intervalMs())
  }

  /** Provides `root` soon, and again and again until it is removed. */
  add(root: CID): void {
    const name = root.toString()
    if (!this.#roots.has(name)) {
      this.#roots.set(name, root)
      this.#enqueue(root)
    }
  }

  /** Provides `root` no more. The protocol has no way to take back what peers were told: they forget it by themselves. */
  remove(root: CID): void {
    if (this.#roots.delete(root.toString())) {
      this.#underWay.get(root.toString())?.abort(new Error('no longer provided'))
      this.#components.routing
        .cancelReprovide(root)
        .catch((err) => this.#components.log('could not stop providing %s - %s', root, err.message))
    }
  }

  async stop(): Promise<void> {
    this.#components.timers.clearTimeout(this.#timer)
    this.#queue.clear()
    this.#controller.abort()
    await this.#queue.onIdle()
  }

  /** Resolves when nothing waits to be provided. */
  async idle(): Promise<void> {
    await this.#queue.onIdle()
  }

  #enqueue(root: CID): void {
    const name = root.toString()
    if (this.#queued.has(name) || this.#controller.signal.aborted) {
      return
    }
    this.#queued.add(name)
    void this.#queue.add(async () => {
      const controller = new AbortController()
      const signal = AbortSignal.any([this.#controller.signal, controller.signal])
      this.#underWay.set(name, controller)
      try {
        if (this.#roots.has(name)) {
          await pRetry(() => this.#provide(root, signal), {
            retries: LIMITS.provideAttempts - 1,
            minTimeout: this.#retryMs,
            signal
          })
          this.stats.provided++
        }
      } catch (err) {
        if (!signal.aborted) {
          this.stats.failed++
          this.#components.log('could not provide %s, to be tried again in %d ms - %s', name, this.#intervalMs(), (err as Error).message)
        }
      } finally {
        this.#underWay.delete(name)
        this.#queued.delete(name)
        if (controller.signal.aborted && this.#roots.has(name)) {
          // taken back and pinned anew while it was being stopped
          this.#enqueue(root)
        }
      }
    })
  }

  async #provide(root: CID, signal: AbortSignal): Promise<void> {
    try {
      await this.#components.routing.provide(root, { signal: AbortSignal.any([signal, AbortSignal.timeout(LIMITS.provideTimeoutMs)]) })
    } catch (err) {
      // p-retry takes TypeErrors for bugs and does not try again; from the DHT they are as transient as the rest
      throw err instanceof TypeError ? new Error(err.message) : err
    }
  }
}
