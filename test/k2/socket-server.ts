/** A WebSocket endpoint that answers as it is told, and remembers what it was asked. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'

export interface Asked {
  id: number
  method: string
  params: unknown[]
  /** Which connection, from 1. */
  connection: number
}

export type Answer = { result: unknown } | { error: { code: number; message: string } } | undefined

export interface SocketServer {
  url: string
  asked: Asked[]
  connections(): number
  /** Tells a subscription on every open connection. */
  notify(subscription: number, result: unknown, method?: string): void
  cut(): void
  close(): Promise<void>
}

/** `answer` decides what each request brings: undefined says nothing. `upgrade` decides when a handshake is done. */
export async function startSocketServer({
  answer,
  upgrade = (done) => done(),
  onConnection = () => {}
}: {
  answer: (asked: Asked) => Answer
  upgrade?: (done: () => void) => void
  onConnection?: (socket: WebSocket) => void
}): Promise<SocketServer> {
  const server = createServer()
  const sockets = new WebSocketServer({ noServer: true })
  const raw = new Set<Duplex>()
  const asked: Asked[] = []
  let connections = 0
  server.on('upgrade', (request, socket, head) => {
    raw.add(socket)
    socket.on('close', () => raw.delete(socket))
    connections++
    upgrade(() => {
      if (!socket.destroyed) {
        sockets.handleUpgrade(request, socket, head, (near) => sockets.emit('connection', near))
      }
    })
  })
  sockets.on('connection', (socket) => {
    const connection = connections
    socket.on('error', () => {})
    socket.on('message', (data) => {
      const one = { ...(JSON.parse(data.toString()) as Asked), connection }
      asked.push(one)
      const said = answer(one)
      if (said != null) {
        socket.send(JSON.stringify({ jsonrpc: '2.0', id: one.id, ...said }))
      }
    })
    onConnection(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    connections: () => connections,
    notify(subscription, result, method = 'accountNotification') {
      for (const socket of sockets.clients) {
        socket.send(JSON.stringify({ jsonrpc: '2.0', method, params: { subscription, result } }))
      }
    },
    cut() {
      for (const socket of sockets.clients) {
        socket.terminate()
      }
    },
    async close() {
      for (const socket of [...sockets.clients]) {
        socket.terminate()
      }
      for (const socket of raw) {
        socket.destroy()
      }
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
