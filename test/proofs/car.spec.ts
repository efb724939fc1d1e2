import { open, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CarReader } from '@ipld/car'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { fetchHistoryTo, verifyCar } from '../../src/node/index.ts'
import { HANGS_MS, withMoreTime } from '../cpu.ts'
import { run } from '../e2e/cli.ts'
import { chainOf } from '../record/chain.ts'
import { bytesOf, failure, Lab, packMany, type TestNode } from './fixtures.ts'

describe('proofs: CAR files', function () {
  this.timeout(120_000)
  const lab = new Lab()
  afterEach(() => lab.end())

  const files = [
    { path: 'a.txt', content: Buffer.from('small') },
    { path: 'deep/b.bin', content: bytesOf(900_000, 7) },
    { path: 'empty', content: new Uint8Array() }
  ]
  /** A whole proof, as a CAR. */
  async function written({ proofs }: TestNode, cid: CID): Promise<string> {
    const path = join(await lab.dir(), 'proof.car')
    expect((await proofs.fetchTo(cid, path, { as: 'car' })).saved).to.include({ kind: 'car', bytes: (await stat(path)).size })
    return path
  }
  /** A chain of records on a node, and its CAR as an auditor writes it. */
  async function history(
    cycles: number[],
    { has = cycles, fromCycle, timeoutMs = HANGS_MS }: { has?: number[]; fromCycle?: number; timeoutMs?: number } = {}
  ) {
    const [keeper, reader] = [await lab.node(), await lab.node()]
    const chain = chainOf(cycles)
    for (const { cid, bytes } of chain.filter(({ content }) => has.includes(content.cycle)).flatMap(({ blocks }) => blocks)) {
      await keeper.proofs.helia.blockstore.put(cid, bytes)
    }
    const path = join(await lab.dir(), 'history.car')
    const auditor = { proofs: reader.proofs, reach: async (hints: readonly object[]) => hints as never }
    const options = { hints: [keeper.hint], timeoutMs, as: 'car' as const, ...(fromCycle == null ? {} : { fromCycle }) }
    return { chain, path, fetched: await fetchHistoryTo(auditor, chain.at(-1)!.cid.toString(), path, options) }
  }

  it('of a proof is read by the stock reader: one root, each block once, as its hash says', async () => {
    const node = await lab.node()
    for (const cid of [(await node.proofs.packFiles(files)).cid, await packMany(node.proofs, 70, 50)]) {
      const path = await written(node, cid)
      const reader = await CarReader.fromBytes(await readFile(path))
      expect((await reader.getRoots()).map(String)).to.deep.equal([cid.toString()])
      let blocks = 0
      for await (const block of reader.blocks()) {
        expect(Buffer.from(await hashOf(block.bytes)).equals(block.cid.multihash.digest)).to.equal(true)
        blocks++
      }
      expect(blocks).to.equal((await node.proofs.measure(cid)).blocks)
      expect(await verifyCar(path)).to.deep.include({ kind: 'proof', root: cid.toString(), blocks, others: 0 })
    }
  })

  it('of records can be given on and checked without a node, as far as they go', async () => {
    const { chain, path, fetched } = await history([1, 2, 3, 4])
    expect(fetched).to.include({ records: 4, stopped: null })
    const root = chain.at(-1)!.cid.toString()
    expect(await verifyCar(path)).to.deep.include({ kind: 'records', root, records: 4, cycle: 4, fromCycle: 1, previous: null, others: 0 })

    const some = await history([1, 2, 3, 4], { fromCycle: 3 })
    expect(some.fetched).to.include({ records: 2, fromCycle: 3, stopped: null })
    expect(await verifyCar(some.path)).to.deep.include({ records: 2, fromCycle: 3, previous: chain[1]!.cid.toString() })
  })

  it('has what came when the time was up, and says where that ends', async () => {
    await withMoreTime(1000, async (timeoutMs) => {
      const { chain, path, fetched } = await history([1, 2, 3, 4], { has: [3, 4], timeoutMs })
      expect(fetched).to.include({ records: 2, cycle: 4, fromCycle: 3 })
      expect(fetched!.previous!.toString()).to.equal(chain[1]!.cid.toString())
      expect(fetched!.stopped).to.match(/did not arrive.*does not have it.*The time was up/)
      expect(await verifyCar(path)).to.deep.include({ records: 2, fromCycle: 3, previous: chain[1]!.cid.toString() })
    })
  })

  it('that was changed, cut short or left incomplete is refused, with the place', async () => {
    const { path } = await history([1, 2, 3])
    const bytes = await readFile(path)
    const place = async (change: (copy: Buffer) => Uint8Array) => {
      const copy = join(await lab.dir(), 'copy.car')
      await writeFile(copy, change(Buffer.from(bytes)))
      return copy
    }
    const flipped = await place((copy) => {
      copy[copy.length - 3]! ^= 1
      return copy
    })
    expect(await failure(verifyCar(flipped))).to.include({ name: 'CarError' })
    expect((await failure(verifyCar(flipped))).message).to.match(
      /the section at byte \d+ is that of block baf\S+, and its bytes have another hash/
    )
    expect((await failure(verifyCar(await place((copy) => copy.subarray(0, copy.length - 10))))).message).to.match(
      /section at byte \d+ would have \d+ bytes, and the blocks end after \d+/
    )
    expect((await failure(verifyCar(await place(() => Buffer.from('hello, this is text'))))).message).to.match(/not a (whole )?CAR file/)
    expect((await failure(verifyCar(await place(() => Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2]))))).message).to.match(
      /its header would have \d+ bytes/
    )
    expect((await failure(verifyCar('/dev/zero'))).message).to.match(/cannot read \/dev\/zero/)

    // a proof whose last block is missing
    const node = await lab.node()
    const { cid } = await node.proofs.packFiles(files)
    const whole = await written(node, cid)
    const reader = await CarReader.fromBytes(await readFile(whole))
    const last = [...(await entries(reader))].at(-1)!
    const cut = join(await lab.dir(), 'cut.car')
    await writeFile(cut, (await readFile(whole)).subarray(0, -last.sectionBytes))
    expect((await failure(verifyCar(cut))).message).to.match(
      new RegExp(`block ${last.cid} of proof ${cid} is not in ${cut}\\. Get the file again`)
    )
  })

  it('is what --car and a path that ends with .car give, and proof verify reads', async () => {
    const node = await lab.node()
    const { cid } = await node.proofs.packFiles(files)
    const from = (node.hint.multiaddrs as string[])[0]!
    const path = join(await lab.dir(), 'x.car')
    const got = await run(['proof', 'get', cid.toString(), '--from', from, '--out', path])
    expect(got.code, got.stderr).to.equal(0)
    const checked = await run(['proof', 'verify', path])
    expect(checked).to.include({ code: 0, stderr: '' })
    expect(checked.stdout).to.match(new RegExp(`the whole proof ${cid}\n\\d+ blocks, \\d+ bytes, all of them as their hashes say`))
    const file = await open(path, 'r+')
    await file.write(Buffer.from([0]), 0, 1, (await stat(path)).size - 1)
    await file.close()
    const bad = await run(['proof', 'verify', path])
    expect(bad.code).to.equal(1)
    expect(bad.stderr).to.match(/byte \d+ .*have another hash/s)
  })
})

async function hashOf(bytes: Uint8Array): Promise<ArrayBuffer> {
  return crypto.subtle.digest('SHA-256', new Uint8Array(bytes))
}

/** The blocks of a CAR, and what each takes in it. */
async function entries(reader: CarReader): Promise<Array<{ cid: CID; sectionBytes: number }>> {
  const found = []
  for await (const { cid, bytes } of reader.blocks()) {
    const length = cid.bytes.length + bytes.length
    found.push({ cid: CID.decode(cid.bytes), sectionBytes: length + (length < 128 ? 1 : length < 16_384 ? 2 : 3) })
  }
  return found
}
