/** Peers that keep to no rule: they share an address space of their own, and speak through libp2p or over bare sockets. */
import net from 'node:net'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { keyOf, type MeshNode, type MeshOptions, spawnNode } from './mesh.ts'

/** Every address of 127.0.0.0/8 is this machine's: one can come from as many networks as one likes. */
export const address = (network: number, host = 1) => `127.${1 + (network >> 8)}.${network & 255}.${host}`

/** A libp2p that speaks no protocol of the mesh and comes from the address that it is given. */
export async function stranger(localAddress: string, listen: string[] = []): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp({ dialOpts: { localAddress } as never }), webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { maxParallelDials: 500, maxConnections: 5_000 },
    connectionMonitor: { enabled: false }
  } as never)
}

/** A bare TCP connection to a node, from an address. */
export function socketTo(node: { libp2p: { getMultiaddrs(): Multiaddr[] } }, localAddress: string): net.Socket {
  const port = Number(/\/tcp\/(\d+)/.exec(String(node.libp2p.getMultiaddrs()[0]))![1])
  const socket = net.connect({ host: '127.0.0.1', port, localAddress })
  socket.on('error', () => {})
  // who reads nothing does not notice an end either
  socket.resume()
  return socket
}

/** Weights in which all of these have stake. */
export const stakesOf = (...names: string[]) => new Map(names.map((name) => [keyOf(name).address, 1_000n]))

export const node = (name: string, weights: Map<string, bigint>, options: Partial<MeshOptions> = {}): Promise<MeshNode> =>
  spawnNode(name, weights.has(keyOf(name).address), weights, { nodes: 1, ...options }, () => [])
