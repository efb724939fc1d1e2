/**
 * Records and ledgers from blocks that anybody may have made: bounded, every hash checked, only the one canonical
 * encoding accepted. Spec: protocols/record/README.md "Reading".
 */
import * as dagCbor from '@ipld/dag-cbor'
import bs58 from 'bs58'
import { CID } from 'multiformats/cid'
import { LIMITS, type Message, type Network, networkOf, open } from '../wire/index.ts'
import { CHUNK_BYTES, cidOf, isRecordCid, RECORD_LIMITS, type RecordLimits } from './blocks.ts'
import type { DistributionEntry } from './distribution-input.ts'
import { RecordMalformedError } from './errors.ts'
import { type Ledger, type LedgerEntry, MAX_AMOUNT, merkleRoot, totalsOf } from './ledger.ts'
import { encodeLedger, encodeRecord, RECORD_VERSION, type RecordContent } from './record.ts'
import { stakerOrder } from './stakers.ts'
import { isRecorded, sorted } from './tally.ts'

/** Gets one block, from wherever; the hash is checked here, its length should be bounded there. */
export type GetBlock = (cid: CID) => Promise<Uint8Array>
/** Lets whatever else is due go first: long work is cut into helpings. */
export type Breathe = () => Promise<unknown>

/**
 * Fetches and checks the blocks of a record, without its ledger: that is for who needs it.
 *
 * Signatures, stakes and whether it recomputes are `checkRecord`'s to say.
 *
 * @returns the content and the CIDs that it is made of, the root first
 * @throws RecordMalformedError; what `get` throws is passed on
 */
export async function readRecord(
  cid: CID,
  get: GetBlock,
  limits: RecordLimits = RECORD_LIMITS,
  breathe?: Breathe
): Promise<{ cid: CID; content: RecordContent; blocks: CID[] }> {
  const blocks = blockReader(get, limits, 'record')
  const root = asFields(await blocks.read(cid, 'root block'), 'record root block')
  asVersion(root.version, 'record.version')
  const content: RecordContent = {
    network: asKey(root.network, 'record.network'),
    task: asKey(root.task, 'record.task'),
    cycle: asWhole(root.cycle, 'record.cycle'),
    previous: root.previous === null ? null : asLink(root.previous, 'record.previous'),
    beacon: asBytes(root.beacon, 32, 'record.beacon'),
    bounty: asAmount(root.bounty, 'record.bounty'),
    messages: [],
    distribution: [],
    slashes: [],
    root: asBytes(root.root, 32, 'record.root'),
    totalRewards: asAmount(root.totalRewards, 'record.totalRewards'),
    totalSlashed: asAmount(root.totalSlashed, 'record.totalSlashed'),
    ledger: asLink(root.ledger, 'record.ledger')
  }
  content.messages = await blocks.list(root.messages, 'record.messages', asEnvelope)
  content.distribution = await blocks.list(root.distribution, 'record.distribution', asChange)
  content.slashes = await blocks.list(root.slashes, 'record.slashes', asChange)
  await checkMessages(content, breathe)
  checkChanges(content)
  checkCanonical(encodeRecord(content)[0]!.cid, cid, 'record')
  return { cid, content, blocks: blocks.seen }
}

/**
 * Fetches and checks a ledger: its order, its totals and its Merkle root are recomputed.
 *
 * @param cid - of the ledger's root block, as a record links it
 * @param of - the record that links it: the ledger must be the one that it speaks of
 * @throws RecordMalformedError; what `get` throws is passed on
 */
export async function readLedger(
  cid: CID,
  get: GetBlock,
  limits: RecordLimits = RECORD_LIMITS,
  of?: Pick<RecordContent, 'task' | 'root' | 'totalRewards' | 'totalSlashed'>
): Promise<{ ledger: Ledger; task: string; root: Uint8Array; totalRewards: bigint; totalSlashed: bigint; blocks: CID[] }> {
  const blocks = blockReader(get, limits, 'ledger')
  const fields = asFields(await blocks.read(cid, 'root block'), 'ledger root block')
  asVersion(fields.version, 'ledger.version')
  const task = asKey(fields.task, 'ledger.task')
  const root = asBytes(fields.root, 32, 'ledger.root')
  const totalRewards = asAmount(fields.totalRewards, 'ledger.totalRewards')
  const totalSlashed = asAmount(fields.totalSlashed, 'ledger.totalSlashed')
  const entries = await blocks.list(fields.chunks, 'ledger.chunks', asLedgerEntry)
  checkAscending(entries, 'ledger.chunks')
  const ledger = new Map(entries.map(({ staker, reward, slash }) => [staker, { reward, slash }]))
  checkTotals(ledger, { totalRewards, totalSlashed })
  if (!same(merkleRoot(ledger, task), root)) {
    throw new RecordMalformedError('ledger.root', 'it is not the Merkle root of the entries')
  }
  checkCanonical(encodeLedger(ledger, task, root)[0]!.cid, cid, 'ledger')
  if (of != null && (of.task !== task || !same(of.root, root) || of.totalRewards !== totalRewards || of.totalSlashed !== totalSlashed)) {
    throw new RecordMalformedError('record.ledger', "the ledger's task, root or totals are not those that the record names")
  }
  return { ledger, task, root, totalRewards, totalSlashed, blocks: blocks.seen }
}

