import { generateKeyPair, generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey, PublicKey } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { cycleAt } from '../../src/clock/index.ts'
import { topicOf } from '../../src/network/index.ts'
import { Body, seal } from '../../src/wire/index.ts'
import { keyOf, type MeshNode, NETWORK, NOW, seed, signerOf, sleep, spawnNode, TIMING, waitFor } from '../../test/network/mesh.ts'
import { BenchError } from './result.ts'
import { seededRandom } from './statistics.ts'

/**
 * `burst`: a message every 15 ms whether or not the former ones have arrived, as when a submission window opens for all at once;
 * `single`: each message once the one before it is everywhere.
 */
export type Pace = 'burst' | 'single'

export interface RunRequest {
  ask: 'run'
  /** Of the payloads: the same for both halves of a pair. */
  seed: number
  /** Each is one message by every node. */
  rounds: number
  pace: Pace
}

/** `idle`: the CPU in us a second of the whole mesh while nobody says anything. `probe`: how many nodes took a forged message. Ends the mesh's good standing, so it comes last. */
export type Request = RunRequest | { ask: 'idle' | 'probe' }
export type Answer = { answer: 'ready' | RunReport | number } | { error: string }

export interface RunReport {
  cpuUs: number
  /** Messages that reached an application that is not their author's. */
  deliveries: number
  /** Signature checks of either kind in all nodes. */
  checks: number
  /** Copies that came over the wire and were not the first. */
  duplicates: number | null
  /** Peers in the mesh of a node, on average. */
  degree: number
  /** Of one message as it is handed to the router. */
  messageBytes: number
  elapsedMs: number
}

/** What the two meshes have in common: how runs are driven and measured is the same code for both. */
interface Subject {
  /** Makes the messages of a round ready, out of the measured time; the result sends those of one node. */
  prepare(payloads: Uint8Array[]): Promise<Array<() => Promise<unknown>>>
  /** Deliveries so far, by node. */
  delivered(): number[]
  duplicates(): number | null
  messageBytes(): number
  degree(): number
  /** Sends a message of the first node that another key has signed. */
  forge(): Promise<unknown>
}

/** The last copies of a message come a little after everybody has it: they belong to its price. */
const TAIL_MS = 150
const BURST_GAP_MS = 15
/** Meshes settle within some heartbeats. */
const SETTLE_MS = 5_000
/** yamux pings each of its connections twice a minute: one round of that is in it, whenever it begins. */
const IDLE_MS = 30_000
const FORM_TIMEOUT_MS = 8_000
const REPAIRS = 4
/** On the ring of nodes: see `edgesOf`. */
const STEPS = [1, 3, 5, 9]
const DIALS = 3
const PAYLOAD_BYTES = 1_024
/** In the announcement that takes so many bytes. */
const ADDRESSES = 4
/** As the node runs it. */
const OUR_HEARTBEAT_MS = 700
const DELIVER_TIMEOUT_MS = 60_000

let checks = 0

/** Counts libp2p's checks where every one passes: stock gossipsub has no seam for it. */
async function countLibp2pChecks(): Promise<void> {
  const { publicKey } = await generateKeyPair('Ed25519')
  const prototype = Object.getPrototypeOf(publicKey) as PublicKey
  const verify = prototype.verify
  prototype.verify = function (this: PublicKey, ...args: Parameters<PublicKey['verify']>) {
    checks++
    return verify.apply(this, args)
  }
}

async function stock(count: number, degree: number): Promise<Subject> {
  const topic = topicOf(NETWORK)
  const received = Array.from({ length: count }, () => 0)
  let messageBytes = 0
  const nodes: Array<{ libp2p: Awaited<ReturnType<typeof createStock>>; pubsub: GossipSub }> = []
  for (let at = 0; at < count; at++) {
    const libp2p = await createStock(`stock-${at}`, degree)
    const pubsub = libp2p.services.pubsub as GossipSub
    pubsub.addEventListener('message', ({ detail }) => {
      if (detail.type !== 'signed') {
        throw new BenchError('stock gossipsub delivered a message without a signature')
      }
      received[at]!++
    })
    pubsub.subscribe(topic)
    nodes.push({ libp2p, pubsub })
  }
  await connect(
    nodes.map(({ libp2p }) => libp2p),
    degree,
    nodes.map(({ pubsub }) => pubsub)
  )
  return {
    prepare: async (payloads) => {
      messageBytes = payloads[0]!.length
      return nodes.map(
        ({ pubsub }, at) =>
          () =>
            pubsub.publish(topic, payloads[at]!)
      )
    },
    delivered: () => [...received],
    duplicates: () => null,
    messageBytes: () => messageBytes,
    degree: () => mean(nodes.map(({ pubsub }) => (pubsub as unknown as MeshView).getMeshPeers(topic).length)),
    async forge() {
      const pubsub = nodes[0]!.pubsub as unknown as { publishConfig: { privateKey: PrivateKey } } & GossipSub
      pubsub.publishConfig.privateKey = await generateKeyPair('Ed25519')
      return pubsub.publish(topic, new Uint8Array(64))
    }
  }
}

