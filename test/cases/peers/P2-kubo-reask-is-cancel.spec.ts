/** boxo keeps one entry for each CID of a message, and "cancel" once set stays: what is asked for again must not be cancelled by the same message. */
import * as dagCbor from '@ipld/dag-cbor'
import { expect } from 'chai'
import * as lp from 'it-length-prefixed'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { BITSWAP_PROTOCOL } from '../../../src/proofs/bitswap/index.ts'
import { decodeMessage, encodeMessage } from '../../../src/proofs/bitswap/message.ts'
import { hintOf, Lab } from '../../proofs/fixtures.ts'

describe('cases: peers/P2, a want that is repeated', function () {
  this.timeout(60_000)
  const lab = new Lab()
  afterEach(() => lab.end())

  it('is a want to a peer that merges the entries of a message as boxo does', async () => {
    const bytes = dagCbor.encode({ late: true })
    const cid = CID.createV1(dagCbor.code, await sha256.digest(bytes))
    const boxo = await lab.host()
    const wanted = new Map<string, boolean>()
    let messages = 0
    await boxo.handle(BITSWAP_PROTOCOL, async (stream, connection) => {
      for await (const frame of lp.decode(stream)) {
        const entries = new Map<string, { cid: Uint8Array; cancel: boolean }>()
        for (const { cid: of, cancel } of decodeMessage(frame.subarray()).wants) {
          const key = Buffer.from(of).toString('hex')
          entries.set(key, { cid: of, cancel: cancel === true || entries.get(key)?.cancel === true })
        }
        for (const [key, { cancel }] of entries) {
          cancel ? wanted.delete(key) : wanted.set(key, true)
        }
        // the first want is lost on the way; the block is here when it is asked for again
        if (++messages > 1 && wanted.has(Buffer.from(cid.bytes).toString('hex'))) {
          const out = await boxo.dialProtocol(connection.remotePeer, BITSWAP_PROTOCOL)
          out.send(encodeMessage({ wants: [], blocks: [{ prefix: Uint8Array.of(1, 0x71, 0x12, 32), data: bytes }], presences: [] }))
        }
      }
    })
    const { proofs } = await lab.node()
    const fetched = await proofs.fetch(cid, { from: [hintOf(boxo)], timeoutMs: 30_000 })
    expect(fetched.fromPeers).to.deep.equal([boxo.peerId.toString()])
  })
})
