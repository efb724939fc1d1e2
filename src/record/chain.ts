/** The chain of records, from one back to the first. Spec: protocols/record/README.md "The chain". */
import type { CID } from 'multiformats/cid'
import { RECORD_LIMITS, type RecordLimits } from './blocks.ts'
import { DistributionError, RecordMalformedError } from './errors.ts'
import { type Ledger, merkleRoot } from './ledger.ts'
import { type Breathe, type GetBlock, readLedger, readRecord } from './read.ts'
import { nextLedger, type RecordContent } from './record.ts'

/** One record of a chain, and its ledger. */
export interface ChainLink {
  cid: CID
  content: RecordContent
  ledger: Ledger
  /** What both are made of, the record's root block first. */
  blocks: CID[]
}

/** What a record must be to belong to a chain. */
export interface ChainPlace {
  /** base58 genesis hash and task. */
  network: string
  task: string
  /** Its cycle is an earlier one: so no chain is endless, and none leads back to itself. */
  belowCycle: number
}

/**
 * Reads and checks one record with its ledger.
 *
 * @param place - without it, it is the newest of its chain
 * @throws RecordMalformedError; what `get` throws is passed on
 */
export async function readLink(
  cid: CID,
  get: GetBlock,
  place?: ChainPlace,
  limits: RecordLimits = RECORD_LIMITS,
  breathe?: Breathe
): Promise<ChainLink> {
  const { content, blocks } = await readRecord(cid, get, limits, breathe)
  const fault = place == null ? null : placeFault(content, place)
  if (fault != null) {
    throw new RecordMalformedError('record.previous', `${cid} ${fault}`)
  }
  const { ledger, blocks: ledgerBlocks } = await readLedger(content.ledger, get, limits, content)
  return { cid, content, ledger, blocks: [...blocks, ...ledgerBlocks] }
}

function placeFault({ network, task, cycle }: RecordContent, place: ChainPlace): string | null {
  if (network !== place.network) {
    return `is of the network ${network}, the record after it of ${place.network}`
  }
  if (task !== place.task) {
    return `is of the task ${task}, the record after it of ${place.task}`
  }
  if (cycle >= place.belowCycle) {
    return `is of cycle ${cycle}, the record after it of cycle ${place.belowCycle}: a chain only goes back`
  }
  return null
}

/**
 * Yields the records of a chain, the newest first, each checked, and its ledger against that of the record before it.
 *
 * @param fromCycle - the first cycle of which records are wanted
 * @throws RecordMalformedError where the chain is not one; what `get` throws is passed on
 */
export async function* readChain(
  cid: CID,
  get: GetBlock,
  { fromCycle = 0, limits }: { fromCycle?: number; limits?: RecordLimits } = {}
): AsyncGenerator<ChainLink> {
  let link = await readLink(cid, get, undefined, limits)
  for (;;) {
    const { content } = link
    const { previous, network, task, cycle } = content
    yield link
    if (previous == null) {
      checkSum(link, new Map())
      return
    }
    if (cycle <= fromCycle) {
      return
    }
    const before = await readLink(previous, get, { network, task, belowCycle: cycle }, limits)
    checkSum(link, before.ledger)
    if (before.content.cycle < fromCycle) {
      return
    }
    link = before
  }
}

/** A ledger is the one before it and what its record changes. */
function checkSum({ cid, content }: ChainLink, before: Ledger): void {
  const wrong = `the ledger of cycle ${content.cycle} is not the one before it with what ${cid} pays and takes`
  let sum: Ledger
  try {
    sum = nextLedger(before, content.distribution, content.slashes)
  } catch (err) {
    throw err instanceof DistributionError ? new RecordMalformedError('record.ledger', wrong) : err
  }
  if (Buffer.compare(merkleRoot(sum, content.task), content.root) !== 0) {
    throw new RecordMalformedError('record.ledger', wrong)
  }
}
