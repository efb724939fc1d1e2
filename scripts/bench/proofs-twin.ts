/**
 * One of two twins, in a process of its own: it makes proofs and serves them, or fetches those of the other.
 *
 *   mesh    the node's host, with its proofs on disk
 *   helia   stock Helia 7 over libp2p, with its blocks on disk as blockstore-fs has them
 *   stream  as many bytes over one bare stream of a libp2p as it comes: no blocks, no hashes, nothing on disk
 *   ours    the same between two of the node's hosts, with its own noise cryptography: what a proof cannot be faster than
 */
import * as dagCbor from '@ipld/dag-cbor'
import type { Libp2p } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { createProofs } from '../../src/proofs/index.ts'
import { keyOf, spawnNode } from '../../test/network/mesh.ts'
import { bytesOf, Lab, memoryStore } from '../../test/proofs/fixtures.ts'
import { stockNode } from '../../test/proofs/stock.ts'

export type TwinKind = 'mesh' | 'helia' | 'stream' | 'ours'
/** `bulk`: a file of 60 MiB in leaves of 256 KiB. `many`: 1,000 blocks of 1 KiB. `small`: `SMALL_PROOFS` of one block of 1 KiB. */
export type Shape = 'bulk' | 'many' | 'small'

export type TwinRequest =
  | { ask: 'where' }
  | { ask: 'meet'; multiaddrs: string[] }
  /** @returns the roots to fetch */
  | { ask: 'make'; shape: Shape; seed: number }
  /** @returns how many ms each took */
  | { ask: 'fetch'; shape: Shape; roots: string[] }
export type TwinAnswer = { answer: string[] | number[] } | { error: string }

export const BULK_BLOCKS = 240
export const BULK_BYTES = BULK_BLOCKS * 256 * 1024
export const MANY_BLOCKS = 1000
export const SMALL_PROOFS = 100
const SMALL_BYTES = 1000
const STREAM_PROTOCOL = '/koii-mesh/bench/bytes/1'
const STREAM_CHUNK_BYTES = 256 * 1024

interface Twin {
  libp2p: Libp2p
  make(shape: Shape, seed: number): Promise<string[]>
  fetch(shape: Shape, roots: string[], from: { peerId: string; multiaddrs: string[] }): Promise<number[]>
}

const lab = new Lab()

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await run()
  return performance.now() - startMs
}

async function inTurn<T>(values: T[], run: (value: T) => Promise<unknown>): Promise<number[]> {
  const tookMs: number[] = []
  for (const value of values) {
    tookMs.push(await timed(() => run(value)))
  }
  return tookMs
}

async function host(name: string): Promise<Libp2p> {
  const weights = new Map(['server', 'client'].map((one) => [keyOf(one).address, 1_000n]))
  const node = await spawnNode(name, true, weights, { nodes: 2, host: { dht: 'client' } }, () => [])
  lab.onEnd(() => node.stop())
  return node.libp2p
}

async function mesh(name: string): Promise<Twin> {
  const libp2p = await host(name)
  const proofs = await createProofs({ libp2p, store: memoryStore() }, { blocksDir: await lab.dir(), isStaked: () => true })
  await proofs.start()
  const node = async (value: unknown) => (await proofs.packNode(value)).cid
  return {
    libp2p,
    make: (shape, seed) =>
      ({
        bulk: async () => {
          const content = Array.from({ length: BULK_BLOCKS }, (_, at) => bytesOf(256 * 1024, seed + at))
          return [String((await proofs.packFiles([{ path: 'bulk', content }])).cid)]
        },
        many: async () => {
          const links: CID[] = []
          for (let at = 0; at < MANY_BLOCKS; at++) {
            links.push(await node({ data: bytesOf(SMALL_BYTES, seed + at) }))
          }
          return [String(await node({ links }))]
        },
        small: () =>
          Promise.all(Array.from({ length: SMALL_PROOFS }, async (_, at) => String(await node({ data: bytesOf(SMALL_BYTES, seed + at) }))))
      })[shape](),
    fetch: (_shape, roots, from) => inTurn(roots, (root) => proofs.fetch(root, { from: [from], timeoutMs: 120_000 }))
  }
}

