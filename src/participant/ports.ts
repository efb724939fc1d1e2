/**
 * What a participant needs of the world. It has nothing of its own but memory: no library of the network, no timer, no file, no
 * socket, no clock and no dice. A real node gives it real ones, the simulation its own.
 */
import type { CID } from 'multiformats/cid'
import type { FinalVote, StakeView } from '../k2/index.ts'
import type { TaskAccount } from '../k2/settlement/index.ts'
import type { ProviderHint } from '../proofs/index.ts'
import type { DistributionEntry, DistributionInput, GetBlock } from '../record/index.ts'
import type { SubmissionDraft } from '../rounds/index.ts'
import type { CycleTiming } from '../tasks/index.ts'
import type { Finding, Message } from '../wire/index.ts'

/** K2's slots, and the waits between them. */
export interface Clock {
  /** The slot of K2 now; undefined while it is not known. */
  now(): number | undefined
  /** What a slot takes, in ms. */
  slotMs(): number
  /** Calls `listener` with each new slot. Returns the function that ends it. */
  on(listener: (slot: number) => void): () => void
  /** Monotonic, in ms. */
  nowMs(): number
  /** Resolves after `ms`, or as soon as `signal` is aborted. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Lets everything else that is due now go first. */
  breathe(): Promise<void>
}

/** In [0, 1), and nobody's guess. */
export type Random = () => number

/** The others. */
export interface Transport {
  /** Sends a message that the door has let in. */
  send(message: Message): Promise<unknown>
  /**
   * Asks who is there, those of `first` before all others.
   *
   * @param onAnswer called once for each staker that answers
   * @returns the stakers that are asked
   */
  ask(first: readonly string[], onAnswer: (staker: string) => void, timeoutMs: number): string[]
  /** Where the staked peers are that we know. */
  providers(): ProviderHint[]
  /** Where one staker's node is, by what it has announced. */
  providerOf(staker: string): ProviderHint | undefined
}

/** K2, as far as the rounds of one task ask it. */
export interface Chain {
  /** The task's account, read at or after a slot. */
  task(minSlot?: number): Promise<TaskAccount>
  stakes: Pick<StakeView, 'weight' | 'isStaked' | 'accounts' | 'at'>
  /** The hash of the first block at or after a slot, 32 bytes. */
  blockhashAt(slot: number): Promise<Uint8Array>
  /** What a cycle came to as we see it: votes of others that say the same may be brought along. */
  decided(vote: FinalVote): void
  /** Brings a final vote of ours there, durably. */
  cast(vote: FinalVote): Promise<void>
  /** A vote that another has handed over to be brought along. False when it is not signed by its staker. */
  bring(vote: FinalVote & { stakingKey: string; signature: Uint8Array }): boolean
  /** The last vote of a staker, and whether most endpoints say so. */
  lastVote(of: {
    task: string
    staker: string
    commitment: 'confirmed'
  }): Promise<{ value: { cycle: number; recordDigest: Uint8Array } | undefined; sure: boolean }>
}

/** Blocks of records and ledgers, by their CID. */
export interface Blocks {
  /** Blocks that are here, or that one of `from` gives within `timeoutMs`; their hashes are checked. */
  from(from: ProviderHint[], timeoutMs: number, until?: AbortSignal): GetBlock
  put(cid: CID, bytes: Uint8Array): Promise<void>
  /** Keeps one block. `provide`: the DHT is told who has it. */
  pin(cid: CID, options: { cycle: number; provide?: boolean }): Promise<unknown>
}

/**
 * `notYet`: what failed was K2, or this machine had no room for a process: it may be tried again while its window lasts. `timedOut`: all of
 * the time was used up that it was given.
 */
export type Worked = { ok: true; draft: SubmissionDraft } | { ok: false; reason: string; notYet?: boolean; timedOut?: boolean }

export interface Audited {
  finding: Finding | 'abstained'
  reason: string
  /** Of one that abstained: it could be made later. */
  notYet?: boolean
  /** Of one that abstained: all of the time was used up that it was given. */
  timedOut?: boolean
}

export interface AuditLimits {
  fetchMs: number
  totalMs: number
  /** What both get on top, where slots may become longer meanwhile. */
  graceMs?: number
  /** Aborted when the slot has come by which the proof must be here: how long slots take is only measured. */
  fetchEnds?: AbortSignal
  /** The same for all of it. */
  ends?: AbortSignal
}

/** Between the rounds and the task: does the work of a cycle, and audits what others submitted. */
export interface TaskHost {
  /** It only says why it does nothing. */
  idle?: true
  /** @param ends aborted when the slot has come by which it must be done */
  work(timing: CycleTiming, timeoutMs: number, ends?: AbortSignal): Promise<Worked>
  /**
   * @param from who may have the proof, the submitter first
   * @param limits how long the proof may take to come, and how long all of it may take, in ms from now
   */
  audit(submission: Message, from: ProviderHint[], timing: CycleTiming, limits: AuditLimits): Promise<Audited>
}

/** What runs the task's code. */
export interface Runtime {
  /** Who does the work of a cycle, as the task's bundle may change; undefined until that is here. */
  host(cycle: number): TaskHost | undefined
  /** Runs the task's distribution function. @throws DistributionUnavailableError */
  distribution(input: DistributionInput): Promise<readonly DistributionEntry[]>
  /** K2 names a bundle: it is fetched, and given up when another has its place. */
  follow(account: TaskAccount, cycle: number): void
}

/** Where finalized records are kept for long. */
export interface Archive {
  /** K2 has finalized the record `cid` of `cycle`. Never throws. */
  follow(cycle: number, cid: CID): void
}
