/** Ports that a node was given free, and keeps over restarts: K2 and its peers know it by them. */
import { createServer } from 'node:net'
import { getNetConfig } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'

export interface PortStore {
  get(key: string): Promise<Uint8Array | undefined>
  put(key: string, value: Uint8Array): Promise<void>
}

/** Whether something may listen there now. */
export type IsFree = (host: string, port: number) => Promise<boolean>

/** The same entry twice is two listeners, each with a port of its own. */
function keysOf(listen: readonly string[]): Array<string | undefined> {
  const seen = new Map<string, number>()
  return listen.map((text) => {
    if (!/\/tcp\/0(\/|$)/.test(text)) {
      return undefined
    }
    const count = (seen.get(text) ?? 0) + 1
    seen.set(text, count)
    return `${text} ${count}`
  })
}

/**
 * `listen` with the ports of former starts in the place of port 0, where these are free.
 *
 * @returns the addresses to listen on, and those ports that somebody else has taken meanwhile
 */
export async function withKeptPorts(
  listen: readonly string[],
  store: PortStore,
  isFree: IsFree = canListen
): Promise<{ listen: string[]; taken: number[] }> {
  const taken: number[] = []
  const keys = keysOf(listen)
  const kept = await Promise.all(
    listen.map(async (text, index) => {
      const key = keys[index]
      const stored = key == null ? undefined : await store.get(key)
      const port = stored == null ? 0 : Number(Buffer.from(stored).toString())
      if (!(Number.isInteger(port) && port > 0 && port < 65_536)) {
        return text
      }
      if (!(await isFree(getNetConfig(multiaddr(text)).host, port))) {
        taken.push(port)
        return text
      }
      return text.replace(/\/tcp\/0(?=\/|$)/, `/tcp/${port}`)
    })
  )
  return { listen: kept, taken }
}

/**
 * Remembers the ports that were given.
 *
 * @param listeners - libp2p's, in its order: those of TCP, then those of WebSocket, each as they were asked for
 */
export async function keepPorts(
  listen: readonly string[],
  listeners: readonly { getAddrs(): Multiaddr[] }[],
  store: PortStore
): Promise<void> {
  const keys = keysOf(listen)
  const isWs = (text: string) => /\/wss?(\/|$)/.test(text)
  const order = listen.map((text, index) => ({ text, key: keys[index] })).sort((a, b) => Number(isWs(a.text)) - Number(isWs(b.text)))
  for (const [index, { key }] of order.entries()) {
    const port = portOf(listeners[index]?.getAddrs()[0])
    if (key != null && port != null) {
      await store.put(key, Buffer.from(String(port)))
    }
  }
}

function portOf(address: Multiaddr | undefined): number | undefined {
  return address == null ? undefined : getNetConfig(address).port
}

async function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
