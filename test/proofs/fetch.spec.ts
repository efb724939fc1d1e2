import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import v8 from 'node:v8'
import vm from 'node:vm'
import * as dagCbor from '@ipld/dag-cbor'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { FsBlockstore } from 'blockstore-fs'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import { sha256, sha512 } from 'multiformats/hashes/sha2'
import type { BitswapMessage } from '../../src/proofs/bitswap/message.ts'
import { LIMITS } from '../../src/proofs/limits.ts'
import { HANGS_MS, withMoreTime } from '../cpu.ts'
import { bytesOf, failure, hintOf, Lab, packMany } from './fixtures.ts'
import { rawPeer } from './peers.ts'

/** Looks now and then at the bytes in buffers that are still in use, garbage not counted. */
function watchBuffers(): { end(): Promise<number> } {
  v8.setFlagsFromString('--expose-gc')
  const collectGarbage = vm.runInNewContext('gc') as () => void
  let peakBytes = 0
  let running = true
  const watching = (async () => {
    while (running) {
      collectGarbage()
      await sleep(1) // buffers are freed after the collection, on another thread
      collectGarbage()
      peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers)
      await sleep(200)
    }
  })()
  return {
    async end() {
      running = false
      await watching
      return peakBytes
    }
  }
}

describe('proofs: fetch', () => {
  const lab = new Lab()
  afterEach(() => lab.end())

  it('asks a peer at all addresses that are said to be its: a false one, heard first, does not hide the true one', async () => {
    const [alice, bob] = [await lab.node(), await lab.node()]
    const { cid } = await alice.proofs.packNode({ hello: 'world' })
    const lie = { peerId: alice.hint.peerId, multiaddrs: ['/ip4/127.0.0.1/tcp/1'] }
    const { fromPeers } = await bob.proofs.fetch(cid, { from: [lie, alice.hint], timeoutMs: HANGS_MS })
    expect(fromPeers).to.deep.equal([alice.hint.peerId])
  })

  it('asks nobody for the block without bytes, which some peers only say to have', async () => {
    const [alice, bob] = [await lab.node(), await lab.node()]
    const empty = CID.createV1(0x55, await sha256.digest(new Uint8Array()))
    const { cid } = await alice.proofs.packNode({ empty, more: 1 })
    const { blocks, fromPeers } = await bob.proofs.fetch(cid, { from: [alice.hint], timeoutMs: HANGS_MS })
    expect([blocks, fromPeers, alice.proofs.stats().servedBlocks]).to.deep.equal([2, [alice.hint.peerId], 1])
  })

  it('brings a dag-cbor DAG of several blocks from its submitter, and reads it', async () => {
    const [alice, bob] = [await lab.node(), await lab.node()]
    const leaf = await alice.proofs.packNode({ balances: [1n, 2n], note: 'leaf' })
    const middle = await alice.proofs.packNode({ leaf: leaf.cid, again: [leaf.cid] })
    const root = await alice.proofs.packNode({ middle: middle.cid, bytes: new Uint8Array([1, 2, 3]) })
    const declared = await alice.proofs.measure(root.cid)
    expect(declared.blocks).to.equal(3)

    const fetched = await bob.proofs.fetch(root.cid, { from: [alice.hint], declared })

    expect(fetched).to.deep.equal({ ...declared, localBlocks: 0, fromPeers: [alice.hint.peerId] })
    const reader = bob.proofs.reader(root.cid)
    expect(await reader.getNode()).to.deep.equal({ middle: middle.cid, bytes: new Uint8Array([1, 2, 3]) })
    expect(await reader.getNode(leaf.cid)).to.deep.equal({ balances: [1, 2], note: 'leaf' })
    expect((await bob.proofs.fetch(root.cid)).localBlocks).to.equal(3)
    expect(bob.proofs.stats().dhtQueries).to.equal(0)
  })

  it('serves on what it fetched, when its author is gone', async () => {
    const [alice, bob, carol] = [await lab.node(), await lab.node(), await lab.node()]
    const root = await packMany(alice.proofs, 20, 300)
    await bob.proofs.fetch(root, { from: [alice.hint] })
    await alice.libp2p.stop()

    // alice is named first and cannot be reached; bob is connected, and asked without being named
    await carol.libp2p.dial(bob.libp2p.getMultiaddrs())
    const fetched = await carol.proofs.fetch(root, { from: [alice.hint], timeoutMs: HANGS_MS })

    expect(fetched.fromPeers).to.deep.equal([bob.hint.peerId])
  })

  it('brings a directory of files, one of 32 MiB, and holds only a few MiB of it in memory at any time', async function () {
    this.timeout(120_000)
    const alive = watchBuffers()
    const [alice, bob] = [await lab.node(), await lab.node()]
    const expected = createHash('sha256')
    const big = async function* () {
      for (let at = 0; at < 64; at++) {
        const chunk = bytesOf(512 * 1024, at + 1)
        expected.update(chunk)
        yield chunk
      }
    }
    const packed = await alice.proofs.packFiles([
      { path: 'data/big.bin', content: big() },
      { path: 'readme.txt', content: Buffer.from('what this is') }
    ])
    const fetched = await bob.proofs.fetch(packed.cid, { from: [alice.hint], declared: packed, timeoutMs: HANGS_MS })
    const actual = createHash('sha256')
    for await (const chunk of bob.proofs.reader(packed.cid).readFile('data/big.bin')) {
      actual.update(chunk)
    }
    const peakMib = (await alive.end()) / 1024 / 1024

    expect(fetched.sizeBytes).to.be.greaterThan(32 * 1024 * 1024)
    expect(actual.digest('hex')).to.equal(expected.digest('hex'))
    console.log(`      32 MiB packed, fetched and read by two nodes of one process: at most ${peakMib.toFixed(1)} MiB of buffers alive`)
    // two nodes, and a collector that comes when it likes: some 5 MiB on an idle machine, and less than the file on any
    expect(peakMib).to.be.lessThan(28)
  })

  it('fetches once what two ask for at once', async () => {
    const [alice, bob] = [await lab.node(), await lab.node()]
    const root = await packMany(alice.proofs, 50, 500)

    const both = await Promise.all([bob.proofs.fetch(root, { from: [alice.hint] }), bob.proofs.fetch(root)])

    expect(both[0]).to.deep.equal(both[1])
    expect(bob.proofs.stats().receivedBlocks).to.equal(51)
    expect(alice.proofs.stats().servedBlocks).to.equal(51)
  })

  it('asks the providers of both', async () => {
    const [alice, bob] = [await lab.node(), await lab.node()]
    const mute = await rawPeer(await lab.host())
    const { cid } = await alice.proofs.packNode({ hinted: 'by the second' })
    const first = bob.proofs.fetch(cid, { from: [hintOf(mute.libp2p)], timeoutMs: HANGS_MS })
    const second = bob.proofs.fetch(cid, { from: [alice.hint], timeoutMs: HANGS_MS })
    expect((await first).fromPeers).to.deep.equal([alice.hint.peerId])
    expect(await second).to.deep.equal(await first)
  })

  it('goes on for one when the other who asked gives up', async () => {
    const [alice, bob] = [await lab.node(), await lab.node()]
    const root = await packMany(alice.proofs, 600, 500)
    const controller = new AbortController()
    const first = failure(bob.proofs.fetch(root, { from: [alice.hint], signal: controller.signal }))
    const second = bob.proofs.fetch(root, { from: [alice.hint] })
    await sleep(5)
    controller.abort(new Error('no longer needed'))

    expect((await first).message).to.equal('no longer needed')
    expect((await second).blocks).to.equal(601)
  })

  describe('when the submitter does not serve', () => {
    it('is unavailable by the deadline, and says who was asked', async () => {
      await withMoreTime(1500, async (timeoutMs) => {
        const bob = await lab.node()
        const mute = await rawPeer(await lab.host())
        const { cid } = await (await lab.node()).proofs.packNode({ never: 'served' })
        const startedMs = performance.now()

        const err = await failure(bob.proofs.fetch(cid, { from: [hintOf(mute.libp2p)], timeoutMs }))

        const tookMs = performance.now() - startedMs
        expect(err.name).to.equal('ProofUnavailableError')
        expect(err.message).to.include(mute.libp2p.peerId.toString()).and.to.include('sent nothing for 500 ms')
        expect(tookMs).to.be.at.least(timeoutMs - 50)
        expect(new Set(mute.wanted.map(String)).size).to.equal(1)
      })
    })

    it('asks the second provider after 500 ms', async () => {
      const [alice, bob] = [await lab.node(), await lab.node()]
      const mute = await rawPeer(await lab.host())
      const root = await packMany(alice.proofs, 10, 100)
      await bob.libp2p.dial(alice.libp2p.getMultiaddrs())
      const startedMs = performance.now()

      const fetched = await bob.proofs.fetch(root, { from: [hintOf(mute.libp2p), alice.hint] })

      expect(fetched.fromPeers).to.deep.equal([alice.hint.peerId])
      expect(performance.now() - startedMs).to.be.at.least(450)
      expect(bob.proofs.stats().stalls).to.equal(1)
    })

    it('is unavailable when nobody has it, and the DHT is asked only then', async () => {
      await withMoreTime(1200, async (timeoutMs) => {
        const [alice, bob] = [await lab.node(), await lab.node()]
        const cid = CID.createV1(dagCbor.code, await sha256.digest(new Uint8Array([7])))

        const err = await failure(bob.proofs.fetch(cid, { from: [alice.hint], timeoutMs }))

        expect(err.name).to.equal('ProofUnavailableError')
        expect(err.message).to.include('does not have it')
        // once in five seconds
        expect(bob.proofs.stats().dhtQueries).to.be.within(1, 1 + Math.floor(timeoutMs / LIMITS.reaskMs))
      })
    })

    it('is not to be had, for who asks by hand, as soon as all have said so; one that does not answer has not', async () => {
      const [bob, carol, dave] = [await lab.node({ endsWhenRefused: true }), await lab.node(), await lab.node()]
      const { cid } = await (await lab.node()).proofs.packNode({ nobody: 'is asked who has it' })
      // no timeout would end this in time
      const err = await failure(bob.proofs.fetch(cid, { from: [carol.hint, dave.hint], timeoutMs: 2 ** 30 }))
      expect(err.name).to.equal('ProofUnavailableError')
      expect(err.message).to.match(
        /is not to be had \(0 of at least 1 blocks came\)\. Asked: \S+: does not have it; \S+: does not have it$/
      )
      const mute = await rawPeer(await lab.host(), () => {})
      const late = await failure(bob.proofs.fetch(cid, { from: [carol.hint, hintOf(mute.libp2p)], timeoutMs: 4000 }))
      expect(late.message).to.include('did not arrive within 4000 ms')
    })

    it('comes from one who appears while all others have refused', async () => {
      const [bob, carol, dave] = [await lab.node({ endsWhenRefused: true }), await lab.node(), await lab.node()]
      const { cid } = await dave.proofs.packNode({ dave: 'has it' })
      const asked = bob.proofs.fetch(cid, { from: [carol.hint], timeoutMs: 2 ** 30 })
      // a second one who asks knows whom
      const known = bob.proofs.fetch(cid, { from: [dave.hint], timeoutMs: 2 ** 30 })
      expect((await asked).fromPeers).to.deep.equal([dave.hint.peerId])
      await known
    })

    it('is unavailable without a peer at all', async () => {
      const bob = await lab.node()
      const err = await failure(bob.proofs.fetch(CID.createV1(dagCbor.code, await sha256.digest(new Uint8Array([8]))), { timeoutMs: 300 }))
      expect(err.name).to.equal('ProofUnavailableError')
      expect(err.message).to.include('No peer is known to have it')
    })

    it('finds it by the DHT when every named provider fails', async () => {
      const alice = await lab.node()
      const root = await packMany(alice.proofs, 3, 100)
      // content routing as libp2p has it, with an answer that is known
      const asked: string[] = []
      const bob = await lab.node({
        services: {
          routing: () => ({
            [Symbol.for('@libp2p/content-routing')]: {
              async *findProviders(cid: CID) {
                asked.push(cid.toString())
                yield { id: alice.libp2p.peerId, multiaddrs: alice.libp2p.getMultiaddrs() }
              }
            }
          })
        }
      })
      const gone = { peerId: hintOf(await lab.host()).peerId, multiaddrs: ['/ip4/127.0.0.1/tcp/1'] }

      const fetched = await bob.proofs.fetch(root, { from: [gone], timeoutMs: HANGS_MS })

      expect(asked).to.deep.equal([root.toString()])
      expect(fetched.fromPeers).to.deep.equal([alice.hint.peerId])
    })

    it('finds it by a real DHT, where its author provided it', async function () {
      this.timeout(40_000)
      const services = {
        dht: kadDHT({ protocol: '/koii-mesh-test/kad/1.0.0', clientMode: false, peerInfoMapper: passthroughMapper }),
        ping: ping()
      }
      const [alice, bob, carol] = [await lab.node({ services }), await lab.node({ services }), await lab.node({ services })]
      await alice.libp2p.dial(carol.libp2p.getMultiaddrs())
      await bob.libp2p.dial(carol.libp2p.getMultiaddrs())
      const root = await packMany(alice.proofs, 3, 100)
      await sleep(500) // identify, and the routing tables
      await alice.proofs.pin(root, { task: 't', cycle: 0 })
      while (alice.proofs.stats().provided === 0) {
        await sleep(100)
      }
      expect(alice.proofs.stats()).to.include({ provided: 1, provideFailures: 0 })

      const found: string[] = []
      for await (const { id } of bob.libp2p.contentRouting.findProviders(root, { signal: AbortSignal.timeout(HANGS_MS) })) {
        found.push(id.toString())
      }
      expect(found).to.include(alice.hint.peerId)
      expect((await bob.proofs.fetch(root, { timeoutMs: HANGS_MS })).fromPeers).to.deep.equal([alice.hint.peerId])
    })

    it('takes a block that comes late, after the next provider refused', async () => {
      const [alice, bob, carol] = [await lab.node(), await lab.node(), await lab.node()]
      const { cid } = await alice.proofs.packNode({ late: true })
      const bytes = dagCbor.encode({ late: true })
      const slow = await rawPeer(await lab.host(), async (from, _cid, peer) => {
        await sleep(900)
        await peer.send(from, { blocks: [{ prefix: Uint8Array.of(1, 0x71, 0x12, 32), data: bytes }] })
      })
      const fetched = await bob.proofs.fetch(cid, { from: [hintOf(slow.libp2p), carol.hint] })

      expect(fetched.fromPeers).to.deep.equal([slow.libp2p.peerId.toString()])
    })

    for (const [what, answer] of [
      ['sends wrong bytes', { blocks: [{ prefix: Uint8Array.of(1, 0x71, 0x12, 32), data: Uint8Array.of(1, 2, 3) }] }],
      ['says that it has it and sends nothing', 'have'],
      ['resets every stream', 'garbage']
    ] as Array<[string, 'have' | 'garbage' | Partial<BitswapMessage>]>) {
      it(`passes over a provider that ${what}`, async () => {
        const [alice, bob] = [await lab.node(), await lab.node()]
        const root = await packMany(alice.proofs, 4, 100)
        await bob.libp2p.dial(alice.libp2p.getMultiaddrs())
        const liar = await rawPeer(await lab.host(), async (from, cid, peer) => {
          if (answer === 'have') {
            await peer.send(from, { presences: [{ cid, have: true }] })
          } else if (answer === 'garbage') {
            await peer.sendBytes(from, Uint8Array.of(5, 0xff, 0xff, 0xff, 0xff, 0xff))
          } else {
            await peer.send(from, answer)
          }
        })

        const fetched = await bob.proofs.fetch(root, { from: [hintOf(liar.libp2p), alice.hint] })

        expect(fetched.fromPeers).to.deep.equal([alice.hint.peerId])
        const wrong = CID.createV1(dagCbor.code, await sha256.digest(Uint8Array.of(1, 2, 3)))
        expect(await new FsBlockstore(join(bob.dir, 'blocks')).has(wrong)).to.equal(false)
      })
    }
  })

  describe('refuses', () => {
    it('a DAG with one block more than allowed, and takes one that just fits', async () => {
      const [alice, bob] = [await lab.node(), await lab.node()]
      const root = await packMany(alice.proofs, 20, 50)
      const err = await failure(bob.proofs.fetch(root, { from: [alice.hint], limits: { maxBlocks: 20 } }))
      expect(err.name).to.equal('ProofTooLargeError')
      expect(err.facts).to.deep.equal({ maxBlocks: 20 })
      expect(bob.proofs.stats().receivedBlocks).to.equal(1) // known from the root's links: nothing more was fetched
      expect((await bob.proofs.fetch(root, { from: [alice.hint], limits: { maxBlocks: 21 } })).blocks).to.equal(21)
    })

    it('a chain one link deeper than allowed, and takes one that just fits', async () => {
      const [alice, bob] = [await lab.node(), await lab.node()]
      let { cid } = await alice.proofs.packNode({ end: true })
      for (let depth = 0; depth < 5; depth++) {
        cid = (await alice.proofs.packNode({ next: cid })).cid
      }
      const err = await failure(bob.proofs.fetch(cid, { from: [alice.hint], limits: { maxDepth: 4 } }))
      expect(err.name).to.equal('ProofTooDeepError')
      expect((await bob.proofs.fetch(cid, { from: [alice.hint], limits: { maxDepth: 5 } })).blocks).to.equal(6)
    })

    it('more bytes than allowed, a block larger than allowed, and takes what just fits', async () => {
      const [alice, bob] = [await lab.node(), await lab.node()]
      const root = await packMany(alice.proofs, 4, 1000)
      const { sizeBytes } = await alice.proofs.measure(root)
      const tooMany = await failure(bob.proofs.fetch(root, { from: [alice.hint], limits: { maxBytes: sizeBytes - 1 } }))
      expect(tooMany.name).to.equal('ProofTooLargeError')
      const tooBig = await failure(bob.proofs.fetch(root, { from: [alice.hint], limits: { maxBlockBytes: 900 } }))
      expect(tooBig.name).to.equal('ProofTooLargeError')
      expect(tooBig.facts).to.include({ maxBlockBytes: 900 })
      expect((await bob.proofs.fetch(root, { from: [alice.hint], limits: { maxBytes: sizeBytes } })).sizeBytes).to.equal(sizeBytes)
    })

    it('what is declared larger than allowed before it asks anybody', async () => {
      const bob = await lab.node()
      const mute = await rawPeer(await lab.host())
      const cid = CID.createV1(dagCbor.code, await sha256.digest(new Uint8Array([9])))
      for (const declared of [
        { sizeBytes: LIMITS.proofBytes + 1, blocks: 1 },
        { sizeBytes: 1, blocks: LIMITS.proofBlocks + 1 }
      ]) {
        const err = await failure(bob.proofs.fetch(cid, { from: [hintOf(mute.libp2p)], declared }))
        expect(err.name).to.equal('ProofTooLargeError')
      }
      expect(mute.wanted).to.have.length(0)
    })

    it('a declared size that is not the size, either way', async () => {
      const [alice, bob] = [await lab.node(), await lab.node()]
      const root = await packMany(alice.proofs, 5, 200)
      const { sizeBytes, blocks } = await alice.proofs.measure(root)
      const understated = await failure(bob.proofs.fetch(root, { from: [alice.hint], declared: { sizeBytes: sizeBytes - 1, blocks } }))
      expect(understated.name).to.equal('ProofTooLargeError')
      const overstated = await failure(bob.proofs.fetch(root, { from: [alice.hint], declared: { sizeBytes: sizeBytes + 1, blocks } }))
      expect(overstated.name).to.equal('ProofMalformedError')
      expect((await failure(bob.proofs.fetch(root, { declared: { sizeBytes, blocks: blocks + 1 } }))).name).to.equal('ProofMalformedError')
      expect((await bob.proofs.fetch(root, { declared: { sizeBytes, blocks } })).blocks).to.equal(blocks)
    })

    it('CIDs outside the profile, as root and as link', async () => {
      const [alice, bob] = [await lab.node(), await lab.node()]
      const digest = await sha256.digest(new Uint8Array([1]))
      const outside = {
        'another codec': CID.createV1(0x0129, digest),
        'another hash': CID.createV1(dagCbor.code, await sha512.digest(new Uint8Array([1]))),
        'an identity hash': CID.createV1(0x55, identity.digest(new Uint8Array(64))),
        'version 0': CID.createV0(digest)
      }
      for (const [what, cid] of Object.entries(outside)) {
        const err = await failure(bob.proofs.fetch(cid, { from: [alice.hint], timeoutMs: HANGS_MS }))
        expect(err.name, what).to.equal('ProofMalformedError')
        expect((await failure(alice.proofs.packNode({ link: cid }))).name, what).to.equal('PackError')

        // a submitter that does not mind
        const bytes = dagCbor.encode({ link: cid })
        const root = CID.createV1(dagCbor.code, await sha256.digest(bytes))
        const liar = await rawPeer(await lab.host(), (from, _cid, peer) =>
          peer.send(from, { blocks: [{ prefix: Uint8Array.of(1, 0x71, 0x12, 32), data: bytes }] })
        )
        const asLink = await failure(bob.proofs.fetch(root, { from: [hintOf(liar.libp2p)], timeoutMs: HANGS_MS }))
        expect(asLink.name, what).to.equal('ProofMalformedError')
      }
    })

    it('a block that is not dag-cbor', async () => {
      const bob = await lab.node()
      const bytes = Uint8Array.of(0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
      const root = CID.createV1(dagCbor.code, await sha256.digest(bytes))
      const liar = await rawPeer(await lab.host(), (from, _cid, peer) =>
        peer.send(from, { blocks: [{ prefix: Uint8Array.of(1, 0x71, 0x12, 32), data: bytes }] })
      )
      const err = await failure(bob.proofs.fetch(root, { from: [hintOf(liar.libp2p)], timeoutMs: HANGS_MS }))
      expect(err.name).to.equal('ProofMalformedError')
      expect(await new FsBlockstore(join(bob.dir, 'blocks')).has(root)).to.equal(false)
    })
  })

  it('fetches a block again that rotted on disk, and never serves it', async () => {
    const [alice, bob] = [await lab.node(), await lab.node()]
    const root = await packMany(alice.proofs, 3, 200)
    await bob.proofs.fetch(root, { from: [alice.hint] })
    const rotten = await alice.proofs.packNode({ index: 1, data: bytesOf(200, 100_001) })
    await new FsBlockstore(join(alice.dir, 'blocks')).put(rotten.cid, new Uint8Array([0]))

    // bob has all of it, alice one rotten block: she must not give it, and she gets it back from him
    const carol = await lab.node()
    await withMoreTime(700, async (timeoutMs) => {
      const err = await failure(carol.proofs.fetch(root, { from: [alice.hint], timeoutMs }))
      expect(err.name).to.equal('ProofUnavailableError')
      expect(err.facts?.blocks).to.equal(3)
    })
    expect(alice.proofs.stats().corruptBlocks).to.equal(1)
    expect(await alice.proofs.fetch(root, { from: [bob.hint] })).to.include({ localBlocks: 3, blocks: 4 })
    expect((await carol.proofs.fetch(root, { from: [alice.hint] })).localBlocks).to.equal(3)
  })

  it('is one clear error when the disk fails', async () => {
    const [alice, bob] = [await lab.node(), await lab.node()]
    const root = await packMany(alice.proofs, 3, 200)
    await rm(join(bob.dir, 'blocks'), { recursive: true })
    await (await import('node:fs/promises')).writeFile(join(bob.dir, 'blocks'), 'not a folder')
    const err = await failure(bob.proofs.fetch(root, { from: [alice.hint], timeoutMs: HANGS_MS }))
    expect(err.name).to.equal('BlockStoreError')
  })
})
