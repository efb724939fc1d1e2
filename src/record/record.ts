/**
 * From a tally and the task's distribution list to the record's blocks. Spec: protocols/record/README.md "The record".
 */
import type { CID } from 'multiformats/cid'
import { type Block, blockOf, chunked, RECORD_LIMITS, type RecordLimits } from './blocks.ts'
import type { DistributionEntry } from './distribution-input.ts'
import { DistributionError } from './errors.ts'
import { type Ledger, type LedgerEntry, MAX_AMOUNT, merkleRoot, totalsOf } from './ledger.ts'
import { byStaker, keyBytes } from './stakers.ts'
import { type CycleInputs, envelopeBytes, LARGEST_SLASH, partOf, type Tally } from './tally.ts'

export const RECORD_VERSION = 2

/** What a record says. It names neither who proposed it nor in which attempt: the same inputs give the same bytes. */
export interface RecordContent {
  /** base58 genesis hash. */
  network: string
  /** base58. */
  task: string
  cycle: number
  previous: CID | null
  /** The block of K2 that the cycle's seeds come from: 32 bytes. */
  beacon: Uint8Array
  /** In ROE, as all amounts here. */
  bounty: bigint
  /** Envelopes, sorted by kind, signer and id. */
  messages: Uint8Array[]
  /** What the task's function decided: sorted by staker, no zeros. */
  distribution: DistributionEntry[]
  /** What equivocation and invalid work cost, beyond the task's own list: sorted by staker, positive. */
  slashes: DistributionEntry[]
  /** Merkle root of the cumulative ledger. */
  root: Uint8Array
  /** Cumulative since the task began, as K2 is told. */
  totalRewards: bigint
  totalSlashed: bigint
  /** The ledger's root block. */
  ledger: CID
}

export interface BuiltRecord {
  cid: CID
  /** sha2-256 of the root block: what the final vote commits to. */
  digest: Uint8Array
  /** The record's and the ledger's, the record's root block first. */
  blocks: Block[]
  content: RecordContent
  /** Cumulative, with this cycle. */
  ledger: Ledger
  root: Uint8Array
  /** Cumulative since the task began. */
  totalRewards: bigint
  totalSlashed: bigint
}

/**
 * Checks the distribution list and makes the record.
 *
 * @param limits - what readers take: nothing larger is made, as the next cycle could never build on it
 * @throws DistributionError
 */
export function buildRecord(
  inputs: CycleInputs,
  tally: Tally,
  distribution: readonly DistributionEntry[],
  limits: RecordLimits = RECORD_LIMITS
): BuiltRecord {
  const byKey = checkDistribution(inputs, tally, distribution)
  const slashes = inLedger(inputs, protocolSlashes(inputs, tally, byKey))
  const list = inLedger(inputs, byKey)
  const ledger = nextLedger(inputs.ledger, list, slashes)
  const root = merkleRoot(ledger, inputs.taskId)
  const ledgerBlocks = encodeLedger(ledger, inputs.taskId, root)
  const { totalRewards, totalSlashed } = totalsOf(ledger)
  const content: RecordContent = {
    network: inputs.genesisHash,
    task: inputs.taskId,
    cycle: inputs.cycle,
    previous: inputs.previous?.cid ?? null,
    beacon: inputs.beacon,
    bounty: inputs.bounty,
    messages: tally.messages.map(envelopeBytes),
    distribution: list,
    slashes,
    root,
    totalRewards,
    totalSlashed,
    ledger: ledgerBlocks[0]!.cid
  }
  const recordBlocks = encodeRecord(content)
  checkSize(inputs.cycle, recordBlocks, limits)
  checkSize(inputs.cycle, ledgerBlocks, limits)
  const { cid } = recordBlocks[0]!
  return {
    cid,
    digest: new Uint8Array(cid.multihash.digest),
    blocks: [...recordBlocks, ...ledgerBlocks],
    content,
    ledger,
    root,
    totalRewards,
    totalSlashed
  }
}

function checkSize(cycle: number, blocks: readonly Block[], { totalBytes }: RecordLimits): void {
  const bytes = blocks.reduce((sum, block) => sum + block.bytes.length, 0)
  if (bytes > totalBytes) {
    throw new DistributionError(`the record or ledger of cycle ${cycle} has ${bytes} bytes, readers take ${totalBytes}`)
  }
}

/** Whom a task's list may slash: who was rejected by a share of all stake that the faulty cannot reach, or convicted by proof. */
const SLASHABLE = new Set(['invalid', 'unavailable', 'equivocated'])

/**
 * The list sorted and without zeros, once it keeps the rules: rewards within the bounty; slashes within what the task was created
 * with, and for those who were rejected alone. Whoever writes the list, the task's manager, must not reach an honest stake.
 */
