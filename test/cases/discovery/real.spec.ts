import { expect } from 'chai'
import { createDiscovery, type DiscoveryEvent } from '../../../src/network/index.ts'
import { keyOf, type MeshNode, NETWORK, spawnNode, waitFor } from '../../network/mesh.ts'

describe('case: a peer that moved while we were away', () => {
  let alice: MeshNode
  let bob: MeshNode
  let stop: () => Promise<void>
  afterEach(async () => {
    await stop()
    await Promise.all([alice.stop(), bob.stop()])
  })

  for (const stale of [[], ['/ip4/127.0.0.1/tcp/9'], ['/ip4/127.0.0.1/tcp/9', '/ip4/127.0.0.1/tcp/1']]) {
    it(`is found in the first look, with ${stale.length} remembered addresses that are not its own any more`, async () => {
      const weights = new Map(['alice', 'bob'].map((name) => [keyOf(name).address, 1_000n]))
      alice = await spawnNode('alice', true, weights, { nodes: 0 }, () => [])
      bob = await spawnNode('bob', true, weights, { nodes: 0 }, () => [])
      const map = new Map<string, Uint8Array>(stale.length === 0 ? [] : [[`peer/${alice.peerId}`, Buffer.from(JSON.stringify(stale))]])
      const events: DiscoveryEvent[] = []
      const good = String(alice.libp2p.getMultiaddrs()[0])
      const discovery = createDiscovery({
        libp2p: bob.libp2p,
        network: NETWORK,
        peers: bob.peers,
        hello: bob.hello,
        staker: bob.pair.address,
        hints: async () => [{ staker: alice.pair.address, address: good }],
        bootstrap: [good],
        cache: {
          get: async (key) => map.get(key),
          put: async (key, value) => void map.set(key, value),
          delete: async (key) => void map.delete(key),
          list: async (prefix = '') => [...map.keys()].filter((key) => key.startsWith(prefix)).sort()
        },
        local: true,
        onEvent: (event) => events.push(event)
      })
      stop = () => discovery.stop()
      discovery.start()
      await waitFor(() => events.some(({ type }) => type === 'connected'))
      // no look had ended before, and no dial had failed
      const before = events.slice(
        0,
        events.findIndex(({ type }) => type === 'connected')
      )
      expect(before.map(({ type }) => type)).to.deep.equal(['found'])
      // and what is remembered is where it is now
      await waitFor(() => String(Buffer.from(map.get(`peer/${alice.peerId}`) ?? '')).includes(good.replace(/\/p2p.*/, '')))
    })
  }
})
