import type { Stream } from '@libp2p/interface'
import { expect } from 'chai'
import { converse, HELLO_PROTOCOL, helloProtocol, next } from '../../src/network/index.ts'
import { Envelope, type Message, networkOf, seal } from '../../src/wire/index.ts'
import { HANGS_MS } from '../cpu.ts'
import { GENESIS, keyOf, type Mesh, type MeshNode, NETWORK, NOW, signerOf, sleep, spawnMesh, waitFor } from './mesh.ts'

/** Says `bytes` in a hello from one node to another, whatever they are, and tells what the other answered. */
async function hello(from: MeshNode, to: MeshNode, bytes: Uint8Array): Promise<Uint8Array> {
  const connection = await from.libp2p.dial(to.libp2p.getMultiaddrs())
  const stream = await connection.newStream(HELLO_PROTOCOL)
  let answer: Uint8Array | undefined
  await converse(
    stream,
    async function* (frames) {
      yield bytes
      answer = await next(frames)
    },
    { frameBytes: 10_000, totalBytes: 10_000 },
    AbortSignal.timeout(HANGS_MS)
  ).catch(() => {})
  return answer as Uint8Array
}

const lastAt = (node: MeshNode, peerId: string) => {
  const outcome = node.hellos.findLast((one) => one.peerId === peerId)
  return outcome == null ? undefined : 'fault' in outcome ? outcome.fault : outcome.admitted ? 'admitted' : 'known'
}

