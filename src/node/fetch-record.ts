import type { CID } from 'multiformats/cid'
import { type Fetched, type Proofs, type ProviderHint, type Saved, toCid } from '../proofs/index.ts'
import { type GetBlock, isRecordCid, RecordMalformedError, readLedger, readRecord } from '../record/index.ts'

export interface FetchedRecord extends Fetched {
  saved: Saved
  cycle: number
  /** The record before this one, which is not fetched. */
  previous: CID | null
}

/**
 * Fetches one record and its ledger, checks both, and writes them out as JSON. What it links to besides, the records of
 * all cycles before it, stays where it is: old ones are collected, and nobody may have them.
 *
 * @param given - counts the blocks that each peer gave, also where it is no record
 * @returns null when the CID does not name a record
 * @throws ProofUnavailableError, SaveError when the place is taken
 */
export async function fetchRecordTo(
  proofs: Proofs,
  cid: string,
  path: string,
  { from, timeoutMs }: { from: ProviderHint[]; timeoutMs: number },
  given = new Map<string, number>()
): Promise<FetchedRecord | null> {
  const root = toCid(cid)
  if (!isRecordCid(root)) {
    return null
  }
  const deadline = performance.now() + timeoutMs
  const all = { sizeBytes: 0, blocks: 0, localBlocks: 0 }
  const get: GetBlock = async (block) => {
    const one = await proofs.fetch(block, { from, shallow: true, timeoutMs: Math.max(1, deadline - performance.now()) })
    all.sizeBytes += one.sizeBytes
    all.blocks += one.blocks
    all.localBlocks += one.localBlocks
    for (const peer of one.fromPeers) {
      given.set(peer, (given.get(peer) ?? 0) + 1)
    }
    const chunks: Uint8Array[] = []
    for await (const chunk of proofs.helia.blockstore.get(block)) {
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }
  try {
    const { content, blocks } = await readRecord(root, get)
    const { blocks: ledgerBlocks } = await readLedger(content.ledger, get, undefined, content)
    const saved = await proofs.saveBlocks([...blocks, ...ledgerBlocks], path)
    const fromPeers = [...given].sort(([, a], [, b]) => b - a).map(([peer]) => peer)
    return { ...all, fromPeers, saved, cycle: content.cycle, previous: content.previous }
  } catch (err) {
    if (err instanceof RecordMalformedError) {
      return null
    }
    throw err
  }
}
