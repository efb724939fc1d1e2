import { chmod, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { httpOn, loopbackHost } from '../config/index.ts'
import { diskAdvice, diskFault } from '../disk/index.ts'
import type { Events, Logger } from '../observe/index.ts'
import { buildApp } from './app.ts'
import { makeToken, WILDCARDS } from './auth.ts'
import { API_FILE, fitsSocket, SOCKET_FILE, TOKEN_FILE } from './files.ts'
import type { Controlled } from './routes.ts'
import { createStreams } from './stream.ts'

export class ApiError extends Error {
  override name = 'ApiError'
}

export interface ControlInit {
  /** An IP address of this machine; by default its loopback. */
  host?: string
  /** 0 takes a free one. */
  port: number
  dataDir: string
  node: Controlled
  events: Pick<Events, 'on'>
  log: Pick<Logger, 'error' | 'warn'>
}

export interface Control {
  url: string
  stop(): Promise<void>
}

async function listenOn(app: FastifyInstance, host: string, port: number): Promise<void> {
  try {
    await app.listen({ port, host })
  } catch (err) {
    const { code = '' } = err as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      throw new ApiError(
        `port ${port} for the control API is in use: stop what uses it, or choose another with --api-port (0 takes a free one)`
      )
    }
    if (['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(code)) {
      throw new ApiError(
        `this machine has no address ${host} for the control API: give one that it has with --api-host, or bring its loopback interface up`
      )
    }
    throw err
  }
}

/** A file of this start, for this user alone. What is there is another start's, and may be no file at all. */
async function leaveFile(dataDir: string, name: string, text: string): Promise<void> {
  const file = join(dataDir, name)
  try {
    await rm(file, { force: true })
    await writeFile(file, text, { mode: 0o600, flag: 'wx' })
  } catch (err) {
    const fault = diskFault(err, dataDir)
    throw new ApiError(`cannot write ${file}: ${fault == null ? (err as Error).message : diskAdvice(fault, dataDir)}`)
  }
}

/**
 * The way into a running node for whoever has its data directory: HTTP on loopback, and on a socket in the data directory where the
 * system has such a thing. Closed to other users of the machine (a token in a file of mode 600) and to web pages.
 *
 * @throws ApiError when the port is in use, or the data directory takes no file
 */
export async function startControl(init: ControlInit): Promise<Control> {
  const { host = loopbackHost(), port, dataDir, node, events, log } = init
  const token = makeToken()
  const tokenFile = resolve(dataDir, TOKEN_FILE)
  const streams = createStreams({ events })
  const apps: FastifyInstance[] = []
  const build = async () => {
    const app = await buildApp({ node, streams, token, tokenFile, host, log })
    apps.push(app)
    return app
  }

  const files = [API_FILE, TOKEN_FILE, SOCKET_FILE].map((name) => join(dataDir, name))
  /** Only what this start has made: a port in use is told before anything of another is touched. */
  let mine: string[] = []
  const stop = async () => {
    streams.stop()
    const ended = await Promise.allSettled([...mine.map((file) => rm(file, { force: true })), ...apps.map((app) => app.close())])
    for (const one of ended) {
      if (one.status === 'rejected') {
        // something else lies there, or the disk does not let go: the node stops all the same
        log.warn({ reason: (one.reason as Error).message }, 'something of the control API is left in the data directory')
      }
    }
  }

  try {
    const app = await build()
    await listenOn(app, host, port)
    mine = files
    const { port: bound } = app.server.address() as AddressInfo
    const url = httpOn(WILDCARDS.has(host) ? loopbackHost() : host, bound)
    const hasSocket = await listenOnSocket(await build(), join(dataDir, SOCKET_FILE), log)
    await leaveFile(dataDir, TOKEN_FILE, token)
    await leaveFile(dataDir, API_FILE, JSON.stringify({ url, pid: process.pid, ...(hasSocket ? { socket: SOCKET_FILE } : {}) }))
    return { url, stop }
  } catch (err) {
    await stop()
    throw err
  }
}

/** @returns whether there is one: some file systems and all of Windows have none, and long paths do not fit */
async function listenOnSocket(app: FastifyInstance, path: string, log: Pick<Logger, 'warn'>): Promise<boolean> {
  if (!fitsSocket(path)) {
    return false
  }
  try {
    // of a node that was killed; the data directory is locked by now
    await rm(path, { force: true })
    await app.listen({ path })
    await chmod(path, 0o600)
    return true
  } catch (err) {
    log.warn({ path, reason: (err as Error).message }, 'there is no socket for the control API: it is reached over TCP alone')
    await app.close()
    return false
  }
}
