import type { CID } from 'multiformats/cid'
import type { Blocks } from '../participant/index.ts'
import type { Proofs, ProviderHint } from '../proofs/index.ts'
import type { GetBlock } from '../record/index.ts'

/** Gives blocks by their CID, from here or from those who may have them, until `timeoutMs` from now; the proofs room checks the hashes. */
export function blocksFrom(proofs: Proofs, from: ProviderHint[], timeoutMs: number, until?: AbortSignal): GetBlock {
  const deadline = performance.now() + timeoutMs
  return async (cid) => {
    await proofs.fetch(cid, { from, shallow: true, timeoutMs: Math.max(1, deadline - performance.now()), until })
    return localBlock(proofs, cid)
  }
}

/** A block that is here. */
export async function localBlock({ helia }: Pick<Proofs, 'helia'>, cid: CID): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of helia.blockstore.get(cid)) {
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

/** The blocks of a task's records, as its participant takes and keeps them. */
export function recordBlocks(proofs: Proofs, task: string): Blocks {
  return {
    from: (from, timeoutMs, until) => blocksFrom(proofs, from, timeoutMs, until),
    put: async (cid, bytes) => void (await proofs.helia.blockstore.put(cid, bytes)),
    pin: (cid, { cycle, provide }) => proofs.pin(cid, { task, cycle, shallow: true, ...(provide == null ? {} : { provide }) })
  }
}
