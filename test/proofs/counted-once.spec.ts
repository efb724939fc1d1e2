/** A block that comes a second time while the disk still takes the first is one block: nobody's proof grows by it. */
import * as dagCbor from '@ipld/dag-cbor'
import type { Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import type { BlockClient, BlockSink } from '../../src/proofs/bitswap/index.ts'
import { Blocks } from '../../src/proofs/blocks.ts'
import { keyOf } from '../../src/proofs/cid-profile.ts'
import { Fetcher } from '../../src/proofs/fetch.ts'
import { systemTimers } from '../../src/proofs/timers.ts'
import { memoryFiles } from './fixtures.ts'

const PEERS = [
  '12D3KooWHFrmLWTTDD4NodngtRMEVYgxrsDMp4F9iSwYntZ9WjHa',
  '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5',
  '12D3KooWAJjbRkp8FPF5MKgMU53aUTxWkqvDrs4zc1VMbwRwfsbE'
]

async function blockOf(value: unknown) {
  const bytes = dagCbor.encode(value)
  return { bytes, cid: CID.createV1(dagCbor.code, await sha256.digest(bytes)) }
}

/** A fetch whose exchange is played by the test, and whose disk takes as long as the test likes. */
function fetching(failing?: Error) {
  const asked: Array<{ key: string; sink: BlockSink; peer: PeerId }> = []
  const wanted = new Map<string, PromiseWithResolvers<BlockSink>>()
  const want = (key: string) => {
    const found = wanted.get(key) ?? Promise.withResolvers<BlockSink>()
    wanted.set(key, found)
    return found
  }
  const client = {
    room: () => 100,
    bytesFrom: () => 0,
    isAsked: () => false,
    release: () => {},
    whenRoom: () => {},
    ask: (peer: PeerId, cid: CID, sink: BlockSink) => {
      asked.push({ key: keyOf(cid), sink, peer })
      want(keyOf(cid)).resolve(sink)
    }
  } as unknown as BlockClient
  const libp2p = {
    peerId: peerIdFromString(PEERS[2]!),
    getConnections: () => [{ status: 'open' }],
    getPeers: () => []
  } as unknown as Libp2p
  const files = memoryFiles()
  const disk = Promise.withResolvers<void>()
  const slow = {
    ...files,
    put: async (cid: CID, bytes: Uint8Array) => {
      await disk.promise
      if (failing != null) {
        throw failing
      }
      return files.put(cid, bytes)
    }
  }
  const blocks = new Blocks({ files: slow, timers: systemTimers, log: () => {} })
  return { fetcher: new Fetcher({ libp2p, blocks, client, timers: systemTimers, log: () => {} }), asked, want, disk }
}

describe('proofs: a block that comes twice', () => {
  const [a, b] = PEERS.map((name) => peerIdFromString(name)) as [PeerId, PeerId]
  const from = PEERS.slice(0, 2).map((peerId) => ({ peerId, multiaddrs: [] }))

  it('counts once, while the first copy is on its way to the disk: the proof is as large as it was declared', async () => {
    const leaf = await blockOf({ leaf: 'x'.repeat(100) })
    const root = await blockOf({ leaf: leaf.cid })
    const declared = { sizeBytes: root.bytes.length + leaf.bytes.length, blocks: 2 }
    const { fetcher, want, disk } = fetching()
    const fetched = fetcher.fetch(root.cid, { from, declared })
    for (const { cid, bytes } of [root, leaf]) {
      const sink = await want(keyOf(cid)).promise
      const first = sink.onBlock(keyOf(cid), bytes, a)
      const second = sink.onBlock(keyOf(cid), bytes, b)
      disk.resolve()
      await Promise.all([first, second])
    }
    expect(await fetched).to.include({ ...declared, localBlocks: 0 })
  })

  it('ends nothing before the first copy is on the disk', async () => {
    const root = await blockOf({ alone: true })
    const { fetcher, want, disk } = fetching()
    let done = false
    const fetched = fetcher.fetch(root.cid, { from }).finally(() => {
      done = true
    })
    const sink = await want(keyOf(root.cid)).promise
    const first = sink.onBlock(keyOf(root.cid), root.bytes, a)
    await sink.onBlock(keyOf(root.cid), root.bytes, b)
    await new Promise((resolve) => setImmediate(resolve))
    expect(done).to.equal(false)
    disk.resolve()
    await first
    expect(await fetched).to.include({ blocks: 1 })
  })

  it('whose first copy the disk refuses, fails as the disk does', async () => {
    const root = await blockOf({ alone: true })
    const { fetcher, want, disk } = fetching(new Error('the disk is full'))
    const fetched = fetcher.fetch(root.cid, { from })
    fetched.catch(() => {})
    const sink = await want(keyOf(root.cid)).promise
    const both = [sink.onBlock(keyOf(root.cid), root.bytes, a), sink.onBlock(keyOf(root.cid), root.bytes, b)]
    disk.resolve()
    await Promise.all(both)
    expect(await fetched.catch((err) => err)).to.match(/disk is full/)
  })
})
