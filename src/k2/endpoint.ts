import PQueue from 'p-queue'
import type { Logger } from '../observe/index.ts'
import { counted } from '../observe/words.ts'
import { type EndpointFacts, PAUSES, type Pauses, pauseMs } from './choose.ts'
import { ask, connect, type Fault, type K2Connection, nameOf, REQUEST_TIMEOUT_MS, webSocketUrl } from './connection.ts'
import { K2UnreachableError, messageOf } from './errors.ts'
import { isOverworked } from './faults.ts'
import { createFeed, type Feed } from './feed.ts'
import { createSlotNotices } from './slot-notices.ts'

/** Bounds on what this node asks of one endpoint. */
export interface EndpointLimits extends Partial<Pauses> {
  /** How long one request may take. */
  timeoutMs?: number
  maxResponseBytes?: number
  /** Requests under way at a time. */
  concurrency?: number
  requestsPerSecond?: number
  /** How long a question to several endpoints waits for one that is being left alone, default a second. */
  patienceMs?: number
  /** At least so long from one question whether it is still of the same network to the next, default five seconds. */
  doubtPauseMs?: number
  /** A question that takes longer is told of, default five seconds. */
  waitToldMs?: number
  /** A transaction is waited for so long, default half a minute. */
  confirmMs?: number
}

/** Solana's public endpoints take 40 connections and 10 requests a second of each method; a few seconds of a node's work are less. */
const CONCURRENCY = 32
const REQUESTS_PER_SECOND = 100
/** More than this waits only when the endpoint does not keep up: a longer queue would end in timeouts all the same. */
const LONGEST_QUEUE = 2000
/** How often in a row an endpoint may say something else than the majority: once or twice it may have been a slot ahead. */
const ODD_IN_A_ROW = 3
const SUSPECT_MS = 10 * 60_000

/** What an endpoint is like, for status and metrics. */
export interface EndpointStatus {
  name: string
  state: 'good' | 'behind' | 'paused' | 'suspect' | 'of another network'
  slot: number | null
  lagSlots: number
  latencyMs: number
  requests: number
  failures: number
  contradictions: number
}

/** One JSON-RPC endpoint: its own connection, limits, pauses and record. */
export interface Endpoint {
  name: string
  url: string
  connection: K2Connection
  feed: Feed
  facts(): EndpointFacts
  /** When the oldest request that is not answered yet was made; Infinity when there is none. */
  oldestRequestMs(): number
  counters(): { requests: number; failures: number; contradictions: number }
  /**
   * Runs a request when its turn has come.
   *
   * @param waitMs - how long it may wait for its turn, a pause included
   * @throws K2UnreachableError, or what web3.js throws about the request itself
   */
  ask<T>(request: (connection: K2Connection) => Promise<T>, waitMs?: number): Promise<T>
  /** It told a slot, by an answer or, of itself, by subscription. */
  heard(slot: number, bySubscription?: boolean): void
  /** The slot that it told by subscription, when it has just done so. */
  told(): number | undefined
  /** Resolves when it has told a slot after this one, or when it is not about to: not long after in any case. */
  past(slot: number): Promise<void>
  /** It said the same as the majority, or something else. */
  agreed(yes: boolean, detail?: object): void
  drop(reason: string): void
  /** The machine is in another network: nothing comes any more over the connections of before. */
  renew(reason: string): void
  close(): void
}

export interface EndpointInit {
  url: string
  /** Tells endpoints at one host apart. */
  name?: string
  limits?: EndpointLimits
  log: Logger
  nowMs: () => number
  random: () => number
  /** Its WebSocket has been dialled, and may have led to another chain than before. */
  onConnected: () => void
  /** Why it is left alone for a while. */
  onTrouble: (reason: string) => void
}

