/**
 * Whole meshes in one process over real TCP on 127.0.0.1: spawn, connect, teardown.
 *
 * @example
 * ```ts
 * const mesh = await spawnMesh({ nodes: 5 })
 * await mesh.connected()
 * await mesh.nodes[0].gossip.publish(await mesh.nodes[0].submission('hello'))
 * await mesh.stop()
 * ```
 */

import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Libp2p } from '@libp2p/interface'
import { createGossip, type Gossip } from '../../src/gossip/index.ts'
import { type KeyPair, verifyEd25519 } from '../../src/identity/index.ts'
import { createDoor, createPool, type DoorInit, type Pool, type StakeWeights } from '../../src/judge/index.ts'
import {
  type Announcer,
  contactFault,
  createAnnouncer,
  createDiscovery,
  createHello,
  createHost,
  createPeers,
  createRoster,
  type Discovery,
  type DiscoveryEvent,
  type Hello,
  type HelloOutcome,
  type Host,
  type HostServices,
  type Libp2pConfigInit,
  type Log,
  type Peers
} from '../../src/network/index.ts'
import { createSync, type Sync } from '../../src/sync/index.ts'
import { type Body, type Message, type Network, seal } from '../../src/wire/index.ts'
import { fixedStakes, keyOf, NETWORK, NOW, seed, signerOf, submissionBody, TIMING, waitFor } from './setting.ts'

export {
  fixedStakes,
  GENESIS,
  keyOf,
  NETWORK,
  NOW,
  seed,
  signerOf,
  sleep,
  someCid,
  submissionBody,
  TASK,
  TIMING,
  waitFor
} from './setting.ts'

export interface MeshOptions {
  /** Staked nodes. */
  nodes: number
  /** Nodes without stake, that follow the protocol otherwise. */
  unstaked?: number
  /** Whether nodes find each other through hints, announcements and the DHT; otherwise each dials every other. */
  discover?: boolean
  minPeers?: number
  slot?: () => number | undefined
  stakes?: (weights: Map<string, bigint>) => StakeWeights
  host?: Partial<Libp2pConfigInit>
  door?: Partial<DoorInit>
  /** Of gossip's own. */
  log?: Log
  syncIntervalMs?: number
  /** Of hello. */
  nowMs?: () => number
}

export interface MeshNode {
  name: string
  pair: KeyPair
  libp2p: Libp2p<HostServices>
  host: Host
  peers: Peers
  hello: Hello
  announcer: Announcer
  pool: Pool
  gossip: Gossip & { publish(message: Message): Promise<{ recipients: number }> }
  sync: Sync
  discovery: Discovery
  /** Messages that came through the door, in order. */
  received: Message[]
  refusals: Array<{ reason: string; from: string | undefined; via: string }>
  hellos: HelloOutcome[]
  events: DiscoveryEvent[]
  /** Native signature checks by gossip and sync. */
  checks: number
  peerId: string
  /** Signs a body as this node. */
  seal(body: Body): Promise<Message>
  submission(value: string, over?: Partial<Body>): Promise<Message>
  leave(): Promise<void>
  stop(): Promise<void>
}

export interface Mesh {
  nodes: MeshNode[]
  unstaked: MeshNode[]
  weights: Map<string, bigint>
  /** Waits until every staked node has at least `atLeast` staked gossip peers (default: all the others). */
  connected(atLeast?: number): Promise<void>
  stop(): Promise<void>
}

/** A node's one libp2p, before it has a task. */
export async function spawnHost(name: string, options: Pick<MeshOptions, 'host'> = {}) {
  const privateKey = await generateKeyPairFromSeed('Ed25519', seed(`node/${name}`))
  const roster = createRoster()
  const host = await createHost({
    privateKey,
    peers: roster,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    local: true,
    heartbeatMs: 300,
    ...options.host
  })
  return { name, host, roster }
}

export async function spawnNode(name: string, staked: boolean, weights: Map<string, bigint>, options: MeshOptions, hints: () => Hint[]) {
  return joinTask(await spawnHost(name, options), NETWORK, staked, weights, { ...options, alsoBare: true }, hints)
}

