import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { Key } from 'interface-datastore'
import { filterForPeerStore } from '../../src/network/dht.ts'
import { createHostStore } from '../../src/network/host-store.ts'
import { DHT_LIMITS, PEER_STORE_LIMITS } from '../../src/network/limits.ts'
import { kadPeer } from './kad.ts'

const VALUE = new Uint8Array([1, 2, 3])
/** An entry of the peer store: a protocol called "x". */
const ENTRY = new Uint8Array([18, 1, 120])
const providerKey = (content: string, peer: string) => new Key(`/koii-mesh-kad/provider/${content}/${peer}`)
const entryKey = (peer: string) => new Key(`/peers/${peerIdFromString(peer).toCID()}`)

describe('network: host store', () => {
  const clock = { ms: 0 }
  const ids: string[] = []
  before(async () => {
    for (let at = 0; at < 4; at++) {
      const peer = await kadPeer()
      ids.push(peer.peerId)
      await peer.stop()
    }
  })

  const setUp = () => createHostStore({ self: ids[0]!, isKept: (peer) => peer === ids[1], recordLifetimeMs: 1_000, now: () => clock.ms })
  const provided = async (store: ReturnType<typeof setUp>, content: string) => {
    const found: string[] = []
    for await (const { key } of store.query({ prefix: `/koii-mesh-kad/provider/${content}` })) {
      found.push(key.toString().split('/').at(-1)!)
    }
    return found
  }

  it('answers for a key with those whose addresses are known, and stake first', async () => {
    const store = setUp()
    const [self, staked, stranger, unknown] = ids as [string, string, string, string]
    for (const peer of [staked, stranger]) {
      await store.put(entryKey(peer), ENTRY)
    }
    for (const peer of [self, staked, stranger, unknown]) {
      await store.put(providerKey('proof', peer), VALUE)
    }
    await store.put(providerKey('proofs', stranger), VALUE)
    expect(await provided(store, 'proof')).to.deep.equal([staked, self, stranger])
    expect(await store.get(providerKey('proof', unknown))).to.deep.equal(VALUE)
    await store.delete(providerKey('proof', staked))
    expect(await provided(store, 'proof')).to.deep.equal([self, stranger])
    // what would provide everything again finds nothing to provide
    expect([...(store.query({ prefix: '/koii-mesh-kad/provider' }) as Iterable<unknown>)]).to.deep.equal([])
  })

  it('names no more providers than an answer holds', async () => {
    const store = createHostStore({ self: ids[0]!, isKept: () => true, recordLifetimeMs: 1_000, now: () => 0 })
    for (let at = 0; at < 50; at++) {
      const peer = await kadPeer()
      await store.put(entryKey(peer.peerId), ENTRY)
      await store.put(providerKey('proof', peer.peerId), VALUE)
      await peer.stop()
    }
    expect(await provided(store, 'proof')).to.have.length(DHT_LIMITS.providersPerAnswer)
  })

  it('keeps no values of the DHT, and little else', async () => {
    const store = setUp()
    await store.put(new Key('/koii-mesh-kad/record/abc'), VALUE)
    expect(await store.has(new Key('/koii-mesh-kad/record/abc'))).to.equal(false)
    for (let at = 0; at < 200; at++) {
      await store.put(new Key(`/other/${at}`), VALUE)
    }
    expect(store.counts()).to.deep.equal({ records: 0, peers: 0, others: PEER_STORE_LIMITS.otherEntries })
    expect(() => store.get(new Key('/other/0'))).to.throw('nothing is kept under /other/0')
    const found = [...(store.query({ prefix: '/other', limit: 3, offset: 1 }) as Iterable<unknown>)]
    expect(found).to.have.length(3)
  })

  it('keeps who is connected, and forgets a stranger that has gone unless it provides something', async () => {
    const store = setUp()
    const [, staked, author, stranger] = ids as [string, string, string, string]
    for (const peer of [staked, author, stranger]) {
      store.hold(peer)
      await store.put(entryKey(peer), ENTRY)
    }
    await store.put(providerKey('bundle', author), VALUE)
    store.release([staked, author, stranger])
    expect(await store.has(entryKey(stranger))).to.equal(false)
    expect([await store.has(entryKey(staked)), await store.has(entryKey(author))]).to.deep.equal([true, true])
  })

  it('takes private addresses of others only where they may be dialled', () => {
    const [self, peer] = ids.map((id) => peerIdFromString(id)) as [ReturnType<typeof peerIdFromString>, ReturnType<typeof peerIdFromString>]
    const named = multiaddr('/ip4/10.0.0.7/tcp/4001')
    const filter = filterForPeerStore({ self: ids[0]!, local: false, allowed: [named] })
    expect(filter(peer, multiaddr('/ip4/192.168.1.2/tcp/4001'))).to.equal(false)
    expect(filter(peer, multiaddr('/ip4/127.0.0.1/tcp/4001'))).to.equal(false)
    expect(filter(peer, multiaddr('/ip4/8.8.8.8/udp/4001/quic-v1'))).to.equal(false)
    expect(filter(peer, multiaddr('/ip4/8.8.8.8/tcp/4001'))).to.equal(true)
    expect(filter(peer, named)).to.equal(true)
    expect(filter(self, multiaddr('/ip4/127.0.0.1/tcp/4001'))).to.equal(true)
    const local = filterForPeerStore({ self: ids[0]!, local: true, allowed: [] })
    expect(local(peer, multiaddr('/ip4/127.0.0.1/tcp/4001'))).to.equal(true)
  })
})
