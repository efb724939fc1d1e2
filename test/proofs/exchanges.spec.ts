/**
 * Exchanges with boxo and with Helia that were recorded byte by byte (exchanges/record.ts): each message is understood as its
 * maker meant it, whatever pieces it comes in, ours are what theirs read then, and both halves of ours do again what they did.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { sha256 } from 'multiformats/hashes/sha2'
import { Uint8ArrayList } from 'uint8arraylist'
import { createExchange } from '../../src/proofs/bitswap/index.ts'
import { type BitswapMessage, decodeMessage, encodeMessage } from '../../src/proofs/bitswap/message.ts'
import { PieceReader } from '../../src/proofs/bitswap/pieces.ts'
import { keyOf } from '../../src/proofs/cid-profile.ts'
import { LIMITS } from '../../src/proofs/limits.ts'
import { systemTimers } from '../../src/proofs/timers.ts'
import {
  Asker,
  FETCHES,
  INLINE,
  lengthOf,
  type Meaning,
  MISSING,
  type Outcome,
  parseLines,
  SERVED,
  type Told,
  WRITTEN
} from './exchanges/scenes.ts'

const MAKERS = ['boxo', 'helia'] as const
const linesOf = (maker: string) => parseLines(readFileSync(join(import.meta.dirname, 'exchanges', `${maker}.jsonl.gz`)))
const RECORDED = new Map(MAKERS.map((maker) => [maker, linesOf(maker)]))

const toldIn = (maker: (typeof MAKERS)[number], scene: string) =>
  RECORDED.get(maker)!.filter((line): line is Told => line.scene === scene && 'frame' in line)
const outcomeOf = (maker: (typeof MAKERS)[number], scene: string): Outcome =>
  RECORDED.get(maker)!.flatMap((line) => (line.scene === scene && 'outcome' in line ? [line.outcome] : []))[0]!
const bytesOf = ({ frame }: Told) => new Uint8Array(Buffer.from(frame, 'base64'))

interface Read extends Pick<BitswapMessage, 'wants' | 'presences'> {
  blocks: Array<{ prefix: Uint8Array; data: Uint8Array }>
  oversize: Array<{ key: string; bytes: number }>
}

/** All that a reader may hand on at once: whole fields, a block by itself, or what a block too large hashes to. */
interface Part {
  fields?: Uint8Array
  block?: { prefix: Uint8Array; data: { subarray(): Uint8Array } }
  oversize?: { key: string; bytes: number }
}

/** What our reader takes out of frames that come in chunks of so many bytes. */
function* piecesOf(bytes: Uint8Array, chunkBytes: number): Generator<Read> {
  const reader = new PieceReader()
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    reader.push(bytes.subarray(at, at + chunkBytes))
    for (let piece = reader.next(); piece != null; piece = reader.next()) {
      const { fields = new Uint8Array(0), block, oversize } = piece as Part
      const { wants, blocks, presences } = decodeMessage(fields)
      yield {
        wants,
        blocks: [...blocks, ...(block == null ? [] : [block])].map(({ prefix, data }) => ({ prefix, data: data.subarray() })),
        presences,
        oversize: oversize == null ? [] : [oversize]
      }
    }
  }
  expect(reader.isInside).to.equal(false)
}

/** In the words of the recording; a block too large by its digest alone, as raw. */
async function meaningOf(pieces: Iterable<Read>): Promise<Meaning> {
  const meaning: Meaning = { wants: [], blocks: [], haves: [], dontHaves: [] }
  for (const { wants, blocks, presences, oversize } of pieces) {
    for (const { cid, cancel, have, sendDontHave } of wants) {
      meaning.wants.push({
        cid: CID.decode(cid).toString(),
        ...(cancel === true ? { cancel } : {}),
        ...(have === true ? { have } : {}),
        ...(sendDontHave === true ? { sendDontHave } : {})
      })
    }
    for (const { prefix, data } of blocks) {
      const { digest } = await sha256.digest(data)
      expect([...prefix]).to.deep.equal([1, prefix[1], 0x12, 32])
      meaning.blocks.push({ cid: CID.createV1(prefix[1]!, create(0x12, digest)).toString(), bytes: data.length })
    }
    for (const { key, bytes } of oversize) {
      meaning.blocks.push({ cid: CID.createV1(0x55, create(0x12, Buffer.from(key, 'hex'))).toString(), bytes })
    }
    for (const { cid, have } of presences) {
      meaning[have ? 'haves' : 'dontHaves'].push(CID.decode(cid).toString())
    }
  }
  return sorted(meaning)
}

