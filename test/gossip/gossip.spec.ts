import { expect } from 'chai'
import { windowOf } from '../../src/clock/index.ts'
import { PublishRefusedError } from '../../src/judge/index.ts'
import { MAX_BAD_SIGNATURES, topicOf } from '../../src/network/index.ts'
import { Envelope, type Message, networkOf, seal } from '../../src/wire/index.ts'
import {
  GENESIS,
  keyOf,
  type Mesh,
  type MeshNode,
  NETWORK,
  NOW,
  signerOf,
  sleep,
  spawnMesh,
  submissionBody,
  TASK,
  TIMING,
  waitFor
} from '../network/mesh.ts'

const TOPIC = topicOf(NETWORK)
const forged = (message: Message) => Envelope.encode({ ...message.envelope, signature: new Uint8Array(64).fill(7) })

/** Sends bytes past the sender's own judge, as a node that does not follow the protocol would. */
async function blurt(node: MeshNode, bytes: Uint8Array): Promise<void> {
  await node.libp2p.services.pubsub.publish(TOPIC, bytes)
}

const reasonsAt = (node: MeshNode) => node.refusals.map(({ reason }) => reason)

describe('gossip', () => {
  let mesh: Mesh
  afterEach(() => mesh?.stop())

  it('has a message in its pool before anyone is told of it, its own and others', async () => {
    const told: Array<[what: string, pools: number]> = []
    const onMessage = (message: Message, { via }: { via: string }) => {
      told.push([`${via} ${message.kind}`, mesh.nodes.filter(({ pool }) => pool.has(message.id)).length])
    }
    mesh = await spawnMesh({ nodes: 2, door: { onMessage } })
    await mesh.connected()
    const [alice] = mesh.nodes as [MeshNode, MeshNode]
    await alice.gossip.publish(await alice.submission('first'))
    expect(told).to.deep.equal([['own submission', 1]])
    await waitFor(() => told.length === 2, 5_000)
    expect(told[1]).to.deep.equal(['gossip submission', 2])
  })

  it('loses a message that nobody here can handle, and no more: it is logged, and the next one comes', async () => {
    const handled: string[] = []
    const logged: Array<{ err?: Error }> = []
    const onMessage = ({ id }: Message, { via }: { via: string }) => {
      if (via === 'gossip' && handled.push(id) === 1) {
        throw new Error('a fault of ours')
      }
    }
    const log = { debug: () => {}, warn: (what: { err?: Error }) => void logged.push(what) }
    mesh = await spawnMesh({ nodes: 2, door: { onMessage, log: log as never } })
    await mesh.connected()
    const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
    const [first, second] = [await alice.submission('first'), await alice.submission('second')]
    await alice.gossip.publish(first)
    await waitFor(() => handled.length === 1, 5_000)
    await waitFor(() => logged.length > 0, 5_000)
    expect(logged.map(({ err }) => err?.message)).to.deep.equal(['a fault of ours'])
    expect(bob.refusals, 'it is a good message all the same').to.deep.equal([])
    expect(bob.pool.has(first.id)).to.equal(true)
    await alice.gossip.publish(second)
    await waitFor(() => handled.includes(second.id), 5_000)
    expect(bob.gossip.scoreOf(alice.peerId), 'alice is not blamed').to.be.at.least(0)
  })

  it('refuses each kind of bad message for its reason at every peer, while honest traffic flows on', async () => {
    mesh = await spawnMesh({ nodes: 3 })
    await mesh.connected()
    const [alice, bob, carol] = mesh.nodes as [MeshNode, MeshNode, MeshNode]
    const body = submissionBody
    const first = windowOf(TIMING, 1, 'submission').from
    const future = windowOf(TIMING, 4, 'submission').from

    const cases: Array<[string, () => Promise<Uint8Array>]> = [
      ['bad-signature', async () => forged(await carol.seal(body('forged')))],
      ['bad-signature', async () => (await seal(body('other cluster'), networkOf(TASK, TASK), signerOf(carol.pair))).bytes],
      ['bad-signature', async () => (await seal(body('other task'), networkOf(GENESIS, GENESIS), signerOf(carol.pair))).bytes],
      ['old', async () => (await carol.seal(body('old', { cycle: 0, slot: first - TIMING.roundSlots }))).bytes],
      ['future', async () => (await carol.seal(body('future', { cycle: 4, slot: future }))).bytes],
      ['wrong-window', async () => (await carol.seal(body('late', { slot: windowOf(TIMING, 1, 'audit').from, cycle: 1 }))).bytes],
      ['unstaked', async () => (await seal(body('no stake'), NETWORK, signerOf(keyOf('mallory')))).bytes],
      ['too-large', async () => new Uint8Array(5_000)],
      ['malformed', async () => new Uint8Array([1, 2, 3, 4])]
    ]
    for (const [reason, bytes] of cases) {
      const before = [alice, bob].map((node) => node.refusals.length)
      await blurt(carol, await bytes())
      await waitFor(
        () => [alice, bob].every((node, at) => node.refusals.length > before[at]!),
        5_000,
        () => reason
      )
      expect([reasonsAt(alice).at(-1), reasonsAt(bob).at(-1)]).to.deep.equal([reason, reason])
      const honest = await alice.submission(`after ${reason} ${before[0]}`, { cycle: 2 })
      // two submissions a cycle are alice's quota: the honest traffic goes out as announcements from then on
      const said = alice.pool.said(2, `${alice.pair.address}/submission`) < 2 ? honest : await alice.announcer.renew(true)
      await alice.gossip.publish(said!)
      await waitFor(
        () => bob.pool.has(said!.id),
        5_000,
        () => `bob hears alice after ${reason}`
      )
    }
    for (const [at, value] of ['one', 'two', 'three'].entries()) {
      await blurt(carol, (await carol.seal(body(value))).bytes)
      await waitFor(() => at < 2 || reasonsAt(alice).includes('over-quota'))
    }
    expect(alice.received.filter(({ signer }) => signer === carol.pair.address)).to.have.length(2)
  })

  it('hears a replay once, whichever way and in whatever wrapping it comes', async () => {
    mesh = await spawnMesh({ nodes: 3 })
    await mesh.connected()
    const [alice, bob, carol] = mesh.nodes as [MeshNode, MeshNode, MeshNode]
    const message = await alice.submission('once')
    await alice.gossip.publish(message)
    await waitFor(() => bob.pool.has(message.id) && carol.pool.has(message.id))
    const checks = bob.checks
    await blurt(carol, message.bytes)
    await blurt(carol, forged(message))
    bob.gossip.receive(message.bytes, carol.peerId, 'sync')
    await waitFor(() => bob.refusals.length >= 2)
    expect(new Set(reasonsAt(bob))).to.deep.equal(new Set(['seen']))
    expect(bob.checks).to.equal(checks)
    expect(bob.received.filter(({ id }) => id === message.id)).to.have.length(1)
  })

  it('is not deaf to a message whose forged copy came first', async () => {
    mesh = await spawnMesh({ nodes: 3 })
    await mesh.connected()
    const [alice, bob, carol] = mesh.nodes as [MeshNode, MeshNode, MeshNode]
    const message = await alice.submission('the real one')
    await blurt(carol, forged(message))
    await waitFor(() => reasonsAt(bob).includes('bad-signature'))
    await alice.gossip.publish(message)
    await waitFor(() => bob.pool.has(message.id) && carol.pool.has(message.id))
  })

  it('has no peer without stake in any mesh, and hears none', async () => {
    mesh = await spawnMesh({ nodes: 4, unstaked: 3 })
    await mesh.connected()
    // two heartbeats of 300 ms
    await sleep(700)
    const strangers = new Set(mesh.unstaked.map(({ peerId }) => peerId))
    for (const node of mesh.nodes) {
      expect(node.libp2p.getPeers().filter((peer) => strangers.has(peer.toString()))).to.have.length(3)
      expect(node.gossip.meshPeers().filter((peer) => strangers.has(peer))).to.deep.equal([])
      expect(node.gossip.topicPeers().filter((peer) => strangers.has(peer))).to.deep.equal([])
      // not even gossip peers with a bad score: nothing of theirs is decoded
      expect(node.libp2p.services.pubsub.getPeers().filter((peer) => strangers.has(peer.toString()))).to.deep.equal([])
    }
    const mallory = mesh.unstaked[0] as MeshNode
    await blurt(mallory, (await mallory.submission('listen to me')).bytes)
    await blurt(mallory, (await (mesh.nodes[0] as MeshNode).submission('in the name of alice')).bytes)
    const honest = await mesh.nodes[0]!.submission('honest')
    await mesh.nodes[0]!.gossip.publish(honest)
    await waitFor(() => mesh.nodes.every((node) => node.pool.has(honest.id)))
    await sleep(300)
    for (const node of mesh.nodes) {
      expect(node.received.map(({ id }) => id)).to.deep.equal([honest.id])
      expect(node.checks).to.be.at.most(1)
      expect(node.refusals).to.deep.equal([])
    }
    expect(mesh.unstaked.map((node) => node.received.length)).to.deep.equal([0, 0, 0])
  })

  it('cuts a flooder of wrong signatures, for good, and goes on', async () => {
    mesh = await spawnMesh({ nodes: 3 })
    await mesh.connected()
    const [alice, bob, carol] = mesh.nodes as [MeshNode, MeshNode, MeshNode]
    const template = await carol.submission('flood')
    for (let at = 0; at < 300; at++) {
      const signature = new Uint8Array(64)
      signature[0] = at & 0xff
      signature[1] = at >> 8
      await blurt(carol, Envelope.encode({ ...template.envelope, signature })).catch(() => {})
    }
    const gone = () =>
      [alice, bob].every((node) => node.peers.isBanned(carol.peerId) && node.libp2p.getConnections(carol.libp2p.peerId).length === 0)
    await waitFor(gone, 5_000)
    expect(Math.max(alice.checks, bob.checks)).to.be.at.most(MAX_BAD_SIGNATURES)
    const again = await carol.libp2p.dial(alice.libp2p.getMultiaddrs()).then(
      (connection) => waitFor(() => connection.status !== 'open', 2_000).then(() => 'closed'),
      () => 'refused'
    )
    expect(again).to.be.oneOf(['closed', 'refused'])
    const message = await alice.submission('still here')
    await alice.gossip.publish(message)
    await waitFor(() => bob.pool.has(message.id))
  })

  it('blames nobody for a fault of our own, and gets the message later', async () => {
    let broken = true
    mesh = await spawnMesh({
      nodes: 2,
      door: {
        keep: () => {
          if (broken) throw new Error('the store is full')
          return true
        }
      }
    })
    await mesh.connected()
    const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
    const message = await alice.submission('persist me')
    const score = bob.gossip.scoreOf(alice.peerId)
    await blurt(alice, message.bytes)
    await waitFor(() => bob.gossip.counters().refused['own-fault'] === 1)
    expect(bob.pool.has(message.id)).to.equal(false)
    expect(bob.gossip.scoreOf(alice.peerId)).to.be.at.least(score)
    broken = false
    alice.pool.add(message)
    expect((await bob.sync.now()).received).to.equal(1)
    expect(bob.pool.has(message.id)).to.equal(true)
  })

  it('sends nothing of our own that others would refuse', async () => {
    mesh = await spawnMesh({ nodes: 2 })
    await mesh.connected()
    const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
    const late = await alice.submission('late', { slot: NOW + 10 })
    const refused = await alice.gossip.publish(late).then(
      () => undefined,
      (err: unknown) => err
    )
    expect(refused).to.be.instanceOf(PublishRefusedError).and.to.include({ reason: 'future' })
    expect(alice.received).to.deep.equal([])
    // again is harmless: a restarted node says what it had said
    const message = await alice.submission('twice')
    await alice.gossip.publish(message)
    await alice.gossip.publish(message)
    await waitFor(() => bob.pool.has(message.id))
    expect(alice.received).to.have.length(1)
    expect(alice.checks).to.equal(0)
  })

  it('counts deliveries, duplicates and checks', async () => {
    mesh = await spawnMesh({ nodes: 4 })
    await mesh.connected()
    await sleep(400)
    for (const node of mesh.nodes) {
      await node.gossip.publish(await node.submission(`from ${node.name}, padded so that it is worth an IDONTWANT ${'.'.repeat(100)}`))
    }
    await waitFor(() => mesh.nodes.every((node) => node.pool.size === 4))
    await sleep(200)
    for (const node of mesh.nodes) {
      const { delivered, published, copies, duplicates, signatureChecks, byKind } = node.gossip.counters()
      expect({ delivered, published, signatureChecks, submissions: byKind.submission }).to.deep.equal({
        delivered: 3,
        published: 1,
        signatureChecks: 3,
        submissions: 3
      })
      expect(copies).to.equal(duplicates + 3)
    }
    // everybody has the message from its author and passes it on, so some copies are sure to be superfluous
    expect(mesh.nodes.reduce((sum, node) => sum + node.gossip.counters().duplicates, 0)).to.be.greaterThan(0)
  })
})
