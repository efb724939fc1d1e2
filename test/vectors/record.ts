import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { stakeSetOf } from '../../src/k2/index.ts'
import {
  buildRecord,
  type CycleInputs,
  checkRecord,
  DistributionError,
  type DistributionInput,
  distributionInput,
  proposerFor,
  RECORD_LIMITS,
  RecordMalformedError,
  readLedger,
  readRecord,
  tally
} from '../../src/record/index.ts'
import { networkOf, open } from '../../src/wire/index.ts'
import { blockMap, TOOLS } from '../record/cycle.ts'
import { plain } from './wire.ts'

interface Amounts {
  [staker: string]: string
}

/** What K2 has of a stake, and how much of it counts in the cycle. */
export interface AccountJson {
  staker: string
  stakingKey: string
  formerKey: string | null
  keyFrom: number
  stake: string
}

export const accountsOf = (accounts: AccountJson[]) =>
  accounts.map(({ stake, formerKey, ...account }) => ({
    ...account,
    formerKey: formerKey ?? undefined,
    amount: [{ value: BigInt(stake), from: 0 }]
  }))

/** Everything that a cycle's record is made from. Bytes are hex, keys base58, amounts decimal strings. */
export interface InputsJson {
  genesisHash: string
  taskId: string
  cycle: number
  /** `offences`: what the record before has punished, each as offender, cycle and group. */
  previous: { cid: string; cycle: number; offences: string[] } | null
  beacon: string
  bounty: string
  /** Where some have other keys than their addresses: what all of the next three follow from. */
  accounts?: AccountJson[]
  /** Addresses by key, where they differ. */
  stakers?: { [key: string]: string }
  /** By key in the cycle. */
  stakes: Amounts
  /** All stake of the cycle. */
  totalStake: string
  /** In ten-thousandths of the stake. */
  largestSlash: number
  ledger: Array<{ staker: string; reward: string; slash: string }>
  /** Envelopes, in no order. */
  messages: string[]
}

export type RecordVector = { description: string } & (
  | {
      kind: 'cycle'
      inputs: InputsJson
      tally: {
        accepted: string[]
        rejected: Array<{ staker: string; reason: string; detail: string }>
        slashes: Amounts
        messages: string[]
        seed: string
      }
      /** What the task's function gets. */
      input?: DistributionInput
      distribution: Array<{ staker: string; amount: string }>
      /** `DistributionError`: the list breaks a rule and there is no record. */
      expect: 'ok' | 'DistributionError'
      record?: { cid: string; root: string; totalRewards: string; totalSlashed: string; blocks: Array<{ cid: string; bytes: string }> }
    }
  | {
      kind: 'read'
      what: 'record' | 'ledger'
      cid: string
      blocks: Array<{ cid: string; bytes: string }>
      expect: 'RecordMalformedError'
      where: string
    }
  | { kind: 'proposer'; taskId: string; stakes: Amounts; beacon: string; cycle: number; proposers: string[] }
)

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
const amounts = (json: Amounts) => new Map(Object.entries(json).map(([staker, amount]) => [staker, BigInt(amount)]))

export function inputsOf(json: InputsJson): CycleInputs {
  const network = networkOf(json.genesisHash, json.taskId)
  return {
    genesisHash: json.genesisHash,
    taskId: json.taskId,
    cycle: json.cycle,
    previous:
      json.previous == null
        ? null
        : { cid: CID.parse(json.previous.cid), cycle: json.previous.cycle, offences: new Set(json.previous.offences) },
    beacon: bytes(json.beacon),
    bounty: BigInt(json.bounty),
    stakes: amounts(json.stakes),
    totalStake: BigInt(json.totalStake),
    ...(json.stakers == null ? {} : { stakers: new Map(Object.entries(json.stakers)) }),
    largestSlash: json.largestSlash,
    ledger: new Map(json.ledger.map(({ staker, reward, slash }) => [staker, { reward: BigInt(reward), slash: BigInt(slash) }])),
    messages: json.messages.map((hex) => open(bytes(hex), network))
  }
}

