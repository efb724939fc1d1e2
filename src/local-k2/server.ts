import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import fastify, { type FastifyInstance } from 'fastify'
import { type WebSocket, WebSocketServer } from 'ws'
import { NoSuchHostError, PortInUseError } from './errors.ts'
import type { LocalK2Log } from './log.ts'
import { dispatch, type Handler } from './rpc/dispatch.ts'
import type { RpcClient, Subscriptions } from './rpc/subscriptions.ts'

/** The longest request body and WebSocket message: a full batch of transactions, and no more. */
export const MAX_BODY_BYTES = 512 * 1024
/** What may wait to be sent to one client before it is dropped: it reads slower than the chain goes. */
const MAX_BACKLOG_BYTES = 8 * 1024 * 1024
const MAX_CONNECTIONS = 1000
/** How long clients have to answer a close. */
const GOODBYE_MS = 300
/** How often a free pair of neighbouring ports is looked for when any port will do. */
const PORT_ATTEMPTS = 50

const CORS = { 'access-control-allow-origin': '*', 'access-control-allow-methods': 'POST, GET', 'access-control-allow-headers': '*' }

/**
 * JSON-RPC over HTTP, and subscriptions over WebSocket: on the next port, where web3.js v1 looks for them, and on the same port,
 * where others do.
 */
export class RpcServer {
  readonly #host: string
  readonly #wantedPort: number
  readonly #handler: Handler
  readonly #subscriptions: Pick<Subscriptions, 'client'>
  readonly #log: LocalK2Log
  #http: FastifyInstance | undefined
  #webSocketPort: Server | undefined
  #webSockets: WebSocketServer | undefined
  #isClosing = false
  /** The HTTP port, once listening. */
  port = 0

  constructor(init: { host: string; port: number; handler: Handler; subscriptions: Pick<Subscriptions, 'client'>; log: LocalK2Log }) {
    this.#host = init.host
    this.#wantedPort = init.port
    this.#handler = init.handler
    this.#subscriptions = init.subscriptions
    this.#log = init.log
  }

  /** @throws PortInUseError */
  async listen(): Promise<void> {
    const webSockets = new WebSocketServer({ noServer: true, maxPayload: MAX_BODY_BYTES, perMessageDeflate: false })
    this.#webSockets = webSockets
    webSockets.on('connection', (socket) => this.#serve(socket))
    const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (this.#isClosing || webSockets.clients.size >= MAX_CONNECTIONS) {
        // who keeps its side open would keep the door open with it
        socket.end('HTTP/1.1 503 Service Unavailable\r\n\r\n', () => socket.destroy())
        return
      }
      webSockets.handleUpgrade(request, socket, head, (client) => webSockets.emit('connection', client, request))
    }
    for (let attempt = 1; ; attempt++) {
      const http = this.#makeHttp()
      http.server.on('upgrade', upgrade)
      const next = createServer((_request, response) =>
        response.writeHead(426, { upgrade: 'websocket' }).end('this port speaks WebSocket\n')
      )
      next.on('upgrade', upgrade)
      try {
        await bind(http, this.#wantedPort, this.#host)
        this.port = (http.server.address() as AddressInfo).port
        await bindPlain(next, this.port + 1, this.#host)
        this.#http = http
        this.#webSocketPort = next
        return
      } catch (err) {
        await http.close()
        if (!(err instanceof PortInUseError) || this.#wantedPort !== 0 || attempt === PORT_ATTEMPTS) {
          throw err
        }
      }
    }
  }

  async close(): Promise<void> {
    // the doors first: who is told to go dials again at once, and whoever came in meanwhile would keep them open
    this.#isClosing = true
    const doors = [this.#http?.close(), this.#webSocketPort == null ? undefined : closed(this.#webSocketPort)]
    // a close that is said (1000) keeps clients without subscriptions from dialling for ever; who does not answer is cut off
    const clients = [...(this.#webSockets?.clients ?? [])]
    const gone = clients.map((client) => new Promise((resolve) => client.once('close', resolve)))
    for (const client of clients) {
      client.close(1000)
    }
    const cutOff = setTimeout(() => {
      for (const client of clients) {
        client.terminate()
      }
    }, GOODBYE_MS)
    await Promise.all(gone)
    clearTimeout(cutOff)
    this.#webSockets?.close()
    this.#webSocketPort?.closeAllConnections()
    await Promise.all(doors)
  }

  #makeHttp(): FastifyInstance {
    const http = fastify({ bodyLimit: MAX_BODY_BYTES, forceCloseConnections: true, logger: false })
    http.removeAllContentTypeParsers()
    http.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body))
    http.addHook('onRequest', async (_request, reply) => {
      reply.headers(CORS)
    })
    http.options('/', async (_request, reply) => reply.code(204).send())
    http.get('/health', async () => 'ok')
    http.post('/', async (request, reply) => {
      const answer = dispatch(typeof request.body === 'string' ? request.body : '', this.#handler, this.#log)
      return answer === undefined ? reply.code(204).send() : reply.type('application/json; charset=utf-8').send(answer)
    })
    return http
  }

  #serve(socket: WebSocket): void {
    const client: RpcClient = this.#subscriptions.client((text) => {
      if (socket.bufferedAmount > MAX_BACKLOG_BYTES) {
        this.#log.warn({ backlogBytes: socket.bufferedAmount }, 'a subscriber reads too slowly and is dropped')
        socket.terminate()
      } else {
        socket.send(text)
      }
    })
    socket.on('message', (data, isBinary) => {
      const answer = isBinary ? undefined : dispatch(data.toString(), (method, params) => client.handle(method, params), this.#log)
      if (answer !== undefined) {
        client.send(answer)
      }
    })
    socket.on('close', () => client.close())
    socket.on('error', (err) => this.#log.debug({ err }, 'a WebSocket connection failed'))
  }
}

async function bind(http: FastifyInstance, port: number, host: string): Promise<void> {
  try {
    await http.listen({ port, host })
  } catch (err) {
    throw toListenError(err as NodeJS.ErrnoException, port, host, 'HTTP')
  }
}

const closed = (server: Server) => new Promise<void>((resolve) => server.close(() => resolve()))

async function bindPlain(server: Server, port: number, host: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', (err) => reject(toListenError(err, port, host, 'WebSocket')))
  if (port > 65_535) {
    throw new PortInUseError(port, host, 'WebSocket')
  }
  server.listen(port, host, resolve)
  await promise
}

function toListenError(err: NodeJS.ErrnoException, port: number, host: string, what: 'HTTP' | 'WebSocket'): Error {
  if (err.code === 'EADDRNOTAVAIL' || err.code === 'EAFNOSUPPORT' || err.code === 'ENOTFOUND') {
    return new NoSuchHostError(host)
  }
  return err.code === 'EADDRINUSE' ? new PortInUseError(port, host, what) : err
}
