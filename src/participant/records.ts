import { CID } from 'multiformats/cid'
import type { Timing } from '../clock/index.ts'
import { ProofUnavailableError } from '../proofs/errors.ts'
import type { ProviderHint } from '../proofs/index.ts'
import {
  type Block,
  type Breathe,
  type BuiltRecord,
  buildRecord,
  type CycleInputs,
  checkRecord,
  type DistributionEntry,
  type DistributionInput,
  distributionInput,
  encodeLedger,
  type Heard,
  type Ledger,
  merkleRoot,
  nextLedger,
  offencesIn,
  type RecordContent,
  RecordMalformedError,
  readLedger,
  readRecord,
  recordLimits,
  type Tally,
  tally,
  totalsOf
} from '../record/index.ts'
import type { Base, CheckResult, StakeSet } from '../rounds/index.ts'
import { type Message, networkOf, open, type Verify } from '../wire/index.ts'
import type { Blocks } from './ports.ts'

export interface RecordsInit {
  blocks: Blocks
  /** Lets others go first between two helpings of long work. */
  breathe: Breathe
  taskId: string
  genesisHash: string
  timing: Timing
  /** The most that one staker may lose in one cycle, in ten-thousandths of its stake. */
  largestSlash: number
  verify: Verify
  /** The task's distribution function; throws when it could not be run. */
  distribution: (input: DistributionInput) => Promise<readonly DistributionEntry[]>
  /** Who may have the blocks of records: the staked peers that we know. */
  providers: () => ProviderHint[]
  /** What fetching a finalized record may take in ms beyond the usual, on machines that may be slow. */
  graceMs?: number
  /** How those wait who wait for the same, where somebody keeps account of it.  */
  shared?: <T>(what: string, run: () => Promise<T>) => () => Promise<T>
}

export interface CycleFacts {
  cycle: number
  messages: Message[]
  stakes: StakeSet
  base: Base
}

/** Builds, keeps, fetches and checks records and their ledgers. */
export interface Records {
  /** Builds the record and keeps its blocks, so that others can fetch it from us. */
  build(facts: CycleFacts): Promise<BuiltRecord>
  check(cid: CID, facts: CycleFacts & Heard, from: ProviderHint[], timeoutMs: number, ends?: AbortSignal): Promise<CheckResult>
  /** Has a finalized record and its ledger here, from whoever has them. @throws ProofUnavailableError */
  ensure(cid: CID, timeoutMs?: number): Promise<{ content: RecordContent; ledger: Ledger }>
  /** What a finalized record came to for each staker. @throws ProofUnavailableError */
  outcome(cid: CID, stakes: StakeSet): Promise<{ content: RecordContent; ledger: Ledger; tally: Tally }>
}

/** A record that is here, and its ledger. */
interface Kept {
  content: RecordContent
  ledger: Ledger
}

/** Records are a few blocks of at most 256 KiB. */
const FETCH_TIMEOUT_MS = 10_000
/** Ledgers in memory: the one before, and those that proposals of this cycle come to. */
const KEPT_LEDGERS = 8

