/** What the API says when it does not do what was asked. */
import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import type { Logger } from '../observe/index.ts'
import type { Headers, Refusal } from './auth.ts'
import { LIMITS } from './limits.ts'
import type { ErrorBody } from './schemas.ts'

export class NoSuchTaskError extends Error {
  override name = 'NoSuchTaskError'
}

/** What was asked cannot be done now, and may be later; the message says why, and what to do. */
export class NotNowError extends Error {
  override name = 'NotNowError'
}

/** Why a task is not taken, or not let go: for programs, as it is. */
export type TaskRefusal = 'bad-task' | 'task-there' | 'last-task' | 'task-refused'

/** A task that is not taken, or not let go; the message says why, and what to do. `bad-task` is 400, the others are 409. */
export class TaskRefusedError extends Error {
  override name = 'TaskRefusedError'
  readonly code: TaskRefusal

  constructor(code: TaskRefusal, message: string) {
    super(message)
    this.code = code
  }
}

export const said = (code: string, message: string, details?: string[]): ErrorBody => ({
  error: { code, message, ...(details == null ? {} : { details }) }
})

/** By Node's own code: the status line, and what is wrong. */
const NO_REQUEST: Record<string, [line: string, body: ErrorBody]> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    said('headers-too-large', `the head of a request has ${LIMITS.headerBytes} bytes at most`)
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', said('too-slow', `a request has to be here within ${LIMITS.requestMs} ms`)]
}
const NO_HTTP: [line: string, body: ErrorBody] = ['400 Bad Request', said('bad-request', 'that is no HTTP request')]

/** What is no request at all is told so, too, in the same form. */
export const onClientError: NonNullable<FastifyServerOptions['clientErrorHandler']> = ({ code }, socket) => {
  if (!socket.writable || code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const [line, body] = NO_REQUEST[code] ?? NO_HTTP
  const text = JSON.stringify(body)
  socket.end(
    `HTTP/1.1 ${line}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`
  )
}

/** Fastify's own complaints, by its codes. */
const WORDS: Record<string, [code: string, message: string]> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['bad-request', 'a body has to be application/json'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['bad-request', 'there is no body: leave its Content-Type out'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['bad-request', 'the body is no JSON']
}

export function onNotFound(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply.code(404).send(said('not-found', 'there is no such thing here: /v1/openapi.json says what there is'))
}

/** A path that leads to no route, as it cannot be read. */
export function onBadPath(_err: Error, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply
    .code(400)
    .type('application/json')
    .send(JSON.stringify(said('bad-request', 'the path is too long, or not well formed')))
}

export function createOnError(log: Pick<Logger, 'error'>) {
  return (err: Error & { code?: string; statusCode?: number }, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    if (err instanceof NoSuchTaskError) {
      return reply.code(404).send(said('no-such-task', 'this node does not run that task: its status (/v1/tasks) has those that it runs'))
    }
    if (err instanceof NotNowError) {
      return reply.code(503).send(said('not-now', err.message))
    }
    if (err instanceof TaskRefusedError) {
      return reply.code(err.code === 'bad-task' ? 400 : 409).send(said(err.code, err.message))
    }
    if (hasZodFastifySchemaValidationErrors(err)) {
      const details = err.validation.map(({ instancePath, message }) => `${instancePath.replace(/^\//, '') || 'it'}: ${message}`)
      return reply.code(400).send(said('bad-request', `what was sent is not as it should be: ${details.join('; ')}`, details))
    }
    const { code = '', statusCode = 500, message } = err
    if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
      const { bodyLimit } = request.routeOptions
      return reply.code(413).send(said('body-too-large', `the body of this request has ${bodyLimit} bytes at most`))
    }
    if (statusCode < 500) {
      return reply.code(statusCode).send(said(...(WORDS[code] ?? ['bad-request', message])))
    }
    log.error({ reason: message }, 'the control API could not answer')
    return reply.code(500).send(said('internal', 'the node could not answer that: its log says why'))
  }
}

/** A hook that answers for the node where somebody is refused. */
export function refuseBy(judge: (headers: Headers) => Refusal | undefined) {
  return async ({ headers }: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const refusal = judge(headers)
    if (refusal != null) {
      const { status, code, message } = refusal
      await reply
        .code(status)
        .headers(status === 401 ? { 'www-authenticate': 'Bearer' } : {})
        .send(said(code, message))
    }
  }
}
