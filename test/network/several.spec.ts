/** Several tasks over one libp2p: what a peer does in one touches no other. */
import { expect } from 'chai'
import { converse, HELLO_PROTOCOL, helloProtocol, next, topicOf } from '../../src/network/index.ts'
import { Envelope, type Message, type Network, networkOf } from '../../src/wire/index.ts'
import { HANGS_MS } from '../cpu.ts'
import { GENESIS, joinTask, keyOf, type MeshNode, NETWORK, spawnHost, waitFor } from './mesh.ts'
import { control, field, graft, ihave, message, prune, subscribe, text, times } from './rubbish.ts'

const A = NETWORK
const B = networkOf(GENESIS, keyOf('another task').address)

type Weights = Map<string, bigint>
type Base = Awaited<ReturnType<typeof spawnHost>>
interface Several {
  base: Base
  a: MeshNode
  b: MeshNode
}

const among = (...names: string[]): Weights => new Map(names.map((name) => [keyOf(name).address, 1_000n]))

interface Heard {
  messages: Array<{ topic: string }>
  control?: Partial<Record<'ihave' | 'iwant', Array<{ messageIDs: Uint8Array[] }>>>
}

/** Gossipsub's own, for looking at. */
interface Inside {
  seenCache: { has(id: string): boolean; size: number }
  fastMsgIdCache: { has(id: string): boolean }
  score: { scoreCache: Map<string, unknown> }
  peers: Map<string, unknown>
  status: { heartbeatTimeout: NodeJS.Timeout }
  topics: Map<string, Set<string>>
  streamsOutbound: Map<string, { push(rpc: Uint8Array): void }>
  pushGossip(peerId: string, ihave: { topicID: string; messageIDs: Uint8Array[] }): void
  sendRpc(peerId: string, rpc: { messages: [] }): boolean
  handleReceivedRpc(from: unknown, rpc: Heard): Promise<void>
  msgIdFn(message: { topic: string; data: Uint8Array }): Uint8Array
}
const insideOf = ({ libp2p }: MeshNode) => libp2p.services.pubsub as unknown as Inside

/** Sends an RPC over the stream that gossip has, whatever is in it. */
const tell = (from: MeshNode, to: MeshNode, rpc: Uint8Array) => insideOf(from).streamsOutbound.get(to.peerId)!.push(rpc)

const hasSeen = (node: MeshNode, network: Network, { bytes }: Message) => {
  const inside = insideOf(node)
  const id = Buffer.from(inside.msgIdFn({ topic: topicOf(network), data: bytes })).toString('latin1')
  return inside.seenCache.has(id) || inside.fastMsgIdCache.has(id)
}

/** Tells of each RPC as it comes, before anything of it is left out. */
function listen(node: MeshNode, then: (rpc: Heard) => unknown): void {
  const inside = insideOf(node)
  const take = inside.handleReceivedRpc.bind(node.libp2p.services.pubsub)
  inside.handleReceivedRpc = (from, rpc) => {
    then(rpc)
    return take(from, rpc)
  }
}

/** As it is now. */
const scoreAt = (node: MeshNode, of: MeshNode) => {
  insideOf(node).score.scoreCache.clear()
  return node.gossip.scoreOf(of.peerId)
}

/** An RPC of messages with wrong signatures, about the first task. */
async function forged(from: MeshNode, count: number): Promise<Uint8Array> {
  const all = await Promise.all(Array.from({ length: count }, (_, at) => from.submission(`wrong ${at}`)))
  const wrong = all.map(({ envelope }) => Envelope.encode({ ...envelope, signature: new Uint8Array(64).fill(1) }))
  return Buffer.concat(wrong.map((bytes) => message(bytes, topicOf(A))))
}

const idsOf = (from: MeshNode, to: MeshNode) => from.libp2p.getConnections(to.libp2p.peerId).map(({ id }) => id)
const share =
  (...nodes: MeshNode[]) =>
  () =>
    nodes.every(({ gossip }) => gossip.topicPeers().length >= nodes.length - 1)

