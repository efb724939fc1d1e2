/** A peer whose router signs, or only names an author, is heard by nobody: both ends can learn why. */
import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { RPC } from '@libp2p/gossipsub/message'
import { expect } from 'chai'
import { silentLog } from '../../../src/network/index.ts'
import { GOSSIP_FRAME_BYTES } from '../../../src/network/limits.ts'
import { type Mesh, type MeshNode, type MeshOptions, NOW, spawnMesh, waitFor } from '../../network/mesh.ts'
import { TOPIC } from '../../network/rubbish.ts'

/** What js-libp2p's gossipsub class has and its interface leaves out. */
interface Inside {
  globalSignaturePolicy: string
  publishConfig: object
  sendRpc: (peerId: string, rpc: object) => boolean
}
const insideOf = (node: MeshNode) => node.libp2p.services.pubsub as unknown as Inside

describe('cases: peers/P9, a gossip message with an author', () => {
  let mesh: Mesh
  let lines: Array<{ fields: { from?: string; staker?: string }; text: string }>
  afterEach(() => mesh?.stop())

  async function spawn(nodes: number, options: Partial<MeshOptions> = {}) {
    lines = []
    const warn = (fields: object, text: string) => void lines.push({ fields, text })
    mesh = await spawnMesh({ nodes, log: { ...silentLog, warn }, ...options })
    await mesh.connected()
    return mesh.nodes as [MeshNode, MeshNode, MeshNode]
  }

  const signedAt = (node: MeshNode) => node.gossip.counters().refused['signed-by-router']

  it('by js-libp2p under StrictSign: each is counted, and the log names the peer once', async () => {
    const [alice, bob] = await spawn(2)
    const { privateKey, peerId } = (bob.libp2p as unknown as { components: { privateKey: object; peerId: object } }).components
    const signing = { type: 0, author: peerId, key: publicKeyToProtobuf(bob.libp2p.peerId.publicKey as never), privateKey }
    Object.assign(insideOf(bob), { globalSignaturePolicy: 'StrictSign', publishConfig: signing })
    for (const value of ['one', 'two', 'three']) {
      await bob.libp2p.services.pubsub.publish(TOPIC, (await bob.submission(value)).bytes)
    }
    await waitFor(
      () => signedAt(alice) === 3,
      5_000,
      () => JSON.stringify(alice.gossip.counters().refused)
    )
    expect(alice.received).to.deep.equal([])
    expect(lines.map(({ fields }) => fields)).to.deep.equal([{ from: bob.peerId, staker: bob.pair.address }])
    expect(lines[0]!.text).to.contain('WithNoAuthor()').and.contain('protocols/gossip')
    expect(alice.peers.isBanned(bob.peerId)).to.equal(false)
    await waitFor(() => alice.gossip.scoreOf(bob.peerId) < 0)
  })

  for (const name of ['from', 'seqno', 'signature', 'key'] as const) {
    it(`${name} alone, even empty: refused, not passed on, and the same words without it are heard`, async () => {
      const [alice, bob, carol] = await spawn(3)
      for (const value of [new Uint8Array(0), new Uint8Array(8).fill(1)]) {
        const { bytes: data } = await bob.submission(`with ${value.length}`)
        insideOf(bob).sendRpc(alice.peerId, { subscriptions: [], messages: [{ topic: TOPIC, data, [name]: value }] })
      }
      await waitFor(() => signedAt(alice) === 2)
      const message = (await bob.announcer.renew(true))!
      await bob.gossip.publish(message)
      await waitFor(() => [alice, carol].every(({ pool }) => pool.has(message.id)))
      for (const node of [alice, carol]) {
        expect(node.received.map(({ id }) => id)).to.deep.equal([message.id])
      }
      expect(lines).to.have.length(1)
    })
  }

  it('a frame that is full of the shortest messages, as go-libp2p fills it, is read whole', async () => {
    const [alice, bob] = await spawn(2)
    const messages: Array<{ topic: string; data: Uint8Array }> = []
    const rpcBytes = () => RPC.encode({ subscriptions: [], messages }).length
    for (let place = 0; messages.length === 0 || rpcBytes() + 200 < GOSSIP_FRAME_BYTES; place++) {
      const { bytes: data } = await bob.seal({
        cycle: 1,
        slot: NOW,
        verdicts: { findings: [{ place: place % 128, finding: 1 + (place >> 7) }] }
      })
      messages.push({ topic: TOPIC, data })
    }
    expect(messages).to.have.length.above(256)
    // past our own way of sending, which splits them
    const own = Object.getPrototypeOf(bob.libp2p.services.pubsub) as Inside
    own.sendRpc.call(bob.libp2p.services.pubsub, alice.peerId, { subscriptions: [], messages })
    const heard = () => Object.values(alice.gossip.counters().refused).reduce((sum, count) => sum + count, 0)
    await waitFor(
      () => heard() === messages.length,
      5_000,
      () => `${heard()} of ${messages.length}`
    )
    expect(alice.peers.isBanned(bob.peerId)).to.equal(false)
  })
})
