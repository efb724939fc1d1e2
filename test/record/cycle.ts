/** Cycle 3 as alice, bob, carol, dave and erin lived it; a test changes what it is about. */
import { createHash } from 'node:crypto'
import bs58 from 'bs58'
import { CID } from 'multiformats/cid'
import type { Timing } from '../../src/clock/index.ts'
import { verifyEd25519 } from '../../src/identity/index.ts'
import type { BuiltRecord, RecordContent } from '../../src/record/index.ts'
import {
  type CheckTools,
  type CycleInputs,
  type DistributionEntry,
  type DistributionInput,
  type GetBlock,
  readRecord
} from '../../src/record/index.ts'
import { alice, bob, carol, cidBytes, dave, erin, GENESIS, type Person, person, TASK } from '../wire/people.ts'

/** Cycle 3: submissions in slots 120 to 139, audits in 140 to 149 (challenges before 145, verdicts in 148), distribution in 150 to 179. */
export const TIMING: Timing = { startingSlot: 0, roundSlots: 30, submissionWindow: 20, auditWindow: 10 }

/** The hash of a block of K2. */
export const BEACON = new Uint8Array(createHash('sha256').update('a block').digest())

export const PEOPLE = [alice, bob, carol, dave, erin]

export function inputs(change: Partial<CycleInputs> = {}): CycleInputs {
  return {
    taskId: TASK,
    genesisHash: GENESIS,
    cycle: 3,
    previous: { cid: CID.decode(cidBytes('the record of cycle 2')), cycle: 2 },
    beacon: BEACON,
    ledger: new Map(),
    stakes: stakes([alice, 100n], [bob, 100n], [carol, 100n], [dave, 100n], [erin, 100n]),
    bounty: 1000n,
    messages: [],
    ...change
  }
}

export function stakes(...list: Array<[Person, bigint]>): Map<string, bigint> {
  return new Map(list.map(([{ address }, stake]) => [address, stake]))
}

/** A distribution function: equal shares, and a twentieth of the stake from whoever was rejected. */
export async function equalShares(input: DistributionInput): Promise<DistributionEntry[]> {
  const share = input.submissions.length === 0 ? 0n : BigInt(input.bounty) / BigInt(input.submissions.length)
  return [
    ...input.submissions.map(({ staker }) => ({ staker, amount: share })),
    ...input.rejected.filter(({ reason }) => reason === 'invalid').map(({ staker, stake }) => ({ staker, amount: -(BigInt(stake) / 20n) }))
  ]
}

export const TOOLS: CheckTools = { timing: TIMING, verify: verifyEd25519, distribution: equalShares }

/** Gets blocks from memory and counts how often it was asked. */
export function blockMap(blocks: Iterable<{ cid: CID; bytes: Uint8Array }>): GetBlock & { calls: number } {
  const map = new Map([...blocks].map(({ cid, bytes }) => [cid.toString(), bytes]))
  const get = async (cid: CID) => {
    get.calls++
    const bytes = map.get(cid.toString())
    if (bytes == null) {
      throw new Error(`no block ${cid}`)
    }
    return bytes
  }
  get.calls = 0
  return get
}

export async function contentOf(record: BuiltRecord): Promise<RecordContent> {
  return (await readRecord(record.cid, blockMap(record.blocks))).content
}

export const nameOf = (address: string) => PEOPLE.find((p) => p.address === address)?.name ?? address

/** The nth of many stakers who say nothing: a key without a secret. */
export function stranger(n: number): string {
  return bs58.encode(createHash('sha256').update(`stranger ${n}`).digest())
}

export { alice, bob, carol, dave, erin, person }
