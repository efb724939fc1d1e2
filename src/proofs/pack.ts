/**
 * Makes proofs: one dag-cbor block, or files as a UnixFS directory. The same content gives the same CID on every node.
 * Spec: protocols/proofs/README.md "CID profile".
 */
import { unixfs } from '@helia/unixfs'
import * as dagCbor from '@ipld/dag-cbor'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import type { Blocks, WriteSession } from './blocks.ts'
import { DAG_CBOR, linksOf } from './cid-profile.ts'
import { PackError } from './errors.ts'
import { LIMITS } from './limits.ts'

export interface PackedFile {
  /** Relative, with slashes: 'pages/0001.html'. */
  path: string
  content: Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

export interface Packed {
  cid: CID
  /** Bytes of the blocks of this pack; for a node its own alone, not those it links to. */
  sizeBytes: number
  blocks: number
}

/**
 * One dag-cbor block. Links are CID objects; what they lead to is packed before or after, on its own.
 *
 * @throws PackError when it is no dag-cbor value, links outside the profile, or is larger than a block
 */
export async function packNode(blocks: Blocks, value: unknown): Promise<Packed> {
  let bytes: Uint8Array
  try {
    bytes = dagCbor.encode(value)
  } catch (err) {
    throw new PackError(
      `this value is not dag-cbor (${(err as Error).message}): use plain objects, arrays, text, numbers, bigints, bytes, booleans, null and CIDs`
    )
  }
  if (bytes.length > LIMITS.blockBytes) {
    throw new PackError(`a node of ${bytes.length} bytes; ${LIMITS.blockBytes} are allowed. Split it, and link the parts`)
  }
  const cid = CID.createV1(DAG_CBOR, await sha256.digest(bytes))
  try {
    linksOf(cid, bytes)
  } catch (err) {
    throw new PackError(`this value cannot be part of a proof: ${(err as Error).message}`)
  }
  const session = blocks.open()
  try {
    await session.put(cid, bytes)
  } finally {
    session.close({ hold: true })
  }
  return { cid, sizeBytes: bytes.length, blocks: 1 }
}

/**
 * Files as one UnixFS directory, streamed: at most a few chunks are in memory.
 *
 * @throws PackError naming a path that is not relative and plain, or comes twice
 */
export async function packFiles(blocks: Blocks, files: AsyncIterable<PackedFile> | Iterable<PackedFile>): Promise<Packed> {
  const session = blocks.open()
  let complete = false
  try {
    const written = new Map<string, number>()
    const store = storeOf(session, (cid, size) => written.set(cid.toString(), size))
    let root: CID | undefined
    const entries = unixfs({ blockstore: store }).addAll(checked(files), {
      cidVersion: 1,
      rawLeaves: true,
      reduceSingleLeafToSelf: true,
      chunker: fixedSize({ chunkSize: LIMITS.chunkBytes }),
      layout: balanced({ maxChildrenPerNode: LIMITS.fileNodeChildren }),
      shardSplitThresholdBytes: LIMITS.chunkBytes,
      shardSplitStrategy: 'links-bytes',
      shardFanoutBits: 8,
      wrapWithDirectory: true,
      fileImportConcurrency: 1,
      blockWriteConcurrency: 4
    })
    for await (const entry of entries) {
      root = entry.cid
    }
    if (root == null || written.size < 2) {
      throw new PackError('no files: a proof has at least one')
    }
    complete = true
    return { cid: root, sizeBytes: [...written.values()].reduce((sum, size) => sum + size, 0), blocks: written.size }
  } finally {
    session.close({ hold: complete })
  }
}

/** Why a path may not be in a directory, or undefined when it may. */
export function pathFault(path: string): string | undefined {
  if (Buffer.byteLength(path) > LIMITS.pathBytes) {
    return `is longer than ${LIMITS.pathBytes} bytes`
  }
  if (path.includes('\0') || path.includes('\\')) {
    return 'has a backslash or a zero byte'
  }
  return path.split('/').some((part) => part === '' || part === '.' || part === '..') ? 'is not relative and plain' : undefined
}

async function* checked(
  files: AsyncIterable<PackedFile> | Iterable<PackedFile>
): AsyncGenerator<{ path: string; content: AsyncIterable<Uint8Array> }> {
  const names = new Map<string, 'file' | 'directory'>()
  for await (const { path, content } of files) {
    const fault = pathFault(path)
    if (fault != null) {
      throw new PackError(`the path '${path}' ${fault}: name files like 'pages/index.html'`)
    }
    const parts = path.split('/')
    for (let depth = 1; depth <= parts.length; depth++) {
      const name = parts.slice(0, depth).join('/')
      const kind = depth === parts.length ? 'file' : 'directory'
      const earlier = names.get(name)
      if (earlier != null && (kind === 'file' || earlier === 'file')) {
        throw new PackError(`the path '${path}' collides with an earlier one: give each file a path of its own`)
      }
      names.set(name, kind)
    }
    yield { path, content: chunksOf(content) }
  }
}

async function* chunksOf(content: PackedFile['content']): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) {
    yield content
  } else {
    yield* content
  }
}

function storeOf(session: WriteSession, onPut: (cid: CID, size: number) => void) {
  return {
    async put(cid: CID, value: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<CID> {
      if (!(value instanceof Uint8Array)) {
        throw new TypeError('the importer writes whole blocks')
      }
      await session.put(cid, value)
      onPut(cid, value.length)
      return cid
    },
    get: (): never => {
      throw new Error('the importer only writes')
    },
    has: async () => false
  }
}
