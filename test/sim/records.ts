/** The real building, reading and checking of records over blocks in memory; what comes out the same for all nodes is done once. */
import { hash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import type { Timing } from '../../src/clock/index.ts'
import {
  type BuiltRecord,
  buildRecord,
  type CycleInputs,
  checkRecord,
  type DistributionEntry,
  type DistributionInput,
  distributionInput,
  type GetBlock,
  type Heard,
  type Ledger,
  offencesIn,
  RECORD_LIMITS,
  type RecordContent,
  RecordMalformedError,
  readLedger,
  readRecord,
  type Tally,
  tally
} from '../../src/record/index.ts'
import type { Base, CheckResult, RecordFacts, StakeSet } from '../../src/rounds/index.ts'
import { type Message, type Network, open, type Verify } from '../../src/wire/index.ts'

/** Pays in proportion to stake and takes nothing. */
export function payByStake({ bounty, submissions }: Pick<DistributionInput, 'bounty' | 'submissions'>): DistributionEntry[] {
  const total = submissions.reduce((sum, { stake }) => sum + BigInt(stake), 0n)
  return submissions.map(({ staker, stake }) => ({ staker, amount: (BigInt(bounty) * BigInt(stake)) / total }))
}

export interface CycleFacts {
  cycle: number
  messages: readonly Message[]
  stakes: StakeSet
  base: Base
}

export interface ReadRecord {
  content: RecordContent
  messages: Message[]
  ledger: Ledger
  tally: Tally
  /** What it punishes, by `offenceOf`. */
  offences: ReadonlySet<string>
  /** Of the record's blocks, without the ledger's. */
  bytes: number
  /** Of the messages in it alone. */
  messageBytes: number
}

export interface SimRecords {
  build(facts: CycleFacts): Promise<BuiltRecord>
  check(cid: string, facts: CycleFacts & Heard): Promise<CheckResult>
  /** One block of what was built. */
  block(cid: string): Uint8Array | undefined
  /** The distribution seeds of all records built of a cycle. */
  seedsOf(cycle: number): string[]
  /** Whatever was built of a cycle so far, in order. */
  built(cycle: number): RecordFacts[]
  /** As whoever builds on it has to. @throws RecordMalformedError */
  read(cid: string): Promise<ReadRecord>
}

export interface SimRecordsInit {
  taskId: string
  genesisHash: string
  network: Network
  timing: Timing
  verify: Verify
  /** What counts in a cycle. */
  stakesOf: (cycle: number) => StakeSet
  /** The reader's bound in bytes, scaled down where an attack on it would take thousands of stakers. */
  maxRecordBytes?: number | undefined
  /** Blocks that nodes have made themselves. */
  elsewhere: (cid: string) => Uint8Array | undefined
  distribution?: (input: DistributionInput) => DistributionEntry[]
}

const names = new WeakMap<StakeSet, string>()

/** Equal where two sets are. */
export function stakesName(set: StakeSet): string {
  let name = names.get(set)
  if (name == null) {
    const text = [...set.weights].map(([key, stake]) => `${key} ${stake} ${set.stakers?.get(key) ?? ''}`).sort()
    name = hash('sha256', `${set.total} ${text}`)
    names.set(set, name)
  }
  return name
}

export function createRecords(init: SimRecordsInit): SimRecords {
  const { taskId, genesisHash, timing, verify, network, distribution = payByStake } = init
  const limits = { ...RECORD_LIMITS, totalBytes: init.maxRecordBytes ?? RECORD_LIMITS.totalBytes }
  const blocks = new Map<string, Uint8Array>()
  const builds = new Map<string, Promise<BuiltRecord>>()
  const reads = new Map<string, Promise<ReadRecord>>()
  const contents = new Map<string, Promise<RecordContent>>()
  const ids = new Map<string, Message[]>()
  const checks = new Map<string, Promise<CheckResult>>()
  const made = new Map<number, RecordFacts[]>()
  const seeds = new Map<number, string[]>()

  const get: GetBlock = async (cid) => {
    const bytes = blocks.get(cid.toString()) ?? init.elsewhere(cid.toString())
    if (bytes == null) {
      throw new RecordMalformedError('record', `nobody has the block ${cid}`)
    }
    return bytes
  }
  const once = <T>(memo: Map<string, Promise<T>>, key: string, run: () => Promise<T>): Promise<T> => {
    let running = memo.get(key)
    if (running == null) {
      running = run()
      memo.set(key, running)
    }
    return running
  }
  const contentOf = (cid: string) => once(contents, cid, async () => (await readRecord(CID.parse(cid), get, limits)).content)

  const inputsOf = async ({ cycle, messages, stakes, base }: CycleFacts): Promise<CycleInputs> => {
    const before = base.previous == null ? null : await records.read(base.previous.cid)
    return {
      taskId,
      genesisHash,
      cycle,
      previous: before == null ? null : { cid: CID.parse(base.previous!.cid), cycle: before.content.cycle, offences: before.offences },
      beacon: base.beacon,
      ledger: before?.ledger ?? new Map(),
      stakes: stakes.weights,
      totalStake: stakes.total,
      ...(stakes.stakers == null ? {} : { stakers: stakes.stakers }),
      bounty: base.bounty,
      messages
    }
  }
  /** What nodes may see differently, beside messages. */
  const viewOf = ({ cycle, stakes, base }: Pick<CycleFacts, 'cycle' | 'stakes' | 'base'>) =>
    `${cycle} ${base.previous?.cid} ${stakesName(stakes)} ${Buffer.from(base.beacon).toString('hex', 0, 8)}`

  const records: SimRecords = {
    build: (facts) => {
      const inputs = facts.messages.map(({ id, envelope }) => id + Buffer.from(envelope.signature.subarray(-4)).toString('hex')).sort()
      return once(builds, `${viewOf(facts)} ${inputs}`, async () => {
        const inputs = await inputsOf(facts)
        const counted = tally(inputs)
        const input = distributionInput(inputs, counted)
        seeds.set(facts.cycle, [...(seeds.get(facts.cycle) ?? []), input.seed])
        const built = buildRecord(inputs, counted, distribution(input), limits)
        for (const { cid, bytes } of built.blocks) {
          blocks.set(cid.toString(), bytes)
        }
        const { root, totalRewards } = built
        made.set(facts.cycle, [...(made.get(facts.cycle) ?? []), { cid: built.cid.toString(), root, totalRewards }])
        return built
      })
    },
    block: (cid) => blocks.get(cid),
    seedsOf: (cycle) => seeds.get(cycle) ?? [],
    built: (cycle) => made.get(cycle) ?? [],
    async check(cid, facts) {
      try {
        const content = await contentOf(cid)
        const held = ids.get(cid) ?? content.messages.map((bytes) => open(bytes, network))
        ids.set(cid, held)
        const known = new Set(held.map(({ id }) => id))
        const missing = [...facts.mustHave].filter((id) => !known.has(id)).sort()
        const late = held.filter(({ id, kind }) => kind === 'submission' && facts.timely?.has(id) === false).map(({ id }) => id)
        return await once(checks, `${cid} ${viewOf(facts)} ${missing} late ${late}`, async () => {
          const { mustHave, timely } = facts
          const own = { ...(await inputsOf(facts)), mustHave, timely }
          const check = await checkRecord(content, own, { timing, verify, distribution: async (input) => distribution(input) })
          if (!check.ok && check.verdict === 'wrong') {
            return { verdict: 'wrong', reason: check.reason }
          }
          const record = { cid, root: check.root, totalRewards: check.totalRewards }
          return check.ok ? { verdict: 'right', record } : { verdict: 'incomplete', record, reason: check.reason }
        })
      } catch (err) {
        if (err instanceof RecordMalformedError) {
          return { verdict: 'wrong', reason: err.message }
        }
        throw err
      }
    },
    read: (cid) =>
      once(reads, cid, async () => {
        let bytes = 0
        const counting: GetBlock = async (block) => {
          const got = await get(block)
          bytes += got.length
          return got
        }
        const { content } = await readRecord(CID.parse(cid), counting, limits)
        const recordBytes = bytes
        const { ledger } = await readLedger(content.ledger, get, limits, content)
        const messages = content.messages.map((envelope) => open(envelope, network))
        const { cycle, bounty, beacon } = content
        const before = content.previous == null ? null : await records.read(content.previous.toString())
        const previous = before == null ? null : { cid: content.previous!, cycle: before.content.cycle, offences: before.offences }
        const { weights, total, stakers } = init.stakesOf(cycle)
        const inputs = {
          taskId,
          genesisHash,
          cycle,
          previous,
          beacon,
          bounty,
          ledger: new Map(),
          stakes: weights,
          totalStake: total,
          ...(stakers == null ? {} : { stakers }),
          messages
        }
        return {
          content,
          messages,
          ledger,
          tally: tally(inputs),
          offences: offencesIn(messages, cycle),
          bytes: recordBytes,
          messageBytes: content.messages.reduce((sum, envelope) => sum + envelope.length, 0)
        }
      })
  }
  return records
}
