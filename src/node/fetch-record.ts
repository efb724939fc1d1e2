import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { type Fetched, type Proofs, ProofUnavailableError, type ProviderHint, type SaveAs, type Saved, toCid } from '../proofs/index.ts'
import { type ChainLink, type GetBlock, isRecordCid, RecordMalformedError, readChain, readLink } from '../record/index.ts'
import { type Auditor, askInTurn } from './auditor.ts'
import { localBlock } from './blocks.ts'

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
 * @param given - counts the blocks that each peer gave, also where it is no record
 * @returns null when the CID does not name a record
 * @throws ProofUnavailableError, SaveError when the place is taken
 */
export async function fetchRecordTo(
  proofs: Proofs,
  cid: string,
  path: string,
  { from, timeoutMs, as }: { from: ProviderHint[]; timeoutMs: number; as?: SaveAs },
  given = new Map<string, number>()
): Promise<FetchedRecord | null> {
  const root = toCid(cid)
  if (!isRecordCid(root)) {
    return null
  }
  const deadline = performance.now() + timeoutMs
  const books = createBooks(proofs, given)
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
/** A timer may end before the clock that it was set by says so. */
const TIMER_MS = 20
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
  let writtenBytes = 0

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
            : `${err instanceof Error ? err.message : err}${isOver(endMs) ? '. The time was up' : ''}`
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
          writtenBytes += block.bytes.length
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
  // what two records share is in the file once
  return {
    saved,
    ...books.sum(),
    blocks: written.size,
    sizeBytes: writtenBytes,
    records,
    cycle: first.value.content.cycle,
    fromCycle: oldest,
    stopped,
    previous
  }
}

const isOver = (endMs: number) => performance.now() >= endMs - TIMER_MS

/** Blocks at a time: those of a record with its ledger and of the one before it, as a rule. */
const AHEAD = 8
/** Roots are small; chunks have no links. */
const ROOT_BYTES = 16 * 1024

/** Asks those who gave the last block, and all others when they do not have the next. What a root links to is asked for before it is wanted. */
function source(
  auditor: Pick<Auditor, 'reach'>,
  hints: readonly ProviderHint[],
  endMs: number,
  books: Books,
  until: AbortSignal | undefined
): GetBlock {
  let giving: ProviderHint[] | undefined
  const ahead = new Map<string, Promise<Asked>>()
  const leftMs = () => Math.max(1, endMs - performance.now())
  const ofGivers = (block: CID) => books.ask(block, giving!, Math.min(leftMs(), PATIENCE_MS), until)
  const take = (block: CID) => {
    const asked = ahead.get(block.toString())
    ahead.delete(block.toString())
    return asked ?? ofGivers(block)
  }
  const lookAhead = (bytes: Uint8Array) => {
    for (const link of bytes.length > ROOT_BYTES ? [] : linksIn(bytes).slice(0, AHEAD - ahead.size)) {
      if (!ahead.has(link.toString())) {
        const asked = ofGivers(link)
        ahead.set(link.toString(), asked)
        // what does not come is told to whoever wants it
        asked.then(
          ({ bytes }) => lookAhead(bytes),
          () => {}
        )
      }
    }
  }
  const get = async (block: CID): Promise<Uint8Array> => {
    if (giving != null) {
      try {
        return books.count(await take(block))
      } catch (err) {
        if (!(err instanceof ProofUnavailableError) || giving.length === hints.length || until?.aborted === true || isOver(endMs)) {
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
  return async (block) => {
    const bytes = await get(block)
    lookAhead(bytes)
    return bytes
  }
}

/** The links of a record's or a ledger's root block; none where it is something else, which its reader will say. */
function linksIn(bytes: Uint8Array): CID[] {
  try {
    return Object.values(dagCbor.decode<object>(bytes))
      .flat()
      .flatMap((value) => CID.asCID(value) ?? [])
      .filter(isRecordCid)
  } catch {
    return []
  }
}

async function* blocksOf(proofs: Proofs, { blocks }: ChainLink): AsyncGenerator<{ cid: CID; bytes: Uint8Array }> {
  for (const cid of blocks) {
    yield { cid, bytes: await localBlock(proofs, cid) }
  }
}

interface Asked {
  fetched: Fetched
  bytes: Uint8Array
}

type Books = ReturnType<typeof createBooks>

/** What came, and from whom. */
function createBooks(proofs: Proofs, given = new Map<string, number>()) {
  const all = { sizeBytes: 0, blocks: 0, localBlocks: 0 }
  const ask = async (block: CID, from: ProviderHint[], timeoutMs: number, until?: AbortSignal): Promise<Asked> => {
    const fetched = await proofs.fetch(block, { from, shallow: true, timeoutMs: Math.max(1, timeoutMs), until })
    return { fetched, bytes: await localBlock(proofs, block) }
  }
  const count = ({ fetched, bytes }: Asked): Uint8Array => {
    all.sizeBytes += fetched.sizeBytes
    all.blocks += fetched.blocks
    all.localBlocks += fetched.localBlocks
    for (const peer of fetched.fromPeers) {
      given.set(peer, (given.get(peer) ?? 0) + 1)
    }
    return bytes
  }
  return {
    ask,
    count,
    fetch: async (...args: Parameters<typeof ask>) => count(await ask(...args)),
    sum: (): Fetched => ({ ...all, fromPeers: [...given].sort(([, a], [, b]) => b - a).map(([peer]) => peer) })
  }
}
