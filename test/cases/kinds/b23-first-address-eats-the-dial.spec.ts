import { type AddressInfo, createServer, type Socket } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { createAnnouncer } from '../../../src/network/index.ts'
import { keyOf, NETWORK, NOW, signerOf, spawnNode, TIMING, waitFor } from '../../network/mesh.ts'
import { bytesOf, Lab } from '../../proofs/fixtures.ts'

/** Servers that accept and say nothing: to a dial they are what a firewall that drops packets is, once it has connected. */
async function silent(count: number) {
  const sockets = new Set<Socket>()
  const servers = Array.from({ length: count }, () => createServer((socket) => sockets.add(socket.on('error', () => {}))))
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))))
  return {
    addresses: servers.map((server) => `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`),
    accepted: () => sockets.size,
    stop() {
      for (const server of servers) {
        server.close()
      }
      for (const socket of sockets) {
        socket.destroy()
      }
    }
  }
}

describe('case: addresses that lead nowhere come before the good one', () => {
  const ends: Array<() => unknown> = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) {
      await end()
    }
  })

  for (const count of [1, 7]) {
    it(`${count}: the peer is reached in the first dial`, async () => {
      const bad = await silent(count)
      ends.push(bad.stop)
      const weights = new Map(['alice', 'bob'].map((name) => [keyOf(name).address, 1_000n]))
      const bob = await spawnNode('bob', true, weights, { nodes: 1 }, () => [])
      ends.push(bob.stop)
      const alice = await spawnNode('alice', true, weights, { nodes: 1, minPeers: 1 }, () => [])
      ends.push(alice.stop)
      const announcer = createAnnouncer({
        network: NETWORK,
        timing: TIMING,
        slot: () => NOW,
        signer: signerOf(bob.pair),
        peerId: bob.libp2p.peerId,
        multiaddrs: () => [...bad.addresses.map((text) => multiaddr(text)), ...bob.libp2p.getMultiaddrs()]
      })
      alice.peers.claim((await announcer.renew(true))!)
      alice.discovery.start()
      await waitFor(() => alice.peers.isStaked(bob.peerId))
      // all of them were tried, none was waited for, and nothing had to be tried twice
      expect(bad.accepted()).to.equal(count)
      expect(alice.events.filter(({ type }) => type === 'failed')).to.deep.equal([])
    })

    it(`${count}: a proof is fetched from who has it`, async () => {
      const bad = await silent(count)
      ends.push(bad.stop)
      const lab = new Lab()
      ends.push(() => lab.end())
      const server = await lab.node({ memory: true })
      const client = await lab.node({ memory: true })
      const { cid } = await server.proofs.packNode({ data: bytesOf(1_024, count) })
      const from = [{ peerId: server.hint.peerId, multiaddrs: [...bad.addresses, ...server.hint.multiaddrs!] }]
      const fetched = await client.proofs.fetch(cid, { from })
      expect(fetched.fromPeers).to.deep.equal([server.hint.peerId])
      expect(bad.accepted()).to.equal(count)
    })
  }
})
