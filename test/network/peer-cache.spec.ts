import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { createPeerCache } from '../../src/network/peer-cache.ts'
import { silentLog } from '../../src/network/seams.ts'

const at = (port: number) => multiaddr(`/ip4/127.0.0.1/tcp/${port}`)

describe('network: remembered peers', () => {
  function setUp(map = new Map<string, Uint8Array>()) {
    const connected = new Set<string>()
    const store = {
      get: async (key: string) => map.get(key),
      put: async (key: string, value: Uint8Array) => void map.set(key, value),
      delete: async (key: string) => void map.delete(key),
      list: async (prefix = '') => [...map.keys()].filter((key) => key.startsWith(prefix)).sort()
    }
    return { map, connected, cache: createPeerCache({ store, log: silentLog, isConnected: (peer) => connected.has(peer) }) }
  }
  const names = async (cache: ReturnType<typeof setUp>['cache']) => (await cache.list()).map(({ peer }) => peer)

  it('the last good ones stay, whatever their names are', async () => {
    const { cache, map } = setUp()
    for (let i = 0; i < 100; i++) {
      await cache.good(`peer-${String(999 - i)}`, at(1_000 + i))
    }
    expect(map.size).to.equal(64)
    const kept = await names(cache)
    expect(kept.slice(0, 2)).to.deep.equal(['peer-900', 'peer-901'])
    expect(kept).not.to.include('peer-999')
    // and the same after a restart
    expect(await names(setUp(map).cache)).to.deep.equal(kept)
  })

  it('one that is connected stays, and one that failed goes first', async () => {
    const { cache, connected } = setUp()
    for (let i = 0; i < 64; i++) {
      await cache.good(`peer-${i}`, at(1_000 + i))
    }
    connected.add('peer-0')
    await cache.failed('peer-50', 1)
    await cache.good('new-1', at(1))
    await cache.good('new-2', at(2))
    const kept = await names(cache)
    expect(kept).to.include.members(['peer-0', 'new-1', 'new-2', 'peer-2'])
    expect(kept).not.to.include.members(['peer-50'])
    expect(kept).not.to.include.members(['peer-1'])
  })

  it('is corrected where the peer was found elsewhere', async () => {
    const { cache, map } = setUp()
    await cache.good('alice', at(1))
    await cache.failed('alice', 20)
    await cache.good('alice', multiaddr('/ip4/127.0.0.1/tcp/2/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'))
    await cache.failed('alice', 20)
    expect((await cache.list()).map(({ addresses }) => addresses.map(String))).to.deep.equal([['/ip4/127.0.0.1/tcp/2']])
    expect(await names(setUp(map).cache)).to.deep.equal(['alice'])
  })

  it('is forgotten when it failed often enough, and never where nothing can be told from it', async () => {
    const { cache, map } = setUp()
    await cache.good('alice', at(1))
    for (let i = 0; i < 1_000; i++) {
      await cache.failed('alice', 0)
    }
    expect(map.size).to.equal(1)
    for (let i = 0; i < 3; i++) {
      expect(map.size).to.equal(1)
      await cache.failed('alice', 8)
    }
    expect([map.size, await names(cache)]).to.deep.equal([0, []])
  })

  it('reads what versions before wrote, drops what it cannot read, and keeps to its bound', async () => {
    const map = new Map<string, Uint8Array>()
    const put = (peer: string, text: string) => map.set(`peer/${peer}`, Buffer.from(text))
    for (let i = 0; i < 200; i++) {
      put(`old-${i}`, JSON.stringify([`/ip4/127.0.0.1/tcp/${i + 1}`]))
    }
    put('new', JSON.stringify({ addresses: ['/ip4/127.0.0.1/tcp/1'], order: 7 }))
    for (const [i, text] of ['', 'null', '{}', '[]', '[1]', '["foo"]', '{"addresses":[]}', '{"addresses":"x"}', '\xff'].entries()) {
      put(`bad-${i}`, text)
    }
    put('far', JSON.stringify({ addresses: ['/ip4/127.0.0.1/tcp/1'], order: 1e300 }))
    const { cache } = setUp(map)
    const kept = await names(cache)
    expect(kept).to.have.length(64)
    expect(kept[0]).to.equal('new')
    expect(kept.filter((name) => name.startsWith('bad'))).to.deep.equal([])
    expect(map.size).to.equal(64)
  })

  it('a store that fails costs nothing but the memory', async () => {
    const broken = () => Promise.reject(new Error('disk full'))
    const cache = createPeerCache({
      store: { get: broken, put: broken, delete: broken, list: broken } as never,
      log: silentLog,
      isConnected: () => false
    })
    expect(await cache.list()).to.deep.equal([])
    await cache.good('alice', at(1))
    await cache.failed('alice', 100)
    expect(await cache.list()).to.deep.equal([])
    expect(await createPeerCache({ store: undefined, log: silentLog, isConnected: () => false }).list()).to.deep.equal([])
  })
})
