import { expect } from 'chai'
import { createDiscovery, type DiscoveryEvent, PeerNotFoundError, rendezvousKey, stakerKey } from '../../src/network/index.ts'
import type { KeyValue } from '../../src/store/index.ts'
import { hostileHints } from '../node/hostile-hints.ts'
import { keyOf, type Mesh, type MeshNode, NETWORK, spawnMesh, spawnNode, waitFor } from './mesh.ts'

function memory(): KeyValue & { map: Map<string, Uint8Array> } {
  const map = new Map<string, Uint8Array>()
  return {
    map,
    get: async (key) => map.get(key),
    put: async (key, value) => void map.set(key, value),
    delete: async (key) => void map.delete(key),
    list: async (prefix = '') => [...map.keys()].filter((key) => key.startsWith(prefix)).sort()
  }
}

describe('network: discovery', () => {
  let mesh: Mesh
  const more: Array<{ stop(): Promise<unknown> }> = []
  afterEach(async () => {
    await Promise.all(more.splice(0).map((one) => one.stop()))
    await mesh?.stop()
  })

  /** A further node that looks for peers by the given means only. */
  async function join(name: string, init: Partial<Parameters<typeof createDiscovery>[0]>) {
    mesh.weights.set(keyOf(name).address, 1_000n)
    const node = await spawnNode(name, true, mesh.weights, { nodes: 0 }, () => [])
    const events: DiscoveryEvent[] = []
    const discovery = createDiscovery({
      libp2p: node.libp2p,
      network: NETWORK,
      peers: node.peers,
      hello: node.hello,
      staker: node.pair.address,
      hints: async () => [],
      local: true,
      onEvent: (event) => events.push(event),
      ...init
    })
    more.push({ stop: () => discovery.stop().then(() => node.stop()) })
    discovery.start()
    return { node, discovery, events }
  }

  const addressOf = (node: MeshNode) => String(node.libp2p.getMultiaddrs()[0])

  it('looks at once when a new address turns up, however long it has been alone', async () => {
    mesh = await spawnMesh({ nodes: 0 })
    mesh.weights.set(keyOf('bob').address, 1_000n)
    const bob = await spawnNode('bob', true, mesh.weights, { nodes: 0 }, () => [])
    more.push(bob)
    const found: string[] = []
    // its pauses never end by themselves
    const timers: Array<{ run: () => void; ms: number }> = []
    const timer = (run: () => void, ms: number) => {
      const one = { run, ms }
      timers.push(one)
      return () => void timers.splice(timers.indexOf(one), 1)
    }
    const alice = await join('alice', { hints: async () => found.map((address) => ({ staker: bob.pair.address, address })), timer })
    await waitFor(
      () => timers.length === 1,
      20_000,
      () => JSON.stringify(timers.map(({ ms }) => ms))
    )
    found.push(`${addressOf(bob)}`)
    const before = timers[0]!.ms
    alice.discovery.hasten()
    expect(timers.map(({ ms }) => ms)[0]).to.be.below(before)
    timers[0]!.run()
    await waitFor(() => alice.node.peers.isStaked(bob.peerId))
  })

  it('finds a peer over the DHT, without hints, through a third that has no stake', async () => {
    // mallory is a bootstrap server: in the DHT, not in the mesh
    mesh = await spawnMesh({ nodes: 0, unstaked: 1 })
    const bootstrap = [addressOf(mesh.unstaked[0] as MeshNode)]
    const alice = await join('alice', { bootstrap })
    await waitFor(() => alice.events.some((event) => event.type === 'dht' && event.action === 'provided' && event.count === 2), 20_000)
    const bob = await join('bob', { bootstrap })
    await waitFor(() => bob.node.peers.isStaked(alice.node.peerId) && alice.node.peers.isStaked(bob.node.peerId), 20_000)
    // the DHT's own walk may have connected them before discovery does: then there is nobody left to dial
    const events = () => [...alice.events, ...bob.events]
    await waitFor(() => events().some((event) => event.type === 'dht' && event.action === 'searched' && event.count === 1))
    expect(events().flatMap((event) => (event.type === 'connected' && event.source !== 'dht' ? [event] : []))).to.deep.equal([])
    await waitFor(() => bob.node.gossip.topicPeers().includes(alice.node.peerId))
  })

  it("finds a staker's node over the DHT, confirmed by its hello, and says so when there is none", async () => {
    mesh = await spawnMesh({ nodes: 0, unstaked: 1 })
    const bootstrap = [addressOf(mesh.unstaked[0] as MeshNode)]
    const alice = await join('alice', { bootstrap, minPeers: 1 })
    await waitFor(() => alice.events.some((event) => event.type === 'dht' && event.action === 'provided' && event.count === 2), 20_000)
    // satisfied without peers, so it does not look by itself
    const bob = await join('bob', { bootstrap, minPeers: 0 })
    await bob.node.libp2p.dial((mesh.unstaked[0] as MeshNode).libp2p.getMultiaddrs())
    expect(await bob.discovery.findStaker(alice.node.pair.address)).to.equal(alice.node.peerId)
    const missing = await bob.discovery.findStaker(keyOf('nobody').address, { signal: AbortSignal.timeout(2_000) }).then(
      () => undefined,
      (err: unknown) => err
    )
    expect(missing).to.be.instanceOf(PeerNotFoundError)
  })

  it('finds peers in its cache after a restart, when nothing else is known', async () => {
    mesh = await spawnMesh({ nodes: 1 })
    const cache = memory()
    const first = await join('bob', { cache, bootstrap: [addressOf(mesh.nodes[0] as MeshNode)] })
    await waitFor(() => cache.map.size === 1 && first.events.some(({ type }) => type === 'connected'))
    await Promise.all(more.splice(0).map((one) => one.stop()))
    const second = await join('carol', { cache })
    await waitFor(() => second.events.some((event) => event.type === 'connected' && event.source === 'cache'))
  })

  it('says why an address was refused or a dial failed, and tries again later each time', async () => {
    mesh = await spawnMesh({ nodes: 0 })
    const alice = await join('alice', {
      hints: async () => [
        { staker: keyOf('bob').address, address: '/ip4/127.0.0.1/tcp/1' },
        { staker: keyOf('carol').address, address: '/ip4/127.0.0.1/udp/1' },
        { staker: keyOf('dave').address, address: '' }
      ]
    })
    await waitFor(() => alice.events.filter(({ type }) => type === 'failed').length >= 2, 15_000)
    const failures = alice.events.flatMap((event) => (event.type === 'failed' ? [event] : []))
    expect(failures[0]?.reason).to.match(/ECONNREFUSED/)
    expect(failures[1]!.retryMs).to.be.greaterThan(failures[0]!.retryMs)
    expect(alice.events.find(({ type }) => type === 'refused')).to.include({ reason: 'not-tcp', source: 'hint' })
  })

  it('connects once to a hinted staker, however often it looks', async () => {
    mesh = await spawnMesh({ nodes: 1 })
    const alice = mesh.nodes[0] as MeshNode
    const bob = await join('bob', {
      hints: async () => [{ staker: alice.pair.address, address: addressOf(alice).replace(/\/p2p\/.*/, '') }]
    })
    await waitFor(() => bob.node.peers.isStaked(alice.peerId))
    await bob.discovery.now()
    await bob.discovery.now()
    expect(bob.node.libp2p.getConnections()).to.have.length(1)
  })

  it('does not dial a hinted staker that is connected already', async () => {
    mesh = await spawnMesh({ nodes: 1 })
    const alice = mesh.nodes[0] as MeshNode
    const bob = await join('bob', {
      minPeers: 2,
      hints: async () =>
        bob?.node.peers.isStaked(alice.peerId) === true
          ? [{ staker: alice.pair.address, address: addressOf(alice).replace(/\/p2p\/.*/, '') }]
          : []
    })
    await alice.libp2p.dial(bob.node.libp2p.getMultiaddrs())
    await waitFor(() => bob.node.peers.isStaked(alice.peerId))
    await bob.discovery.now()
    await bob.discovery.now()
    expect(bob.events.filter(({ type }) => type === 'connected')).to.deep.equal([])
    expect(bob.node.libp2p.getConnections()).to.have.length(1)
  })

  it('finds a hinted staker though others name its PeerId with addresses where it is not, and tells of a bad hint once', async () => {
    mesh = await spawnMesh({ nodes: 1 })
    const alice = mesh.nodes[0] as MeshNode
    const bob = await join('bob', {
      hints: async () => [
        ...hostileHints(alice.peerId).map((address, i) => ({ staker: keyOf(`hostile ${i}`).address, address })),
        { staker: alice.pair.address, address: addressOf(alice) }
      ]
    })
    await waitFor(() => bob.events.some((event) => event.type === 'connected' && event.peer === alice.peerId), 20_000)
    await bob.discovery.now()
    const refused = bob.events.flatMap((event) => (event.type === 'refused' ? [event.address] : []))
    expect(refused.length).to.be.greaterThan(20)
    expect(refused.filter((text) => text === 'foo')).to.have.length(1)
    expect(refused.join('')).not.to.match(/\p{Cc}|\u202e/u)
  })

  it('goes on though what it remembers of peers is damaged', async () => {
    mesh = await spawnMesh({ nodes: 1 })
    const cache = memory()
    for (const [i, text] of ['', 'null', '{}', '[1]', '["foo"]', '["/ip4/127.0.0.1/tcp/1/p2p/garbage"]', '\x00\xff'].entries()) {
      cache.map.set(`peer/${i}`, Buffer.from(text))
    }
    const bob = await join('bob', { cache, bootstrap: [addressOf(mesh.nodes[0] as MeshNode)] })
    await waitFor(() => bob.events.some((event) => event.type === 'connected' && event.source === 'bootstrap'))
  })

  it('goes on when K2 gives no hints', async () => {
    mesh = await spawnMesh({ nodes: 1 })
    const bob = await join('bob', {
      bootstrap: [addressOf(mesh.nodes[0] as MeshNode)],
      hints: async () => {
        throw new Error('K2 is down')
      }
    })
    await waitFor(() => bob.events.some((event) => event.type === 'connected' && event.source === 'bootstrap'))
  })

  it('has other DHT keys for other tasks and stakers', async () => {
    const keys = [
      await rendezvousKey(NETWORK),
      await stakerKey(NETWORK, keyOf('alice').address),
      await stakerKey(NETWORK, keyOf('bob').address)
    ]
    expect(new Set(keys.map(String)).size).to.equal(3)
  })
})