/** Of gossipsub's class, beyond its interface. */
interface MeshView {
  getMeshPeers(topic: string): string[]
  addToMesh(peerId: string, topic: string, reason: string): void
  sendGraft(peerId: string, topics: string[]): void
}

/** js-libp2p as its documentation sets it up, and gossipsub with its defaults: only what the comparison needs is changed. */
async function createStock(name: string, degree: number) {
  return createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', seed(`node/${name}`)),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // by default five connections a second are taken from one host
    connectionManager: { inboundConnectionThreshold: 1_000, maxIncomingPendingConnections: 100 },
    services: {
      identify: identify(),
      pubsub: gossipsub({
        // the degree of ours; the rest of the mesh follows from it in the same way
        D: degree,
        Dlo: degree - 2,
        Dhi: degree + 4,
        // by default twenty nodes on one address shut each other out
        scoreParams: { IPColocationFactorWeight: 0 }
      })
    }
  })
}

async function ours(count: number, degree: number): Promise<Subject> {
  let cycle = 3
  const slot = () => NOW + (cycle - 3) * TIMING.roundSlots
  const names = Array.from({ length: count }, (_, at) => `node-${at}`)
  const weights = new Map(names.map((name) => [keyOf(name).address, 1_000n]))
  const nodes: MeshNode[] = []
  // as DHT servers they would find and dial each other beyond the given graph
  for (const name of names) {
    nodes.push(
      await spawnNode(name, true, weights, { nodes: count, slot, host: { degree, heartbeatMs: OUR_HEARTBEAT_MS, dht: 'client' } }, () => [])
    )
  }
  await connect(
    nodes.map(({ libp2p }) => libp2p),
    degree,
    nodes.map(({ libp2p }) => libp2p.services.pubsub)
  )
  let counted = 0
  let messageBytes = 0
  let forging = false
  return {
    prepare: async (payloads) => {
      // each round of messages has a cycle of its own, so that no quota is met
      cycle++
      for (const node of nodes) {
        const announcement = await node.announcer.renew()
        for (const { peers } of announcement == null ? [] : nodes) {
          // a live mesh gossips these every two rounds; here a round lasts a moment, and they are not what is measured
          peers.claim(announcement!)
        }
      }
      const messages = await Promise.all(nodes.map((node, at) => node.seal(paddedAnnouncement(node, slot(), payloads[at]!))))
      messageBytes = messages[0]!.bytes.length
      return nodes.map((node, at) => () => node.gossip.publish(messages[at]!))
    },
    delivered() {
      // the harness counts what passes the judge's only check
      const judged = sum(nodes.map((node) => node.checks))
      checks += judged - counted
      counted = judged
      const refusal = nodes.flatMap(({ refusals }) => refusals)[0]
      if (refusal != null && !forging) {
        throw new BenchError(`a node refused a good message: ${JSON.stringify(refusal)}`)
      }
      return nodes.map(({ gossip }) => gossip.counters().delivered)
    },
    duplicates: () => sum(nodes.map(({ gossip }) => gossip.counters().duplicates)),
    messageBytes: () => messageBytes,
    degree: () => mean(nodes.map(({ gossip }) => gossip.meshPeers().length)),
    async forge() {
      const [node, other] = nodes
      const body = paddedAnnouncement(node!, slot(), new Uint8Array(PAYLOAD_BYTES))
      const forged = await seal(body, NETWORK, { publicKey: node!.pair.publicKey, sign: signerOf(other!.pair).sign })
      forging = true
      // past its own door, which knows what it has signed itself
      await node!.libp2p.services.pubsub.publish(topicOf(NETWORK), forged.bytes)
    }
  }
}

/**
 * An announcement whose body takes as many bytes as the payload, which is in its addresses: submissions have no room for as much. Its
 * sequence number is an old one, so that nobody takes the addresses for the node's.
 */