async function helia(): Promise<Twin> {
  const stock = await stockNode(lab, { onDisk: true })
  const put = async (bytes: Uint8Array, code: number) => {
    const cid = CID.createV1(code, await sha256.digest(bytes))
    await stock.helia.blockstore.put(cid, bytes)
    return String(cid)
  }
  const small = (count: number, seed: number) =>
    Promise.all(Array.from({ length: count }, (_, at) => put(dagCbor.encode({ data: bytesOf(SMALL_BYTES, seed + at) }), 0x71)))
  // Helia has nothing that brings a whole DAG here: it is told of all blocks at once, which is the best for it
  const all = (roots: string[]) => Promise.all(roots.map((root) => stock.get(CID.parse(root), 120_000)))
  return {
    libp2p: stock.libp2p,
    make: (shape, seed) =>
      ({
        bulk: () => Promise.all(Array.from({ length: BULK_BLOCKS }, (_, at) => put(bytesOf(256 * 1024, seed + at), 0x55))),
        many: () => small(MANY_BLOCKS, seed),
        small: () => small(SMALL_PROOFS, seed)
      })[shape](),
    fetch: async (shape, roots) =>
      shape === 'small' ? inTurn(roots, (root) => stock.get(CID.parse(root), 120_000)) : [await timed(() => all(roots))]
  }
}

async function stream(libp2p: Libp2p): Promise<Twin> {
  const chunk = bytesOf(STREAM_CHUNK_BYTES, 1)
  await libp2p.handle(STREAM_PROTOCOL, async (opened) => {
    for (let sent = 0; sent < BULK_BYTES; sent += chunk.length) {
      if (!opened.send(chunk)) {
        await new Promise((resolve) => opened.addEventListener('drain', resolve, { once: true }))
      }
    }
    await opened.close()
  })
  return {
    libp2p,
    make: async () => ['all'],
    fetch: async (_shape, _roots, { peerId }) => [
      await timed(async () => {
        const opened = await libp2p.dialProtocol(peerIdFromString(peerId), STREAM_PROTOCOL)
        let bytes = 0
        for await (const part of opened) {
          bytes += part.byteLength
        }
        if (bytes !== BULK_BYTES) {
          throw new Error(`${bytes} of ${BULK_BYTES} bytes came over the stream`)
        }
      })
    ]
  }
}

if (process.send != null) {
  const [kind, name] = process.argv.slice(2) as [TwinKind, string]
  const kinds: Record<TwinKind, () => Promise<Twin>> = {
    mesh: () => mesh(name),
    helia,
    stream: async () => stream(await lab.host()),
    ours: async () => stream(await host(name))
  }
  if (kind === 'mesh' || kind === 'ours') {
    // as the command starts
    await import('../../src/cli/engine.ts')
  }
  const twin = await kinds[kind]()
  let other = { peerId: '', multiaddrs: [] as string[] }
  const answer = async (request: TwinRequest): Promise<string[] | number[]> => {
    switch (request.ask) {
      case 'where':
        return twin.libp2p.getMultiaddrs().map(String)
      case 'meet': {
        const { remotePeer } = await twin.libp2p.dial(request.multiaddrs.map((address) => multiaddr(address)))
        other = { peerId: String(remotePeer), multiaddrs: request.multiaddrs }
        return []
      }
      case 'make':
        return twin.make(request.shape, request.seed)
      case 'fetch':
        return twin.fetch(request.shape, request.roots, other)
    }
  }
  process.on('message', (request: TwinRequest) => {
    answer(request).then(
      (value) => process.send!({ answer: value } satisfies TwinAnswer),
      (err) => process.send!({ error: (err as Error).message } satisfies TwinAnswer)
    )
  })
  process.once('disconnect', () => void lab.end().finally(() => process.exit(0)))
  process.send({ answer: [] } satisfies TwinAnswer)
}
