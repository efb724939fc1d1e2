/**
 * Writes a proof that is here to the disk: a UnixFS file as a file, a UnixFS directory as a directory, a dag-cbor DAG as
 * one JSON text with all of its nodes; or any of them as a CAR. Nothing is overwritten, and nothing is written outside `path`.
 */

import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { diskAdvice, diskFault, makeFolder } from '../disk/index.ts'
import { shownJson } from '../observe/shown-text.ts'
import type { Blocks } from './blocks.ts'
import { carOf } from './car.ts'
import { DAG_CBOR } from './cid-profile.ts'
import { ProofTooLargeError, SaveError } from './errors.ts'
import { DEFAULT_DAG_LIMITS, LIMITS } from './limits.ts'
import { pathFault } from './pack.ts'
import type { ProofReader } from './reader.ts'
import { walkLocal } from './walk.ts'

export interface Saved {
  path: string
  kind: 'file' | 'directory' | 'json' | 'car'
  files: number
  /** Bytes written. */
  bytes: number
}

/** `files`: what the blocks say, as below. `car`: the blocks themselves, with their CIDs. */
export type SaveAs = 'files' | 'car'

export async function saveProof(blocks: Blocks, reader: ProofReader, path: string, as: SaveAs = 'files'): Promise<Saved> {
  const { root } = reader
  const saved: Saved = { path, kind: 'file', files: 0, bytes: 0 }
  const count = (bytes: number, ahead = 0) => {
    saved.bytes += bytes
    if (saved.bytes + ahead > LIMITS.outputBytes) {
      throw new ProofTooLargeError(root, `proof ${root} unfolds to more than ${LIMITS.outputBytes} bytes`, { max: LIMITS.outputBytes })
    }
  }

  if (as === 'car') {
    const all = walkLocal(blocks, root, { limits: { ...DEFAULT_DAG_LIMITS, maxBytes: Number.POSITIVE_INFINITY } })
    return saveBlocks(root, all as AsyncGenerator<{ cid: CID; bytes: Uint8Array }>, path, as)
  }
  if (root.code === DAG_CBOR) {
    saved.kind = 'json'
    saved.files = 1
    const all = walkLocal(blocks, root, { limits: { ...DEFAULT_DAG_LIMITS, maxBytes: Number.POSITIVE_INFINITY } })
    await write(path, jsonOf(root, all), count)
    return saved
  }
  for await (const file of reader.listFiles()) {
    if (file.path !== '') {
      const fault = pathFault(file.path)
      if (fault != null) {
        throw new SaveError(`proof ${root} has a file whose path '${file.path}' ${fault}: it is not written`)
      }
      saved.kind = 'directory'
    }
    count(0, file.sizeBytes) // before any of it is written
    saved.files++
    await write(file.path === '' ? path : join(path, file.path), reader.readListed(file), count)
  }
  if (saved.files === 0) {
    saved.kind = 'directory'
    folderAt(path)
  }
  return saved
}

/** Writes just these blocks, in their order: as the JSON text of a dag-cbor DAG whose root is `root`, or as a CAR. */
export async function saveBlocks(
  root: CID,
  blocks: AsyncIterable<{ cid: CID; bytes: Uint8Array }>,
  path: string,
  as: SaveAs = 'files'
): Promise<Saved> {
  const isCar = as === 'car'
  const saved: Saved = { path, kind: isCar ? 'car' : 'json', files: 1, bytes: 0 }
  await write(path, isCar ? carOf(root, blocks) : jsonOf(root, blocks), (bytes) => {
    saved.bytes += bytes
  })
  return saved
}

async function write(path: string, chunks: AsyncIterable<Uint8Array>, count: (bytes: number) => void): Promise<void> {
  folderAt(dirname(path))
  const file = await open(path, 'wx').catch((err) => {
    throw new SaveError(err.code === 'EEXIST' ? `${path} exists already: move it away, or name another place` : cannotWrite(path, err))
  })
  try {
    for await (const chunk of chunks) {
      count(chunk.length)
      await file.writeFile(chunk).catch((err) => {
        throw new SaveError(cannotWrite(path, err))
      })
    }
  } finally {
    await file.close()
  }
}

function cannotWrite(path: string, err: Error): string {
  const fault = diskFault(err, dirname(path))
  return `cannot write ${path}: ${fault == null ? err.message : `${diskAdvice(fault, dirname(path))}. What is there is not all of it`}`
}

function folderAt(path: string): void {
  try {
    makeFolder(path, 0o777)
  } catch (err) {
    throw new SaveError(cannotWrite(path, err as Error))
  }
}

/** `{ "root": link, "blocks": { cid: value } }`, from which the blocks can be made again. Spec: protocols/proofs/README.md "Written out". */
export async function* jsonOf(root: CID, blocks: AsyncIterable<{ cid: CID; bytes: Uint8Array | undefined }>): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`{\n"root": ${JSON.stringify(root)},\n"blocks": {\n`)
  let separator = ''
  for await (const { cid, bytes } of blocks) {
    const value = cid.code === DAG_CBOR ? tellable(bytes!) : bytes
    yield Buffer.from(`${separator}${JSON.stringify(cid.toString())}: ${shownJson(JSON.stringify(plain(value), null, 2))}`)
    separator = ',\n'
  }
  yield Buffer.from('\n}\n}\n')
}

/** The value of a dag-cbor block where its JSON leads back to the same bytes, else the bytes: of 1.0, which JSON takes for 1, and of a map that looks like a link. */
function tellable(bytes: Uint8Array): unknown {
  try {
    const value = dagCbor.decode(bytes)
    return !hasSlash(value) && Buffer.compare(dagCbor.encode(value), bytes) === 0 ? value : bytes
  } catch {
    return bytes
  }
}

function hasSlash(value: unknown): boolean {
  if (value == null || typeof value !== 'object' || value instanceof Uint8Array || CID.asCID(value) != null) {
    return false
  }
  return (!Array.isArray(value) && Object.hasOwn(value, '/')) || Object.values(value).some(hasSlash)
}

const rawJson = (text: string) => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text)

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') {
    return rawJson(value.toString())
  }
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return rawJson(value.toExponential()) // a float, which digits alone would make an integer
  }
  if (value == null || typeof value !== 'object') {
    return value
  }
  if (value instanceof Uint8Array) {
    return { '/': { bytes: Buffer.from(value).toString('base64').replace(/=+$/, '') } }
  }
  const cid = CID.asCID(value)
  if (cid != null) {
    return { '/': cid.toString() }
  }
  return Array.isArray(value) ? value.map(plain) : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}