function paddedAnnouncement(node: MeshNode, slot: number, payload: Uint8Array): Body {
  const peerId = new Uint8Array(node.libp2p.peerId.toMultihash().bytes)
  const hex = Buffer.from(payload).toString('hex')
  const bodyWith = (lengths: number[]): Body => {
    let at = 0
    const multiaddrs = lengths.map((length) => {
      at += length
      return multiaddr(`/dns4/${hex.slice(at - length, at)}/tcp/4001`).bytes as Uint8Array<ArrayBuffer>
    })
    return { cycle: cycleAt(TIMING, slot), slot, announcement: { peerId, multiaddrs, sequence: 1, expirySlot: slot + TIMING.roundSlots } }
  }
  // names of 128 to 240 letters: each letter is then one byte more, whatever the length fields take
  const shortest = Array.from({ length: ADDRESSES }, () => 128)
  const missing = payload.length - Body.encode(bodyWith(shortest)).length
  const body = bodyWith(shortest.map((length, at) => length + Math.floor((missing + at) / ADDRESSES)))
  const { length } = Body.encode(body)
  if (missing < 0 || length !== payload.length) {
    throw new BenchError(`an announcement cannot be padded to ${payload.length} bytes: it takes ${length}`)
  }
  return body
}

/**
 * The same graph for both meshes: on a ring, each node is connected to those 1, 3, 5 and 9 places away on either side. Its
 * neighbours are as many as the degree, so that all of them can be in its gossip mesh: see `fillMeshes`.
 */
function edgesOf(count: number, degree: number): Array<[number, number]> {
  const edges = Array.from({ length: count }, (_, at) => STEPS.map((step): [number, number] => [at, (at + step) % count])).flat()
  if (degree !== 2 * STEPS.length || count <= 2 * Math.max(...STEPS)) {
    throw new BenchError(`no ring of ${count} nodes with ${degree} neighbours each: change STEPS, too`)
  }
  return edges
}

/**
 * Connects the hosts along the edges, one connection at a time: a busy machine drops handshakes that take too long. Who has
 * not heard of a neighbour's subscription by then is connected to it anew, as a live node's discovery would do.
 */
async function connect(hosts: Libp2p[], degree: number, routers: GossipSub[]): Promise<void> {
  const topic = topicOf(NETWORK)
  const edges = edgesOf(hosts.length, degree)
  const topicPeers = () => routers.map((router) => router.getSubscribers(topic).map(String))
  for (const [a, b] of edges) {
    await dial(hosts[a]!, hosts[b]!)
  }
  const missing = () => {
    const known = topicPeers()
    const knows = (a: number, b: number) => known[a]!.includes(hosts[b]!.peerId.toString())
    return edges.filter(([a, b]) => !knows(a, b) || !knows(b, a))
  }
  for (let repair = 0; ; repair++) {
    try {
      await waitFor(
        () => missing().length === 0,
        FORM_TIMEOUT_MS,
        () => `${missing().length} of ${edges.length} pairs of neighbours do not gossip`
      )
      break
    } catch (err) {
      if (repair === REPAIRS) {
        throw err
      }
      for (const [a, b] of missing()) {
        await hosts[a]!.hangUp(hosts[b]!.peerId)
        await dial(hosts[a]!, hosts[b]!)
      }
    }
  }
  const wrong = topicPeers().findIndex((known) => known.length !== degree)
  if (wrong !== -1) {
    throw new BenchError(`node ${wrong} gossips with ${topicPeers()[wrong]!.length} peers instead of its ${degree} neighbours`)
  }
  await fillMeshes(routers as unknown as MeshView[], topic, degree, topicPeers())
}

/**
 * Everybody grafts all its neighbours. Left alone, a mesh stops growing somewhere between Dlo and D, and a copy more or less is
 * a sixth of what a delivery costs: the luck of the draw would be in the ratio.
 */
async function fillMeshes(routers: MeshView[], topic: string, degree: number, neighbours: string[][]): Promise<void> {
  for (const [at, router] of routers.entries()) {
    for (const peerId of neighbours[at]!) {
      if (!router.getMeshPeers(topic).includes(peerId)) {
        router.addToMesh(peerId, topic, 'not_enough')
        router.sendGraft(peerId, [topic])
      }
    }
  }
  await sleep(SETTLE_MS)
  const degrees = routers.map((router) => router.getMeshPeers(topic).length)
  if (degrees.some((one) => one !== degree)) {
    throw new BenchError(`the meshes of the nodes have ${degrees.join(' ')} peers instead of ${degree} each`)
  }
}

