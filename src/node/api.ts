import { rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import fastify, { type FastifyInstance } from 'fastify'
import { diskAdvice, diskFault } from '../disk/index.ts'
import { messageOf } from '../k2/index.ts'
import { toLine } from '../observe/index.ts'

/** Where a running node says how to reach its API: in its data directory. */
export const API_FILE = 'api.json'

export class ApiError extends Error {
  override name = 'ApiError'
}

export interface ApiInit {
  port: number
  dataDir: string
  status: () => Promise<object>
  healthy: () => { ok: boolean; reason: string }
}

/**
 * The status of a running node, for `koii-mesh status` and for monitoring: read only, on loopback, and closed to web
 * pages (no CORS headers, and a Host other than loopback is refused, which stops DNS rebinding).
 */
export async function startApi({ port, dataDir, status, healthy }: ApiInit): Promise<{ url: string; stop(): Promise<void> }> {
  const app: FastifyInstance = fastify({ bodyLimit: 1024, logger: false })
  app.addHook('onRequest', async (request, reply) => {
    if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(request.headers.host ?? '')) {
      await reply.code(403).send({ error: 'ask by a loopback address' })
    }
  })
  app.get('/status', async (_request, reply) => reply.type('application/json').send(toLine(await status())))
  app.get('/healthz', async (_request, reply) => {
    const health = healthy()
    return reply.code(health.ok ? 200 : 503).send(health)
  })
  try {
    await app.listen({ port, host: '127.0.0.1' })
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      throw new ApiError(
        `port ${port} for the status API is in use: stop what uses it, or choose another with --api-port (0 takes a free one)`
      )
    }
    throw err
  }
  const { port: bound } = app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${bound}`
  const file = join(dataDir, API_FILE)
  try {
    // what is there is another start's, and may be no file at all
    await rm(file, { force: true })
    await writeFile(file, JSON.stringify({ url, pid: process.pid }), { mode: 0o600, flag: 'wx' })
  } catch (err) {
    await app.close()
    const fault = diskFault(err, dataDir)
    throw new ApiError(`cannot write ${file}: ${fault == null ? messageOf(err) : diskAdvice(fault, dataDir)}`)
  }
  return {
    url,
    async stop() {
      await rm(file, { force: true })
      await app.close()
    }
  }
}
