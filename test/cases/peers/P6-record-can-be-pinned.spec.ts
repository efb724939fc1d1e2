/** A stock IPFS node pins a record: with a depth it ends with that record, without one with the first of the task. */

import { createHash } from 'node:crypto'
import { expect } from 'chai'
import type { CID } from 'multiformats/cid'
import { openRecordArchive } from '../../../src/store/index.ts'
import { Lab } from '../../proofs/fixtures.ts'
import { stockNode } from '../../proofs/stock.ts'
import { chainOf } from '../../record/chain.ts'

const TIMEOUT_MS = 60_000

describe('case: a record that IPFS software could not pin', function () {
  this.timeout(4 * TIMEOUT_MS)
  const lab = new Lab()
  afterEach(() => lab.end())

  it('ends for stock Helia, with depth 2 and without: every record is still served when its proofs are gone', async () => {
    const chain = chainOf([1, 2, 3, 4, 5, 6, 7, 8])
    const archive = openRecordArchive({ path: `${await lab.dir()}/records.sqlite`, maxBytes: 2 ** 30 })
    lab.onEnd(async () => archive.close())
    for (const { cid, content, blocks } of chain) {
      archive.put({
        cycle: content.cycle,
        digest: cid.multihash.digest,
        previous: content.previous?.multihash.digest ?? null,
        blocks: blocks.map(({ bytes }) => ({ digest: createHash('sha256').update(bytes).digest(), bytes }))
      })
    }
    const keeper = await lab.node({ archive })
    await keeper.proofs.collect({ task: 'any', finalizedCycle: 8 })
    const stock = await stockNode(lab)
    await stock.libp2p.dial(keeper.libp2p.getMultiaddrs())

    const last = chain.at(-1)!
    const pinned = async (cid: CID, depth?: number) => {
      const blocks = new Set<string>()
      for await (const block of stock.helia.pins.add(cid, {
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(depth == null ? {} : { depth })
      })) {
        blocks.add(block.toString())
      }
      return blocks
    }
    const near = await pinned(last.cid, 2)
    expect([...near]).to.include.members(last.blocks.map(({ cid }) => cid.toString()))
    expect(near.has(chain[0]!.cid.toString())).to.equal(false)

    const first = await pinned(chain[3]!.cid)
    expect([...first]).to.include.members(chain.slice(0, 4).flatMap(({ blocks }) => blocks.map(({ cid }) => cid.toString())))
    expect(first.has(last.cid.toString())).to.equal(false)
  })
})
