import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as dagCbor from '@ipld/dag-cbor'
import { expect } from 'chai'
import fc from 'fast-check'
import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { type VerifyProgress, verifyCar } from '../../src/node/index.ts'
import { BlockPlaces } from '../../src/proofs/block-places.ts'
import { carOf, openCar } from '../../src/proofs/car.ts'
import { LIMITS } from '../../src/proofs/limits.ts'
import type { BuiltRecord } from '../../src/record/index.ts'
import { run } from '../e2e/cli.ts'
import { chainOf, changed } from '../record/chain.ts'
import { failure } from './memory.ts'

interface Block {
  cid: CID
  bytes: Uint8Array
}

const length = (bytes: number) => Buffer.from(varint.encodeTo(bytes, new Uint8Array(varint.encodingLength(bytes))))
const rawBlock = async (bytes: Uint8Array): Promise<Block> => ({ cid: CID.createV1(raw.code, await sha256.digest(bytes)), bytes })
const nodeOf = async (value: unknown): Promise<Block> => {
  const bytes = dagCbor.encode(value)
  return { cid: CID.createV1(dagCbor.code, await sha256.digest(bytes)), bytes }
}
const header = (root: CID) => {
  const bytes = dagCbor.encode({ roots: [root], version: 1 })
  return Buffer.concat([length(bytes.length), bytes])
}
/** @param bytes - what the section says it has */
const section = (block: Block, bytes = block.cid.bytes.length + block.bytes.length) =>
  Buffer.concat([length(bytes), block.cid.bytes, block.bytes])

