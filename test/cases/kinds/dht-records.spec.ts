/** A peer writes provider records without end into a node's DHT: a stranger is cut, a staker has its share, and others lose nothing. */
import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { expect } from 'chai'
import { DHT_PROTOCOL } from '../../../src/network/index.ts'
import { DHT_LIMITS } from '../../../src/network/limits.ts'
import { addProvider, ask, frame, getProviders, type KadPeer, kadPeer, MessageType, pour, someKey } from '../../network/kad.ts'
import { fixedStakes, keyOf, type MeshNode, spawnNode, waitFor } from '../../network/mesh.ts'

const FLOOD = 20_000

/** How many peers a node's DHT has in its table. */
const tableSize = (node: MeshNode) => (node.libp2p.services.dht as unknown as { routingTable: { size: number } }).routingTable.size

describe('case: provider records without end', function () {
  this.timeout(60_000)
  const weights = new Map(['alice', 'bob'].map((name) => [keyOf(name).address, 1_000n] as const))
  let node: MeshNode
  let bob: MeshNode
  let stranger: KadPeer
  const strangers: KadPeer[] = []
  const newStranger = async (): Promise<KadPeer> => {
    const peer = await kadPeer()
    strangers.push(peer)
    return peer
  }
  const kept = someKey()
  const isGone = (peer: KadPeer) => node.libp2p.getPeers().every((one) => one.toString() !== peer.peerId)

  const records = () => [...node.host.store.data.keys()].filter((key) => key.includes('/provider/'))
  const recordsOf = (peer: string) => records().filter((key) => key.endsWith(`/${peer}`))

  beforeEach(async () => {
    node = await spawnNode('alice', true, weights, { nodes: 1, stakes: fixedStakes }, () => [])
    bob = await spawnNode('bob', true, weights, { nodes: 1, stakes: fixedStakes }, () => [])
    await bob.libp2p.dial(node.libp2p.getMultiaddrs())
    await waitFor(() => node.peers.isStaked(bob.peerId) && tableSize(bob) > 0)
    await bob.libp2p.contentRouting.provide(kept)
    await waitFor(() => recordsOf(bob.peerId).length === 1)
    stranger = await newStranger()
  })
  afterEach(async () => {
    await Promise.all([node.stop(), bob.stop(), ...strangers.splice(0).map((peer) => peer.stop())])
  })

  it('cuts the stranger, and a new identity of it starts from nothing', async () => {
    for (const peer of [stranger, await newStranger()]) {
      const connection = await peer.dial(node.libp2p.getMultiaddrs())
      const frames = Array.from({ length: FLOOD }, () => addProvider(peer))
      await pour(await peer.open(connection), frames)
      await waitFor(() => isGone(peer))
      expect(recordsOf(peer.peerId).length).to.be.within(1, DHT_LIMITS.recordsPerStranger)
    }
    expect(recordsOf(bob.peerId)).to.have.length(1)
    const other = await newStranger()
    const answer = await ask(other, await other.dial(node.libp2p.getMultiaddrs()), getProviders(kept))
    expect(answer.providers).to.have.length(1)
  })

  it('cuts who only asks, too', async () => {
    const connection = await stranger.dial(node.libp2p.getMultiaddrs())
    await pour(
      await stranger.open(connection),
      Array.from({ length: FLOOD }, () => getProviders())
    )
    await waitFor(() => isGone(stranger))
  })

  it('gives a staked peer its share, and cuts it not', async () => {
    const connection = node.libp2p.getConnections().find((one) => one.remotePeer.toString() === bob.peerId)
    const stream = await bob.libp2p.getConnections()[0]!.newStream(DHT_PROTOCOL)
    await pour(
      stream,
      Array.from({ length: FLOOD }, () => addProvider(bob))
    )
    await waitFor(() => stream.status !== 'open')
    expect(recordsOf(bob.peerId).length).to.be.within(1, DHT_LIMITS.recordsPerStaked)
    expect(connection?.status).to.equal('open')
    expect(node.peers.isStaked(bob.peerId)).to.equal(true)
  })

  it('takes no long message, no value, and nothing in another name', async () => {
    const connection = await stranger.dial(node.libp2p.getMultiaddrs())
    const long = addProvider(
      stranger,
      someKey(),
      Array.from({ length: 600 }, (_, at) => `/ip4/127.0.0.1/tcp/${at + 1}`)
    )
    expect(long.length).to.be.above(DHT_LIMITS.requestBytes)
    await refused(long)
    expect(recordsOf(stranger.peerId)).to.deep.equal([])
    // a public key under its own name is a value that stock kad-dht keeps for whoever brings it
    const id = stranger.libp2p.peerId
    const key = Buffer.concat([Buffer.from('/pk/'), id.toMultihash().bytes])
    const value = publicKeyToProtobuf(id.publicKey!)
    const record = Uint8Array.from([10, key.length, ...key, 18, value.length, ...value])
    await refused(frame({ type: MessageType.PUT_VALUE, key, record }))

    const other = await newStranger()
    const stream = await stranger.open(connection)
    stream.send(addProvider(other))
    const mine = someKey()
    stream.send(addProvider(stranger, mine))
    await waitFor(() => recordsOf(stranger.peerId).length === 1)
    expect(recordsOf(other.peerId)).to.deep.equal([])
    expect([...node.host.store.data.keys()].filter((key) => key.includes('/record/'))).to.deep.equal([])

    async function refused(bytes: Uint8Array) {
      const err = await ask(stranger, connection, bytes).then(
        () => undefined,
        (err: Error) => err
      )
      expect(err).to.be.instanceOf(Error)
    }
  })

  it('answers for a key though one of its providers was forgotten', async () => {
    const connection = await stranger.dial(node.libp2p.getMultiaddrs())
    const stream = await stranger.open(connection)
    stream.send(addProvider(stranger, kept))
    await waitFor(() => recordsOf(stranger.peerId).length === 1)
    const asker = await newStranger()
    const asking = await asker.dial(node.libp2p.getMultiaddrs())
    expect((await ask(asker, asking, getProviders(kept))).providers).to.have.length(2)
    await node.libp2p.peerStore.delete(stranger.libp2p.peerId)
    expect((await ask(asker, asking, getProviders(kept))).providers).to.have.length(1)
  })
})
