import { createHash } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import type { Uint8ArrayList } from 'uint8arraylist'
import { type BitswapMessage, decodeMessage, encodeMessage, varintBytes } from '../../src/proofs/bitswap/message.ts'
import { type Piece, PieceReader } from '../../src/proofs/bitswap/pieces.ts'
import { LIMITS } from '../../src/proofs/limits.ts'
import { cpuMs } from '../cpu.ts'
import { bytesOf } from './fixtures.ts'

const PREFIX = Uint8Array.of(1, 0x55, 0x12, 32)
const blocksOf = (...sizes: number[]): BitswapMessage => ({
  wants: [],
  blocks: sizes.map((size, index) => ({ prefix: PREFIX, data: bytesOf(size, index) })),
  presences: []
})

const sha256 = (data: Uint8Array | Uint8ArrayList) => createHash('sha256').update(data.subarray()).digest('hex')

/** Reads a stream that comes in chunks of the given sizes, over and over. */
function read(bytes: Uint8Array, chunks: number[] = [bytes.length]): { pieces: Piece[]; reader: PieceReader } {
  const reader = new PieceReader()
  const pieces: Piece[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = Math.max(1, chunks[turn % chunks.length]!)
    reader.push(bytes.subarray(at, at + size))
    at += size
    for (let piece = reader.next(); piece != null; piece = reader.next()) {
      pieces.push(piece)
    }
  }
  return { pieces, reader }
}

const together = (pieces: Piece[]): BitswapMessage => {
  const all: BitswapMessage = { wants: [], blocks: [], presences: [] }
  for (const piece of pieces) {
    if ('block' in piece) {
      all.blocks.push({ prefix: piece.block.prefix, data: piece.block.data.subarray() })
      continue
    }
    const { wants, blocks, presences } = decodeMessage('fields' in piece ? piece.fields : new Uint8Array())
    all.wants.push(...wants)
    all.blocks.push(...blocks)
    all.presences.push(...presences)
  }
  return all
}

describe('proofs: pieces of Bitswap messages', () => {
  it('are the messages that were sent, however their bytes come', () => {
    const bytes = fc.uint8Array({ maxLength: 60 })
    const message = fc.record({
      wants: fc.array(fc.record({ cid: bytes, cancel: fc.constant(true), have: fc.constant(true), sendDontHave: fc.constant(true) })),
      blocks: fc.array(fc.record({ prefix: bytes, data: bytes })),
      presences: fc.array(fc.record({ cid: bytes, have: fc.boolean() }))
    })
    fc.assert(
      fc.property(fc.array(message, { maxLength: 4 }), fc.array(fc.integer({ min: 1, max: 99 }), { minLength: 1 }), (sent, chunks) => {
        const { pieces, reader } = read(Buffer.concat(sent.map((one) => encodeMessage(one).subarray())), chunks)
        expect(together(pieces)).to.deep.equal({
          wants: sent.flatMap(({ wants }) => wants),
          blocks: sent.flatMap(({ blocks }) => blocks),
          presences: sent.flatMap(({ presences }) => presences)
        })
        expect(reader.isInside).to.equal(false)
      })
    )
  })

  it('are no longer than a frame where the largest block follows small ones', () => {
    const sent = blocksOf(...Array.from({ length: 21 }, () => 12 * 1024), LIMITS.blockBytes, 1000, LIMITS.blockBytes)
    for (const chunk of [65_536, 4_000_000]) {
      const { pieces } = read(encodeMessage(sent).subarray(), [chunk])
      expect(Math.max(...pieces.map((piece) => ('fields' in piece ? piece.fields.length : 0)))).to.be.at.most(LIMITS.frameBytes)
      expect(together(pieces).blocks.map(({ data }) => data.length)).to.deep.equal(sent.blocks.map(({ data }) => data.length))
    }
  })

  it('of a message of nearly 4 MiB are small, and lose nothing', () => {
    const sent = blocksOf(...Array.from({ length: 15 }, () => 262_144), 12_000, 1000, 0)
    const { pieces } = read(encodeMessage(sent).subarray(), [65_536])
    expect(pieces.length).to.be.greaterThan(7)
    expect(Math.max(...pieces.map((piece) => ('fields' in piece ? piece.fields.length : 0)))).to.be.at.most(LIMITS.frameBytes)
    expect(together(pieces).blocks.map(({ data }) => sha256(data))).to.deep.equal(sent.blocks.map(({ data }) => sha256(data)))
  })

  it('cost what their bytes do, into however many parts a sender cuts them', async () => {
    const cost = async (count: number) => {
      const presences = Array.from({ length: count }, (_, at) => ({ cid: bytesOf(24, at), have: true }))
      const bytes = encodeMessage({ wants: [], blocks: [], presences }).subarray()
      let pieces: Piece[] = []
      const ms = await cpuMs(() => {
        pieces = read(bytes, [4]).pieces
      })
      expect(together(pieces).presences).to.have.length(count)
      return ms
    }
    // eight times the bytes: 64 times as much, where each look walks over all parts. Of some, as other work and the collector add to one
    let least = Number.POSITIVE_INFINITY
    for (let attempt = 0; attempt < 10 && least >= 24; attempt++) {
      const few = await cost(300)
      least = Math.min(least, (await cost(2_400)) / few)
    }
    expect(least).to.be.below(24)
  })

  it('tell a block that is larger than any may be by its hash, and go on with what follows', () => {
    const sent = blocksOf(700, 2 * 1024 * 1024, 900)
    const { pieces, reader } = read(Buffer.concat([encodeMessage(sent).subarray(), encodeMessage(blocksOf(5)).subarray()]), [1, 99, 70_000])
    const key = sha256(sent.blocks[1]!.data)
    expect(pieces.flatMap((piece) => ('oversize' in piece ? [piece.oversize] : []))).to.deep.equal([{ key, bytes: 2 * 1024 * 1024 }])
    expect(together(pieces).blocks.map(({ data }) => data.length)).to.deep.equal([700, 900, 5])
    expect(reader.isInside).to.equal(false)
  })

  it('are none of what breaks the rules', () => {
    const head = (length: number, ...rest: number[]) => Uint8Array.from([...varintBytes(length), ...rest])
    const long = LIMITS.messageBytes - 100
    for (const [what, bytes, says] of [
      ['a message over 4 MiB', head(LIMITS.messageBytes + 1), /4194305 bytes: 4194304 are allowed/],
      ['a length that never ends', Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff), /are allowed/],
      ['a length in more bytes than it needs', Uint8Array.of(0x81, 0), /more bytes than it needs/],
      ['a field past the end', head(5, 0x1a, 9, 0, 0, 0), /passes its end/],
      ['a field that is cut', head(1, 0x1a), /middle of a field/],
      ['a group', head(2, 0x1b, 0), /wire type 3/],
      ['a list of wants of 4 MiB', head(long, 0x0a, ...varintBytes(long - 5), 1, 2, 3, 4, 5, 6), /field 1 .* are allowed/],
      ['a long field that is no block', head(long, 0x1a, ...varintBytes(long - 5), ...new Uint8Array(100)), /which is not one/],
      [
        'a block of 4 MiB with a long prefix',
        head(long, 0x1a, ...varintBytes(long - 5), 0x0a, ...varintBytes(long - 9), ...new Uint8Array(100)),
        /passes its end/
      ],
      [
        'empty elements',
        Uint8Array.from([...varintBytes(20_000), ...new Uint8Array(20_000).map((_, at) => [0x22, 0][at % 2]!)]),
        /elements/
      ]
    ] as const) {
      expect(() => read(bytes), what).to.throw(says)
    }
  })
})
