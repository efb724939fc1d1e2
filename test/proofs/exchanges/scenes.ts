/** What is asked and given in the recorded exchanges: the same for the one who records and for the test that plays it again. */
import { setImmediate as turn } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import type { PeerId } from '@libp2p/interface'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import { sha256 } from 'multiformats/hashes/sha2'
import type { BlockClient, BlockSink } from '../../../src/proofs/bitswap/index.ts'
import { keyOf } from '../../../src/proofs/cid-profile.ts'

export interface Block {
  cid: CID
  bytes: Uint8Array
}

/** What a maker's own code reads in a message. CIDs as text; a want of nothing but its CID wants the block. */
export interface Meaning {
  wants: Array<{ cid: string; cancel?: boolean; have?: boolean; sendDontHave?: boolean }>
  blocks: Array<{ cid: string; bytes: number }>
  haves: string[]
  dontHaves: string[]
}

export interface Told {
  scene: string
  phase: number
  from: 'them' | 'us'
  /** base64, with its length. */
  frame: string
  meaning: Meaning
}

export type Line =
  | Told
  /** What those who asked have in the end. */
  | { scene: string; outcome: Outcome }

/** CIDs, sorted. */
export interface Outcome {
  blocks: string[]
  dontHave: string[]
  tooLarge: string[]
}

const KIB = 1024

/** Bytes that compress: each block has its own. */
async function block(index: number, size: number, code = 0x55): Promise<Block> {
  const bytes = new Uint8Array(size).fill(index)
  return { cid: CID.createV1(code, await sha256.digest(bytes)), bytes }
}

const many = (count: number, size: number, from: number) => Promise.all(Array.from({ length: count }, (_, at) => block(from + at, size)))

/** For who serves: the block without bytes among them, and one of the largest size. */
export const SERVED: Block[] = [await block(0, 0), ...(await many(6, 300, 1)), ...(await many(3, 12 * KIB, 10)), await block(20, 511 * KIB)]
/** Nobody has them. */
export const MISSING: Block[] = await many(2, 50, 30)
/** As a UnixFS level, and small ones beside the largest. */
export const LEAVES: Block[] = await many(20, 256 * KIB, 40)
export const MIXED: Block[] = [...(await many(40, 12 * KIB, 80)), ...(await many(6, 511 * KIB, 130))]
export const TOO_LARGE: Block[] = await many(1, 2000 * KIB, 150)
/** One that they come by only after it was asked for. */
export const LATE: Block = await block(160, 700)
/** An identity CID: no peer of ours is asked for one, and who asks us is told that we do not have it. */
export const INLINE = CID.createV1(0x55, identity.digest(Uint8Array.of(1, 2, 3)))

export interface Scene {
  name: string
  /** What they have when it begins. */
  theirs: Block[]
  /** One after the other: what we do, and what they do before the next. */
  phases: Array<{ ask?: Block[]; again?: Block[]; release?: Block[]; put?: Block[] }>
}

/** We ask. */
export const FETCHES: Scene[] = [
  { name: 'a level of leaves', theirs: LEAVES, phases: [{ ask: LEAVES }] },
  { name: 'small blocks beside the largest', theirs: MIXED, phases: [{ ask: MIXED }] },
  { name: 'what is not there', theirs: SERVED, phases: [{ ask: [...MISSING, ...SERVED.slice(1, 4)] }] },
  { name: 'a block too large', theirs: TOO_LARGE, phases: [{ ask: TOO_LARGE }] },
  { name: 'asked again', theirs: [], phases: [{ ask: [LATE] }, { put: [LATE], again: [LATE] }] },
  { name: 'asked again for what came', theirs: [SERVED[1]!], phases: [{ ask: [SERVED[1]!] }, { again: [SERVED[1]!] }] },
  { name: 'given up', theirs: [], phases: [{ ask: MISSING }, { release: MISSING }, { ask: [LATE] }] }
]

/** Calls as the fetch of a proof would, and remembers what came of it. */
export class Asker implements BlockSink {
  readonly #came = { blocks: new Set<string>(), dontHave: new Set<string>(), tooLarge: new Set<string>() }
  readonly #names = new Map<string, string>()
  events = 0

  async act(client: BlockClient, peerId: PeerId, { ask = [], again = [], release = [] }: Scene['phases'][number]): Promise<void> {
    for (const { cid } of [...ask, ...again]) {
      this.#names.set(keyOf(cid), cid.toString())
    }
    for (const { cid } of ask) {
      client.ask(peerId, cid, this)
    }
    for (const { cid } of again) {
      client.ask(peerId, cid, this, { again: true })
    }
    client.release(
      this,
      release.map(({ cid }) => keyOf(cid))
    )
    await turn()
  }

  async onBlock(key: string) {
    this.#note('blocks', key)
  }

  onDontHave(key: string) {
    this.#note('dontHave', key)
  }

  onOversize(key: string) {
    this.#note('tooLarge', key)
  }

  onLost() {}
  onFault() {}
  onRoom() {}

  outcome(): Outcome {
    const { blocks, dontHave, tooLarge } = this.#came
    return { blocks: [...blocks].sort(), dontHave: [...dontHave].sort(), tooLarge: [...tooLarge].sort() }
  }

  #note(what: keyof Outcome, key: string) {
    this.events++
    this.#came[what].add(this.#names.get(key)!)
  }
}

/** They ask, for all of these at once: what we serve, what we do not have, and an identity. */
export const WANTED: CID[] = [...SERVED, ...MISSING].map(({ cid }) => cid)

/** Messages that no scene brings about, as the maker's own code writes them. */
export const WRITTEN: Array<{ name: string; wants: Meaning['wants'] }> = [
  { name: 'written: whether we have it, and then all of it', wants: [wantOf(SERVED[7]!, { have: true }), wantOf(SERVED[7]!)] },
  { name: 'written: whether we have it', wants: [...SERVED, ...MISSING].map((one) => wantOf(one, { have: true, sendDontHave: true })) },
  { name: 'written: an identity', wants: [{ cid: INLINE.toString(), sendDontHave: true }] },
  { name: 'written: cancel and want', wants: [wantOf(SERVED[1]!), wantOf(SERVED[1]!, { cancel: true }), wantOf(SERVED[2]!)] },
  { name: 'written: want and cancel', wants: [wantOf(SERVED[3]!, { cancel: true }), wantOf(SERVED[3]!)] }
]

function wantOf({ cid }: Block, more: Omit<Meaning['wants'][number], 'cid'> = {}): Meaning['wants'][number] {
  return { cid: cid.toString(), ...more }
}

export function parseLines(gzipped: Uint8Array): Line[] {
  return gunzipSync(gzipped)
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

/** Of a frame: how long its message is, and where that begins; undefined while its head is not whole. */
export function lengthOf(bytes: Uint8Array): { length: number; at: number } {
  let length = 0
  for (let at = 0; at < bytes.length; at++) {
    length += (bytes[at]! & 127) * 128 ** at
    if (bytes[at]! < 128) {
      return { length, at: at + 1 }
    }
  }
  return { length: Number.POSITIVE_INFINITY, at: 0 }
}
