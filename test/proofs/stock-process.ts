/**
 * Stock Helia in a process of its own, with proofs of every shape: prints where it is and what it has as one line of JSON, serves until
 * its standard input ends. For each line of it, `{ hint, cid }`, it pins that DAG, which it has to get from there, and prints what
 * came: `{ blocks, bytes, files }`, the files as path and sha-256.
 *
 *   node test/proofs/stock-process.ts file-3 list ...
 */
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { type UnixFS, unixfs } from '@helia/unixfs'
import * as dagCbor from '@ipld/dag-cbor'
import { multiaddr } from '@multiformats/multiaddr'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import type { ProviderHint } from '../../src/proofs/index.ts'
import { all, bytesOf, hintOf, Lab } from './fixtures.ts'
import { stockNode } from './stock.ts'

const KIB = 1024
const lab = new Lab()
const node = await stockNode(lab, { onDisk: true })
const fs: UnixFS = unixfs(node.helia)

const put = async (bytes: Uint8Array, code = 0x55) => {
  const cid = CID.createV1(code, await sha256.digest(bytes))
  await node.helia.blockstore.put(cid, bytes)
  return cid
}
const file = (bytes: number, chunkSize: number) =>
  fs.addBytes(bytesOf(bytes, bytes % 1000), { chunker: fixedSize({ chunkSize }), cidVersion: 1, rawLeaves: true })
const list = async (sizes: number[]) => {
  const links = []
  for (const [index, size] of sizes.entries()) {
    links.push(await put(dagCbor.encode({ index, data: bytesOf(size, index) }), 0x71))
  }
  return put(dagCbor.encode({ links }), 0x71)
}

const shapes: Record<string, () => Promise<CID>> = {
  'file-1': () => file(256 * KIB, 256 * KIB),
  'file-2': () => file(2 * 256 * KIB, 256 * KIB),
  'file-3': () => file(3 * 256 * KIB, 256 * KIB),
  'file-8-small': () => file(8 * 64 * KIB, 64 * KIB),
  'file-64': () => file(64 * 256 * KIB, 256 * KIB),
  'file-240': () => file(240 * 256 * KIB, 256 * KIB),
  empty: () => file(0, 256 * KIB),
  hamt: async () => {
    let last: CID | undefined
    const files = Array.from({ length: 500 }, (_, index) => ({ path: `${'name'.repeat(15)}-${index}`, content: bytesOf(index, index) }))
    for await (const entry of fs.addAll(files, { shardSplitThresholdBytes: 1, wrapWithDirectory: true })) {
      last = entry.cid
    }
    return last!
  },
  list: () => list(Array.from({ length: 1000 }, () => KIB)),
  // small blocks beside the largest that a proof may have
  mixed: () => list([...Array.from({ length: 40 }, () => 12 * KIB), ...Array.from({ length: 20 }, () => 511 * KIB - 40)]),
  'block-too-large': () => put(bytesOf(511 * KIB + 1, 1)),
  'block-of-2-MiB': () => put(bytesOf(2 * KIB * KIB, 1)),
  'chunks-of-1-MiB': () => file(3 * KIB * KIB, KIB * KIB)
}

const roots: Record<string, string> = {}
for (const name of process.argv.slice(2)) {
  roots[name] = String(await shapes[name]!())
}
process.stdout.write(`${JSON.stringify({ hint: hintOf(node.libp2p), roots })}\n`)

async function* filesBelow(cid: CID, path = ''): AsyncGenerator<[path: string, digest: string]> {
  for await (const entry of fs.ls(cid)) {
    const at = path === '' ? entry.name : `${path}/${entry.name}`
    if ((await fs.stat(entry.cid)).type === 'directory') {
      yield* filesBelow(entry.cid, at)
      continue
    }
    const digest = createHash('sha256')
    for await (const chunk of fs.cat(entry.cid)) {
      digest.update(chunk)
    }
    yield [at, digest.digest('hex')]
  }
}

async function take({ hint, cid: text }: { hint: ProviderHint; cid: string }) {
  await node.libp2p.dial(hint.multiaddrs!.map((address) => multiaddr(address)))
  const cid = CID.parse(text)
  const came = new Map<string, number>()
  for await (const one of node.helia.pins.add(cid)) {
    came.set(one.toString(), (await node.get(one, 60_000)).length)
  }
  const files = cid.code === dagCbor.code ? [] : await all(filesBelow(cid))
  return { blocks: came.size, bytes: [...came.values()].reduce((sum, bytes) => sum + bytes, 0), files: Object.fromEntries(files) }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await take(JSON.parse(line)).catch((err: Error) => ({ failed: err.message })))}\n`)
}
await lab.end()
process.exit(0)
