/** What was fetched can be handed to somebody else with its hashes, and a stock IPFS node takes it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CarReader } from '@ipld/car'
import { expect } from 'chai'
import { verifyCar } from '../../../src/node/index.ts'
import { bytesOf, Lab, packMany } from '../../proofs/fixtures.ts'
import { stockNode } from '../../proofs/stock.ts'

describe('case: a fetched proof that could not be given on', function () {
  this.timeout(120_000)
  const lab = new Lab()
  afterEach(() => lab.end())

  it('goes by a CAR into a stock node, dag-cbor and files alike', async () => {
    const { proofs } = await lab.node()
    const stock = await stockNode(lab)
    const files = await proofs.packFiles([{ path: 'a/b.bin', content: bytesOf(600_000, 3) }])
    for (const cid of [await packMany(proofs, 20, 100), files.cid]) {
      const path = join(await lab.dir(), 'proof.car')
      await proofs.fetchTo(cid, path, { as: 'car' })
      expect(await verifyCar(path)).to.include({ kind: 'proof', root: cid.toString(), others: 0 })
      for await (const block of (await CarReader.fromBytes(await readFile(path))).blocks()) {
        await stock.helia.blockstore.put(block.cid, block.bytes)
      }
      // all of it is there: nobody is connected who could give the rest
      let pinned = 0
      for await (const _ of stock.helia.pins.add(cid)) {
        pinned++
      }
      expect(pinned).to.equal((await proofs.measure(cid)).blocks)
    }
  })
})
