/** A K2 endpoint in front of another one, that counts what it is asked: by method, and whether for a task or for the node itself. */
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface CountingProxy {
  url: string
  /** Requests since the last time, each of a batch counted. */
  take(): Counts
  close(): Promise<void>
}

export interface Counts {
  /** What the task's own code has asked for. */
  task: Map<string, number>
  /** What the node has. */
  node: Map<string, number>
}

interface Request {
  method: string
  params?: unknown[]
}

/** Solana's convention: the WebSocket is at the next port. */
export async function startCountingProxy({ target, webSocket }: { target: string; webSocket: boolean }): Promise<CountingProxy> {
  const far = new URL(target)
  let counts: Counts = { task: new Map(), node: new Map() }
  const sockets = new Set<Socket>()
  const http = createServer(async (request, response) => {
    try {
      const chunks: Buffer[] = []
      for await (const chunk of request) {
        chunks.push(chunk as Buffer)
      }
      const body = Buffer.concat(chunks)
      for (const one of [JSON.parse(body.toString()) as Request | Request[]].flat()) {
        const of = counts[isTasks(one) ? 'task' : 'node']
        of.set(one.method, (of.get(one.method) ?? 0) + 1)
      }
      const forward = () => fetch(target, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      // an idle connection may be closed at the other end just when it is used
      const answer = await forward().catch(forward)
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
    } catch {
      response.destroy()
    }
  })
  const raw = createServer()
  raw.on('upgrade', (request, near: Socket, head) => {
    if (!webSocket) {
      near.end('HTTP/1.1 503 Service Unavailable\r\n\r\n')
      return
    }
    const { port, hostname } = far
    const beyond = connect(Number(port) + 1, hostname, () => {
      const headers = request.rawHeaders.flatMap((name, i, all) => (i % 2 === 0 ? [`${name}: ${all[i + 1]}`] : []))
      beyond.write(`GET ${request.url} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`)
      beyond.write(head)
      near.pipe(beyond).pipe(near)
    })
    for (const [one, other] of [
      [near, beyond],
      [beyond, near]
    ] as const) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  for (;;) {
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    const { port } = http.address() as AddressInfo
    const free = await new Promise<boolean>((resolve) => {
      raw.once('error', () => resolve(false))
      raw.listen(port + 1, '127.0.0.1', () => resolve(true))
    })
    if (free) {
      break
    }
    await new Promise((resolve) => http.close(resolve))
  }
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    take() {
      const taken = counts
      counts = { task: new Map(), node: new Map() }
      return taken
    },
    async close() {
      for (const socket of sockets) {
        socket.destroy()
      }
      for (const server of [http, raw]) {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    }
  }
}

/** Tasks ask for whole blocks, and for the slot as it is confirmed; a node asks for neither. */
function isTasks({ method, params = [] }: Request): boolean {
  const config = params.at(-1) as { transactionDetails?: string; commitment?: string } | undefined
  return (method === 'getBlock' && config?.transactionDetails === 'full') || (method === 'getSlot' && config?.commitment === 'confirmed')
}
