import { Connection, SolanaJSONRPCError } from '@solana/web3.js'
import { commandLine } from '../command/index.ts'
import { retryAfterMs } from './choose.ts'
import { K2ArgumentError, K2UnreachableError, messageOf } from './errors.ts'
import { codeOf, type Seen, seenBy, TransportError } from './faults.ts'
import { parseJson, stringifyJson } from './json.ts'

/** web3.js asks without a deadline: an endpoint that hangs would hang the node. */
export const REQUEST_TIMEOUT_MS = 10_000
/** The stakes of 30,000 stakers, as JSON. More than that is no answer to any question of ours. */
export const MAX_RESPONSE_BYTES = 32 * 1024 * 1024
/** Of what an endpoint says in words, this much is told on. */
const TOLD_CHARACTERS = 200

/** For so long after a renewal a connection that is taken from the pool may be one from before it, as endpoints let idle ones live, */
const UNSURE_MS = 120_000
/** and an answer that takes longer is asked for again. */
const UNSURE_TRY_MS = 4_000

/** Why a request came to nothing that was not the request's own fault. */
export interface Fault {
  reason: string
  /** What the endpoint asked for with Retry-After. */
  retryAfterMs?: number | undefined
}

export interface ConnectionInit {
  /** JSON-RPC endpoint. */
  url: string
  /** How long one request may take, body and all. */
  timeoutMs?: number | undefined
  maxResponseBytes?: number | undefined
  onFault?: (fault: Fault) => void
  onAnswer?: (tookMs: number) => void
}

/** web3.js reads JSON's integers as doubles, which hold 9,007,199 KOII in ROE and no more: amounts are asked for by `requestExact`. */
export interface K2Connection extends Connection {
  /**
   * One JSON-RPC request; in parameters and result alike, an integer past 2^53 is a bigint.
   *
   * @throws SolanaJSONRPCError, with the endpoint's `code`; what `ask` tells as the endpoint's fault where there is a longer one than of 64 bits
   */
  requestExact(method: string, params: unknown[]): Promise<unknown>
  /** Whatever is under way is asked again over a new connection: the machine has left the network of the old ones. */
  renew(): void
  /** Nothing is asked any more, and what is under way fails at once. */
  close(): void
}

/**
 * A web3.js connection whose every request ends, and whose every answer is JSON of a bounded size. It is for requests alone:
 * subscriptions are the feed's.
 *
 * @throws K2ArgumentError
 */
export function connect(init: ConnectionInit): K2Connection {
  const { url, timeoutMs = REQUEST_TIMEOUT_MS, maxResponseBytes = MAX_RESPONSE_BYTES, onFault, onAnswer } = init
  if (!/^https?:\/\/[^\s/]/.test(url) || !URL.canParse(url)) {
    throw new K2ArgumentError(`"${url}" is not the URL of a K2: give one such as http://127.0.0.1:8899 with --k2`)
  }
  const refuse = (
    reason: string,
    { answered, httpStatus, ...after }: { answered: boolean; httpStatus?: number; retryAfterMs?: number | undefined }
  ): never => {
    onFault?.({ reason, retryAfterMs: after.retryAfterMs })
    see({ fault: { reason, answered, httpStatus } })
    throw new Error(reason)
  }
  const closing = new AbortController()
  let renewal = new AbortController()
  let renewedMs = Number.NEGATIVE_INFINITY
  /** One answer, over whatever connection; undefined when that is one from before a renewal, and nothing will come over it. */
  const tryOnce = async (request: RequestInit | undefined, leftMs: number) => {
    const unsure = performance.now() - renewedMs < UNSURE_MS
    const given = AbortSignal.timeout(Math.ceil(unsure ? Math.min(UNSURE_TRY_MS, leftMs) : leftMs))
    const { signal } = renewal
    try {
      const response = await fetch(url, { ...request, signal: AbortSignal.any([given, signal, closing.signal]) })
      return { response, text: await boundedText(response, maxResponseBytes) }
    } catch (err) {
      if (!closing.signal.aborted && (signal.aborted || (unsure && given.aborted))) {
        return undefined
      }
      throw err
    }
  }
  const post = async (request?: RequestInit) => {
    see({})
    const startedMs = performance.now()
    let answer: Awaited<ReturnType<typeof tryOnce>>
    try {
      do {
        answer = await tryOnce(request, Math.max(1, timeoutMs - (performance.now() - startedMs)))
      } while (answer == null && performance.now() - startedMs < timeoutMs)
    } catch (err) {
      return refuse(messageOf(err), { answered: err instanceof TooLongError })
    }
    if (answer == null) {
      return refuse(`nothing came within ${Math.round(timeoutMs / 1000)} s`, { answered: false })
    }
    const { response, text } = answer
    if (!response.ok) {
      return refuse(`HTTP ${response.status} ${response.statusText}: ${text.slice(0, TOLD_CHARACTERS)}`, {
        answered: true,
        httpStatus: response.status,
        retryAfterMs: retryAfterMs(response.headers.get('retry-after'), Date.now())
      })
    }
    const envelope = envelopeOf(text)
    if (envelope == null) {
      return refuse(`not JSON-RPC: ${text.slice(0, TOLD_CHARACTERS)}`, { answered: true })
    }
    see({ code: codeOf(envelope.error) })
    onAnswer?.(performance.now() - startedMs)
    return { ok: true, status: 200, statusText: 'OK', text: async () => text }
  }
  const connection = new Connection(url, {
    commitment: 'confirmed',
    disableRetryOnRateLimit: true,
    fetch: ((_url: string, request?: RequestInit) => post(request)) as never
  })
  const requestExact = async (method: string, params: unknown[]): Promise<unknown> => {
    const body = stringifyJson({ jsonrpc: '2.0', id: method, method, params })
    const response = await post({ method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const text = await response.text()
    let answer: { result?: unknown; error?: { code: unknown; message: string } | null }
    try {
      answer = parseJson(text) as typeof answer
    } catch (err) {
      return refuse(messageOf(err), { answered: true })
    }
    const { result, error } = answer
    if (error != null) {
      throw new SolanaJSONRPCError(error as never, `${method} failed`)
    }
    return result
  }
  const renew = () => {
    renewedMs = performance.now()
    renewal.abort(new Error('the connection is given up'))
    renewal = new AbortController()
  }
  return Object.assign(connection, { requestExact, renew, close: () => closing.abort(new Error('this client was closed')) })
}

/** An amount as `requestExact` gives it. @throws TypeError, which says that the endpoint makes no sense */
export function exactAmount(value: unknown, what: string): bigint {
  const amount = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value as bigint | number) : -1n
  if (amount >= 0n && amount <= 2n ** 64n - 1n) {
    return amount
  }
  throw new TypeError(
    `${what} is ${typeof value === 'object' ? 'an object' : String(value).slice(0, TOLD_CHARACTERS)}, which is no amount of 64 bits`
  )
}

class TooLongError extends Error {
  override name = 'TooLongError'
}

async function boundedText(response: Response, maxBytes: number): Promise<string> {
  const refusal = new TooLongError(`the answer has more than ${maxBytes} bytes`)
  if (Number(response.headers.get('content-length') ?? 0) > maxBytes) {
    await response.body?.cancel()
    throw refusal
  }
  const chunks: Uint8Array[] = []
  let size = 0
  // leaving the loop cancels the body
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > maxBytes) {
      throw refusal
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size).toString('utf8')
}

