import * as dagCbor from '@ipld/dag-cbor'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import type { BlockSink } from '../../src/proofs/bitswap/want.ts'
import { keyOf } from '../../src/proofs/cid-profile.ts'
import { Fetcher } from '../../src/proofs/fetch.ts'

/** A disk on which a write takes until it is let go, and a peer that is asked and answers by hand. */
async function stage() {
  const bytes = dagCbor.encode({ hello: 'world' })
  const cid = CID.createV1(dagCbor.code, await sha256.digest(bytes))
  const peerId = { toString: () => 'the peer', equals: (other: unknown) => other === peerId } as never
  const asked = Promise.withResolvers<BlockSink>()
  const written = Promise.withResolvers<void>()
  let asks = 0
  let puts = 0
  const fetcher = new Fetcher({
    libp2p: {
      peerId: { equals: () => false },
      getConnections: () => [{ status: 'open' }],
      getPeers: () => [peerId],
      contentRouting: { async *findProviders() {} }
    } as never,
    blocks: {
      open: () => ({
        read: async () => undefined,
        put: async () => {
          puts++
          await written.promise
        },
        close: () => {}
      })
    } as never,
    client: {
      room: () => 100,
      whenRoom: () => {},
      release: () => {},
      bytesFrom: () => 0,
      isAsked: () => false,
      ask: (_peer: unknown, _cid: unknown, sink: BlockSink) => {
        asks++
        asked.resolve(sink)
      }
    } as never,
    timers: { now: () => 0, setTimeout: () => undefined, clearTimeout: () => {} } as never,
    log: () => {}
  })
  return { cid, bytes, peerId, fetcher, asked: asked.promise, write: written.resolve, counts: () => ({ asks, puts }) }
}

describe('proofs: a block that comes again while it is being written', () => {
  it('counts once, is written once, and is asked for no more: an honest proof is not found to be larger than its author said', async () => {
    const { cid, bytes, peerId, fetcher, asked, write, counts } = await stage()
    const declared = { sizeBytes: bytes.length, blocks: 1 }
    const fetching = fetcher.fetch(cid, { declared })
    fetching.catch(() => {})
    const sink = await asked
    const first = sink.onBlock(keyOf(cid), bytes, peerId)
    // the disk is slow; whoever was asked as well answers, or says that it has nothing
    sink.onDontHave(keyOf(cid), peerId)
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    const second = sink.onBlock(keyOf(cid), bytes, peerId)
    write()
    await Promise.all([first, second])
    expect(await fetching).to.include({ sizeBytes: bytes.length, blocks: 1 })
    expect(counts()).to.deep.equal({ asks: 1, puts: 1 })
  })
})
