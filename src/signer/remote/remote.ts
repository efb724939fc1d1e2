/**
 * The node's side of a signer process: the same requests, a copy of its log, and how the key stands.
 *
 *     request ──> what this node knows itself (halted, held, contradicts its copy) ──> socket ──> signature checked, copied, given
 *     each new connection: whose key? ──> the log against the copy ──> how the key stands ──> requests
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pRetry from 'p-retry'
import { KeyInUseError, type WholeLog } from '../../identity/index.ts'
import { SignerAwayError } from '../errors.ts'
import type { Signer } from '../signer.ts'
import { type Connection, createConnection } from './connection.ts'
import { SignerBusyError } from './link.ts'
import { createRequests } from './requests.ts'
import type { Origin } from './trust.ts'

export interface RemoteSignerInit {
  /** Of the signer's socket. */
  path: string
  /** base58: of K2's programs, the one that the node settles with. */
  programId: string
  /** One connection is for one task: a node of several has as many. */
  task: string
  /** The node's own log: what this node signed itself before it had a signer stands in it, and the copy of the signer's beside that. */
  log: WholeLog
  /** The first cycle whose messages are live; undefined while the slot is not known. */
  liveFrom: () => number | undefined
  onAway(reason: string): void
  onBack(awayMs: number): void
  /** The signer's log lacks what it should have: nothing is signed until the node has listened. */
  onMistrust(reason: string): void
  /** Whether it answers is asked this often, and again while it does not. */
  pollMs?: number
  /** The longest that one answer may take. */
  answerMs?: number
  /** So long the first connection is tried, and a transaction is. */
  patienceMs?: number
  /** A log with more entries is none of a signer. */
  mostEntries?: number
}

export interface RemoteSigner {
  signer: Signer
  /** The copy of the signer's log; what is pruned is pruned there, too. */
  log: WholeLog
  /** Of the signer's data directory, for this task; `lost` too where its log lacks what this node signed in a live cycle. */
  trust: { origin(): Origin; trustLog(): void }
  /** Of the signer's log at the first connection: what is remembered of how the key stands belongs to it. */
  logId: string
  /** In ROE: the most that the signer lets one transaction bid. */
  maxFeeRoe: bigint
  /** One line for the operator while it is away. */
  notice(): string | null
  /** Ends what waits for it; what is to be said of the key still is. */
  abandon(): void
  /** Ends the connection. */
  close(): Promise<void>
}

const POLL_MS = 1_000
const ANSWER_MS = 5_000
const PATIENCE_MS = 10_000
const RETRY = { retries: Number.POSITIVE_INFINITY, minTimeout: 100, factor: 1.5, maxTimeout: 1_000 }

/**
 * Connects to a signer process, and stays so: what is asked for while it is away waits, a message or a vote as long as its cycle is live.
 *
 * @throws SignerAwayError, KeyInUseError where it serves another node
 */
export async function connectSigner(init: RemoteSignerInit): Promise<RemoteSigner> {
  const { programId, liveFrom, pollMs = POLL_MS, answerMs = ANSWER_MS, patienceMs = PATIENCE_MS } = init
  const connection = createConnection({ ...init, answerMs })
  await firstAnswer(connection, init, patienceMs)
  const { trust, ask } = connection
  const { publicKey, address, maxFeeRoe, logId, copy } = trust.facts()!
  const abandoned = new AbortController()
  const { signal } = abandoned
  keepAsking(connection, pollMs, signal).catch(() => {})

  /** One that is being asked just now is not waited for when the node stops: it may hang. */
  const ended = new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  ended.catch(() => {})
  const wait = <T>(run: () => Promise<T>, cycle: number | null): Promise<T> => {
    const asked = pRetry(run, {
      ...RETRY,
      signal,
      ...(cycle == null ? { maxRetryTime: patienceMs } : {}),
      shouldRetry: ({ error }) => error instanceof SignerAwayError && (cycle == null || (liveFrom() ?? 0) <= cycle)
    })
    return Promise.race([asked, ended])
  }
  const abandon = () => abandoned.abort(new SignerAwayError('the node is being stopped'))

  return {
    signer: createRequests({ connection, publicKey, address, programId, log: copy.log, wait }),
    log: {
      ...copy.log,
      prune(of, cycle) {
        copy.log.prune(of, cycle)
        // what is missed now is dropped with the next cycle
        ask('prune', { task: of, cycle: Math.max(0, cycle) }).catch(() => {})
      }
    },
    // it is said with `release`, before anything else is signed
    trust: { origin: trust.origin, trustLog: trust.restore },
    maxFeeRoe,
    logId,
    notice: connection.notice,
    abandon,
    async close() {
      abandon()
      await connection.close()
    }
  }
}

async function firstAnswer({ ask, close }: Connection, { path, task }: RemoteSignerInit, patienceMs: number): Promise<void> {
  try {
    await pRetry(() => ask('ping', {}), {
      ...RETRY,
      maxRetryTime: patienceMs,
      shouldRetry: ({ error }) => error instanceof SignerAwayError
    })
  } catch (err) {
    await close()
    throw err instanceof Error && err.cause instanceof SignerBusyError
      ? new KeyInUseError(
          `the signer at ${path} serves another node in the task ${task}, and one at a time, as two nodes with one key contradict each other: stop that node, or give this one a key of its own`
        )
      : err
  }
}

/** So that it is known at once when the signer goes and when it is back. */
async function keepAsking({ ask, isIdle }: Connection, pollMs: number, signal: AbortSignal): Promise<never> {
  for (;;) {
    await sleep(pollMs, undefined, { signal })
    if (isIdle()) {
      await ask('ping', {}).catch(() => {})
    }
  }
}