/** Undefined when it is none of JSON-RPC. */
function envelopeOf(text: string): { error?: unknown } | undefined {
  try {
    const value = JSON.parse(text) as { error?: unknown } | null
    return typeof value === 'object' && value != null && ('result' in value || 'error' in value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Remembered for who asks, and nothing of the request before. */
function see(what: Seen): void {
  const seen = seenBy.getStore()
  if (seen != null) {
    seen.fault = what.fault
    seen.code = what.code
  }
}

/** An endpoint's name in logs and errors: its origin. What follows may be the key of its customer. */
export function nameOf(url: string): string {
  const { origin, pathname, search } = new URL(url)
  return pathname === '/' && search === '' ? origin : `${origin}/...`
}

/** Where an endpoint's WebSocket is: on the next port where there is a port, as Solana's nodes have it, else at the same address. */
export function webSocketUrl(url: string): string {
  const parsed = new URL(url)
  parsed.protocol = parsed.protocol === 'https:' ? 'wss:' : 'ws:'
  if (parsed.port !== '') {
    parsed.port = `${Number(parsed.port) + 1}`
  }
  return parsed.href
}

/** The command that starts a local K2 where one was looked for. */
function startOf(url: string): string {
  const port = URL.canParse(url) ? new URL(url).port : ''
  return commandLine(['k2'], { port: port === '' || port === DEFAULT_PORT ? undefined : port })
}

const DEFAULT_PORT = '8899'

/**
 * Runs a request and turns a dead endpoint into one clear error; what the endpoint itself says is passed on.
 *
 * @throws K2UnreachableError
 */
export async function ask<T>(name: string, request: () => Promise<T>, flag = '--k2'): Promise<T> {
  const seen: Seen = {}
  try {
    return await seenBy.run(seen, request)
  } catch (err) {
    if (err instanceof K2UnreachableError) {
      throw err
    }
    const { fault, code } = seen
    if (fault?.answered === false) {
      throw new TransportError(
        `K2 at ${name} does not answer (${fault.reason})`,
        `check the URL given with ${flag}, or start a local one with: ${startOf(name)}`
      )
    }
    if (fault != null) {
      throw new TransportError(
        `${name} answered, but not as a K2 JSON-RPC endpoint (${fault.reason.slice(0, 2 * TOLD_CHARACTERS)})`,
        `check the URL given with ${flag}`,
        fault.httpStatus
      )
    }
    if (code != null) {
      // some of web3.js's errors lack it
      throw err instanceof Error && codeOf(err) == null ? Object.assign(err, { code }) : err
    }
    const nonsense = nonsenseIn(err)
    if (nonsense === 'shape') {
      throw new K2UnreachableError(`${name} answered, but not as a K2 JSON-RPC endpoint`, `check the URL given with ${flag}`)
    }
    if (nonsense === 'values') {
      throw new K2UnreachableError(`${name} answered, but with values that make no sense (${messageOf(err).slice(0, TOLD_CHARACTERS)})`)
    }
    throw err
  }
}

/** Where an endpoint gave a result: whether web3.js says that it is none of a Solana node, or stumbles over what is in it. */
function nonsenseIn(err: unknown): 'shape' | 'values' | undefined {
  if (!(err instanceof Error)) {
    return undefined
  }
  // some of its methods put words of their own before it, and an address; what comes after is the endpoint's own
  const name = /^failed to [a-z ]+(?:[1-9A-HJ-NP-Za-km-z]{32,44})?: (\w+Error): /.exec(err.message)?.[1] ?? err.name
  if (name === 'StructError' || err instanceof SolanaJSONRPCError) {
    return 'shape'
  }
  return err instanceof TypeError || err instanceof RangeError || name === 'TypeError' || name === 'RangeError' ? 'values' : undefined
}