export function createRecords(init: RecordsInit): Records {
  const { blocks: kept, breathe, taskId, genesisHash, timing, largestSlash, verify, distribution, providers } = init
  const network = networkOf(genesisHash, taskId)
  const ledgers = new Map<string, () => Promise<Kept>>()
  const shared =
    init.shared ??
    ((_what, run) => {
      const job = run()
      return () => job
    })

  const keep = async (cycle: number, cids: CID[]) => {
    for (const cid of cids) {
      // each block for itself: following the link to the record before would keep all of history
      await kept.pin(cid, { cycle })
    }
  }

  const store = async (blocks: readonly Block[]) => {
    for (const { cid, bytes } of blocks) {
      await kept.put(cid, bytes)
    }
  }

  const load = async (cid: CID, timeoutMs: number): Promise<Kept> => {
    const get = kept.from(providers(), timeoutMs)
    const { content, blocks } = await readRecord(cid, get, undefined, breathe)
    const isNext = content.previous == null || ledgers.has(content.previous.toString())
    const fetched = async () => {
      const { ledger, blocks } = await readLedger(content.ledger, get, undefined, content)
      return { ledger, blocks }
    }
    const { ledger, blocks: ledgerBlocks } =
      (isNext ? await recomputed(content) : undefined) ??
      (await fetched().catch(async (err) => {
        const own = err instanceof ProofUnavailableError ? await recomputed(content) : undefined
        if (own == null) {
          throw err
        }
        return own
      }))
    await keep(content.cycle, [...blocks, ...ledgerBlocks])
    return { content, ledger }
  }

  /** The ledger of a record by the one before and what the record changes: nobody need give it. Undefined where that is not to be had either. */
  const recomputed = async (content: RecordContent): Promise<{ ledger: Ledger; blocks: CID[] } | undefined> => {
    const { previous, distribution: list, slashes, ledger: named } = content
    const before: Ledger | undefined = previous == null ? new Map() : (await ensure(previous).catch(() => undefined))?.ledger
    if (before == null) {
      return undefined
    }
    const ledger = nextLedger(before, list, slashes)
    const root = merkleRoot(ledger, taskId)
    const made = encodeLedger(ledger, taskId, root)
    const { totalRewards, totalSlashed } = totalsOf(ledger)
    const sameTotals = totalRewards === content.totalRewards && totalSlashed === content.totalSlashed
    if (!made[0]!.cid.equals(named) || !sameTotals || Buffer.compare(root, content.root) !== 0) {
      return undefined
    }
    await store(made)
    return { ledger, blocks: made.map(({ cid }) => cid) }
  }

  const ensure = (cid: CID, timeoutMs = FETCH_TIMEOUT_MS + (init.graceMs ?? 0)): Promise<Kept> => {
    const key = cid.toString()
    let loading = ledgers.get(key)
    if (loading == null) {
      const job = shared('a record and its ledger', () => load(cid, timeoutMs))
      loading = job
      ledgers.set(key, job)
      job().catch(() => ledgers.delete(key))
      if (ledgers.size > KEPT_LEDGERS) {
        ledgers.delete(ledgers.keys().next().value!)
      }
    }
    return loading()
  }

  const messagesOf = (content: RecordContent) => content.messages.map((bytes) => open(bytes, network))

  /** What a cycle that follows the record of `cid` builds on. */
  const after = async (cid: CID | null): Promise<Pick<CycleInputs, 'previous' | 'ledger'>> => {
    if (cid == null) {
      return { previous: null, ledger: new Map() }
    }
    const { content, ledger } = await ensure(cid)
    return { previous: { cid, cycle: content.cycle, offences: offencesIn(messagesOf(content), content.cycle) }, ledger }
  }

  const inputsOf = async ({ cycle, messages, stakes, base }: CycleFacts): Promise<CycleInputs> => ({
    taskId,
    genesisHash,
    cycle,
    ...(await after(base.previous == null ? null : CID.parse(base.previous.cid))),
    beacon: base.beacon,
    stakes: stakes.weights,
    totalStake: stakes.total,
    ...(stakes.stakers == null ? {} : { stakers: stakes.stakers }),
    bounty: base.bounty,
    largestSlash,
    messages
  })

  return {
    ensure,
    async outcome(cid, stakes) {
      const { content, ledger } = await ensure(cid)
      const previous = content.previous == null ? null : { cid: content.previous.toString(), cycle: 0 }
      const base = { previous, bounty: content.bounty, beacon: content.beacon }
      const inputs = await inputsOf({ cycle: content.cycle, messages: messagesOf(content), stakes, base })
      return { content, ledger, tally: tally(inputs) }
    },
    async build(facts) {
      const inputs = await inputsOf(facts)
      const counted = tally(inputs)
      const built = buildRecord(inputs, counted, await distribution(distributionInput(inputs, counted)))
      await store(built.blocks)
      await keep(
        facts.cycle,
        built.blocks.map(({ cid }) => cid)
      )
      return built
    },
    async check(cid, facts, from, timeoutMs, ends) {
      try {
        const inputs = await inputsOf(facts)
        const { content } = await readRecord(cid, kept.from(from, timeoutMs, ends), recordLimits(facts.stakes.weights.size), breathe)
        const { mustHave, timely } = facts
        const check = await checkRecord(content, { ...inputs, mustHave, timely }, { timing, verify, distribution, breathe })
        if (!check.ok && check.verdict === 'wrong') {
          return { verdict: 'wrong', reason: check.reason }
        }
        // once it is finalized all that follows builds on its ledger, which its proposer may keep to itself
        await store(check.built.blocks)
        // pins wait for a clearing that is under way; an approval must not
        keep(
          facts.cycle,
          check.built.blocks.map(({ cid: part }) => part)
        ).catch(() => {})
        const record = { cid: cid.toString(), root: check.root, totalRewards: check.totalRewards }
        return check.ok ? { verdict: 'right', record } : { verdict: 'incomplete', record, reason: check.reason }
      } catch (err) {
        if (err instanceof RecordMalformedError) {
          return { verdict: 'wrong', reason: err.message }
        }
        if (err instanceof ProofUnavailableError) {
          return { verdict: 'unreadable', reason: err.message, notYet: true }
        }
        throw err
      }
    }
  }
}