describe('proofs: each section of a CAR', function () {
  this.timeout(60_000)
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-proofs-'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  let leaf: Block
  let root: Block
  before(async () => {
    leaf = await rawBlock(Buffer.from('hello'))
    root = await nodeOf({ a: leaf.cid })
  })
  async function file(...parts: Uint8Array[]): Promise<string> {
    const path = join(await mkdtemp(join(dir, 'file-')), 'x.car')
    await writeFile(path, Buffer.concat(parts))
    return path
  }
  /** The file, the place of the section, what is wrong with it, and what to do. */
  async function expectFault(path: string, at: number, what: RegExp) {
    const fault = await failure(verifyCar(path))
    expect(fault.name).to.equal('CarError')
    expect(fault.message).to.include(`${path} is not a whole CAR file: the section at byte ${at} `)
    expect(fault.message).to.match(what)
    expect(fault.message).to.match(/Get the file again, or make it anew with .*proof get baf\w+ --car$/)
  }

  it('is as long as its CID at least, wherever it lies and whatever follows', async () => {
    const start = Buffer.concat([header(root.cid), section(root), section(leaf)])
    for (const bytes of [1, 20, 35]) {
      // a first copy, and one that comes again
      await expectFault(await file(header(leaf.cid), section(leaf, bytes)), header(leaf.cid).length, /a CID alone has 36/)
      await expectFault(await file(start, section(leaf, bytes)), start.length, /a CID alone has 36/)
    }
    // on each side of where a stream of the file has a new chunk
    for (let before = 0; before <= 40; before++) {
      const pad = await rawBlock(Buffer.alloc(65_536 - start.length - 39 - before, 7))
      const head = Buffer.concat([start, section(pad)])
      await expectFault(await file(head, section(leaf, 1), Buffer.from('garbage '.repeat(9000))), head.length, /has 1 byte:/)
    }
  })

  it('is named where what it holds is wrong, though every hash is right: of a proof, and of records', async () => {
    const bytes = Buffer.from([0xff, 1])
    const odd = { cid: CID.createV1(dagCbor.code, await sha256.digest(bytes)), bytes }
    const top = await nodeOf({ good: leaf.cid, odd: odd.cid })
    const start = Buffer.concat([header(top.cid), section(top), section(leaf)])
    const path = await file(start, section(odd))
    const fault = await failure(verifyCar(path))
    expect(fault.name).to.equal('ProofMalformedError')
    expect(fault.message)
      .to.include(`block ${odd.cid} of proof ${top.cid} is malformed`)
      .and.include(`the section at byte ${start.length} of ${path}`)

    const [first, second] = chainOf([1, 2]) as [BuiltRecord, BuiltRecord]
    const wrong = changed(first, { totalRewards: 1n })
    const newest = changed(second, { previous: wrong.cid })
    const before = Buffer.concat([header(newest.cid), ...newest.blocks.map((block) => section(block))])
    const chain = await file(before, ...wrong.blocks.map((block) => section(block)))
    const inRecords = await failure(verifyCar(chain))
    expect(inRecords.name).to.equal('RecordMalformedError')
    expect(inRecords.message).to.match(new RegExp(`in record ${wrong.cid}\\. It is the section at byte ${before.length} of ${chain}`))
  })

  it('of records tells which cycles between them have none', async () => {
    const all = chainOf([1, 2, 4, 8])
    const blocks = all.toReversed().flatMap((record) => record.blocks)
    const path = await file(header(all.at(-1)!.cid), ...blocks.map((block) => section(block)))
    expect(await verifyCar(path)).to.deep.include({
      records: 4,
      skipped: [
        { from: 5, to: 7 },
        { from: 3, to: 3 }
      ]
    })
    const { stdout } = await run(['proof', 'verify', path])
    expect(stdout).to.match(/^skipped 4 cycles between them without a record, in which nobody was paid: 5 to 7, 3$/m)
  })

  it('that is not there says so, and what the path should be of', async () => {
    const { code, stderr } = await run(['proof', 'verify', '/nowhere/x.car'])
    expect(code).to.equal(1)
    expect(stderr).to.match(/^koii-mesh: cannot read \/nowhere\/x\.car: ENOENT[^\n]*Check the path[^\n]*proof get --car[^\n]*\n$/)
  })

  it('of records goes with the command that shows what to compare them with', async () => {
    const [only] = chainOf([1]) as [BuiltRecord]
    const path = await file(header(only.cid), ...only.blocks.map((block) => section(block)))
    const { code, stdout } = await run(['proof', 'verify', path])
    expect(code).to.equal(0)
    expect(stdout).to.match(new RegExp(`newest +${only.cid}: compare it with .*koii-mesh task show ${only.content.task}, with --k2`))
    expect(stdout).not.to.include('--help')
  })

  it('hashes to its name, when it repeats a block, too', async () => {
    const good = Buffer.concat([header(root.cid), section(root), section(leaf), section(leaf), section(root)])
    expect(await verifyCar(await file(good))).to.include({ kind: 'proof', blocks: 2, others: 0 })
    const other = section({ cid: leaf.cid, bytes: Buffer.from('world') })
    await expectFault(await file(good, other), good.length, new RegExp(`is that of block ${leaf.cid}, and its bytes have another hash`))
  })

  it('is the last where the file ends, or where a CAR of version 2 says that its blocks end', async () => {
    const start = Buffer.concat([header(root.cid), section(root)])
    const data = Buffer.concat([start, section(leaf)])
    for (let missing = 1; missing <= 5; missing++) {
      await expectFault(
        await file(data.subarray(0, -missing)),
        start.length,
        /would have 41 bytes, and the blocks end after \d+ of them, at byte \d+/
      )
    }
    await expectFault(await file(data, Buffer.from('garbage')), data.length, /would have 103 bytes|does not begin with a CID/)

    const second = async (dataBytes: number, indexAt = 0, ...more: Uint8Array[]) => {
      const fixed = Buffer.alloc(40)
      fixed.writeBigUInt64LE(51n, 16)
      fixed.writeBigUInt64LE(BigInt(dataBytes), 24)
      fixed.writeBigUInt64LE(BigInt(indexAt), 32)
      return file(Buffer.from('0aa16776657273696f6e02', 'hex'), fixed, data, ...more)
    }
    const end = 51 + data.length
    const index = Buffer.from('an index')
    expect(await verifyCar(await second(data.length))).to.include({ blocks: 2 })
    expect(await verifyCar(await second(data.length, end, index))).to.include({ blocks: 2 })
    // an index that begins within the last block
    await expectFault(await second(data.length - 3, end - 3), 51 + start.length, /the blocks end after 38 of them/)
    for (const [path, what] of [
      [await second(data.length - 3), /blocks end at byte \d+ and that it has no index, and 3 bytes follow/],
      [await second(data.length, 0, index), /has no index, and 8 bytes follow/],
      [await second(data.length, end - 3, index), /its index begins at byte/],
      [await second(data.length + 1), /its blocks end at byte \d+, and it has \d+ bytes/],
      [await second(0), /its blocks end at byte 51/]
    ] as const) {
      const fault = await failure(verifyCar(path))
      expect(fault.name).to.equal('CarError')
      expect(fault.message).to.include(path)
      expect(fault.message).to.match(what)
    }
  })

  it('has a CID and a block of bounded size, known before they are read', async () => {
    const start = header(leaf.cid)
    const hugeHash = (bytes: number) => Buffer.concat([Buffer.from([1, 0x55, 0x12]), length(bytes)])
    await expectFault(
      await file(start, length(6000), hugeHash(5000), Buffer.alloc(5995)),
      start.length,
      /has a CID of 5005 bytes: those of proofs have 36/
    )
    await expectFault(
      await file(start, length(60), hugeHash(5000), Buffer.alloc(55)),
      start.length,
      /has 60 bytes, and its CID alone would have 5005/
    )
    const sparse = await file(start, length(2 ** 26 + 7), hugeHash(2 ** 26))
    await truncate(sparse, start.length + 2 ** 26 + 100)
    await expectFault(sparse, start.length, /would have 67108871 bytes: .* allowed at most/)

    const largest = await rawBlock(Buffer.alloc(LIMITS.blockBytes))
    expect(await verifyCar(await file(header(largest.cid), section(largest)))).to.include({ sizeBytes: LIMITS.blockBytes })
    const larger = await rawBlock(Buffer.alloc(LIMITS.blockBytes + 1))
    await expectFault(await file(header(larger.cid), section(larger)), header(larger.cid).length, /allowed at most/)
  })

  it('takes tens of bytes of memory for each block, and their number has a bound', async () => {
    const count = 50_000
    const parts: Uint8Array[] = []
    const bytes = Buffer.alloc(4)
    const first = await rawBlock(Buffer.alloc(4))
    for (let at = 0; at < count; at++) {
      bytes.writeUInt32LE(at)
      parts.push(section(await rawBlock(Buffer.from(bytes))))
    }
    const path = await file(header(first.cid), ...parts)
    parts.length = 0
    const usedBytes = () => {
      setFlagsFromString('--expose-gc')
      runInNewContext('gc')()
      const { heapUsed, arrayBuffers } = process.memoryUsage()
      return heapUsed + arrayBuffers
    }
    const beforeBytes = usedBytes()
    const car = await openCar(path)
    const perBlock = (usedBytes() - beforeBytes) / count
    expect(car.blocks).to.equal(count)
    await car.close()
    // of arrays that may be filled to the half, and what else this process does
    expect(perBlock).to.be.below(200)
    expect((await failure(openCar(path, { maxBlocks: 1000 }))).message).to.match(
      /x\.car has more than 1000 blocks, at byte \d+: .*--from-cycle/
    )
  })

  it('is told while a file is read, and then what follows from its root', async () => {
    const path = await file(header(root.cid), section(root), section(leaf))
    const told: VerifyProgress[] = []
    await verifyCar(path, { onProgress: (progress) => told.push(progress) })
    const fileBytes = header(root.cid).length + section(root).length + section(leaf).length
    expect(told.map(({ blocks, followed }) => [blocks, followed])).to.deep.equal([
      [1, 0],
      [2, 0],
      [2, 1],
      [2, 2]
    ])
    expect(told[0]).to.include({ checkedBytes: fileBytes - section(leaf).length, fileBytes })
    expect(told.at(-1)).to.include({ checkedBytes: fileBytes, fileBytes })
  })

  it('that the root leads to and that is not there is missing in the file, of proofs and records alike', async () => {
    const path = await file(header(root.cid), section(root))
    const fault = await failure(verifyCar(path))
    expect(fault.name).to.equal('ProofUnavailableError')
    expect(fault.message).to.include(`block ${leaf.cid} of proof ${root.cid} is not in ${path}. Get the file again`)
    expect(fault.message).not.to.include('local store')
  })

  it('is found by its digest, as in a Map', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(5), fc.nat(3000)), { maxLength: 5000 }), (added) => {
        const places = new BlockPlaces()
        const map = new Map<string, number>()
        // the first bytes, by which they are sought, are alike
        const digestOf = (slot: number, rest: number) =>
          Buffer.concat([Buffer.from([slot, 0, 0, 0]), Buffer.alloc(24), Buffer.from(Uint32Array.of(rest).buffer)])
        for (const [at, [slot, rest]] of added.entries()) {
          const key = `${slot}/${rest}`
          expect(places.add(digestOf(slot, rest), at * 2 ** 33, at)).to.equal(!map.has(key))
          if (!map.has(key)) {
            map.set(key, at)
          }
        }
        expect(places.size).to.equal(map.size)
        for (const [index, [key, at]] of [...map].entries()) {
          const [slot, rest] = key.split('/').map(Number) as [number, number]
          expect(places.find(digestOf(slot, rest))).to.deep.equal({ index, offset: at * 2 ** 33, length: at })
        }
        expect(places.find(digestOf(9, 1))).to.equal(undefined)
      }),
      { numRuns: 20 }
    )
  })

  it('is asked for when the one before it is written, and a writer that stops ends the source', async () => {
    let given = 0
    let isEnded = false
    async function* source() {
      try {
        for (; ; given++) {
          yield await rawBlock(Buffer.alloc(1000, given))
        }
      } finally {
        isEnded = true
      }
    }
    const chunks = carOf(leaf.cid, source())
    for (let at = 0; at < 5; at++) {
      await chunks.next()
    }
    await chunks.return(undefined)
    expect(isEnded).to.equal(true)
    expect(given).to.be.below(3)

    // and what a source throws is what its reader gets
    async function* broken() {
      yield leaf
      throw new Error('no more')
    }
    const all = async () => {
      for await (const _ of carOf(leaf.cid, broken())) {
        // nothing is done with it
      }
    }
    const fault = await failure(all())
    expect(fault.message).to.equal('no more')
  })
})
