/**
 * CAR files (https://ipld.io/specs/transport/car/carv1/): blocks with their CIDs one after the other, to hand on and to check
 * without a network. The format is `@ipld/car`'s, which is what IPFS's own tools for JavaScript use.
 */
import { hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { CarIndexer, CarWriter } from '@ipld/car'
import type { CID } from 'multiformats/cid'
import { demandFile } from '../disk/index.ts'
import { keyOf, profileFault } from './cid-profile.ts'
import { DEFAULT_DAG_LIMITS, LIMITS } from './limits.ts'
import { walkLocal } from './walk.ts'

/** The file is no CAR, or not one of a proof or of records: the message says where. */
export class CarError extends Error {
  override name = 'CarError'
}

export interface CarFile {
  root: CID
  /** Distinct blocks in it. */
  blocks: number
  /** Of these blocks. */
  sizeBytes: number
  /** Bytes that hash to `cid`; undefined when the file does not have it. @throws CarError */
  get(cid: CID): Promise<Uint8Array | undefined>
  /** Reads every block and checks its hash. @throws CarError */
  check(): Promise<void>
  /** The distinct blocks of the DAG of the root. @throws ProofUnavailableError when one is not in the file, and what a fetch throws of a bad DAG */
  walk(): AsyncGenerator<CID>
  close(): Promise<void>
}

const HEADER_BYTES = 64 * 1024
/** Distinct blocks of one file: their places are held in memory. */
const MAX_BLOCKS = 2 ** 21

/** A CAR of version 1 with one root. */
export async function* carOf(root: CID, blocks: AsyncIterable<{ cid: CID; bytes: Uint8Array | undefined }>): AsyncGenerator<Uint8Array> {
  const { writer, out } = CarWriter.create([root])
  const fill = async () => {
    try {
      for await (const { cid, bytes } of blocks) {
        await writer.put({ cid, bytes: bytes! })
      }
    } finally {
      await writer.close()
    }
  }
  const filled = fill()
  filled.catch(() => {})
  yield* out
  await filled
}

/** Reads where the blocks of a CAR are, and none of them. @throws CarError */
export async function openCar(path: string): Promise<CarFile> {
  let file: FileHandle
  try {
    demandFile(path)
    file = await open(path, 'r')
  } catch (err) {
    throw new CarError(`cannot read ${path}: ${(err as Error).message}`)
  }
  try {
    return await index(file, path)
  } catch (err) {
    await file.close()
    throw err instanceof CarError
      ? err
      : new CarError(`${path} is not a whole CAR file: ${(err as Error).message}. Make one with koii-mesh proof get CID --car`)
  }
}

async function index(file: FileHandle, path: string): Promise<CarFile> {
  const head = new Uint8Array(10)
  await file.read(head, 0, head.length, 0)
  if (varint(head) > HEADER_BYTES) {
    throw new CarError(`${path} is not a CAR file: its header would have ${varint(head)} bytes`)
  }
  const stream = createReadStream(path)
  const places = new Map<string, { cid: CID; offset: number; length: number }>()
  let sizeBytes = 0
  let root: CID | undefined
  try {
    const indexer = await CarIndexer.fromIterable(stream)
    const roots = await indexer.getRoots()
    root = roots[0]
    if (root == null || roots.length > 1) {
      throw new CarError(`${path} names ${roots.length} roots: one is needed, that of the proof or of the newest record`)
    }
    for await (const { cid, blockOffset, blockLength } of indexer) {
      const fault =
        profileFault(cid) ?? (blockLength > LIMITS.blockBytes ? `${blockLength} bytes: at most ${LIMITS.blockBytes}` : undefined)
      if (fault != null) {
        throw new CarError(`block ${cid} of ${path} has ${fault}`)
      }
      const key = keyOf(cid)
      if (!places.has(key)) {
        places.set(key, { cid, offset: Number(blockOffset), length: blockLength })
        sizeBytes += blockLength
      }
      if (places.size > MAX_BLOCKS) {
        throw new CarError(`${path} has more than ${MAX_BLOCKS} blocks`)
      }
    }
  } finally {
    stream.destroy()
  }

  const get = async (cid: CID) => {
    const place = places.get(keyOf(cid))
    if (place == null) {
      return undefined
    }
    const bytes = new Uint8Array(place.length)
    const { bytesRead } = await file.read(bytes, 0, place.length, place.offset)
    if (bytesRead < place.length) {
      throw new CarError(`${path} ends within block ${cid}: it is not all there`)
    }
    if (hash('sha256', bytes, 'hex') !== keyOf(cid)) {
      throw new CarError(`the bytes of block ${cid} of ${path} have another hash`)
    }
    return bytes
  }
  return {
    root,
    blocks: places.size,
    sizeBytes,
    get,
    async check() {
      for (const { cid } of places.values()) {
        await get(cid)
      }
    },
    async *walk() {
      const limits = { ...DEFAULT_DAG_LIMITS, maxBytes: Number.POSITIVE_INFINITY }
      for await (const { cid } of walkLocal({ read: get }, root, { limits })) {
        yield cid
      }
    },
    close: () => file.close()
  }
}

/** How long the header says it is. */
function varint(bytes: Uint8Array): number {
  let value = 0
  for (const [at, byte] of bytes.entries()) {
    value += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) {
      return value
    }
  }
  return Number.POSITIVE_INFINITY
}