interface BlockReader {
  /** The CIDs that were read, in order. */
  seen: CID[]
  read(cid: CID, where: string): Promise<unknown>
  /** The entries of a list that is split over linked chunks. */
  list<T>(links: unknown, where: string, entry: (value: unknown, where: string) => T): Promise<T[]>
}

function blockReader(get: GetBlock, limits: RecordLimits, what: string): BlockReader {
  const seen: CID[] = []
  let left = limits.totalBytes
  const read = async (cid: CID, where: string): Promise<unknown> => {
    const place = where.startsWith(what) ? where : `${what} ${where}`
    if (!isRecordCid(cid)) {
      throw new RecordMalformedError(place, `${cid} does not name a dag-cbor block hashed with sha2-256`)
    }
    const bytes = await get(cid)
    if (bytes.length > limits.blockBytes) {
      throw new RecordMalformedError(place, `${cid} has ${bytes.length} bytes, at most ${limits.blockBytes} are allowed`)
    }
    left -= bytes.length
    if (left < 0) {
      throw new RecordMalformedError(place, `the ${what} has more than ${limits.totalBytes} bytes`)
    }
    if (!cidOf(bytes).equals(cid)) {
      throw new RecordMalformedError(place, `the bytes that came for ${cid} have another hash`)
    }
    seen.push(cid)
    try {
      return dagCbor.decode(bytes)
    } catch (err) {
      throw new RecordMalformedError(place, `${cid} is not dag-cbor (${err instanceof Error ? err.message : String(err)})`)
    }
  }
  return {
    seen,
    read,
    async list(links, where, entry) {
      // chunks are full but for the last one, so that this many hold all the bytes that there may be
      const maxLinks = Math.ceil(limits.totalBytes / (CHUNK_BYTES / 2))
      if (!Array.isArray(links) || links.length > maxLinks) {
        throw new RecordMalformedError(where, `it should be a list of at most ${maxLinks} links`)
      }
      const entries: ReturnType<typeof entry>[] = []
      for (const [i, link] of links.entries()) {
        const place = `${where}[${i}]`
        const chunk = await read(asLink(link, place), place)
        if (!Array.isArray(chunk) || chunk.length === 0) {
          throw new RecordMalformedError(place, 'a chunk is a list that is not empty')
        }
        for (const [j, value] of chunk.entries()) {
          entries.push(entry(value, `${place}[${j}]`))
        }
      }
      return entries
    }
  }
}

/** Opened a helping at a time: of a large record all of them take seconds, in which a node would hear nothing. */
const HELPING = 64

async function checkMessages(content: RecordContent, breathe: Breathe | undefined): Promise<void> {
  const network = networkOf(content.network, content.task)
  const messages: Message[] = []
  for (const [i, bytes] of content.messages.entries()) {
    if (i % HELPING === HELPING - 1) {
      await breathe?.()
    }
    messages.push(openOne(bytes, network, content.cycle, `record.messages entry ${i}`))
  }
  if (new Set(messages.map(({ id }) => id)).size !== messages.length) {
    throw new RecordMalformedError('record.messages', 'a message is there twice')
  }
  if (sorted(messages).some((message, i) => message !== messages[i])) {
    throw new RecordMalformedError('record.messages', 'they are not in order of kind, signer and id')
  }
}

function openOne(bytes: Uint8Array, network: Network, cycle: number, where: string): Message {
  let message: Message
  try {
    message = open(bytes, network)
  } catch (err) {
    throw new RecordMalformedError(where, err instanceof Error ? err.message : String(err))
  }
  if (!isRecorded(message.kind)) {
    throw new RecordMalformedError(where, `a record holds no ${message.kind}`)
  }
  if (message.body.cycle !== cycle) {
    throw new RecordMalformedError(where, `it is of cycle ${message.body.cycle}, the record of cycle ${cycle}`)
  }
  return message
}

