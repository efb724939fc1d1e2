/** Helia's Bitswap as it comes: the twin that shows what our exchange is there for, and that the two speak with each other. */
import { join } from 'node:path'
import { withBitswap } from '@helia/bitswap'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import * as dagCbor from '@ipld/dag-cbor'
import type { Libp2p } from '@libp2p/interface'
import { FsBlockstore } from 'blockstore-fs'
import { createHeliaLight } from 'helia'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import { type Lab, memoryFiles } from './fixtures.ts'

export interface StockNode {
  libp2p: Libp2p
  helia: HeliaWithLibp2p
  /** Behind Helia's back: a disk that lost it. */
  lose(cid: CID): Promise<void>
  get(cid: CID, timeoutMs: number): Promise<Uint8Array>
}

/** A started libp2p can be lent to Helia's Bitswap by giving Helia the property that its own mixin would define. */
export async function stockNode(lab: Lab, { onDisk = false } = {}): Promise<StockNode> {
  const libp2p = await lab.host()
  const memory = memoryFiles()
  const files = onDisk ? new FsBlockstore(join(await lab.dir(), 'blocks')) : (memory as unknown as Blockstore)
  await (files as Partial<FsBlockstore>).open?.()
  const light = createHeliaLight({ codecs: [dagCbor], blockstore: files })
  Object.defineProperty(light, 'libp2p', { value: libp2p, enumerable: true })
  const helia = withBitswap(light as HeliaWithLibp2p)
  await helia.start()
  lab.onEnd(() => helia.stop())
  return {
    libp2p,
    helia,
    lose: memory.delete,
    async get(cid, timeoutMs) {
      const parts: Uint8Array[] = []
      for await (const part of helia.blockstore.get(cid, { signal: AbortSignal.timeout(timeoutMs) })) {
        parts.push(part)
      }
      return Buffer.concat(parts)
    }
  }
}
