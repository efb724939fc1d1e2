import { setImmediate } from 'node:timers/promises'
import bs58 from 'bs58'
import type { Timing } from '../clock/index.ts'
import { type Pool, takenCycles } from '../judge/index.ts'
import { next } from '../network/index.ts'
import type { Network } from '../wire/index.ts'
import type { DecodeOptions } from '../wire/protobuf.ts'
import { Envelopes, Have, Ids, Want } from './generated/sync.js'

export const SYNC_PROTOCOL = '/koii-mesh/sync/1'

/** Of one task. Who names none speaks the first of a node's tasks. */
export function syncProtocol(network: Network): string {
  return `${SYNC_PROTOCOL}/${bs58.encode(network.taskId)}`
}

/** The bounds of protocols/sync/README.md. */
export const SYNC_LIMITS = {
  /** Cycles in one frame: the live ones, and one for a clock that is a little ahead. */
  cycles: 4,
  /** Message ids of one cycle in one answer; a longer list is cut to a stretch from a random place. */
  idsPerCycle: 2_048,
  /** Messages asked for at a time; what is missing beyond them comes with the next pass. */
  wants: 512,
  /** A frame of ids is the largest. */
  frameBytes: 288 * 1024,
  /** Envelopes in one frame, so that the receiver judges them in small helpings. */
  envelopesPerFrame: 16,
  /** All envelopes of one direction of one exchange. */
  envelopeBytes: 1024 * 1024,
  /** All that one side may send in an exchange: ids, wants and envelopes. */
  totalBytes: 2 * 1024 * 1024
} as const

const ID_BYTES = 32

export function decodeHave(bytes: Uint8Array): Have {
  return check(bytes, Have, { limits: { cycles: SYNC_LIMITS.cycles } })
}

export function decodeIds(bytes: Uint8Array): Array<{ cycle: number; ids: string[] }> {
  const { cycles } = check(bytes, Ids, { limits: { cycles: SYNC_LIMITS.cycles } })
  return cycles.map(({ cycle, ids }) => ({ cycle, ids: splitIds(ids, SYNC_LIMITS.idsPerCycle) }))
}

export function decodeWant(bytes: Uint8Array): string[] {
  return splitIds(check(bytes, Want).ids, SYNC_LIMITS.wants)
}

export function decodeEnvelopes(bytes: Uint8Array): Uint8Array[] {
  return check(bytes, Envelopes, { limits: { envelopes: SYNC_LIMITS.envelopesPerFrame } }).envelopes
}

/** A peer's frame that breaks the protocol. */
export class SyncFrameError extends Error {
  override name = 'SyncFrameError'
}

function check<T>(bytes: Uint8Array, codec: { decode(bytes: Uint8Array, options?: DecodeOptions<T>): T }, options?: DecodeOptions<T>): T {
  try {
    return codec.decode(bytes, options)
  } catch (err) {
    throw new SyncFrameError(`a sync frame does not decode: ${err instanceof Error ? err.message : String(err)}`)
  }
}

function splitIds(bytes: Uint8Array, max: number): string[] {
  if (bytes.length % ID_BYTES !== 0 || bytes.length > max * ID_BYTES) {
    throw new SyncFrameError(`a list of ids of ${bytes.length} bytes: a multiple of ${ID_BYTES}, and at most ${max} ids are allowed`)
  }
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
  return Array.from({ length: bytes.length / ID_BYTES }, (_, at) => hex.slice(at * 2 * ID_BYTES, (at + 1) * 2 * ID_BYTES))
}

export function joinIds(ids: string[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(ids.join(''), 'hex'))
}

/** What we hold of each live cycle. */
export function haveOf(pool: Pool, cycles: number[]): Have {
  return { cycles: cycles.map((cycle) => ({ cycle, digest: new Uint8Array(pool.digest(cycle)), count: pool.count(cycle) })) }
}

/** The live cycles at a slot, ascending. */
export function cyclesAt(timing: Timing, slot: number): number[] {
  const { from, to } = takenCycles(timing, slot)
  return Array.from({ length: to - from + 1 }, (_, at) => from + at)
}

/** Envelopes in frames, at most `envelopeBytes` in all, and the empty frame that ends the list. */
export function* envelopeFrames(ids: Iterable<string>, pool: Pool): Generator<Uint8Array> {
  let batch: Array<Uint8Array<ArrayBuffer>> = []
  let left: number = SYNC_LIMITS.envelopeBytes
  for (const id of ids) {
    const message = pool.get(id)
    if (message == null) {
      continue
    }
    left -= message.bytes.length
    if (left < 0) {
      break
    }
    batch.push(new Uint8Array(message.bytes))
    if (batch.length === SYNC_LIMITS.envelopesPerFrame) {
      yield Envelopes.encode({ envelopes: batch })
      batch = []
    }
  }
  if (batch.length > 0) {
    yield Envelopes.encode({ envelopes: batch })
  }
  yield Envelopes.encode({ envelopes: [] })
}

/** Takes envelopes until the empty frame, a helping at a time so that other work gets its turn. Returns how many were taken in. */
export async function takeEnvelopes(frames: AsyncGenerator<Uint8Array>, take: (envelope: Uint8Array) => boolean): Promise<number> {
  let taken = 0
  while (true) {
    const envelopes = decodeEnvelopes(await next(frames))
    if (envelopes.length === 0) {
      return taken
    }
    taken += envelopes.filter(take).length
    await setImmediate()
  }
}
