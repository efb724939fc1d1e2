/**
 * Brings a proof here, level by level, from those who are said to have it: first its submitter, then the peers that are
 * connected anyway, the DHT last. Every bound is checked before what it bounds is read, or where that is known only
 * afterwards (a block's size) as the first thing.
 *
 *   local blocks ─▶ hinted providers, in order ─▶ connected peers ─▶ DHT ─▶ pause, and again until the deadline
 */
import type { CID } from 'multiformats/cid'
import { profileFault } from './cid-profile.ts'
import { isInvalidProof, ProofMalformedError, ProofTooLargeError, ProofUnavailableError } from './errors.ts'
import type { FetchComponents } from './fetch-providers.ts'
import { type Declared, type Fetched, type FetchStats, FetchWalk } from './fetch-walk.ts'
import { type DagLimits, DEFAULT_DAG_LIMITS, LIMITS } from './limits.ts'
import type { ProviderHint } from './providers.ts'

export type { Fetched } from './fetch-walk.ts'

export interface FetchOptions {
  /** Who to ask, in this order. */
  from?: ProviderHint[]
  /** What the submission says of the proof. It is held to both. */
  declared?: Declared
  limits?: Partial<DagLimits>
  /** The root block alone. */
  shallow?: boolean
  signal?: AbortSignal
  /** Until all blocks are here. @default 30000 */
  timeoutMs?: number
  /** Ends it as the timeout does, for who goes by another clock. */
  until?: AbortSignal | undefined
}

export class Fetcher {
  readonly #components: FetchComponents
  readonly #running = new Map<string, { walk: FetchWalk; waiting: number; result: Promise<Fetched> }>()
  readonly stats: FetchStats = { fetched: 0, bytes: 0, unavailable: 0, invalid: 0, dhtQueries: 0, stalls: 0 }

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