/** boxo reads a message into maps: the order is lost. */
function sorted({ wants, blocks, haves, dontHaves }: Meaning): Meaning {
  const byCid = (a: { cid: string }, b: { cid: string }) => (a.cid < b.cid ? -1 : 1)
  return { wants: wants.toSorted(byCid), blocks: blocks.toSorted(byCid), haves: haves.toSorted(), dontHaves: dontHaves.toSorted() }
}

/** A stream of which a test plays the other end. */
class FakeStream extends EventTarget {
  readonly sent: Uint8Array[] = []
  status = 'open'
  readStatus = 'readable'
  writeStatus = 'writable'
  writeBufferLength = 0
  maxReadBufferLength = 0
  faults: Error[] = []

  send(data: Uint8Array | Uint8ArrayList) {
    this.sent.push(data instanceof Uint8Array ? data : data.subarray())
    return true
  }

  pause() {
    this.readStatus = 'paused'
  }

  resume() {
    this.readStatus = 'readable'
  }

  async close() {}

  abort(err: Error) {
    this.faults.push(err)
  }
}

/** Our exchange, with the blocks that we serve, connected to one peer. */
async function ourExchange() {
  const peerId = await somebody()
  const out = new FakeStream()
  const connection = { status: 'open', remotePeer: peerId, newStream: async () => out }
  let onStream: (stream: FakeStream, from: object) => void = () => {}
  const libp2p = {
    addEventListener() {},
    removeEventListener() {},
    handle: async (_protocol: string, handler: typeof onStream) => {
      onStream = handler
    },
    unhandle: async () => {},
    getConnections: () => [connection]
  }
  const ours = new Map(SERVED.map(({ cid, bytes }) => [keyOf(cid), bytes]))
  const blocks = { read: async (cid: CID) => ours.get(keyOf(cid)), has: async (cid: CID) => ours.has(keyOf(cid)) }
  const exchange = createExchange({ libp2p: libp2p as never, blocks, timers: systemTimers, log: () => {} })
  await exchange.start()
  return {
    peerId,
    exchange,
    frames: out.sent,
    /** Comes on a stream of its own, in chunks; when it has settled, it was taken. */
    async hear(bytes: Uint8Array) {
      const stream = new FakeStream()
      onStream(stream, connection)
      for (let at = 0; at < bytes.length; at += 65_536) {
        const data = new Uint8ArrayList(bytes.subarray(at, at + 65_536))
        stream.dispatchEvent(Object.assign(new Event('message'), { data }))
        while (stream.readStatus === 'paused') {
          await turn()
        }
      }
      await settled()
      expect(stream.faults).to.deep.equal([])
    }
  }
}

const somebody = async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

async function settled(): Promise<void> {
  for (let at = 0; at < 50; at++) {
    await turn()
  }
}