function checkChanges({ distribution, slashes, bounty, totalRewards, totalSlashed }: RecordContent): void {
  checkAscending(distribution, 'record.distribution')
  checkAscending(slashes, 'record.slashes')
  const paid = distribution.reduce((sum, { amount }) => (amount > 0n ? sum + amount : sum), 0n)
  const taken = [...distribution.map(({ amount }) => -amount), ...slashes.map(({ amount }) => amount)]
  if (paid > bounty) {
    throw new RecordMalformedError('record.distribution', `it pays ${paid}, the bounty is ${bounty}`)
  }
  if (paid > totalRewards) {
    throw new RecordMalformedError('record.totalRewards', `${totalRewards} since the task began, but ${paid} in this cycle alone`)
  }
  if (slashes.some(({ amount }) => amount < 0n)) {
    throw new RecordMalformedError('record.slashes', 'a slash is a positive amount')
  }
  const slashed = taken.reduce((sum, amount) => (amount > 0n ? sum + amount : sum), 0n)
  if (slashed > totalSlashed) {
    throw new RecordMalformedError('record.totalSlashed', `${totalSlashed} since the task began, but ${slashed} in this cycle alone`)
  }
}

function checkTotals(ledger: Ledger, named: { totalRewards: bigint; totalSlashed: bigint }): void {
  const sums = totalsOf(ledger)
  for (const name of ['totalRewards', 'totalSlashed'] as const) {
    if (sums[name] !== named[name]) {
      throw new RecordMalformedError(`ledger.${name}`, `it says ${named[name]}, the entries sum to ${sums[name]}`)
    }
  }
}

function checkAscending(entries: ReadonlyArray<{ staker: string }>, where: string): void {
  const orders = entries.map(({ staker }) => stakerOrder(staker))
  const wrong = orders.findIndex((order, i) => i > 0 && order <= orders[i - 1]!)
  if (wrong >= 0) {
    throw new RecordMalformedError(where, `entry ${wrong} does not come after the one before it, by the bytes of the staking key`)
  }
}

/** One content, one encoding: what was read must be what we would have written. */
function checkCanonical(ours: CID, theirs: CID, what: string): void {
  if (!ours.equals(theirs)) {
    throw new RecordMalformedError(what, `it is not encoded the one canonical way: ${theirs} instead of ${ours}`)
  }
}

function asFields(value: unknown, where: string): Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || value instanceof Uint8Array) {
    throw new RecordMalformedError(where, 'it should be a map')
  }
  return value as Record<string, unknown>
}

function asVersion(value: unknown, where: string): void {
  if (value !== RECORD_VERSION) {
    // of a map such as { toString: 1 } there is no text
    const told = typeof value === 'object' && value !== null ? 'is no number' : String(value).slice(0, 40)
    throw new RecordMalformedError(where, `version ${told}, this node reads ${RECORD_VERSION}: a newer koii-mesh may read it`)
  }
}

function asBytes(value: unknown, length: number, where: string): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== length) {
    throw new RecordMalformedError(where, `it should be ${length} bytes`)
  }
  return new Uint8Array(value)
}

function asKey(value: unknown, where: string): string {
  return bs58.encode(asBytes(value, 32, where))
}

function asWhole(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new RecordMalformedError(where, 'it should be a whole number')
  }
  return value
}

/** dag-cbor gives a number where it is safe and a bigint above. */
function asAmount(value: unknown, where: string, min = 0n): bigint {
  const amount = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value)) ? BigInt(value) : null
  if (amount == null || amount < min || amount > MAX_AMOUNT) {
    throw new RecordMalformedError(where, 'it should be a whole amount of ROE that fits 64 bits')
  }
  return amount
}

function asLink(value: unknown, where: string): CID {
  const cid = CID.asCID(value)
  if (cid == null) {
    throw new RecordMalformedError(where, 'it should be a link')
  }
  return cid
}

function asTuple(value: unknown, length: number, where: string): unknown[] {
  if (!Array.isArray(value) || value.length !== length) {
    throw new RecordMalformedError(where, `it should be a list of ${length}`)
  }
  return value
}

function asEnvelope(value: unknown, where: string): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length > LIMITS.envelopeBytes) {
    throw new RecordMalformedError(where, `it should be an envelope of at most ${LIMITS.envelopeBytes} bytes`)
  }
  return value
}

function asChange(value: unknown, where: string): DistributionEntry {
  const [staker, amount] = asTuple(value, 2, where)
  const change = { staker: asKey(staker, `${where}[0]`), amount: asAmount(amount, `${where}[1]`, -MAX_AMOUNT) }
  if (change.amount === 0n) {
    throw new RecordMalformedError(`${where}[1]`, 'an entry without an amount has no place in a record')
  }
  return change
}

function asLedgerEntry(value: unknown, where: string): { staker: string } & LedgerEntry {
  const [staker, reward, slash] = asTuple(value, 3, where)
  const entry = {
    staker: asKey(staker, `${where}[0]`),
    reward: asAmount(reward, `${where}[1]`),
    slash: asAmount(slash, `${where}[2]`)
  }
  if (entry.reward === 0n && entry.slash === 0n) {
    throw new RecordMalformedError(where, 'a staker who never earned or lost anything has no entry')
  }
  return entry
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
