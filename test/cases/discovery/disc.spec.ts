import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect } from 'chai'
import { createDiscovery, type DiscoveryInit } from '../../../src/network/index.ts'
import { clockwork } from '../../network/clockwork.ts'
import { NETWORK, seed } from '../../network/mesh.ts'

async function peerId(name: string) {
  return peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed(name)))
}

describe('case: discovery', () => {
  const ends: Array<() => unknown> = []
  afterEach(() => Promise.all(ends.splice(0).map((end) => end())))

  /** Discovery over a network in which `answers` says what a dial comes to. */
  async function setUp(init: Partial<DiscoveryInit> & { remembered?: Record<string, string[]>; staked?: string[] } = {}) {
    const clock = clockwork()
    const self = await peerId('self')
    const dials: string[] = []
    let looks = 0
    let leave: ((event?: unknown) => void) | undefined
    const libp2p = {
      peerId: self,
      getMultiaddrs: () => [],
      getPeers: () => [],
      addEventListener: (_: string, listener: typeof leave) => {
        leave = listener
      },
      removeEventListener() {},
      dial: async (target: unknown) => {
        dials.push(String(target))
        throw new Error('ECONNREFUSED')
      },
      contentRouting: {}
    }
    const map = new Map(
      Object.entries(init.remembered ?? {}).map(([peer, list]) => [`peer/${peer}`, Buffer.from(JSON.stringify(list)) as Uint8Array])
    )
    const cache = {
      get: async (key: string) => map.get(key),
      put: async (key: string, value: Uint8Array) => void map.set(key, value),
      delete: async (key: string) => void map.delete(key),
      list: async (prefix = '') => [...map.keys()].filter((key) => key.startsWith(prefix)).sort()
    }
    const peers = {
      refresh: () => {
        looks++
      },
      isStaked: (peer: string) => init.staked?.includes(peer) ?? false,
      isBanned: () => false,
      bindings: () => [],
      bindingOf: () => undefined
    }
    const discovery = createDiscovery({
      libp2p,
      network: NETWORK,
      peers,
      hello: {},
      staker: 'me',
      hints: async () => [],
      cache,
      local: true,
      timer: clock.timer,
      now: clock.now,
      random: () => 0.5,
      ...init
    } as unknown as DiscoveryInit)
    ends.push(() => discovery.stop())
    discovery.start()
    await clock.settle()
    return {
      clock,
      discovery,
      dials,
      map,
      looks: () => looks,
      leave: (peer?: unknown) => leave?.(peer == null ? undefined : { detail: peer })
    }
  }

  it('an address that was remembered hides none that is hinted or named, and is forgotten when it is of no use', async () => {
    const bob = await peerId('bob')
    const fresh = `/ip4/127.0.0.1/tcp/5002/p2p/${bob}`
    const { clock, dials, map } = await setUp({
      remembered: { [bob.toString()]: ['/ip4/127.0.0.1/tcp/5001'] },
      hints: async () => [{ staker: 'bob', address: fresh }],
      bootstrap: [fresh]
    })
    await clock.settle()
    // in one dial, and the one that the operator named first
    expect(dials).to.deep.equal([`/ip4/127.0.0.1/tcp/5002/p2p/${bob},/ip4/127.0.0.1/tcp/5001/p2p/${bob}`])
    await clock.pass(20 * 60_000)
    expect(map.size).to.equal(0)
    const before = dials.length
    await clock.pass(20 * 60_000)
    expect(dials.slice(before).join()).to.match(/5002/).and.not.match(/5001/)
  })

  it('what is remembered stays where it is all that there is', async () => {
    const bob = await peerId('bob')
    const { clock, map } = await setUp({ remembered: { [bob.toString()]: ['/ip4/127.0.0.1/tcp/5001'] } })
    await clock.pass(60 * 60_000)
    expect(map.size).to.equal(1)
  })

  it('others who name a peer with addresses where it is not cost it nothing, however many they are', async () => {
    const bob = await peerId('bob')
    const hints = Array.from({ length: 40 }, (_, at) => ({
      staker: `mallory ${at}`,
      address: `/ip4/127.0.0.1/tcp/${6_000 + at}/p2p/${bob}`
    }))
    const { clock, dials } = await setUp({
      hints: async () => [...hints, { staker: 'bob', address: `/ip4/127.0.0.1/tcp/5002/p2p/${bob}` }]
    })
    for (let turns = 0; turns < 10; turns++) {
      await clock.settle()
    }
    expect(dials).to.have.length(3)
    expect(dials.join()).to.include('/tcp/5002')
  })

  it('disconnects during a look make no second chain of timers', async () => {
    let release = () => {}
    let isSlow = false
    let reads = 0
    const { clock, leave, discovery } = await setUp({
      hints: async () => {
        reads++
        if (isSlow) {
          await new Promise<void>((resolve) => {
            release = resolve
          })
        }
        return []
      }
    })
    const over = async () => {
      const before = reads
      await clock.pass(300_000)
      return reads - before
    }
    await over()
    const usual = await over()
    for (let at = 0; at < 5; at++) {
      isSlow = true
      await clock.next()
      leave()
      await clock.next()
      isSlow = false
      release()
      await clock.settle()
      await clock.settle()
      expect(clock.live()).to.equal(1)
    }
    await over()
    expect(await over()).to.be.within(usual - 1, usual + 1)
    await discovery.stop()
    expect(clock.live()).to.equal(0)
  })

  it('an unstaked peer that leaves twice a second starves no look, and hastens none', async () => {
    const usual = await setUp()
    const { clock, leave, looks } = await setUp()
    const stranger = await peerId('stranger')
    for (let at = 0; at < 1_200; at++) {
      leave(stranger)
      await clock.pass(500)
    }
    await usual.clock.pass(600_000)
    expect(looks()).to.equal(usual.looks())
  })

  it('a staked peer that leaves is looked for at once', async () => {
    const bob = await peerId('bob')
    const { clock, leave, looks } = await setUp({ staked: [bob.toString()] })
    await clock.pass(300_000)
    const before = looks()
    leave(bob)
    await clock.pass(300)
    expect(looks()).to.equal(before + 1)
  })
})