describe('network: hello', () => {
  let mesh: Mesh
  afterEach(() => mesh?.stop())

  const closed = (at: MeshNode, peer: MeshNode) => at.libp2p.getConnections(peer.libp2p.peerId).length === 0

  it('admits both sides to each other, and gossip begins', async () => {
    mesh = await spawnMesh({ nodes: 2 })
    await mesh.connected()
    const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
    expect([alice.peers.stakerOf(bob.peerId), bob.peers.stakerOf(alice.peerId)]).to.deep.equal([bob.pair.address, alice.pair.address])
  })

  const rows: Array<{ name: string; says: string; closes: boolean; bytes: (alice: MeshNode, mallory: MeshNode) => Promise<Uint8Array> }> = [
    {
      name: "alice's announcement out of mallory's mouth",
      says: 'other-peer',
      closes: true,
      bytes: async (alice) => alice.announcer.current()!.bytes
    },
    {
      name: "mallory's own announcement, without stake",
      says: 'unstaked',
      closes: false,
      bytes: async (_, mallory) => mallory.announcer.current()!.bytes
    },
    { name: 'nothing', says: 'unbound', closes: false, bytes: async () => new Uint8Array(0) },
    { name: 'noise', says: 'malformed', closes: true, bytes: async () => new Uint8Array([1, 2, 3]) },
    {
      name: 'another kind of message',
      says: 'malformed',
      closes: true,
      bytes: async (_, mallory) => (await mallory.submission('hello?')).bytes
    },
    {
      name: "an announcement in alice's name with a forged signature",
      says: 'bad-signature',
      closes: true,
      bytes: async (_, mallory) => forge(await announce(mallory))
    },
    {
      name: "an announcement in alice's name signed for another task",
      says: 'bad-signature',
      closes: true,
      bytes: async (_, mallory) => (await announce(mallory, networkOf(GENESIS, GENESIS))).bytes
    },
    {
      name: 'an announcement that has expired',
      says: 'expired',
      closes: false,
      bytes: async (_, mallory) => (await announce(mallory, NETWORK, NOW - 1)).bytes
    }
  ]

  /** Says that alice's stake is behind mallory's PeerId. */
  function announce(mallory: MeshNode, network = NETWORK, expirySlot = NOW + 100): Promise<Message> {
    const peerId = new Uint8Array(mallory.libp2p.peerId.toMultihash().bytes)
    return seal(
      { cycle: 3, slot: NOW, announcement: { peerId, multiaddrs: [], sequence: 1, expirySlot } },
      network,
      signerOf(keyOf('alice'))
    )
  }
  const forge = (message: Message) => Envelope.encode({ ...message.envelope, signature: new Uint8Array(64).fill(1) })

  for (const { name, says, closes, bytes } of rows) {
    it(`${name}: ${says}, and the connection is ${closes ? 'closed' : 'left'}`, async () => {
      mesh = await spawnMesh({ nodes: 2, unstaked: 1 })
      await mesh.connected()
      const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
      const mallory = mesh.unstaked[0] as MeshNode
      await waitFor(() => lastAt(bob, mallory.peerId) === 'unbound')
      bob.hellos.length = 0
      await hello(mallory, bob, await bytes(alice, mallory))
      await waitFor(() => bob.hellos.length > 0)
      expect(lastAt(bob, mallory.peerId)).to.equal(says)
      expect([bob.peers.isStaked(mallory.peerId), bob.gossip.topicPeers().includes(mallory.peerId)]).to.deep.equal([false, false])
      await (closes ? waitFor(() => closed(bob, mallory)) : sleep(100))
      expect(closed(bob, mallory)).to.equal(closes)
      expect(bob.peers.isStaked(alice.peerId)).to.equal(true)
    })
  }

  it('waits no longer than it says for a peer that stays silent, and holds no more than a hello', async () => {
    mesh = await spawnMesh({ nodes: 1, unstaked: 1 })
    const [alice] = mesh.nodes as [MeshNode]
    const mallory = mesh.unstaked[0] as MeshNode
    const connection = mallory.libp2p.getConnections(alice.libp2p.peerId)[0]!
    const flood: Stream = await connection.newStream(HELLO_PROTOCOL)
    const ended = new Promise<void>((resolve) => flood.addEventListener('close', () => resolve(), { once: true }))
    flood.send(new Uint8Array([0xff, 0x20]))
    for (let at = 0; at < 8 && flood.status === 'open'; at++) {
      flood.send(new Uint8Array(4_096))
    }
    await ended
    expect(alice.hellos.some((one) => 'fault' in one && one.fault === 'failed')).to.equal(true)
    expect(alice.peers.isStaked(mallory.peerId)).to.equal(false)
  })

  it('takes sixteen hellos of a connection, and another one each half minute', async () => {
    let nowMs = 0
    mesh = await spawnMesh({ nodes: 2, nowMs: () => nowMs })
    await mesh.connected()
    const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
    const said = () => bob.hellos.filter((one) => one.peerId === alice.peerId).length
    const bytes = alice.announcer.current()!.bytes
    const before = said()
    for (let at = 0; at < 20; at++) {
      await hello(alice, bob, bytes)
    }
    const taken = said() - before
    expect(taken).to.be.within(14, 16)
    expect(await hello(alice, bob, bytes)).to.equal(undefined)
    nowMs += 30_000
    expect(await hello(alice, bob, bytes)).not.to.equal(undefined)
    expect(await hello(alice, bob, bytes)).to.equal(undefined)
    nowMs += 24 * 60 * 60_000
    for (let at = 0; at < 20; at++) {
      await hello(alice, bob, bytes)
    }
    expect(said() - before).to.equal(taken + 17)
  })

  it('admits a peer as soon as K2 shows its stake, without another hello', async () => {
    let known = false
    mesh = await spawnMesh({
      nodes: 2,
      stakes: (weights) => ({ weight: (staker) => (known ? (weights.get(staker) ?? 0n) : undefined) })
    })
    const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
    await waitFor(() => lastAt(alice, bob.peerId) === 'known' && lastAt(bob, alice.peerId) === 'known')
    expect([alice.gossip.topicPeers(), bob.gossip.topicPeers()]).to.deep.equal([[], []])
    known = true
    await mesh.connected()
    const message = await alice.submission('now you hear me')
    await alice.gossip.publish(message)
    await waitFor(() => bob.pool.has(message.id))
  })

  it('judges again what a peer said before K2 showed its stake, though it answers no hello of ours', async () => {
    mesh = await spawnMesh({ nodes: 2, unstaked: 1 })
    await mesh.connected()
    const [, bob] = mesh.nodes as [MeshNode, MeshNode]
    const mallory = mesh.unstaked[0] as MeshNode
    await waitFor(() => lastAt(bob, mallory.peerId) === 'unbound')
    await hello(mallory, bob, mallory.announcer.current()!.bytes)
    await waitFor(() => lastAt(bob, mallory.peerId) === 'unstaked')
    await mallory.libp2p.unhandle([HELLO_PROTOCOL, helloProtocol(NETWORK)])
    bob.hello.judgeAgain()
    expect(lastAt(bob, mallory.peerId)).to.equal('unstaked')

    mesh.weights.set(mallory.pair.address, 1_000n)
    bob.hello.judgeAgain()
    expect(lastAt(bob, mallory.peerId)).to.equal('admitted')
    expect(bob.peers.isStaked(mallory.peerId)).to.equal(true)
    const before = bob.hellos.length
    bob.hello.judgeAgain()
    expect(bob.hellos.length).to.equal(before)
  })

  it('opens what a peer without stake says once', async () => {
    mesh = await spawnMesh({ nodes: 1, unstaked: 1 })
    const [bob] = mesh.nodes as [MeshNode]
    const mallory = mesh.unstaked[0] as MeshNode
    await waitFor(() => lastAt(bob, mallory.peerId) === 'unbound')
    const { bytes } = mallory.announcer.current()!
    const { decode } = Envelope
    let opened = 0
    Envelope.decode = (given, options) => {
      opened += Buffer.compare(Buffer.from(given instanceof Uint8Array ? given : given.subarray()), bytes) === 0 ? 1 : 0
      return decode(given, options)
    }
    try {
      await hello(mallory, bob, bytes)
      await waitFor(() => lastAt(bob, mallory.peerId) === 'unstaked')
    } finally {
      Envelope.decode = decode
    }
    expect(opened).to.equal(1)
  })

  it('takes a peer out of gossip when its stake goes, and back in when it returns', async () => {
    let bobs = 5n
    mesh = await spawnMesh({
      nodes: 2,
      stakes: (weights) => ({ weight: (staker) => (staker === keyOf('bob').address ? bobs : (weights.get(staker) ?? 0n)) })
    })
    await mesh.connected()
    const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
    bobs = 0n
    await waitFor(() => closed(alice, bob) && closed(bob, alice))
    expect([alice.gossip.topicPeers(), bob.gossip.topicPeers()]).to.deep.equal([[], []])
    bobs = 5n
    await alice.libp2p.dial(bob.libp2p.getMultiaddrs())
    await mesh.connected()
    const message = await bob.submission('back again')
    await bob.gossip.publish(message)
    await waitFor(() => alice.pool.has(message.id))
  })
})