describe('proofs: recorded exchanges', () => {
  for (const maker of MAKERS) {
    describe(`with ${maker}`, () => {
      const scenes = [...new Set(RECORDED.get(maker)!.map(({ scene }) => scene))]

      it('has every scene, and the messages that make it worth its bytes', () => {
        expect(scenes).to.deep.equal([...FETCHES.map(({ name }) => name), 'they ask', ...WRITTEN.map(({ name }) => name)])
        const longest = Math.max(...RECORDED.get(maker)!.flatMap((line) => ('frame' in line ? [bytesOf(line).length] : [])))
        expect(longest).to.be.above(2_000 * 1024)
        expect(maker === 'boxo' || longest > 3.5 * 1024 * 1024).to.equal(true)
      })

      for (const scene of scenes) {
        it(`${scene}: both read the same in every message`, async () => {
          for (const line of toldIn(maker, scene)) {
            const bytes = bytesOf(line)
            const meant = sorted(line.meaning)
            const merged = scene === 'written: cancel and want' || scene === 'written: want and cancel'
            if (line.from === 'them' && merged && maker === 'boxo') {
              // of one CID it writes one thing
              expect(meant.wants.filter(({ cancel }) => cancel)).to.have.length(1)
            }
            for (const chunkBytes of [bytes.length, 65_536, 1_021]) {
              expect(await meaningOf(piecesOf(bytes, chunkBytes)), `${line.from}, ${chunkBytes}`).to.deep.equal(meant)
            }
            if (line.from === 'us') {
              const message = decodeMessage(bytes.subarray(lengthOf(bytes).at))
              expect(Buffer.compare(encodeMessage(message).subarray(), bytes)).to.equal(0)
              expect(bytes.length).to.be.at.most(LIMITS.frameBytes + 8)
            }
          }
        })
      }

      for (const { name, phases } of FETCHES) {
        it(`${name}: the asking half says the same again, and has what it had`, async () => {
          const { peerId, exchange, frames, hear } = await ourExchange()
          const asker = new Asker()
          const told = toldIn(maker, name)
          for (const [phase, todo] of phases.entries()) {
            await asker.act(exchange.client, peerId, todo)
            await settled()
            for (const line of told.filter((one) => one.phase === phase && one.from === 'them')) {
              await hear(bytesOf(line))
            }
          }
          await exchange.stop()
          const ours = told.filter(({ from }) => from === 'us').map(bytesOf)
          expect(Buffer.compare(Buffer.concat(frames), Buffer.concat(ours))).to.equal(0)
          expect(asker.outcome()).to.deep.equal(outcomeOf(maker, name))
        })
      }

      it('what was asked for came: all that they had, and "don\'t have" or nothing for the rest', () => {
        for (const { name, theirs, phases } of FETCHES) {
          const { blocks, dontHave, tooLarge } = outcomeOf(maker, name)
          const asked = phases.flatMap(({ ask = [], again = [] }) => [...ask, ...again]).map(({ cid }) => cid.toString())
          const late = phases.flatMap(({ put = [] }) => put)
          const had = [...theirs, ...late].map(({ cid }) => cid.toString()).filter((cid) => asked.includes(cid))
          expect([...blocks, ...tooLarge].sort(), name).to.deep.equal([...new Set(had)].sort())
          expect(tooLarge.length, name).to.equal(name === 'a block too large' ? 1 : 0)
          // one that came by something later may have said before that it has nothing
          const missing = asked.filter((cid) => !had.includes(cid) || late.some((one) => one.cid.toString() === cid))
          expect(dontHave, name).to.deep.equal([...new Set(missing)].sort())
        }
        // the block without bytes too
        expect(outcomeOf(maker, 'they ask').blocks).to.have.members(SERVED.map(({ cid }) => cid.toString()))
      })

      for (const scene of ['they ask', ...WRITTEN.map(({ name }) => name)]) {
        it(`${scene}: the serving half answers the same again`, async () => {
          const { exchange, frames, hear } = await ourExchange()
          const told = toldIn(maker, scene)
          for (const line of told.filter(({ from }) => from === 'them')) {
            await hear(bytesOf(line))
          }
          await exchange.stop()
          const merge = (all: Meaning[]) =>
            sorted({
              wants: [],
              blocks: all.flatMap(({ blocks }) => blocks),
              haves: all.flatMap(({ haves }) => haves),
              dontHaves: all.flatMap(({ dontHaves }) => dontHaves)
            })
          const answers = await Promise.all(frames.map((frame) => meaningOf(piecesOf(frame, frame.length))))
          expect(merge(answers)).to.deep.equal(merge(told.filter(({ from }) => from === 'us').map(({ meaning }) => meaning)))
        })
      }

      it('answers what was written as it was meant', () => {
        const answer = (scene: string) => {
          const all = toldIn(maker, scene).flatMap(({ from, meaning }) => (from === 'us' ? [meaning] : []))
          return {
            blocks: all.flatMap(({ blocks }) => blocks.map(({ cid }) => cid)).sort(),
            haves: all.flatMap(({ haves }) => haves).sort(),
            dontHaves: all.flatMap(({ dontHaves }) => dontHaves).sort()
          }
        }
        const names = (blocks: typeof SERVED) => blocks.map(({ cid }) => cid.toString()).sort()
        const nothing = { blocks: [], haves: [], dontHaves: [] }
        // a want for the block is more than one for whether it is there, whichever comes first
        expect(answer('written: whether we have it, and then all of it')).to.deep.equal({ ...nothing, blocks: names([SERVED[7]!]) })
        expect(answer('written: whether we have it')).to.deep.equal({ ...nothing, haves: names(SERVED), dontHaves: names(MISSING) })
        expect(answer('written: an identity')).to.deep.equal({ ...nothing, dontHaves: [INLINE.toString()] })
        expect(answer('written: cancel and want')).to.deep.equal({ ...nothing, blocks: names([SERVED[2]!]) })
        // boxo makes a cancel of the two, Helia sends both in their order
        expect(answer('written: want and cancel')).to.deep.equal({ ...nothing, blocks: maker === 'boxo' ? [] : names([SERVED[3]!]) })
      })
    })
  }
})