function checkDistribution(
  { stakes, bounty, cycle, largestSlash = LARGEST_SLASH }: CycleInputs,
  tally: Tally,
  distribution: readonly DistributionEntry[]
): DistributionEntry[] {
  const wrong = (what: string) =>
    new DistributionError(`the distribution list of cycle ${cycle} breaks a rule (${what}): look at the task's distribution function`)
  const slashable = new Set(tally.rejected.filter(({ reason }) => SLASHABLE.has(reason)).map(({ staker }) => staker))
  const seen = new Set<string>()
  let paid = 0n
  for (const { staker, amount } of distribution) {
    const stake = stakes.get(staker)
    if (stake == null) {
      throw wrong(`${staker} had no stake`)
    }
    if (seen.has(staker)) {
      throw wrong(`${staker} is in it twice`)
    }
    if (amount < 0n && !slashable.has(staker)) {
      throw wrong(`${staker} is slashed, and its work was not rejected`)
    }
    if (-amount > partOf(stake, largestSlash)) {
      throw wrong(
        `${staker} is slashed by ${-amount}, of its stake of ${stake} the task may take ${partOf(stake, largestSlash)} in a cycle`
      )
    }
    seen.add(staker)
    paid += amount > 0n ? amount : 0n
  }
  if (paid > bounty) {
    throw wrong(`it pays ${paid}, the bounty is ${bounty}`)
  }
  return byStaker(
    distribution.filter(({ amount }) => amount !== 0n).map(({ staker, amount }) => ({ staker, amount })),
    ({ staker }) => staker
  )
}

/** The same amounts, for whom the ledger knows. */
function inLedger({ stakers }: CycleInputs, list: DistributionEntry[]): DistributionEntry[] {
  return stakers == null || stakers.size === 0
    ? list
    : byStaker(
        list.map(({ staker, amount }) => ({ staker: stakers.get(staker) ?? staker, amount })),
        ({ staker }) => staker
      )
}

/** What equivocators and those with invalid work lose beside what the list takes from them: together never more than the largest slash. */
function protocolSlashes(
  { stakes, largestSlash = LARGEST_SLASH }: CycleInputs,
  tally: Tally,
  list: DistributionEntry[]
): DistributionEntry[] {
  const taken = new Map(list.filter(({ amount }) => amount < 0n).map(({ staker, amount }) => [staker, -amount]))
  return byStaker(
    [...tally.slashes]
      .map(([staker, slash]) => {
        const left = partOf(stakes.get(staker) ?? 0n, largestSlash) - (taken.get(staker) ?? 0n)
        return { staker, amount: slash < left ? slash : left }
      })
      .filter(({ amount }) => amount > 0n),
    ({ staker }) => staker
  )
}

/**
 * The ledger after a record: what anybody can check along the chain, without stakes or messages.
 *
 * @throws DistributionError when a sum passes 64 bits
 */
export function nextLedger(ledger: Ledger, distribution: readonly DistributionEntry[], slashes: readonly DistributionEntry[]): Ledger {
  const next = new Map<string, LedgerEntry>(ledger)
  const add = (staker: string, reward: bigint, slash: bigint) => {
    const before = next.get(staker) ?? { reward: 0n, slash: 0n }
    next.set(staker, { reward: before.reward + reward, slash: before.slash + slash })
  }
  for (const { staker, amount } of distribution) {
    add(staker, amount > 0n ? amount : 0n, amount < 0n ? -amount : 0n)
  }
  for (const { staker, amount } of slashes) {
    add(staker, 0n, amount)
  }
  const { totalRewards, totalSlashed } = totalsOf(next)
  if (totalRewards > MAX_AMOUNT || totalSlashed > MAX_AMOUNT) {
    throw new DistributionError('the sums of the ledger no longer fit 64 bits: this task has to be closed')
  }
  return next
}

/** The blocks of a record's content, its root block first; the ledger's are not among them. */
export function encodeRecord(content: RecordContent): Block[] {
  const messages = chunked(content.messages)
  const distribution = chunked(entriesOf(content.distribution))
  const slashes = chunked(entriesOf(content.slashes))
  const root = blockOf({
    version: RECORD_VERSION,
    network: keyBytes(content.network)!,
    task: keyBytes(content.task)!,
    cycle: content.cycle,
    previous: content.previous,
    beacon: content.beacon,
    bounty: content.bounty,
    messages: messages.map(({ cid }) => cid),
    distribution: distribution.map(({ cid }) => cid),
    slashes: slashes.map(({ cid }) => cid),
    root: content.root,
    totalRewards: content.totalRewards,
    totalSlashed: content.totalSlashed,
    ledger: content.ledger
  })
  return [root, ...messages, ...distribution, ...slashes]
}

function entriesOf(list: readonly DistributionEntry[]): unknown[] {
  return list.map(({ staker, amount }) => [keyBytes(staker)!, amount])
}

/** The blocks of a ledger, its root block first. `merkle` is its Merkle root, for who has it already. */
export function encodeLedger(ledger: Ledger, taskId: string, merkle = merkleRoot(ledger, taskId)): Block[] {
  const entries = byStaker(ledger, ([staker]) => staker)
  const chunks = chunked(entries.map(([staker, { reward, slash }]) => [keyBytes(staker)!, reward, slash]))
  const root = blockOf({
    version: RECORD_VERSION,
    task: keyBytes(taskId)!,
    root: merkle,
    ...totalsOf(ledger),
    chunks: chunks.map(({ cid }) => cid)
  })
  return [root, ...chunks]
}
