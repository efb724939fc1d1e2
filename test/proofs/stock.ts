/** Helia's Bitswap as it comes: the twin that shows what our exchange is there for, and that the two speak with each other. */
import { withBitswap } from '@helia/bitswap'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import * as dagCbor from '@ipld/dag-cbor'
import type { Libp2p } from '@libp2p/interface'
import { createHeliaLight } from 'helia'
import type { CID } from 'multiformats/cid'
import type { Lab } from './fixtures.ts'

export interface StockNode {
  libp2p: Libp2p
  helia: HeliaWithLibp2p
  get(cid: CID, timeoutMs: number): Promise<Uint8Array>
}

/** A started libp2p can be lent to Helia's Bitswap by giving Helia the property that its own mixin would define. */
export async function stockNode(lab: Lab): Promise<StockNode> {
  const libp2p = await lab.host()
  const light = createHeliaLight({ codecs: [dagCbor] })
  Object.defineProperty(light, 'libp2p', { value: libp2p, enumerable: true })
  const helia = withBitswap(light as HeliaWithLibp2p)
  await helia.start()
  lab.onEnd(() => helia.stop())
  return {
    libp2p,
    helia,
    async get(cid, timeoutMs) {
      const parts: Uint8Array[] = []
      for await (const part of helia.blockstore.get(cid, { signal: AbortSignal.timeout(timeoutMs) })) {
        parts.push(part)
      }
      return Buffer.concat(parts)
    }
  }
}
