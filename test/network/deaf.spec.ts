/**
 * Two nodes that dialled each other at once hold two connections, and gossip has one stream in each direction. Whatever
 * happens to one of these, both directions have to come back: each case is a way in which gossipsub alone stays deaf.
 */
import type { Connection, Stream } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import { expect } from 'chai'
import { keyOf, type MeshNode, sleep, spawnNode, waitFor } from './mesh.ts'

const isGossip = (stream: Stream) => stream.protocol.startsWith('/meshsub/')

describe('mesh: no direction stays deaf', () => {
  let alice: MeshNode
  let bob: MeshNode
  let weights: Map<string, bigint>
  beforeEach(async () => {
    weights = new Map(['alice', 'bob'].map((name) => [keyOf(name).address, 1_000n]))
    // what a heartbeat alone would mend comes too late here
    const options = { nodes: 2, host: { heartbeatMs: 30_000 } }
    alice = await spawnNode('alice', true, weights, options, () => [])
    bob = await spawnNode('bob', true, weights, options, () => [])
    await Promise.all([
      alice.libp2p.dial(bob.libp2p.getMultiaddrs(), { force: true }),
      bob.libp2p.dial(alice.libp2p.getMultiaddrs(), { force: true })
    ])
    await waitFor(() => [alice, bob].every((node) => node.libp2p.getConnections().length === 2 && streams(node, 'outbound').length === 1))
    await speakBothWays('at first')
  })
  afterEach(() => Promise.all([alice.stop(), bob.stop()]))

  function streams(node: MeshNode, direction: 'inbound' | 'outbound'): Array<{ connection: Connection; stream: Stream }> {
    return node.libp2p
      .getConnections()
      .flatMap((connection) => connection.streams.map((stream) => ({ connection, stream })))
      .filter(({ stream }) => isGossip(stream) && stream.direction === direction)
  }

  /** Each writes to the other, knows that it subscribes, and is heard by it. What is published in between may be lost: sync brings that. */
  async function speakBothWays(when: string, gone?: Stream): Promise<void> {
    const live = (node: MeshNode) => streams(node, 'outbound').filter(({ stream }) => stream !== gone && stream.writeStatus === 'writable')
    await waitFor(
      () => [alice, bob].every((node) => live(node).length === 1),
      10_000,
      () => `${when}, ${[alice, bob].map((node) => `${node.name} has ${live(node).length} streams to the other`).join(', ')}`
    )
    // the subscriptions are on their way
    await sleep(200)
    for (const [from, to] of [
      [alice, bob],
      [bob, alice]
    ] as const) {
      await waitFor(
        () => from.gossip.topicPeers().includes(to.peerId),
        10_000,
        () => `${when}, ${from.name} does not know that ${to.name} listens`
      )
    }
    for (const [from, to] of [
      [alice, bob],
      [bob, alice]
    ] as const) {
      const message = await from.submission(`${when}, from ${from.name}`)
      await from.gossip.publish(message)
      await waitFor(
        () => to.received.some(({ id }) => id === message.id),
        10_000,
        () => `${when}, ${to.name} did not hear ${from.name}`
      )
    }
  }

  it('when the connection with the stream is cut, and the other one takes no stream at once', async () => {
    const [used] = streams(alice, 'outbound')
    const other = alice.libp2p.getConnections().find(({ id }) => id !== used!.connection.id)!
    const open = other.newStream
    let refused = 0
    other.newStream = async (...args) => {
      if (String(args[0]).includes('/meshsub/') && refused++ < 5) {
        throw new Error('not yet')
      }
      return open(...args)
    }
    used!.connection.abort(new Error('cut'))
    await waitFor(() => alice.libp2p.getConnections().length === 1 && bob.libp2p.getConnections().length === 1)
    await speakBothWays('after the cut')
    expect(refused).to.be.greaterThan(5)
  })

  it('when one takes the other for a stranger, and for a staker again before its score is reckoned anew', async () => {
    // a score is kept for a heartbeat, and this is when the last one is over
    const { score } = bob.libp2p.services.pubsub as unknown as { score: { scoreCache: Map<string, unknown> } }
    score.scoreCache.clear()
    for (const stake of [0n, 1_000n]) {
      weights.set(keyOf('alice').address, stake)
      bob.peers.refresh()
      expect(bob.peers.isStaked(alice.peerId)).to.equal(stake > 0n)
    }
    await speakBothWays('after the change of mind')
  })

  it('when one dials again while the other is still being told that it was gone', async () => {
    const store = bob.libp2p.peerStore
    const get = store.get.bind(store)
    const late: Array<() => void> = []
    let isLate = true
    store.get = async (...args) => {
      const stack = new Error().stack ?? ''
      if (isLate && stack.includes('_onDisconnect')) {
        await new Promise<void>((resolve) => late.push(resolve))
      }
      return get(...args)
    }
    await Promise.all(alice.libp2p.getConnections().map((connection) => connection.abort(new Error('cut'))))
    await waitFor(() => late.length > 0 && alice.libp2p.getConnections().length === 0)
    await alice.libp2p.dial(bob.libp2p.getMultiaddrs())
    await waitFor(() => bob.gossip.topicPeers().includes(alice.peerId) && streams(bob, 'inbound').length > 0)
    isLate = false
    for (const tell of late) tell()
    await sleep(100)
    await speakBothWays('after the late news')
  })

  it('and who has behaved badly is not as good as new when its stream begins anew', async () => {
    type Stats = Map<string, { behaviourPenalty: number }>
    const { score } = bob.libp2p.services.pubsub as unknown as { score: { scoreCache: Map<string, unknown>; peerStats: Stats } }
    const penalty = () => score.peerStats.get(alice.peerId)!.behaviourPenalty
    score.peerStats.get(alice.peerId)!.behaviourPenalty = 20
    const [used] = streams(alice, 'outbound')
    used!.stream.abort(new Error('as good as new'))
    await waitFor(() => streams(bob, 'inbound').some(({ stream }) => stream.id !== used!.stream.id && stream.status === 'open'))
    await sleep(200)
    // it decays, and is not forgotten
    expect(penalty()).to.be.within(1, 20)
    score.scoreCache.clear()
    expect(bob.gossip.scoreOf(alice.peerId)).to.be.below(0)
  })

  it('and nobody stays who is gone, though it had said before that it speaks no gossip', async () => {
    const inside = alice.libp2p.services.pubsub as unknown as { peers: Map<string, unknown> }
    const { registrar } = (bob.libp2p as unknown as { components: { registrar: Registrar } }).components
    const spoken = registrar.getProtocols().filter((protocol) => protocol.startsWith('/meshsub/'))
    await Promise.all(spoken.map((protocol) => registrar.unhandle(protocol)))
    // each new connection tells the protocols again
    await bob.libp2p.dial(alice.libp2p.getMultiaddrs(), { force: true })
    const knows = async () => (await alice.libp2p.peerStore.get(bob.libp2p.peerId)).protocols
    while ((await knows()).some((protocol) => protocol.startsWith('/meshsub/'))) {
      await sleep(20)
    }
    await bob.libp2p.stop()
    await waitFor(() => alice.libp2p.getConnections().length === 0)
    await waitFor(() => alice.gossip.meshPeers().length === 0 && alice.gossip.topicPeers().length === 0 && inside.peers.size === 0)
  })

  it('when the stream alone is reset by the other end', async () => {
    const [used] = streams(alice, 'outbound')
    streams(bob, 'inbound')[0]!.stream.abort(new Error('reset'))
    await speakBothWays('after the reset', used!.stream)
    expect(alice.libp2p.getConnections()).to.have.length(2)
  })

  it('when a stream is closed while it is being opened', async () => {
    const [used] = streams(alice, 'outbound')
    for (const connection of alice.libp2p.getConnections()) {
      const open = connection.newStream
      let opened = 0
      connection.newStream = async (...args) => {
        const stream = await open(...args)
        if (opened++ === 0) {
          stream.abort(new Error('too early'))
        }
        return stream
      }
    }
    used!.stream.abort(new Error('lost'))
    await speakBothWays('after the loss', used!.stream)
  })

  it('when an old stream ends in an error after a new one has taken its place', async () => {
    const [old] = streams(bob, 'inbound')
    const [used] = streams(alice, 'outbound')
    // alice gives the old one up, and bob does not hear of it
    Object.assign(used!.stream, { sendReset: () => {} })
    used!.stream.abort(new Error('lost'))
    const opened = await openedAgain()
    expect(opened.id).not.to.equal(old!.stream.id)
    old!.stream.abort(new Error('late'))
    await sleep(50)
    await speakBothWays('after the late error')

    async function openedAgain(): Promise<Stream> {
      const find = () => streams(bob, 'inbound').find(({ stream }) => stream !== old!.stream)?.stream
      await waitFor(() => find() != null)
      return find()!
    }
  })
})
