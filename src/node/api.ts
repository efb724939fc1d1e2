import { rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, isIP } from 'node:net'
import { join } from 'node:path'
import fastify, { type FastifyInstance } from 'fastify'
import { httpOn, loopbackHost } from '../config/index.ts'
import { diskAdvice, diskFault } from '../disk/index.ts'
import { messageOf } from '../k2/index.ts'
import { toLine } from '../observe/index.ts'

/** Where a running node says how to reach its API: in its data directory. */
export const API_FILE = 'api.json'

export class ApiError extends Error {
  override name = 'ApiError'
}

const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])$/
const WILDCARDS = new Set(['0.0.0.0', '::'])

/** A web page that has its name lead here asks by that name: only addresses are answered, and only such as it listens on. */
function mayAsk(authority: string, host: string): boolean {
  const asked = authority.replace(/:\d+$/, '')
  const address = asked.replace(/^\[(.*)\]$/, '$1')
  return LOOPBACK.test(asked) || address === host || (WILDCARDS.has(host) && isIP(address) !== 0)
}

export interface ApiInit {
  /** An IP address of this machine; by default its loopback. */
  host?: string
  port: number
  dataDir: string
  status: () => Promise<object>
  healthy: () => { ok: boolean; reason: string }
}

/**
 * The status of a running node, for `koii-mesh status` and for monitoring: read only, on loopback unless
 * told otherwise, and closed to web pages (no CORS headers, and a Host that is a name is refused, which stops DNS rebinding).
 */
export async function startApi({
  host = loopbackHost(),
  port,
  dataDir,
  status,
  healthy
}: ApiInit): Promise<{ url: string; stop(): Promise<void> }> {
  const app: FastifyInstance = fastify({ bodyLimit: 1024, logger: false })
  app.addHook('onRequest', async (request, reply) => {
    if (!mayAsk(request.headers.host ?? '', host)) {
      await reply.code(403).send({ error: 'ask by its IP address' })
    }
  })
  app.get('/status', async (_request, reply) => reply.type('application/json').send(toLine(await status())))
  app.get('/healthz', async (_request, reply) => {
    const health = healthy()
    return reply.code(health.ok ? 200 : 503).send(health)
  })
  try {
    await app.listen({ port, host })
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      throw new ApiError(
        `port ${port} for the status API is in use: stop what uses it, or choose another with --api-port (0 takes a free one)`
      )
    }
    if (['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes((err as NodeJS.ErrnoException).code ?? '')) {
      throw new ApiError(
        `this machine has no address ${host} for the status API: give one that it has with --api-host, or bring its loopback interface up`
      )
    }
    throw err
  }
  const { port: bound } = app.server.address() as AddressInfo
  const url = httpOn(WILDCARDS.has(host) ? loopbackHost() : host, bound)
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
