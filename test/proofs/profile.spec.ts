import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as dagCbor from '@ipld/dag-cbor'
import { expect } from 'chai'
import fc from 'fast-check'
import * as Block from 'multiformats/block'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { Blocks } from '../../src/proofs/blocks.ts'
import { linksOf } from '../../src/proofs/cid-profile.ts'
import { Keeper } from '../../src/proofs/collect.ts'
import { LIMITS } from '../../src/proofs/limits.ts'
import { packFiles, packNode } from '../../src/proofs/pack.ts'
import { Pins } from '../../src/proofs/pins.ts'
import { systemTimers } from '../../src/proofs/timers.ts'
import { cpuMs } from '../cpu.ts'
import { bytesOf, failure, memoryFiles, memoryStore } from './fixtures.ts'

const spec = join(import.meta.dirname, '../../protocols/proofs')

function shelf() {
  const blocks = new Blocks({ files: memoryFiles(), timers: systemTimers, log: () => {} })
  return { blocks, keeper: new Keeper(blocks, new Pins(memoryStore())) }
}

describe('proofs: profile', () => {
  it('finds the links that a decoder finds, in any value', async () => {
    const link = fc
      .uint8Array({ minLength: 1, maxLength: 8 })
      .map((bytes) => CID.createV1(0x71, { code: 0x12, size: 32, digest: pad(bytes), bytes: Uint8Array.from([0x12, 32, ...pad(bytes)]) }))
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 5 },
        fc.string(),
        fc.uint8Array({ maxLength: 20 }),
        fc.integer(),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        fc.constant(null),
        link,
        fc.array(tie('any'), { maxLength: 6 }),
        fc.dictionary(fc.string(), tie('any'), { maxKeys: 6 })
      )
    })).any
    await fc.assert(
      fc.asyncProperty(value, async (sample) => {
        const block = await Block.encode({ value: sample, codec: dagCbor, hasher: sha256 })
        const expected = new Set([...block.links()].map(([, cid]) => cid.toString()))
        expect(new Set(linksOf(block.cid, block.bytes).map(String))).to.deep.equal(expected)
      }),
      { numRuns: 300 }
    )
  })

  it('ends on any bytes, with links or an error', async () => {
    const cbor = CID.createV1(0x71, await sha256.digest(Uint8Array.of(1)))
    const pb = CID.createV1(0x70, await sha256.digest(Uint8Array.of(1)))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const cid of [cbor, pb]) {
          try {
            linksOf(cid, bytes)
          } catch (err) {
            expect((err as Error).message).to.be.a('string')
            expect(err).not.to.be.instanceOf(RangeError)
          }
        }
      }),
      { numRuns: 2000 }
    )
  })

  it('takes no more than a moment for the largest hostile block', async () => {
    const cid = CID.createV1(0x71, await sha256.digest(Uint8Array.of(1)))
    for (const [what, byte] of [
      ['nested arrays', 0x81],
      ['small numbers', 0x01],
      ['tags', 0xd8]
    ] as const) {
      const bytes = new Uint8Array(LIMITS.blockBytes).fill(byte)
      if (what === 'small numbers') {
        bytes.set([0x9a, 0, ((LIMITS.blockBytes - 5) >> 16) & 255, ((LIMITS.blockBytes - 5) >> 8) & 255, (LIMITS.blockBytes - 5) & 255])
      }
      const tookMs = await cpuMs(() => {
        try {
          linksOf(cid, bytes)
        } catch {}
      })
      expect(tookMs, what).to.be.lessThan(200)
    }
  })

  it('is the one that its spec has', () => {
    const text = readFileSync(join(spec, 'README.md'), 'utf8')
    const table = new Map(
      [...text.matchAll(/^\| `(\w+)` +\| ([\d,]+) /gm)].map(([, name, value]) => [name, Number(value!.replaceAll(',', ''))])
    )
    expect(table.size).to.be.greaterThan(12)
    for (const [name, value] of table) {
      expect(LIMITS[name as keyof typeof LIMITS], name).to.equal(value)
    }
  })
})

