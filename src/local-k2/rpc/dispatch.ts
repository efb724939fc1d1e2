import type { z } from 'zod'
import { parseJson, stringifyJson } from '../../k2/json.ts'
import type { LocalK2Log } from '../log.ts'
import { INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, RpcError } from './errors.ts'

/** Answers one request: gives its result, or throws an RpcError. */
export type Handler = (method: string, params: unknown[]) => unknown

/** The most requests in one batch: the work of a batch is done at once, and a slot must not wait for it. */
export const MAX_BATCH = 250

/**
 * Answers JSON-RPC 2.0 text.
 *
 * @returns the answer's text, or undefined when the text held only notifications, which have none
 */
export function dispatch(text: string, handler: Handler, log: LocalK2Log): string | undefined {
  let request: unknown
  try {
    request = parseJson(text)
  } catch {
    return stringifyJson(failure(null, new RpcError(PARSE_ERROR, 'Parse error')))
  }
  if (!Array.isArray(request)) {
    const answer = answerOne(request, handler, log)
    return answer && stringifyJson(answer)
  }
  if (request.length === 0 || request.length > MAX_BATCH) {
    const what =
      request.length === 0
        ? 'Invalid request'
        : `Invalid request: a batch holds at most ${MAX_BATCH} requests, and this one has ${request.length}`
    return stringifyJson(failure(null, new RpcError(INVALID_REQUEST, what)))
  }
  const answers = request.map((item) => answerOne(item, handler, log)).filter((answer) => answer !== undefined)
  return answers.length === 0 ? undefined : stringifyJson(answers)
}

function answerOne(request: unknown, handler: Handler, log: LocalK2Log): object | undefined {
  const { jsonrpc, id, method, params } = (request ?? {}) as Record<string, unknown>
  const idIsGood = id === null || typeof id === 'number' || typeof id === 'string' || typeof id === 'bigint'
  if (jsonrpc !== '2.0' || typeof method !== 'string' || (id !== undefined && !idIsGood)) {
    return failure(idIsGood ? id : null, new RpcError(INVALID_REQUEST, 'Invalid request'))
  }
  let answer: object
  try {
    if (params != null && !Array.isArray(params)) {
      throw new RpcError(INVALID_PARAMS, 'Invalid params: they are given by position, in an array')
    }
    answer = { jsonrpc: '2.0', result: handler(method, params ?? []), id }
  } catch (err) {
    if (!(err instanceof RpcError)) {
      log.error({ err, method }, 'a method failed')
    }
    answer = failure(id, err instanceof RpcError ? err : new RpcError(INTERNAL_ERROR, 'Internal error'))
  }
  return id === undefined ? undefined : answer
}

function failure(id: unknown, { code, message, data }: RpcError): object {
  return { jsonrpc: '2.0', error: { code, message, ...(data === undefined ? {} : { data }) }, id }
}

export const methodNotFound = () => new RpcError(METHOD_NOT_FOUND, 'Method not found')

/** Checks a method's parameters. @throws RpcError naming the first that is wrong */
export function checkParams<P extends z.ZodType>(schema: P, params: unknown[]): z.output<P> {
  const { success, data, error } = schema.safeParse(params)
  if (success) {
    return data
  }
  const issue = error.issues[0]
  // what a schema refuses in words of its own are Solana's words
  const custom = issue?.code === 'custom' ? issue.message : undefined
  throw new RpcError(
    INVALID_PARAMS,
    custom ?? `Invalid params: ${issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `}${issue?.message}`
  )
}
