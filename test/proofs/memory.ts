/** Bytes, and stores in memory, for what turns on no node and no files. */
import type { CID } from 'multiformats/cid'
import type { KeyValue } from '../../src/proofs/pins.ts'

export function memoryStore(): KeyValue {
  const values = new Map<string, Uint8Array>()
  return {
    get: async (key) => values.get(key),
    put: async (key, value) => {
      values.set(key, value)
    },
    delete: async (key) => {
      values.delete(key)
    },
    list: async (prefix = '') => [...values.keys()].filter((key) => key.startsWith(prefix)).sort()
  }
}

async function joined(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of chunks) {
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** Blocks in memory, for what does not turn on files. */
export function memoryFiles() {
  const blocks = new Map<string, { cid: CID; bytes: Uint8Array }>()
  const nameOf = (cid: CID) => Buffer.from(cid.multihash.bytes).toString('hex')
  return {
    blocks,
    nameOf,
    async put(cid: CID, bytes: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {
      blocks.set(nameOf(cid), { cid, bytes: bytes instanceof Uint8Array ? bytes : await joined(bytes) })
      return cid
    },
    async *get(cid: CID) {
      const block = blocks.get(nameOf(cid))
      if (block == null) {
        throw Object.assign(new Error('no such block'), { name: 'NotFoundError' })
      }
      yield block.bytes
    },
    has: async (cid: CID) => blocks.has(nameOf(cid)),
    delete: async (cid: CID) => {
      blocks.delete(nameOf(cid))
    },
    async *getAll() {
      for (const { cid } of [...blocks.values()]) {
        yield { cid, bytes: this.get(cid) }
      }
    }
  }
}

/** Repeatable bytes. */
export function bytesOf(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed * 2654435761 + 1
  for (let at = 0; at < length; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[at] = state >>> 24
    bytes[at + 1] = state >>> 16
    bytes[at + 2] = state >>> 8
    bytes[at + 3] = state
  }
  return bytes
}

export async function failure(promise: Promise<unknown>): Promise<Error & { facts?: Record<string, unknown> }> {
  try {
    await promise
  } catch (err) {
    return err as Error
  }
  throw new Error('it did not fail')
}

export async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) {
    items.push(item)
  }
  return items
}
