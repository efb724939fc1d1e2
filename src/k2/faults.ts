/**
 * Whose fault a request's end is. It is judged by the status of HTTP, by the code of JSON-RPC and by the class of an error, never by
 * words: those an endpoint writes as it likes, and one that quotes the request quotes ours.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { K2BehindError, K2LacksBlockError, K2UnreachableError } from './errors.ts'

/** What a connection has seen of the last request, however a library wraps what comes of it. */
export interface Seen {
  /** There was no answer, or none that is JSON-RPC. */
  fault?: { reason: string; answered: boolean; httpStatus?: number | undefined } | undefined
  /** The code of the JSON-RPC error that was answered. */
  code?: number | undefined
}

/** Each question has its own. */
export const seenBy = new AsyncLocalStorage<Seen>()

/** Seen by the connection itself, which has told of it. */
export class TransportError extends K2UnreachableError {
  readonly httpStatus: number | undefined

  constructor(fact: string, advice: string, httpStatus?: number) {
    super(fact, advice)
    this.httpStatus = httpStatus
  }
}

const NODE_BEHIND = -32005
const MIN_CONTEXT_SLOT_NOT_REACHED = -32016
/** Too many requests, as providers have it. */
const BUSY_CODES = [429, -32429]
/** JSON-RPC errors that say something about the endpoint and nothing about what was asked: behind, unhealthy, busy, not served here. */
const ENDPOINT_CODES = [NODE_BEHIND, MIN_CONTEXT_SLOT_NOT_REACHED, -32603, -32601, -32010, -32014, ...BUSY_CODES]
/** Of HTTP: too many requests, and not at present. */
const PATIENCE_STATUSES = [429, 503]

/** The code of JSON-RPC in an error; undefined where it has none. */
export function codeOf(err: unknown): number | undefined {
  const { code } = (err ?? {}) as { code?: unknown }
  return typeof code === 'number' ? code : undefined
}

const hasCode = (err: unknown, codes: readonly number[]) => codes.includes(codeOf(err) ?? Number.NaN)

/** Whether another endpoint may do better. */
export function isEndpointFault(err: unknown): boolean {
  return err instanceof K2UnreachableError || err instanceof K2LacksBlockError || hasCode(err, ENDPOINT_CODES)
}

/** Whether what an endpoint answered is a reason to leave it alone for a while; what its connection told already is not told again. */
export function isOverworked(err: unknown): boolean {
  return (
    (err instanceof K2UnreachableError && !(err instanceof K2BehindError) && !(err instanceof TransportError)) ||
    hasCode(err, [NODE_BEHIND, ...BUSY_CODES])
  )
}

/** Whether an endpoint said that it has not reached the slot that was asked for. */
export function isBehind(err: unknown): boolean {
  return err instanceof K2BehindError || hasCode(err, [MIN_CONTEXT_SLOT_NOT_REACHED])
}

/** Whether an endpoint asked for patience. */
export function asksForPatience(err: unknown): boolean {
  return hasCode(err, BUSY_CODES) || (err instanceof TransportError && PATIENCE_STATUSES.includes(err.httpStatus ?? 0))
}
