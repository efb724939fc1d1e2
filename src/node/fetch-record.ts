import type { CID } from 'multiformats/cid'
import { type Fetched, type Proofs, ProofUnavailableError, type ProviderHint, type SaveAs, type Saved, toCid } from '../proofs/index.ts'
import { type ChainLink, type GetBlock, isRecordCid, RecordMalformedError, readChain, readLink } from '../record/index.ts'
import { type Auditor, askInTurn } from './auditor.ts'
import { localBlock } from './records.ts'

export interface FetchedRecord extends Fetched {
  saved: Saved
  cycle: number
  /** The record before this one, which is not fetched. */
  previous: CID | null
}

/**
 * Fetches one record and its ledger, checks both, and writes them out. What it links to besides, the records of
 * all cycles before it, stays where it is.
 *
 * @returns null when the CID does not name a record
 * @throws ProofUnavailableError, SaveError when the place is taken
 */
export async function fetchRecordTo(
  proofs: Proofs,
  cid: string,
  path: string,
  { from, timeoutMs, as }: { from: ProviderHint[]; timeoutMs: number; as?: SaveAs }
): Promise<FetchedRecord | null> {
  const root = toCid(cid)
  if (!isRecordCid(root)) {
    return null
  }
  const deadline = performance.now() + timeoutMs
  const books = createBooks(proofs)
  try {
    const link = await readLink(root, (block) => books.fetch(block, from, deadline - performance.now()))
    const { cycle, previous } = link.content
    return { saved: await proofs.saveBlocks(root, blocksOf(proofs, link), path, as), ...books.sum(), cycle, previous }
  } catch (err) {
    if (err instanceof RecordMalformedError) {
      return null
    }
    throw err
  }
}

export interface HistoryOptions {
  /** Whom to ask. */
  hints: readonly ProviderHint[]
  /** For all of it. */
  timeoutMs: number
  /** The first cycle that is wanted. @default 0 */
  fromCycle?: number
  as?: SaveAs
  /** Ends it where it is, as the timeout does. */
  until?: AbortSignal
  /** Told of each record that is written. */
  onRecord?: (cycle: number, records: number) => void
}

export interface FetchedHistory extends Fetched {
  saved: Saved
  /** Written, the newest first. */
  records: number
  /** Of the newest and of the oldest one. */
  cycle: number
  fromCycle: number
  /** Why it ends before the first cycle, or before the one that was asked for; null when it does not. */
  stopped: string | null
  /** The record before the oldest one that is written; null when that is the first. */
  previous: CID | null
}

/** Before a record that nobody gives ends the chain, all who may have it are asked for so long. */
const PATIENCE_MS = 10_000
/** What is written at most. */
const MAX_BYTES = 1024 * 1024 * 1024
/** Blocks that are written need not stay in the auditor's folder. */
const CLEAR_AFTER_RECORDS = 256

/**
 * Fetches a record and all those before it, checks each with its ledger and against the one after it, and writes them out as they
 * come, the newest first. What was written stays, whatever ends it.
 *
 * @returns null when the CID does not name a record
 * @throws ProofUnavailableError when nobody gives the first one; SaveError
 */
