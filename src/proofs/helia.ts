/**
 * The embedded Helia: the light form, on our shelf of blocks, with our exchange as its only block broker. No gateways, no
 * delegated routing, and no router at all: Helia would otherwise ask the DHT for each block that is missing.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { createHeliaLight, type Helia } from 'helia'
import type { Blockstore } from 'interface-blockstore'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'
import type { Blocks } from './blocks.ts'
import { BlockStoreError } from './errors.ts'

interface HeliaComponents {
  blocks: Blocks
  /** Fetches one block from those who are connected. */
  retrieve: (cid: CID, signal?: AbortSignal) => Promise<Uint8Array>
  datastore?: Datastore
}

export function createEmbeddedHelia({ blocks, retrieve, datastore }: HeliaComponents): Helia {
  return createHeliaLight({
    blockstore: new ShelfBlockstore(blocks),
    ...(datastore == null ? {} : { datastore }),
    codecs: [dagCbor],
    blockBrokers: [() => ({ name: 'koii-mesh-bitswap', retrieve: (cid, options) => retrieve(cid, options?.signal) })]
  })
}

/** The shelf as Helia's block store. Nothing can be deleted through it: that is the collector's alone. */
class ShelfBlockstore implements Blockstore {
  readonly #blocks: Blocks

  constructor(blocks: Blocks) {
    this.#blocks = blocks
  }

  async has(cid: CID): Promise<boolean> {
    return this.#blocks.has(cid)
  }

  async put(cid: CID, value: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<CID> {
    const parts: Uint8Array[] = []
    if (value instanceof Uint8Array) {
      parts.push(value)
    } else {
      for await (const part of value) {
        parts.push(part)
      }
    }
    const session = this.#blocks.open()
    try {
      await session.put(cid, parts.length === 1 ? parts[0]! : Buffer.concat(parts))
    } finally {
      session.close({ hold: true })
    }
    return cid
  }

  async *get(cid: CID): AsyncGenerator<Uint8Array> {
    const bytes = await this.#blocks.read(cid)
    if (bytes == null) {
      throw Object.assign(new Error(`block ${cid} is not in the local store`), { name: 'NotFoundError' })
    }
    yield bytes
  }

  async *putMany(source: Parameters<Blockstore['putMany']>[0]): AsyncGenerator<CID> {
    for await (const { cid, bytes } of source) {
      yield await this.put(cid, bytes)
    }
  }

  async *getMany(source: Parameters<Blockstore['getMany']>[0]): ReturnType<Blockstore['getMany']> {
    for await (const cid of source) {
      yield { cid, bytes: this.get(cid) }
    }
  }

  delete(cid: CID): never {
    throw new BlockStoreError(`block ${cid} is not Helia's to delete: unpin its proof and collect`)
  }

  // biome-ignore lint/correctness/useYield: it only ever refuses
  async *deleteMany(): AsyncGenerator<CID> {
    throw new BlockStoreError("blocks are not Helia's to delete: unpin their proofs and collect")
  }

  /** Only Helia's own collector asks, and must find nothing. */
  async *getAll(): ReturnType<Blockstore['getAll']> {}
}
