/**
 * Figures of this room beside Helia's own Bitswap: interleaved pairs in one process, over TCP on 127.0.0.1, both with
 * their blocks on disk, Helia's as blockstore-fs has it. Prints medians of the paired ratios (TARGETS P12 to P14).
 *
 *   node test/proofs/figures.ts [pairs]
 */
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { bytesOf, Lab, packMany } from './fixtures.ts'
import { stockNode } from './stock.ts'

const pairs = Number(process.argv[2] ?? 5)
const lab = new Lab()
const [alice, bob] = [await lab.node(), await lab.node()]
const [server, client] = [await stockNode(lab, { onDisk: true }), await stockNode(lab, { onDisk: true })]
await bob.libp2p.dial(alice.libp2p.getMultiaddrs())
await client.libp2p.dial(server.libp2p.getMultiaddrs())
let seed = 1

const stockPut = async (bytes: Uint8Array, code = 0x55) => {
  const cid = CID.createV1(code, await sha256.digest(bytes))
  await server.helia.blockstore.put(cid, bytes)
  return cid
}
const timed = async (run: () => Promise<unknown>) => {
  const startMs = performance.now()
  await run()
  return performance.now() - startMs
}
const at = (values: number[], quantile: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * quantile))]!
const show = (name: string, unit: string, ours: number[], theirs: number[], higherIsBetter: boolean) => {
  const ratios = ours.map((value, index) => value / theirs[index]!)
  console.log(
    `${name}: ${at(ours, 0.5).toFixed(1)} ${unit}, Helia ${at(theirs, 0.5).toFixed(1)} ${unit}, ratio ${at(ratios, 0.5).toFixed(2)} ` +
      `(${at(ratios, 0).toFixed(2)} to ${at(ratios, 1).toFixed(2)}, ${higherIsBetter ? 'higher' : 'lower'} is better, ${ours.length} pairs)`
  )
}

const rows = {
  p50: [[], []] as number[][],
  p99: [[], []] as number[][],
  small: [[], []] as number[][],
  bulk: [[], []] as number[][]
}
for (let pair = 0; pair <= pairs; pair++) {
  const ours: number[] = []
  const theirs: number[] = []
  for (let count = 0; count < 100; count++) {
    const value = { data: bytesOf(1000, seed++) }
    const { cid } = await alice.proofs.packNode(value)
    const twin = await stockPut(dagCbor.encode(value), 0x71)
    ours.push(await timed(() => bob.proofs.fetch(cid, { from: [alice.hint] })))
    theirs.push(await timed(() => client.get(twin, 10_000)))
  }
  const root = await packMany(alice.proofs, 1000, 1000, seed++)
  const { links } = (await alice.proofs.reader(root).getNode()) as { links: CID[] }
  const twins: CID[] = []
  for (const link of links) {
    twins.push(await stockPut(dagCbor.encode(await alice.proofs.reader(link).getNode()), 0x71))
  }
  const smallMs = await timed(() => bob.proofs.fetch(root, { from: [alice.hint] }))
  const stockSmallMs = await timed(() => Promise.all(twins.map((cid) => client.get(cid, 30_000))))

  const chunks = Array.from({ length: 128 }, () => bytesOf(256 * 1024, seed++))
  const packed = await alice.proofs.packFiles([{ path: 'bulk', content: chunks }])
  const bulkTwins = await Promise.all(chunks.map((chunk) => stockPut(chunk)))
  const bulkMs = await timed(() => bob.proofs.fetch(packed.cid, { from: [alice.hint] }))
  const stockBulkMs = await timed(() => Promise.all(bulkTwins.map((cid) => client.get(cid, 60_000))))

  if (pair === 0) {
    continue // warm now
  }
  rows.p50[0]!.push(at(ours, 0.5))
  rows.p50[1]!.push(at(theirs, 0.5))
  rows.p99[0]!.push(at(ours, 0.99))
  rows.p99[1]!.push(at(theirs, 0.99))
  rows.small[0]!.push(1_001_000 / smallMs)
  rows.small[1]!.push(1_000_000 / stockSmallMs)
  rows.bulk[0]!.push(32_000 / bulkMs)
  rows.bulk[1]!.push(32_000 / stockBulkMs)
}
show('1 KiB proof, p50', 'ms', rows.p50[0]!, rows.p50[1]!, false)
show('1 KiB proof, p99', 'ms', rows.p99[0]!, rows.p99[1]!, false)
show('1,000 blocks of 1 KiB', 'blocks/s', rows.small[0]!, rows.small[1]!, true)
show('32 MiB in 256 KiB blocks', 'MiB/s', rows.bulk[0]!, rows.bulk[1]!, true)
await lab.end()