async function dial(host: Libp2p, other: Libp2p): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await host.dial(other.getMultiaddrs(), { signal: AbortSignal.timeout(DELIVER_TIMEOUT_MS) })
      return
    } catch (err) {
      if (attempt === DIALS) {
        throw err
      }
    }
  }
}

/** One run: rounds of one message by every node, the CPU of this process while they are sent and delivered. */
async function run(subject: Subject, nodes: number, { seed: from, rounds, pace }: RunRequest): Promise<RunReport> {
  const random = seededRandom(from)
  const report: RunReport = { cpuUs: 0, deliveries: 0, checks: 0, duplicates: null, degree: 0, messageBytes: 0, elapsedMs: 0 }
  for (let round = 0; round < rounds; round++) {
    const payloads = Array.from({ length: nodes }, () => Uint8Array.from({ length: PAYLOAD_BYTES }, () => Math.floor(random() * 256)))
    const sends = await subject.prepare(payloads)
    const before = subject.delivered()
    const duplicates = subject.duplicates()
    const checksBefore = checks
    const startedMs = performance.now()
    const cpu = process.cpuUsage()
    const missing = () => subject.delivered().map((count, at) => nodes - 1 - (count - before[at]!))
    for (const [at, send] of sends.entries()) {
      await send()
      if (pace === 'burst') {
        await sleep(BURST_GAP_MS)
      } else {
        const due = (at + 1) * (nodes - 1)
        await waitFor(
          () => sum(subject.delivered()) - sum(before) >= due,
          DELIVER_TIMEOUT_MS,
          () => `messages missing, by node: ${missing().join(' ')}`
        )
      }
    }
    await waitFor(
      () => missing().every((count) => count <= 0),
      DELIVER_TIMEOUT_MS,
      () => `messages missing, by node: ${missing().join(' ')}`
    )
    await sleep(TAIL_MS)
    const { user, system } = process.cpuUsage(cpu)
    if (missing().some((count) => count !== 0)) {
      throw new BenchError(`messages were delivered more than once: ${missing().join(' ')}`)
    }
    report.cpuUs += user + system
    report.elapsedMs += performance.now() - startedMs
    report.deliveries += nodes * (nodes - 1)
    report.checks += checks - checksBefore
    if (duplicates != null) {
      report.duplicates = (report.duplicates ?? 0) + subject.duplicates()! - duplicates
    }
  }
  return { ...report, degree: subject.degree(), messageBytes: subject.messageBytes() }
}

async function idle(): Promise<number> {
  const startedMs = performance.now()
  const cpu = process.cpuUsage()
  await sleep(IDLE_MS)
  const { user, system } = process.cpuUsage(cpu)
  return ((user + system) * 1_000) / (performance.now() - startedMs)
}

/** Both must turn down a message that its author has not signed, or what was measured was not authentication. */
async function probe(subject: Subject): Promise<number> {
  const before = sum(subject.delivered())
  const checksBefore = checks
  await subject.forge()
  await waitFor(
    () => {
      subject.delivered()
      return checks > checksBefore
    },
    DELIVER_TIMEOUT_MS,
    () => 'nobody has checked the forged message'
  )
  await sleep(2 * TAIL_MS)
  return sum(subject.delivered()) - before
}

function sum(values: number[]): number {
  return values.reduce((all, value) => all + value, 0)
}

function mean(values: number[]): number {
  return sum(values) / values.length
}

const [kind, nodesText, degreeText] = process.argv.slice(2)
const nodes = Number(nodesText)
if ((kind !== 'stock' && kind !== 'ours') || process.send == null) {
  throw new BenchError('gossip-mesh.ts is started by the bench: npm run bench -- --only gossip')
}
await countLibp2pChecks()
const subject = await (kind === 'stock' ? stock : ours)(nodes, Number(degreeText))
process.on('message', async (request: Request) => {
  try {
    const answer = request.ask === 'run' ? await run(subject, nodes, request) : request.ask === 'idle' ? await idle() : await probe(subject)
    process.send!({ answer })
  } catch (err) {
    process.send!({ error: err instanceof Error ? err.message : String(err) })
  }
})
process.on('disconnect', () => process.exit(0))
process.send({ answer: 'ready' })