describe('network: several tasks', () => {
  const open: Base[] = []
  const joined: MeshNode[] = []
  const join = async (base: Base, network: Network, weights: Weights): Promise<MeshNode> => {
    const node = await joinTask(base, network, weights.has(keyOf(base.name).address), weights, { nodes: 1 }, () => [])
    joined.push(node)
    return node
  }
  const spawn = async (name: string, options: Parameters<typeof spawnHost>[1] = {}): Promise<Base> => {
    const base = await spawnHost(name, options)
    open.push(base)
    return base
  }
  const both = async (name: string, inA: Weights, inB: Weights): Promise<Several> => {
    const base = await spawn(name)
    return { base, a: await join(base, A, inA), b: await join(base, B, inB) }
  }
  const connect = async (...nodes: MeshNode[]) => {
    for (const [at, node] of nodes.entries()) {
      await Promise.all(nodes.slice(0, at).map((other) => node.libp2p.dial(other.libp2p.getMultiaddrs())))
    }
  }
  afterEach(async () => {
    for (const node of joined.splice(0)) {
      await node.leave()
    }
    for (const { host } of open.splice(0)) {
      await host.libp2p.stop()
    }
  })

  // the ids of the first task are here as on the wire, those of the others are not: each is attacked from the other
  for (const [own, other, title] of [
    ['b', 'a', 'nobody loses a message of the first task to a peer that is in another, however early and often it says it'],
    ['a', 'b', 'nobody loses a message of another task to a peer that is in the first']
  ] as const) {
    it(title, async () => {
      const honest = ['alice', 'bob', 'carol']
      const weights = { [own]: among(...honest, 'mallory'), [other]: among(...honest) } as Record<'a' | 'b', Weights>
      const [alice, bob, carol] = (await Promise.all(honest.map((name) => both(name, weights.a, weights.b)))) as [Several, Several, Several]
      const [ownNetwork, network] = own === 'b' ? [B, A] : [A, B]
      const mallory = await join(await spawn('mallory'), ownNetwork, weights[own])
      await connect(alice.a, bob.a, carol.a, mallory)
      await waitFor(share(alice[own], bob[own], carol[own], mallory))
      await waitFor(share(alice[other], bob[other], carol[other]))
      const victims = [alice[other], carol[other]]

      const said = await bob[other].submission('what mallory knows before all others')
      const [topic, ownTopic] = [topicOf(network), topicOf(ownNetwork)]
      const id = insideOf(bob.a).msgIdFn({ topic: topicOf(A), data: said.bytes })
      const offers = (of: string) => field(1, field(1, text(of)), field(2, id))
      for (const victim of victims) {
        const before = insideOf(victim).seenCache.size
        tell(mallory, victim, Buffer.concat([subscribe(topic), control(graft(topic), prune(0))]))
        tell(mallory, victim, message(said.bytes, topic))
        tell(
          mallory,
          victim,
          times(200, (at) => message(text(`nothing ${at}`), topic))
        )
        await waitFor(() => victim.gossip.counters().refused['not-admitted'] >= 201)
        expect(insideOf(victim).seenCache.size, 'nothing of it has come to the router').to.equal(before)
        // the same bytes about the task that it is in, where they mean nothing
        tell(mallory, victim, Buffer.concat([control(offers(topic), offers(ownTopic), ihave(1, ownTopic)), message(said.bytes, ownTopic)]))
        const owns = own === 'a' ? (victim === victims[0] ? alice.a : carol.a) : victim === victims[0] ? alice.b : carol.b
        await waitFor(() => hasSeen(owns, ownNetwork, said))
        expect(hasSeen(victim, network, said)).to.equal(false)
        expect([victim.gossip.topicPeers(), victim.gossip.meshPeers()].flat()).not.to.include(mallory.peerId)
      }
      await bob[other].gossip.publish(said)
      await waitFor(() => victims.every(({ received }) => received.some((one) => one.id === said.id)))
      // and no standing in its own task
      expect(victims.map(({ peers }) => peers.isBanned(mallory.peerId))).to.deep.equal([false, false])
      const word = await mallory.submission('a word of its own')
      await mallory.gossip.publish(word)
      await waitFor(() => [alice, bob, carol].every((one) => one[own].received.some((got) => got.id === word.id)))
    })
  }

  it('a peer that is let out of one task goes on in the other, and is let in again over the same connection', async () => {
    const [inA, inB] = [among('alice', 'bob'), among('alice', 'bob')]
    const [alice, bob] = [await both('alice', inA, inB), await both('bob', inA, inB)]
    await connect(alice.a, bob.a)
    await waitFor(() => share(alice.a, bob.a)() && share(alice.b, bob.b)())
    const connections = idsOf(alice.a, bob.a)

    inA.delete(bob.a.pair.address)
    await waitFor(() => !alice.a.peers.isStaked(bob.a.peerId))
    expect([alice.a.gossip.topicPeers(), alice.a.gossip.meshPeers()]).to.deep.equal([[], []])
    const refused = await bob.a.submission('of one without stake')
    await bob.a.gossip.send(refused)
    const [there, back] = [await alice.b.submission('there'), await bob.b.submission('back')]
    await alice.b.gossip.publish(there)
    await bob.b.gossip.publish(back)
    await waitFor(() => bob.b.pool.has(there.id) && alice.b.pool.has(back.id))
    expect(alice.a.pool.has(refused.id)).to.equal(false)

    inA.set(bob.a.pair.address, 1_000n)
    await waitFor(() => share(alice.a, bob.a)() && alice.a.gossip.meshPeers().length === 1)
    const [again, answer] = [await alice.a.submission('again'), await bob.a.submission('answer')]
    await alice.a.gossip.publish(again)
    await bob.a.gossip.publish(answer)
    await waitFor(() => bob.a.pool.has(again.id) && alice.a.pool.has(answer.id))
    expect(idsOf(alice.a, bob.a)).to.deep.equal(connections)
  })

  it('a peer that is banned in one task works on in the other, at once; a flood ends both', async () => {
    const weights = among('alice', 'bob')
    const [alice, bob] = [await both('alice', weights, weights), await both('bob', weights, weights)]
    await connect(alice.a, bob.a)
    await waitFor(() => share(alice.a, bob.a)() && share(alice.b, bob.b)())
    const connections = idsOf(alice.a, bob.a)
    tell(bob.a, alice.a, await forged(bob.a, 32))
    await waitFor(() => alice.a.peers.isBanned(bob.a.peerId))
    expect([alice.b.peers.isBanned(bob.a.peerId), alice.base.roster.isBanned(bob.a.peerId)]).to.deep.equal([false, false])
    // what it did there is not held against it here
    expect(scoreAt(alice.b, bob.b)).to.be.at.least(0)
    const word = await bob.b.submission('in the other task')
    await bob.b.gossip.publish(word)
    await waitFor(() => alice.b.pool.has(word.id))
    expect([idsOf(alice.a, bob.a), alice.a.gossip.topicPeers()]).to.deep.equal([connections, []])

    tell(
      bob.a,
      alice.a,
      times(400, () => subscribe('another topic'))
    )
    await waitFor(() => idsOf(alice.a, bob.a).length === 0)
    expect([alice.a, alice.b].map(({ peers }) => peers.isBanned(bob.a.peerId))).to.deep.equal([true, true])
    expect(alice.base.roster.isBanned(bob.a.peerId)).to.equal(true)
    expect(alice.base.host.meter.cuts()).to.deep.equal({ 'entries about other topics': 1 })
  })

  for (const away of [false, true]) {
    it(`what a peer has done wrong in a task awaits it there${away ? ', also when it was away meanwhile' : ''}`, async () => {
      const [inA, inB] = [among('alice', 'bob'), among('alice', 'bob')]
      const [alice, bob] = [await both('alice', inA, inB), await both('bob', inA, inB)]
      await connect(alice.a, bob.a)
      await waitFor(() => share(alice.a, bob.a)() && share(alice.b, bob.b)())
      const good = await bob.b.submission('good work in the other')
      await bob.b.gossip.publish(good)
      await waitFor(() => alice.b.pool.has(good.id))
      tell(bob.a, alice.a, await forged(bob.a, 31))
      await waitFor(() => scoreAt(alice.a, bob.a) < -100)
      inA.delete(bob.a.pair.address)
      await waitFor(() => !alice.a.peers.isStaked(bob.a.peerId))
      expect(scoreAt(alice.a, bob.a)).to.be.at.least(0)
      if (away) {
        await alice.a.libp2p.hangUp(bob.a.libp2p.peerId)
        await waitFor(() => !insideOf(alice.a).peers.has(bob.a.peerId))
      }
      inA.set(bob.a.pair.address, 1_000n)
      await waitFor(() => alice.a.peers.isStaked(bob.a.peerId))
      if (away) {
        await connect(alice.a, bob.a)
        await waitFor(() => insideOf(alice.a).peers.has(bob.a.peerId))
      }
      expect(scoreAt(alice.a, bob.a)).to.be.below(0)
    })
  }

  it('two that share one of two tasks: the hello for the other costs nothing', async () => {
    const weights = among('alice', 'bob')
    const alice = await both('alice', weights, weights)
    const bob = await join(await spawn('bob'), B, weights)
    await connect(bob, alice.a)
    await waitFor(share(alice.b, bob))
    await waitFor(() => alice.a.hellos.length > 0 || bob.hellos.length > 0)
    expect(await alice.a.hello.greet(alice.a.libp2p.getConnections()[0]!)).to.deep.equal({ peerId: bob.peerId, fault: 'other-task' })
    expect(idsOf(alice.a, bob)).to.have.length(1)
    expect([alice.a.peers.isBanned(bob.peerId), alice.b.peers.isStaked(bob.peerId)]).to.deep.equal([false, true])
    expect([alice.base.host.meter.cuts(), bob.gossip.topicPeers()]).to.deep.equal([{}, [alice.b.peerId]])
    expect(alice.a.gossip.topicPeers()).to.deep.equal([])
    // who names no task is answered by nodes that were told to
    const bare = await bob.libp2p
      .getConnections()[0]!
      .newStream(HELLO_PROTOCOL)
      .catch((err: Error) => err.name)
    expect(bare).to.equal('UnsupportedProtocolError')
  })

  it('what a peer says wrongly in the hello of one task ends nothing while another has let it in', async () => {
    const weights = among('alice', 'bob')
    const [alice, bob] = [await both('alice', weights, weights), await both('bob', weights, weights)]
    await connect(alice.a, bob.a)
    await waitFor(() => share(alice.a, bob.a)() && share(alice.b, bob.b)())
    const say = async (network: Network) => {
      const stream = await bob.a.libp2p.getConnections()[0]!.newStream(helloProtocol(network))
      const faults = () => [...alice.a.hellos, ...alice.b.hellos].filter((one) => 'fault' in one && one.fault === 'malformed').length
      const before = faults()
      await converse(
        stream,
        async function* (frames) {
          yield text('noise')
          await next(frames)
        },
        { frameBytes: 10_000, totalBytes: 10_000 },
        AbortSignal.timeout(HANGS_MS)
      ).catch(() => {})
      await waitFor(() => faults() > before)
    }
    await say(B)
    expect(idsOf(alice.a, bob.a)).to.have.length(1)
    weights.delete(bob.a.pair.address)
    await alice.a.leave()
    // with the other task gone the rule is as ever
    await waitFor(() => idsOf(alice.b, bob.b).length === 0)
  })

  it('a task that is joined while connections are there finds its peers over them, also a second time', async () => {
    const weights = among('alice', 'bob')
    const bob = await both('bob', weights, weights)
    const base = await spawn('alice')
    const a = await join(base, A, weights)
    // bob has dialled, and so says no more by himself
    await connect(a, bob.a)
    await waitFor(share(a, bob.a))
    const connections = idsOf(a, bob.a)
    for (const turn of ['first', 'second']) {
      const b = await join(base, B, weights)
      await waitFor(share(b, bob.b))
      const [there, back] = [await b.submission(`${turn}, there`), await bob.b.submission(`${turn}, back`)]
      await b.gossip.publish(there)
      await bob.b.gossip.publish(back)
      await waitFor(() => bob.b.pool.has(there.id) && b.pool.has(back.id))
      expect((await b.sync.now()).peers).to.equal(1)
      await b.leave()
      expect(insideOf(a).topics.has(topicOf(B))).to.equal(false)
      await waitFor(() => bob.b.gossip.topicPeers().length === 0)
      const still = await bob.a.submission(`${turn}, still in the first`)
      await bob.a.gossip.publish(still)
      await waitFor(() => a.pool.has(still.id))
    }
    expect(idsOf(a, bob.a)).to.deep.equal(connections)
    expect([base.host.meter.cuts(), bob.base.host.meter.cuts()]).to.deep.equal([{}, {}])
  })

  it('brings what was missed of each task by IHAVE and IWANT, and gives nothing to who is not in the task', async () => {
    const weights = among('alice', 'bob')
    const inB = among('alice', 'bob', 'mallory')
    // no heartbeat takes the messages out of the cache meanwhile
    const slow = { host: { heartbeatMs: 600_000 } }
    const [alice, bob] = await Promise.all(
      ['alice', 'bob'].map(async (name) => {
        const base = await spawn(name, slow)
        return { a: await join(base, A, weights), b: await join(base, B, inB) }
      })
    )
    const mallory = await join(await spawn('mallory', slow), B, inB)
    await connect(alice!.a, bob!.a, mallory)
    await waitFor(share(alice!.b, bob!.b, mallory))
    await waitFor(share(alice!.a, bob!.a))
    // ids that are on the wire are a hash and no more, whatever they are within
    const lengths: number[] = []
    for (const node of [alice!.a, bob!.a]) {
      listen(node, ({ control: { ihave = [], iwant = [] } = {} }) =>
        lengths.push(...[...ihave, ...iwant].flatMap(({ messageIDs }) => messageIDs.map(({ length }) => length)))
      )
    }
    for (const [from, to, network] of [
      [bob!.a, alice!.a, A],
      [bob!.b, alice!.b, B]
    ] as const) {
      const inside = insideOf(from)
      const topic = topicOf(network)
      const others = [...inside.topics.get(topic)!]
      const offered: Uint8Array[] = []
      for (const value of ['sent to nobody', 'nor this']) {
        inside.topics.delete(topic)
        const missed = await from.submission(value)
        await from.gossip.publish(missed)
        inside.topics.set(topic, new Set(others))
        offered.push(inside.msgIdFn({ topic, data: missed.bytes }))
        inside.pushGossip(to.peerId, { topicID: topic, messageIDs: [...offered] })
        inside.sendRpc(to.peerId, { messages: [] })
        await waitFor(() => to.pool.has(missed.id))
      }
    }
    // of each task one is offered and wanted; then both are offered, and the one that is not here is wanted
    expect(lengths).to.deep.equal(Array(10).fill(16))

    // of the answer mallory sees all that was sent
    const got: string[] = []
    listen(mallory, ({ messages }) => got.push(...messages.map(({ topic }) => topic)))
    const [ofA, ofB] = [bob!.a.received, bob!.b.received].map((own) => own.at(-1)!.bytes)
    const ids = [ofA!, ofB!].map((data) => insideOf(alice!.a).msgIdFn({ topic: topicOf(A), data }))
    tell(mallory, bob!.b, control(field(2, ...ids.map((id) => field(1, id)))))
    await waitFor(() => got.length > 0)
    expect(got).to.deep.equal([topicOf(B)])
    for (const node of [alice!.a, bob!.a, mallory]) {
      // gossipsub's stop leaves it, and the process would wait for it
      clearTimeout(insideOf(node).status.heartbeatTimeout)
    }
  })

  it('two that share thirty-two tasks meet in each, and neither takes the other for a flood', async () => {
    const weights = among('alice', 'bob')
    const networks = Array.from({ length: 32 }, (_, at) => networkOf(GENESIS, keyOf(`task ${at}`).address))
    const [alice, bob] = await Promise.all(
      ['alice', 'bob'].map(async (name) => {
        const base = await spawn(name)
        return { base, tasks: await Promise.all(networks.map((network) => join(base, network, weights))) }
      })
    )
    await connect(alice!.tasks[0]!, bob!.tasks[0]!)
    const pairs = alice!.tasks.map((one, at) => [one, bob!.tasks[at]!] as const)
    await waitFor(() => pairs.every(([one, other]) => share(one, other)()))
    for (const [one, other] of pairs) {
      const word = await one.submission('in each')
      await one.gossip.publish(word)
      await waitFor(() => other.pool.has(word.id))
      expect(other.gossip.counters().copies).to.equal(1)
    }
    // as libp2p keeps them of the other end: what is cut there would not be spoken
    const { protocols } = await alice!.base.host.libp2p.peerStore.get(bob!.base.host.libp2p.peerId)
    expect(protocols.filter((one) => /^\/koii-mesh\/(hello|sync)\//.test(one))).to.have.length(64)
    expect(protocols.some((one) => one.startsWith('/meshsub/'))).to.equal(true)
    expect([alice!, bob!].map(({ base }) => base.host.meter.cuts())).to.deep.equal([{}, {}])
  })

  it('takes up no topic twice', async () => {
    const base = await spawn('alice')
    const { peers } = await join(base, A, among('alice'))
    expect(() => base.host.join({ network: A, peers })).to.throw('joined before')
    expect(base.roster.size()).to.equal(1)
  })
})
