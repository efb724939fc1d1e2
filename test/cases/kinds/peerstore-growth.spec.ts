/** Strangers come and go: the peer store keeps none of them, and what it keeps of others holds no more memory than its bytes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { PEER_STORE_LIMITS } from '../../../src/network/limits.ts'
import { kadPeer } from '../../network/kad.ts'
import { keyOf, type MeshNode, spawnNode, waitFor } from '../../network/mesh.ts'

const STRANGERS = 100

describe('case: a peer store that grows', function () {
  this.timeout(180_000)
  const weights = new Map(['alice', 'bob'].map((name) => [keyOf(name).address, 1_000n] as const))
  let node: MeshNode
  let bob: MeshNode

  beforeEach(async () => {
    node = await spawnNode('alice', true, weights, { nodes: 1 }, () => [])
    bob = await spawnNode('bob', true, weights, { nodes: 1 }, () => [])
    await bob.libp2p.dial(node.libp2p.getMultiaddrs())
    await waitFor(() => node.peers.isStaked(bob.peerId))
  })
  afterEach(() => Promise.all([node.stop(), bob.stop()]))

  it('forgets strangers when they have gone, and keeps who has stake', async () => {
    let came = 0
    node.libp2p.addEventListener('peer:connect', () => came++)
    const visits = spawn(process.execPath, ['test/network/strangers.ts', String(node.libp2p.getMultiaddrs()[0]), String(STRANGERS)], {
      stdio: 'ignore'
    })
    await once(visits, 'exit')
    expect(came).to.equal(STRANGERS)
    await bob.libp2p.hangUp(node.libp2p.peerId)
    // alice herself and bob
    await waitFor(
      () => node.host.store.counts().peers === 2,
      20_000,
      () => `${node.host.store.counts().peers} entries`
    )
    const left = await node.libp2p.peerStore.all()
    expect(left.map(({ id }) => id.toString())).to.deep.equal([bob.peerId])
    for (const [key, value] of node.host.store.data) {
      expect(value.buffer.byteLength, key).to.equal(value.byteLength)
    }
  })

  it('knows strangers by name only within bounds, and takes no address of theirs without end', async () => {
    const stranger = await kadPeer()
    try {
      const { peerId } = stranger.libp2p
      const more = Array.from({ length: 200 }, (_, at) => multiaddr(`/ip4/127.0.0.1/tcp/${at + 1}`))
      await node.libp2p.peerStore.merge(bob.libp2p.peerId, { multiaddrs: more })
      const { addresses } = await node.libp2p.peerStore.get(bob.libp2p.peerId)
      expect(addresses).to.have.length(PEER_STORE_LIMITS.addresses)
      // what bob has signed stays
      expect(addresses.map(String)).to.satisfy(() => addresses.some(({ isCertified }) => isCertified))

      for (let at = 0; at < 40; at++) {
        await node.libp2p.peerStore.merge(peerId, { multiaddrs: more.slice(0, at) })
      }
      expect((await node.libp2p.peerStore.get(peerId)).addresses.length).to.be.at.most(PEER_STORE_LIMITS.addresses)
    } finally {
      await stranger.stop()
    }
  })
})
