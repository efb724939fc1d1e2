import swagger from '@fastify/swagger'
import fastify, { type FastifyInstance } from 'fastify'
import { validatorCompiler } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { type Logger, toLine } from '../observe/index.ts'
import { createTokenCheck, refusePage } from './auth.ts'
import { createOnError, onBadPath, onClientError, onNotFound, refuseBy } from './failures.ts'
import { LIMITS } from './limits.ts'
import { openApi } from './openapi.ts'
import { type Controlled, healthRoute, openStatusRoute, routes } from './routes.ts'
import type { EventStreams } from './stream.ts'

export interface AppInit {
  node: Controlled
  streams: EventStreams
  token: string
  /** Where the token is, for who asks without it. */
  tokenFile: string
  /** The IP address that is listened on. */
  host: string
  log: Pick<Logger, 'error'>
  /** How long a request may take to come. */
  requestMs?: number
}

/** The API, not listening yet. */
export async function buildApp({
  node,
  streams,
  token,
  tokenFile,
  host,
  log,
  requestMs = LIMITS.requestMs
}: AppInit): Promise<FastifyInstance> {
  const app: FastifyInstance = fastify({
    bodyLimit: LIMITS.bodyBytes,
    requestTimeout: requestMs,
    keepAliveTimeout: LIMITS.idleMs,
    connectionTimeout: LIMITS.stalledMs,
    maxRequestsPerSocket: LIMITS.requests,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    logger: false,
    http: { maxHeaderSize: LIMITS.headerBytes, headersTimeout: requestMs, connectionsCheckingInterval: Math.min(1_000, requestMs) },
    clientErrorHandler: onClientError,
    frameworkErrors: onBadPath
  })
  app.server.maxConnections = LIMITS.connections
  app.setValidatorCompiler(validatorCompiler)
  // as all text that leaves the process: nothing in it acts on a terminal
  app.setSerializerCompiler<z.ZodType>(
    ({ schema }) =>
      (data) =>
        toLine(schema.parse(data))
  )
  app.setNotFoundHandler(onNotFound)
  app.setErrorHandler(createOnError(log))
  app.addHook(
    'onRequest',
    refuseBy((headers) => refusePage(headers, host))
  )
  app.addHook('onSend', async (_request, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
  })
  await app.register(swagger, openApi())
  await app.register(healthRoute, { node })
  await app.register(openStatusRoute, { node })
  await app.register(
    async (v1) => {
      v1.addHook('onRequest', refuseBy(createTokenCheck(token, tokenFile)))
      await v1.register(routes, { node, streams })
    },
    { prefix: '/v1' }
  )
  await app.ready()
  return app
}
