import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { Have } from '../../src/sync/generated/sync.js'
import { Body, MalformedMessageError } from '../../src/wire/index.ts'
import { Reader, Writer } from '../../src/wire/protobuf.ts'
import { U64_EDGES, u32, u53, u64 } from '../edges.ts'
import { cidBytes } from './people.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const edges = U64_EDGES.map(([, value]) => value)

/** The bytes of a varint as the protobuf documentation gives them: seven bits at a time, the lowest first. */
function varint(value: bigint): Uint8Array {
  const groups = value
    .toString(2)
    .padStart(Math.ceil(value.toString(2).length / 7) * 7, '0')
    .match(/.{7}/g)!
    .reverse()
  return Uint8Array.from(groups, (group, at) => Number.parseInt(group, 2) + (at < groups.length - 1 ? 128 : 0))
}

describe('wire: whole numbers', () => {
  const u64Of = (bytes: Uint8Array) => new Reader(bytes).uint64()

  it('are written and read right at every edge and at every length', () => {
    for (const value of [...edges, ...fc.sample(u64(), 2_000)]) {
      const bytes = new Writer().uint64(value).finish()
      expect(bytes, `${value}`).to.deep.equal(varint(value))
      expect(u64Of(bytes)).to.equal(value)
    }
  })

  it('of 53 and 32 bits are the same bytes, and come back as numbers', () => {
    fc.assert(
      fc.property(u53(), u32(), (value, short) => {
        expect(new Writer().uint64Number(value).finish()).to.deep.equal(varint(BigInt(value)))
        expect(new Reader(varint(BigInt(value))).uint64Number()).to.equal(value)
        expect(new Writer().uint32(short).finish()).to.deep.equal(varint(BigInt(short)))
        expect(new Reader(varint(BigInt(short))).uint32()).to.equal(short)
      })
    )
  })

  it('that do not fit the field are refused, never cut', () => {
    for (const value of edges) {
      const read = (method: 'uint32' | 'uint64Number') => () => Number(new Reader(varint(value))[method]())
      const write = (method: 'uint32' | 'uint64Number') => () => new Writer()[method](Number(value)).finish()
      for (const [method, max] of [
        ['uint32', 2n ** 32n],
        ['uint64Number', 2n ** 53n]
      ] as const) {
        if (value < max) {
          expect(read(method)()).to.equal(Number(value))
        } else {
          expect(read(method), `${method} of ${value}`).to.throw(MalformedMessageError, 'past')
          expect(write(method), `${method} of ${value}`).to.throw(MalformedMessageError, 'whole numbers')
        }
      }
    }
    for (const value of [2n ** 64n, 2n ** 70n - 1n, 2n ** 70n, 2n ** 77n]) {
      expect(() => u64Of(varint(value)), `${value}`).to.throw(MalformedMessageError, 'past 2^64')
      expect(() => new Writer().uint64(value)).to.throw(MalformedMessageError)
    }
    for (const value of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '7', 7n, undefined] as number[]) {
      expect(() => new Writer().uint32(value)).to.throw(MalformedMessageError)
      expect(() => new Writer().uint64Number(value)).to.throw(MalformedMessageError)
    }
    for (const value of [-1n, 7, '7', undefined] as bigint[]) {
      expect(() => new Writer().uint64(value)).to.throw(MalformedMessageError)
    }
  })

  it('of more bytes than they need, or of fewer, are refused', () => {
    fc.assert(
      fc.property(u64(), fc.integer({ min: 1, max: 9 }), (value, more) => {
        const bytes = varint(value)
        const long = Uint8Array.from([...bytes.subarray(0, -1), bytes.at(-1)! | 128, ...Array(more - 1).fill(128), 0])
        for (const method of ['uint32', 'uint64', 'uint64Number'] as const) {
          expect(() => new Reader(long)[method]()).to.throw(MalformedMessageError)
          expect(() => new Reader(Uint8Array.from(bytes, (byte) => byte | 128))[method]()).to.throw(MalformedMessageError)
        }
      })
    )
  })

  it('are told with the field that they were for', () => {
    const body = (attempt: number): Body => ({
      cycle: 1,
      slot: 1,
      record: { cid: cidBytes('r'), root: new Uint8Array(32), totalRewards: 1n, attempt }
    })
    expect(() => Body.encode(body(2 ** 32))).to.throw(
      MalformedMessageError,
      'field 4 holds whole numbers from 0 to 2^32 - 1, not 4294967296'
    )
    expect(() => Body.encode({ ...body(1), slot: 2 ** 53 })).to.throw(MalformedMessageError, 'field 2')
  })
})

describe('wire: protobuf messages', () => {
  const digest = new Uint8Array(32).fill(7)
  const have = Have.encode({ cycles: [{ cycle: 300, digest, count: 2 }] })

  it('are decoded only when they are what encoding gives, whatever was done to the bytes', () => {
    const { length } = have
    fc.assert(
      fc.property(fc.nat(length - 1), fc.nat(length), fc.uint8Array({ maxLength: 4 }), (from, cut, put) => {
        const bytes = Uint8Array.from([...have.subarray(0, from), ...put, ...have.subarray(Math.min(from + cut, length))])
        let value: Have
        try {
          value = Have.decode(bytes)
        } catch (err) {
          expect(err).to.be.instanceOf(MalformedMessageError)
          return
        }
        expect(Have.encode(value)).to.deep.equal(bytes)
      }),
      { numRuns: 2_000 }
    )
  })

  it('hold nested messages of any length', () => {
    for (const size of [0, 1, 119, 120, 127, 128, 250, 300, 16_383, 16_384, 70_000]) {
      const said = {
        cycles: [
          { cycle: 1, digest: new Uint8Array(size).fill(1), count: 1 },
          { cycle: 2, digest, count: 3 }
        ]
      }
      expect(Have.decode(Have.encode(said))).to.deep.equal(said)
    }
  })

  it('never let a nested message reach past its own end', () => {
    const inner = [0x08, 0x01, 0x12, 0x03, 1, 2, 3]
    expect(Have.decode(Uint8Array.from([0x0a, inner.length, ...inner])).cycles).to.have.length(1)
    for (const length of [inner.length - 1, inner.length + 1]) {
      expect(() => Have.decode(Uint8Array.from([0x0a, length, ...inner]))).to.throw(MalformedMessageError)
    }
  })

  it('refuse text that is not UTF-8, and keep a byte order mark', () => {
    const text = (bytes: number[]) => new Reader(Uint8Array.from([bytes.length, ...bytes])).string()
    expect(text([0xef, 0xbb, 0xbf, 0x61])).to.equal('\ufeffa')
    for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
      expect(() => text(bytes)).to.throw(MalformedMessageError, 'UTF-8')
    }
  })

  it('are made by the generator as they are committed, on no runtime but ours', function () {
    this.timeout(120_000)
    const files = globSync('src/*/generated/*', { cwd: ROOT })
    expect(files.length).to.be.at.least(4)
    for (const file of files) {
      const code = readFileSync(join(ROOT, file), 'utf8')
      expect(code, file).to.match(/from '[./]+(wire\/)?protobuf\.ts'/)
      expect(code, file).not.to.include('protons')
    }
    execFileSync(process.execPath, ['scripts/generate.ts', '--check'], { cwd: ROOT, stdio: 'pipe' })
  })
})
