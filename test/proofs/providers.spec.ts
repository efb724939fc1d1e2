import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { checkHint, DialBook } from '../../src/proofs/providers.ts'
import { withMoreTime } from '../cpu.ts'
import { failure, hintOf, Lab, packMany } from './fixtures.ts'
import { rawPeer } from './peers.ts'

const alice = '12D3KooWFnAMasKHcsqsaXz2vDzdNNcoMcgNAAsAy27C7QmaEYtm'
const mallory = '12D3KooWAKNKtAijJn5wSUz2rJAV4d6P8EgFnDt3tDxrx8Ln5Z85'

describe('proofs: providers', () => {
  const used = (...multiaddrs: Array<string | Uint8Array>) => checkHint({ peerId: alice, multiaddrs })?.multiaddrs.map(String)

  for (const address of ['/ip4/10.0.0.1/tcp/4001', '/ip6/::1/tcp/1', '/dns4/node.example/tcp/443/ws', '/dns/node.example/tcp/443/tls/ws']) {
    it(`dials ${address}, and only as the peer itself`, () => {
      expect(used(address)).to.deep.equal([`${address}/p2p/${alice}`])
      expect(used(`${address}/p2p/${alice}`)).to.deep.equal([`${address}/p2p/${alice}`])
      expect(used(`${address}/p2p/${mallory}`)).to.deep.equal([])
    })
  }

  for (const address of [
    '/ip4/10.0.0.1/udp/4001/quic-v1',
    '/unix/tmp/socket',
    `/ip4/10.0.0.1/tcp/1/p2p/${mallory}/p2p-circuit/p2p/${alice}`,
    '/ip4/10.0.0.1/tcp/443/http',
    '/ip4/10.0.0.1',
    'nonsense',
    '',
    `/dns4/${'x'.repeat(300)}/tcp/1`,
    Uint8Array.of(1, 2, 3)
  ]) {
    it(`passes over ${String(address).slice(0, 60)}`, () => {
      expect(used(address, '/ip4/10.0.0.1/tcp/4001')).to.deep.equal([`/ip4/10.0.0.1/tcp/4001/p2p/${alice}`])
    })
  }

  it('takes eight addresses, and no peer id that is none', () => {
    expect(used(...Array.from({ length: 20 }, (_, at) => `/ip4/10.0.0.1/tcp/${at + 1}`))).to.have.length(8)
    expect(checkHint({ peerId: 'nobody', multiaddrs: ['/ip4/10.0.0.1/tcp/1'] })).to.equal(undefined)
  })

  it('may dial a peer so often in a cycle, and so many that only the DHT names', () => {
    const book = new DialBook()
    const addresses = [multiaddr('/ip4/10.0.0.1/tcp/1'), multiaddr('/ip4/10.0.0.1/tcp/2')]
    expect(book.take('alice', addresses, false)).to.have.length(2)
    book.failed('alice', addresses.slice(0, 1))
    expect(book.take('alice', addresses, false).map(String)).to.deep.equal(['/ip4/10.0.0.1/tcp/2'])
    // what failed as one peer's may be another's
    expect(book.take('bob', addresses, false)).to.have.length(2)
    const times = (take: (i: number) => unknown) => {
      for (let i = 0; i < 1000; i++) {
        try {
          take(i)
        } catch {
          return i
        }
      }
      return 1000
    }
    expect(times(() => book.take('bob', addresses, false))).to.equal(15)
    expect(times((i) => book.take(`stranger${i}`, addresses, true))).to.equal(128)
    // strangers take nothing from those who are named
    expect(times((i) => book.take(`named${i}`, addresses, false))).to.equal(1000)
    book.clear()
    expect(book.take('alice', addresses, false)).to.have.length(2)
  })

  describe('over TCP', () => {
    const lab = new Lab()
    afterEach(() => lab.end())

    it('talks to nobody else at the address of a provider', async () => {
      const [bob, carol] = [await lab.node(), await lab.node()]
      const { cid } = await carol.proofs.packNode({ only: 'carol has it' })
      const err = await failure(bob.proofs.fetch(cid, { from: [{ peerId: alice, multiaddrs: carol.hint.multiaddrs! }], timeoutMs: 1000 }))
      expect(err.name).to.equal('ProofUnavailableError')
      expect(carol.proofs.stats().servedBlocks).to.equal(0)
    })

    it('dials an address that fails once in a cycle, however often and for whatever it is asked', async () => {
      const bob = await lab.node({ dialOncePerCycle: true })
      let dials = 0
      const victim = createServer((socket) => {
        dials++
        socket.on('error', () => {})
        socket.destroy()
      })
      await new Promise<void>((resolve) => victim.listen(0, '127.0.0.1', resolve))
      const { port } = victim.address() as { port: number }
      // as many names of one place as an attacker likes
      const from = [{ peerId: alice, multiaddrs: [`/ip4/127.0.0.1/tcp/${port}`, `/ip4/127.0.0.1/tcp/${port}/ws`] }]
      const { cid: one } = await (await lab.node()).proofs.packNode({ proof: 1 })
      const { cid: two } = await (await lab.node()).proofs.packNode({ proof: 2 })
      await withMoreTime(3500, async (timeoutMs) => {
        const err = await failure(bob.proofs.fetch(one, { from, timeoutMs }))
        expect(err.message).to.include('not dialled again in this cycle')
      })
      await failure(bob.proofs.fetch(two, { from, timeoutMs: 1500 }))
      expect(dials).to.be.within(1, 2)
      const before = dials
      bob.proofs.beginCycle()
      await withMoreTime(1500, async (timeoutMs) => {
        await failure(bob.proofs.fetch(two, { from, timeoutMs }))
        expect(dials - before).to.be.within(1, 2)
      })
      await new Promise((resolve) => victim.close(resolve))
    })

    it('has at most 256 wants with a peer at any time, of two fetches together', async () => {
      const [source, bob] = [await lab.node(), await lab.node()]
      const roots = [await packMany(source.proofs, 1200, 20, 1), await packMany(source.proofs, 1200, 20, 2)]
      let waiting: Uint8Array[] = []
      let most = 0
      let busy = false
      const slow = await rawPeer(await lab.host(), (from, cid, peer) => {
        waiting.push(cid)
        most = Math.max(most, waiting.length)
        if (!busy) {
          busy = true
          void (async () => {
            while (waiting.length > 0) {
              await sleep(20)
              const answered = waiting.slice(0, 200)
              const blocks = await Promise.all(
                answered.map(async (want) => {
                  const parts: Uint8Array[] = []
                  for await (const part of source.proofs.helia.blockstore.get(CID.decode(want), { offline: true })) {
                    parts.push(part)
                  }
                  return { prefix: Uint8Array.of(1, 0x71, 0x12, 32), data: Buffer.concat(parts) }
                })
              )
              waiting = waiting.slice(answered.length)
              await peer.send(from, { blocks })
            }
            busy = false
          })()
        }
      })

      const fetched = await Promise.all(roots.map((root) => bob.proofs.fetch(root, { from: [hintOf(slow.libp2p)] })))

      expect(fetched.map(({ blocks }) => blocks)).to.deep.equal([1201, 1201])
      expect(slow.wanted.length).to.be.at.least(2402)
      expect(most).to.be.within(200, 256)
    })
  })
})