describe('proofs: pack', () => {
  it('gives the same CID whatever the order of files and the pieces that they come in', async () => {
    const content = bytesOf(700_000, 1)
    const pieces = async function* () {
      for (let at = 0; at < content.length; at += 1000) {
        yield content.subarray(at, at + 1000)
      }
    }
    const one = await packFiles(shelf().blocks, [
      { path: 'a/big', content },
      { path: 'a/small', content: Buffer.from('x') },
      { path: 'b', content: new Uint8Array() }
    ])
    const other = await packFiles(shelf().blocks, [
      { path: 'b', content: [] },
      { path: 'a/small', content: [Buffer.from('x')] },
      { path: 'a/big', content: pieces() }
    ])
    expect(other).to.deep.equal(one)
  })

  it('counts the blocks and bytes that a walk finds', async () => {
    const { blocks, keeper } = shelf()
    const packed = await packFiles(
      blocks,
      Array.from({ length: 30 }, (_, at) => ({ path: `dir${at % 3}/file${at}`, content: bytesOf(at * 20_000, at % 7) }))
    )
    const { cid, ...facts } = packed
    expect(await keeper.measure(cid)).to.deep.equal(facts)
  })

  it('shards a directory of very many files, so that each block fits a frame', async () => {
    const { blocks, keeper } = shelf()
    const packed = await packFiles(
      blocks,
      Array.from({ length: 8000 }, (_, at) => ({ path: `a-rather-long-file-name-${at}`, content: Buffer.from([at & 255]) }))
    )
    expect(await keeper.measure(packed.cid)).to.include({ blocks: packed.blocks })
  })

  for (const path of ['../up', '/root', 'a//b', 'a/./b', 'a\\b', 'nul\0', '', 'a/', 'x'.repeat(LIMITS.pathBytes + 1)]) {
    it(`refuses the path ${JSON.stringify(path.slice(0, 20))}`, async () => {
      expect((await failure(packFiles(shelf().blocks, [{ path, content: Buffer.from('x') }]))).name).to.equal('PackError')
    })
  }

  it('refuses a path twice, a file that is a directory too, and nothing at all', async () => {
    const x = Buffer.from('x')
    const { blocks } = shelf()
    for (const files of [
      [
        { path: 'a', content: x },
        { path: 'a', content: x }
      ],
      [
        { path: 'a', content: x },
        { path: 'a/b', content: x }
      ],
      [
        { path: 'a/b', content: x },
        { path: 'a', content: x }
      ],
      []
    ]) {
      expect((await failure(packFiles(blocks, files))).name).to.equal('PackError')
    }
  })

  it('takes a node that just fits, and refuses one byte more', async () => {
    const { blocks } = shelf()
    const overhead = dagCbor.encode(new Uint8Array(LIMITS.blockBytes)).length - LIMITS.blockBytes
    expect((await packNode(blocks, new Uint8Array(LIMITS.blockBytes - overhead))).sizeBytes).to.equal(LIMITS.blockBytes)
    const err = await failure(packNode(blocks, new Uint8Array(LIMITS.blockBytes - overhead + 1)))
    expect(err.name).to.equal('PackError')
    expect(err.message).to.include('Split it')
  })

  it('refuses what is not IPLD', async () => {
    for (const value of [{ a: undefined }, () => 1, { a: Number.NaN }, new Map([[1, 2]])]) {
      expect((await failure(packNode(shelf().blocks, value))).name).to.equal('PackError')
    }
  })

  it('leaves nothing protected when it fails', async () => {
    const { blocks, keeper } = shelf()
    const failing = async function* () {
      yield { path: 'a', content: bytesOf(1000, 1) }
      throw new Error('the source broke')
    }
    expect((await failure(packFiles(blocks, failing()))).message).to.equal('the source broke')
    expect((await keeper.collect({ task: 't', finalizedCycle: 0 })).blocks).to.be.greaterThan(0)
  })
})

function pad(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const digest = new Uint8Array(32)
  digest.set(bytes)
  return digest
}
