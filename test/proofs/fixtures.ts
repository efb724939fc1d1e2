/** Real nodes on 127.0.0.1 for the tests of this room: libp2p over TCP, real Helia, blocks in memory or on disk. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import type { CID } from 'multiformats/cid'
import { createProofs, type Proofs, type ProofsComponents, type ProofsInit, type ProviderHint } from '../../src/proofs/index.ts'
import type { KeyValue } from '../../src/proofs/pins.ts'

export interface TestNode {
  libp2p: Libp2p
  proofs: Proofs
  dir: string
  /** As a submission would name it. */
  hint: ProviderHint
}

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

export async function createHost(services: Record<string, unknown> = {}): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1000 },
    services: { identify: identify(), ...services } as { identify: ReturnType<typeof identify> }
  })
}

/** Collects what a test started, and ends it. */
export class Lab {
  readonly #ends: Array<() => Promise<unknown>> = []

  onEnd(end: () => Promise<unknown>): void {
    this.#ends.push(end)
  }

  async dir(): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), 'koii-mesh-proofs-'))
    this.onEnd(() => rm(dir, { recursive: true, force: true }))
    return dir
  }

  async host(services?: Record<string, unknown>): Promise<Libp2p> {
    const libp2p = await createHost(services)
    this.onEnd(async () => libp2p.stop())
    return libp2p
  }

  async node(
    init: ProofsInit & Pick<ProofsComponents, 'archive'> & { services?: Record<string, unknown>; start?: boolean; memory?: boolean } = {}
  ): Promise<TestNode> {
    const dir = await this.dir()
    const libp2p = await this.host(init.services)
    const proofs = await createProofs(
      {
        libp2p,
        store: memoryStore(),
        ...(init.archive == null ? {} : { archive: init.archive }),
        ...(init.memory === true ? { files: memoryFiles() } : {})
      },
      { blocksDir: join(dir, 'blocks'), ...init }
    )
    if (init.start !== false) {
      await proofs.start()
      this.onEnd(() => proofs.stop())
    }
    return { libp2p, proofs, dir, hint: hintOf(libp2p) }
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) {
      await end()
    }
  }
}

export function hintOf(libp2p: Libp2p): ProviderHint {
  return { peerId: libp2p.peerId.toString(), multiaddrs: libp2p.getMultiaddrs().map((address) => address.toString()) }
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

/** A root with `count` small nodes below it: `count + 1` blocks. */
export async function packMany(proofs: Proofs, count: number, size: number, seed = 1): Promise<CID> {
  const links: CID[] = []
  for (let at = 0; at < count; at += 64) {
    const packed = await Promise.all(
      Array.from({ length: Math.min(64, count - at) }, (_, index) =>
        proofs.packNode({ index: at + index, data: bytesOf(size, seed * 100_000 + at + index) })
      )
    )
    links.push(...packed.map(({ cid }) => cid))
  }
  return (await proofs.packNode({ links })).cid
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