export async function fetchHistoryTo(
  auditor: Pick<Auditor, 'proofs' | 'reach'>,
  cid: string,
  path: string,
  { hints, timeoutMs, fromCycle = 0, as, until, onRecord }: HistoryOptions
): Promise<FetchedHistory | null> {
  const root = toCid(cid)
  if (!isRecordCid(root)) {
    return null
  }
  const { proofs } = auditor
  const endMs = performance.now() + timeoutMs
  const books = createBooks(proofs)
  const chain = readChain(root, source(auditor, hints, endMs, books, until), { fromCycle })
  const first = await chain.next().catch((err) => {
    if (err instanceof RecordMalformedError) {
      return null
    }
    throw err
  })
  if (first == null || first.done === true) {
    return null
  }
  let link: ChainLink = first.value
  let records = 0
  let stopped: string | null = null
  const written = new Set<string>()

  /** The next link, or null at an end, which is told. */
  const next = async (): Promise<ChainLink | null> => {
    if (books.sum().sizeBytes > MAX_BYTES) {
      stopped = `more than ${MAX_BYTES} bytes came`
      return null
    }
    try {
      const { value, done } = await chain.next()
      return done === true ? null : value
    } catch (err) {
      if (err instanceof RecordMalformedError) {
        stopped = `the chain is broken there (${err.message})`
      } else if (err instanceof ProofUnavailableError || until?.aborted === true) {
        stopped =
          until?.aborted === true
            ? 'it was stopped'
            : `${err instanceof Error ? err.message : err}${performance.now() >= endMs ? '. The time was up' : ''}`
      } else {
        throw err
      }
      return null
    }
  }
  const all = async function* () {
    for (;;) {
      for await (const block of blocksOf(proofs, link)) {
        const name = block.cid.toString()
        if (!written.has(name)) {
          written.add(name)
          yield block
        }
      }
      records++
      onRecord?.(link.content.cycle, records)
      proofs.release(link.blocks)
      if (records % CLEAR_AFTER_RECORDS === 0) {
        await proofs.collect({ task: 'history', finalizedCycle: 0 })
      }
      const before = await next()
      if (before == null) {
        return
      }
      link = before
    }
  }
  const saved = await proofs.saveBlocks(root, all(), path, as)
  const { cycle: oldest, previous } = link.content
  return { saved, ...books.sum(), records, cycle: first.value.content.cycle, fromCycle: oldest, stopped, previous }
}

/** Asks those who gave the last block, and all others when they do not have the next. */
function source(
  auditor: Pick<Auditor, 'reach'>,
  hints: readonly ProviderHint[],
  endMs: number,
  books: Books,
  until: AbortSignal | undefined
): GetBlock {
  let giving: ProviderHint[] | undefined
  return async (block) => {
    const leftMs = () => Math.max(1, endMs - performance.now())
    if (giving != null) {
      try {
        return await books.fetch(block, giving, Math.min(leftMs(), PATIENCE_MS), until)
      } catch (err) {
        if (
          !(err instanceof ProofUnavailableError) ||
          giving.length === hints.length ||
          until?.aborted === true ||
          performance.now() >= endMs
        ) {
          throw err
        }
      }
    }
    return askInTurn(auditor, hints, giving == null ? leftMs() : Math.min(leftMs(), PATIENCE_MS), async (some, someMs) => {
      const bytes = await books.fetch(block, some, someMs, until)
      giving = some
      return bytes
    })
  }
}

async function* blocksOf(proofs: Proofs, { blocks }: ChainLink): AsyncGenerator<{ cid: CID; bytes: Uint8Array }> {
  for (const cid of blocks) {
    yield { cid, bytes: await localBlock(proofs, cid) }
  }
}

type Books = ReturnType<typeof createBooks>

/** What came, and from whom. */
function createBooks(proofs: Proofs) {
  const given = new Map<string, number>()
  const all = { sizeBytes: 0, blocks: 0, localBlocks: 0 }
  return {
    async fetch(block: CID, from: ProviderHint[], timeoutMs: number, until?: AbortSignal): Promise<Uint8Array> {
      const one = await proofs.fetch(block, { from, shallow: true, timeoutMs: Math.max(1, timeoutMs), until })
      all.sizeBytes += one.sizeBytes
      all.blocks += one.blocks
      all.localBlocks += one.localBlocks
      for (const peer of one.fromPeers) {
        given.set(peer, (given.get(peer) ?? 0) + 1)
      }
      return localBlock(proofs, block)
    },
    sum: (): Fetched => ({ ...all, fromPeers: [...given].sort(([, a], [, b]) => b - a).map(([peer]) => peer) })
  }
}