/** What a cycle comes to, in the form of the vectors. */
export function tallyJson(inputs: CycleInputs): (RecordVector & { kind: 'cycle' })['tally'] {
  const result = tally(inputs)
  return plain({
    accepted: result.accepted.map(({ signer }) => signer),
    rejected: result.rejected,
    slashes: Object.fromEntries(result.slashes),
    messages: result.messages.map(({ id }) => id),
    seed: distributionInput(inputs, result).seed
  }) as (RecordVector & { kind: 'cycle' })['tally']
}

export const walk = (file: string): Promise<void> => walkVector(JSON.parse(readFileSync(file, 'utf8')) as RecordVector)

export async function walkVector(vector: RecordVector): Promise<void> {
  switch (vector.kind) {
    case 'cycle':
      return walkCycle(vector)
    case 'read': {
      const get = blockMap(vector.blocks.map((block) => ({ cid: CID.parse(block.cid), bytes: bytes(block.bytes) })))
      const error: unknown = await (vector.what === 'record' ? readRecord : readLedger)(CID.parse(vector.cid), get).then(
        () => 'it was not refused',
        (err) => err
      )
      expect(error).to.be.instanceOf(RecordMalformedError)
      expect((error as RecordMalformedError).where).to.equal(vector.where)
      return
    }
    case 'proposer': {
      const { taskId, cycle } = vector
      const facts = { taskId, stakes: amounts(vector.stakes), beacon: bytes(vector.beacon), cycle }
      expect(vector.proposers.map((_, attempt) => proposerFor({ ...facts, attempt }))).to.deep.equal(vector.proposers)
    }
  }
}

type TallyJson = (RecordVector & { kind: 'cycle' })['tally']

/** The words beside a reason are for people, and no part of the protocol. */
function withoutDetail({ rejected, ...rest }: TallyJson) {
  return { ...rest, rejected: rejected.map(({ staker, reason }) => ({ staker, reason })) }
}

async function walkCycle(vector: RecordVector & { kind: 'cycle' }): Promise<void> {
  const own = inputsOf(vector.inputs)
  expect(withoutDetail(tallyJson(own))).to.deep.equal(withoutDetail(vector.tally))
  if (vector.inputs.accounts != null) {
    const set = stakeSetOf(accountsOf(vector.inputs.accounts), own.cycle)
    expect([set.weights, set.total, set.stakers]).to.deep.equal([own.stakes, own.totalStake, own.stakers])
  }
  if (vector.input != null) {
    expect(distributionInput(own, tally(own))).to.deep.equal(vector.input)
  }
  const distribution = vector.distribution.map(({ staker, amount }) => ({ staker, amount: BigInt(amount) }))
  if (vector.expect === 'DistributionError') {
    expect(() => buildRecord(own, tally(own), distribution)).to.throw(DistributionError)
    return
  }
  const { record } = vector
  const built = buildRecord(own, tally(own), distribution)
  expect(built.blocks.map((block) => ({ cid: block.cid.toString(), bytes: Buffer.from(block.bytes).toString('hex') }))).to.deep.equal(
    record!.blocks
  )
  expect(built.cid.toString()).to.equal(record!.cid)
  // and the other way: from the frozen blocks to the same record
  const get = blockMap(record!.blocks.map((block) => ({ cid: CID.parse(block.cid), bytes: bytes(block.bytes) })))
  const { content } = await readRecord(CID.parse(record!.cid), get)
  await readLedger(content.ledger, get, RECORD_LIMITS, content)
  expect(plain({ root: content.root, totalRewards: content.totalRewards, totalSlashed: content.totalSlashed })).to.deep.equal({
    root: record!.root,
    totalRewards: record!.totalRewards,
    totalSlashed: record!.totalSlashed
  })
  // but for challenges, of which a record holds those that show who is refuted
  const mustHave = new Set(own.messages.filter(({ kind }) => kind !== 'challenge').map(({ id }) => id))
  const check = await checkRecord(content, { ...own, mustHave, timely: null }, { ...TOOLS, distribution: async () => distribution })
  expect(check.ok, check.ok ? '' : check.reason).to.equal(true)
}