export function createEndpoint({ url, limits = {}, log, nowMs, random, onConnected, onTrouble, ...init }: EndpointInit): Endpoint {
  const timeoutMs = limits.timeoutMs ?? REQUEST_TIMEOUT_MS
  const queue = new PQueue({
    concurrency: limits.concurrency ?? CONCURRENCY,
    intervalCap: limits.requestsPerSecond ?? REQUESTS_PER_SECOND,
    interval: 1000
  })
  let slot: number | undefined
  let heardMs = 0
  let pausedUntilMs = 0
  let failuresInARow = 0
  let dropped = false
  let latencyMs = 0
  let resume: NodeJS.Timeout | undefined
  let closed = false
  /** Those that wait for their turn. */
  const turns = new Set<AbortController>()
  /** In the order in which they were made. */
  const open = new Set<{ sinceMs: number }>()
  const notices = createSlotNotices(nowMs)
  const counters = { requests: 0, failures: 0, contradictions: 0 }

  const onFault = ({ reason, retryAfterMs }: Fault) => {
    if (closed) {
      return
    }
    counters.failures++
    onTrouble(reason)
    const now = nowMs()
    // requests that were under way together fail together: that is one failure
    if (pausedUntilMs > now && retryAfterMs == null) {
      return
    }
    failuresInARow++
    const pause = pauseMs(failuresInARow, retryAfterMs, random(), { ...PAUSES, ...limits })
    pausedUntilMs = now + pause
    queue.pause()
    clearTimeout(resume)
    resume = setTimeout(() => {
      pausedUntilMs = 0
      queue.start()
    }, pause)
    // who waits for it keeps the process alive; else it is no reason to
    if (queue.size === 0) {
      resume.unref()
    }
    log.debug({ endpoint: name, reason, pauseMs: Math.round(pause) }, 'a K2 endpoint failed')
  }

  const connection = connect({
    url,
    timeoutMs,
    maxResponseBytes: limits.maxResponseBytes,
    onFault,
    onAnswer: (tookMs) => {
      latencyMs = latencyMs === 0 ? tookMs : latencyMs * 0.8 + tookMs * 0.2
    }
  })
  const name = init.name ?? nameOf(url)
  const record = createRecord({ name, log, nowMs, counters })
  const feed = createFeed({ url: webSocketUrl(url), name, log, nowMs, random, pauses: { ...PAUSES, ...limits }, onConnected })

  return {
    name,
    url,
    connection,
    feed,
    facts: () => ({
      name,
      dropped,
      slot,
      heardMs,
      pausedUntilMs,
      suspectUntilMs: record.suspectUntilMs(),
      load: queue.size + queue.pending,
      latencyMs
    }),
    oldestRequestMs: () => open.values().next().value?.sinceMs ?? Number.POSITIVE_INFINITY,
    counters: () => ({ ...counters }),
    async ask(request, waitMs = timeoutMs) {
      if (closed) {
        throw new K2UnreachableError(`K2 at ${name} is asked no more: this client was closed`)
      }
      if (dropped) {
        throw new K2UnreachableError(`${name} belongs to another network and is not asked: take it out of --k2`)
      }
      if (queue.size >= LONGEST_QUEUE) {
        throw new K2UnreachableError(
          `K2 at ${name} does not keep up: ${counted(queue.size, 'request')} ${queue.size === 1 ? 'waits' : 'wait'} for it`
        )
      }
      const made = { sinceMs: nowMs() }
      open.add(made)
      const turn = new AbortController()
      turns.add(turn)
      const waiting = setTimeout(() => turn.abort(), waitMs)
      resume?.ref()
      try {
        const answer = await queue.add(
          () => {
            clearTimeout(waiting)
            counters.requests++
            return ask(name, () => request(connection))
          },
          { signal: turn.signal }
        )
        failuresInARow = 0
        return answer
      } catch (err) {
        if (turn.signal.aborted) {
          throw new K2UnreachableError(`K2 at ${name} does not answer (it failed before and is left alone for a while): try again later`)
        }
        // faults of HTTP were told by the connection; these are seen only here
        if (isOverworked(err)) {
          onFault({ reason: messageOf(err) })
        }
        throw err
      } finally {
        open.delete(made)
        turns.delete(turn)
        clearTimeout(waiting)
      }
    },
    heard(said, bySubscription = false) {
      if (Number.isSafeInteger(said) && said >= 0) {
        slot = said
        heardMs = nowMs()
        if (bySubscription) {
          notices.heard(said)
        }
      }
    },
    told: notices.told,
    past: notices.past,
    agreed: record.agreed,
    drop(reason) {
      if (!dropped) {
        dropped = true
        feed.close()
        log.error({ endpoint: name, reason }, 'a K2 endpoint is dropped: take it out of --k2')
      }
    },
    renew(reason) {
      failuresInARow = 0
      connection.renew()
      feed.reset(reason)
    },
    close() {
      closed = true
      feed.close()
      clearTimeout(resume)
      connection.close()
      for (const turn of turns) {
        turn.abort()
      }
    }
  }
}

/** Whether it says what the others say: one that does not, again and again, is believed last for a while. */
function createRecord({
  name,
  log,
  nowMs,
  counters
}: Required<Pick<EndpointInit, 'name' | 'log' | 'nowMs'>> & { counters: { contradictions: number } }) {
  let suspectUntilMs = 0
  let oddInARow = 0
  return {
    suspectUntilMs: () => suspectUntilMs,
    agreed(yes: boolean, detail?: object): void {
      if (yes) {
        oddInARow = 0
        return
      }
      oddInARow++
      counters.contradictions++
      log[oddInARow === 1 ? 'info' : 'warn']({ endpoint: name, ...detail }, 'a K2 endpoint says something else than the others')
      if (oddInARow >= ODD_IN_A_ROW && suspectUntilMs < nowMs()) {
        suspectUntilMs = nowMs() + SUSPECT_MS
        log.warn(
          { endpoint: name, ...detail },
          'this K2 endpoint contradicts the others again and again, and is believed last: look for another'
        )
      }
    }
  }
}
