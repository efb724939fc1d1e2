import { type AddressInfo, createServer, type Socket } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { dialAbreast } from '../../src/network/dial-abreast.ts'
import { createHost, createRoster, type Timer, wallTimer } from '../../src/network/index.ts'
import { createHost as stockHost } from '../proofs/fixtures.ts'
import { waitFor } from './mesh.ts'

describe('network: the addresses of a peer are dialled side by side', () => {
  const ends: Array<() => unknown> = []
  afterEach(() => Promise.all(ends.splice(0).map((end) => end())))

  async function host(timer: Timer = wallTimer) {
    const privateKey = await generateKeyPair('Ed25519')
    const { libp2p } = await createHost({ privateKey, peers: createRoster(), listen: ['/ip4/127.0.0.1/tcp/0'], local: true, timer })
    ends.push(() => libp2p.stop())
    await libp2p.handle('/test/here', () => {})
    return libp2p
  }

  /** Accepts, and says nothing. */
  async function silent() {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => sockets.add(socket.on('error', () => {}).resume()))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    ends.push(() => {
      server.close()
      for (const socket of sockets) {
        socket.destroy()
      }
    })
    return { address: `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`, sockets }
  }

  /** A timer whose times are not waited for: each is over in the order that it was set. */
  function quick() {
    const under = new Set<() => void>()
    const timer: Timer = (run, ms) => {
      const cancel = wallTimer(() => {
        under.delete(cancel)
        run()
      }, ms / 50)
      under.add(cancel)
      return () => {
        under.delete(cancel)
        cancel()
      }
    }
    return { timer, under }
  }

  const at = (address: string, peer: Libp2p) => multiaddr(`${address}/p2p/${peer.peerId}`)

  it('one that says nothing, or seven, keep nobody from the one that answers, and what they began ends with it', async () => {
    const { timer, under } = quick()
    const bob = await host()
    const alice = await host(timer)
    const before = under.size
    const bad = await Promise.all(Array.from({ length: 7 }, silent))
    const connection = await alice.dial([...bad.map(({ address }) => at(address, bob)), ...bob.getMultiaddrs()])
    expect(connection.remotePeer.equals(bob.peerId)).to.equal(true)
    expect(bad.every(({ sockets }) => sockets.size === 1)).to.equal(true)
    await waitFor(() => bad.every(({ sockets }) => [...sockets].every(({ destroyed }) => destroyed)))
    // nothing that was set for the dial is left, which would end the connection later
    expect(under.size).to.equal(before)
    const stream = await connection.newStream('/test/here')
    expect([stream.protocol, connection.status]).to.deep.equal(['/test/here', 'open'])
  })

  it('nobody else is taken for the peer, whoever answers first', async () => {
    const bob = await host()
    const carol = await host()
    const alice = await host()
    const wrong = at(String(carol.getMultiaddrs()[0]).replace(/\/p2p.*/, ''), bob)
    const connection = await alice.dial([wrong, ...bob.getMultiaddrs()])
    expect(connection.remotePeer.equals(bob.peerId)).to.equal(true)
    expect(alice.getPeers().map(String)).to.deep.equal([bob.peerId.toString()])
  })

  it('who joins a dial that waits for nothing brings an address to it', async () => {
    const bob = await host()
    const alice = await host(quick().timer)
    const bad = await silent()
    const first = alice.dial([at(bad.address, bob)])
    await waitFor(() => bad.sockets.size === 1)
    const second = alice.dial(bob.getMultiaddrs())
    expect((await second).id).to.equal((await first).id)
  })

  it('says what each address came to where none answers', async () => {
    const bob = await host()
    const alice = await host(quick().timer)
    const bad = await silent()
    const err = await alice.dial([at(bad.address, bob), at('/ip4/127.0.0.1/tcp/1', bob)]).catch((thrown: AggregateError) => thrown)
    expect((err as AggregateError).errors.map(String).join(' ')).to.match(/ECONNREFUSED.*did not answer in 7000 ms/)
    expect(alice.getConnections()).to.deep.equal([])
  })

  it('no more of them than the bound', async () => {
    const bob = await host()
    const alice = await host()
    const many = Array.from({ length: 40 }, (_, i) => at(`/ip4/127.0.0.1/tcp/${i + 1}`, bob))
    const err = await alice.dial(many).catch((thrown: AggregateError) => thrown)
    expect((err as AggregateError).errors).to.have.length(17)
    expect(String((err as AggregateError).errors.at(-1))).to.match(/more than 16 addresses/)
  })

  it('one that is given up while its addresses are looked up fails for who asked, and for nobody else', async () => {
    const given = new AbortController()
    const queue = {
      dialPeer: (_options: object, _signal: AbortSignal): Promise<unknown> => Promise.reject(new Error('not replaced')),
      calculateMultiaddrs: async () => {
        given.abort(new Error('given up'))
        await new Promise((resolve) => setTimeout(resolve, 20))
        return []
      }
    }
    expect(dialAbreast({ connectionManager: { dialQueue: queue } })).to.equal(true)
    const unhandled: unknown[] = []
    const onUnhandled = (err: unknown) => unhandled.push(err)
    process.on('unhandledRejection', onUnhandled)
    try {
      const err = await queue.dialPeer({ multiaddrs: new Set() }, given.signal).catch((thrown: Error) => thrown)
      expect((err as Error).name).to.equal('TimeoutError')
    } finally {
      process.off('unhandledRejection', onUnhandled)
    }
    expect(unhandled).to.deep.equal([])
  })

  it('takes the place of a method that this version of libp2p has', async () => {
    const libp2p = await stockHost()
    ends.push(() => libp2p.stop())
    expect(dialAbreast(libp2p)).to.equal(true)
    expect(dialAbreast({})).to.equal(false)
  })
})
