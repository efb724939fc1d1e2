import { multiaddr } from '@multiformats/multiaddr'
import { createHost, createRoster, keepPorts, recordLifetimeMs, withKeptPorts } from '../../network/index.ts'
import type { HostBase, HostChain, HostMesh } from '../rooms.ts'

/** @param roundSlots - of the tasks that there are before any of them is furnished */
export async function openHostMesh(base: HostBase, { paced }: HostChain, roundSlots: number[]): Promise<HostMesh> {
  const { config, log, store, privateKey, rooms } = base
  const ports = store.keyValue('ports')
  const { listen, taken } = await withKeptPorts(config.listen, ports)
  if (taken.length > 0) {
    log.warn(
      { ports: taken },
      'another program has a port that this node had before: it listens on another, and its address on K2 may be old'
    )
  }
  const roster = createRoster()
  // as long as the task with the longest rounds needs it
  const longest = () => Math.max(...roundSlots, ...[...rooms.values()].map(({ chain }) => chain.timing.roundSlots))
  const host = await createHost({
    ...{ privateKey, peers: roster, listen },
    recordLifetimeMs: () => recordLifetimeMs(longest()),
    announce: config.announce,
    local: config.allowPrivate,
    answerMs: paced?.answerMs,
    allowed: config.bootstrap.map((text) => multiaddr(text)),
    limits: { maxConnections: config.maxConnections },
    dht: config.dhtServer ? (config.allowPrivate ? 'server' : 'auto') : 'client'
  })
  base.onClose(() => host.libp2p.stop())
  return { host, roster, keepPorts: () => keepPorts(config.listen, host.libp2p.services.addresses.listeners(), ports) }
}