/** One task of a node. `stop` ends the node; `leave` the task alone. */
export async function joinTask(
  { name, host, roster }: Awaited<ReturnType<typeof spawnHost>>,
  network: Network,
  staked: boolean,
  weights: Map<string, bigint>,
  options: MeshOptions & { alsoBare?: boolean },
  hints: () => Hint[]
) {
  const pair = keyOf(name)
  const slot = options.slot ?? (() => NOW)
  const stakes = (options.stakes ?? fixedStakes)(weights)
  const peers = createPeers({ stakes, timing: TIMING, slot })
  const { libp2p, slots, meter } = host
  const { traffic, leave } = host.join({ network, peers })
  const announcer = createAnnouncer({
    network,
    timing: TIMING,
    slot,
    signer: signerOf(pair),
    peerId: libp2p.peerId,
    multiaddrs: () => libp2p.getMultiaddrs()
  })
  await announcer.renew()
  const pool = createPool()
  const node: Partial<MeshNode> & Pick<MeshNode, 'received' | 'refusals' | 'hellos' | 'events' | 'checks'> = {
    received: [],
    refusals: [],
    hellos: [],
    events: [],
    checks: 0
  }
  const hello = createHello({
    libp2p,
    network,
    peers,
    slots,
    isBeside: (peerId) => roster.isStakedBeside(peers, peerId),
    alsoBare: options.alsoBare ?? false,
    verify: verifyEd25519,
    ...(options.nowMs == null ? {} : { now: options.nowMs }),
    announcement: () => (staked ? announcer.current() : undefined),
    onOutcome: (outcome) => node.hellos.push(outcome)
  })
  await hello.start()
  const door = createDoor({
    network,
    timing: TIMING,
    slot,
    stakes,
    peers,
    pool,
    contactFault,
    verify: (signature, bytes, publicKey) => {
      node.checks++
      return verifyEd25519(signature, bytes, publicKey)
    },
    onMessage: (message) => node.received.push(message),
    onRefusal: ({ reason, from, via }) => node.refusals.push({ reason, from, via }),
    ...options.door
  })
  const routed = createGossip({
    pubsub: libp2p.services.pubsub,
    network,
    peers,
    traffic,
    meter,
    door,
    ...(options.log == null ? {} : { log: options.log })
  })
  const gossip = {
    ...routed,
    /** As a participant does it. */
    async publish(message: Message) {
      door.admit(message)
      return routed.send(message)
    }
  }
  gossip.start()
  const sync = createSync({
    libp2p,
    network,
    alsoBare: options.alsoBare ?? false,
    pool,
    peers,
    timing: TIMING,
    slot,
    receive: (bytes, from) => gossip.receive(bytes, from, 'sync'),
    // far away unless a test asks: what it checks is then due to gossip alone
    intervalMs: options.syncIntervalMs ?? 3_600_000
  })
  await sync.start()
  const discovery = createDiscovery({
    libp2p,
    network,
    peers,
    hello,
    ...(staked ? { staker: pair.address } : {}),
    hints: async () => hints(),
    local: true,
    minPeers: options.minPeers ?? 8,
    onEvent: (event) => node.events.push(event)
  })
  return Object.assign(node, {
    name,
    pair,
    libp2p,
    host,
    peers,
    hello,
    announcer,
    pool,
    gossip,
    sync,
    discovery,
    peerId: libp2p.peerId.toString(),
    seal: (body: Body) => seal(body, network, signerOf(pair)),
    submission: (value: string, over?: Partial<Body>) => seal(submissionBody(value, over), network, signerOf(pair)),
    async leave() {
      await discovery.stop()
      await sync.stop()
      gossip.stop()
      await hello.stop()
      leave()
    },
    async stop() {
      await discovery.stop()
      await sync.stop()
      gossip.stop()
      await hello.stop()
      await libp2p.stop()
    }
  }) as MeshNode
}

export interface Hint {
  staker: string
  address: string
}

export async function spawnMesh(options: MeshOptions): Promise<Mesh> {
  const names = Array.from({ length: options.nodes }, (_, at) => NAMES[at] ?? `node-${at}`)
  const weights = new Map(names.map((name) => [keyOf(name).address, 1_000n]))
  const hints: Hint[] = []
  const nodes: MeshNode[] = []
  const unstaked: MeshNode[] = []
  for (const name of names) {
    nodes.push(await spawnNode(name, true, weights, options, () => hints))
    if (hints.length === 0) {
      const first = nodes[0] as MeshNode
      hints.push({ staker: first.pair.address, address: String(first.libp2p.getMultiaddrs()[0]) })
    }
  }
  for (let at = 0; at < (options.unstaked ?? 0); at++) {
    unstaked.push(await spawnNode(`mallory-${at}`, false, weights, options, () => hints))
  }
  if (options.discover === true) {
    for (const node of nodes) {
      node.discovery.start()
    }
  } else {
    const all = [...nodes, ...unstaked]
    for (const [at, node] of all.entries()) {
      await Promise.all(all.slice(0, at).map((other) => node.libp2p.dial(other.libp2p.getMultiaddrs())))
    }
  }
  return {
    nodes,
    unstaked,
    weights,
    connected: (atLeast = nodes.length - 1) =>
      waitFor(
        () => nodes.every((node) => node.gossip.topicPeers().length >= atLeast),
        20_000,
        () => nodes.map((node) => `${node.name}: ${node.gossip.topicPeers().length} topic peers`).join(', ')
      ),
    stop: async () => {
      await Promise.all([...nodes, ...unstaked].map((node) => node.stop()))
    }
  }
}

const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi']
