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
import { bytesOf, memoryFiles, memoryStore } from './memory.ts'

export { all, bytesOf, failure, memoryFiles, memoryStore } from './memory.ts'

export interface TestNode {
  libp2p: Libp2p
  proofs: Proofs
  dir: string
  /** As a submission would name it. */
  hint: ProviderHint
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
