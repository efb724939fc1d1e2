/**
 * The shapes that tasks, the runner and the rooms around it share. The contract for task authors in words is
 * `protocols/task/README.md`; this file is the same contract for the compiler.
 *
 * Two sides meet here. What an author sees: `TaskBundle` and `TaskContext`. What the node hands in: `TaskStore`,
 * `TaskProofs`, `ProofReader` and `TaskK2Reader`. Between them sits a process boundary that only plain data crosses.
 */

import type { EndingName, FailureReason } from './endings.ts'

export type { FailureReason } from './endings.ts'

// ---- limits (protocols/task/README.md, "Limits") ----

/** The submission's value travels in every node's gossip; Koii's limit, kept. Bytes of UTF-8. */
export const MAX_SUBMISSION_VALUE_BYTES = 512
/** Proof roots in one submission: what a message holds (protocols/wire). */
export const MAX_SUBMISSION_PROOFS = 4
/** All proofs of one submission together, bytes: the default and the most of a manifest's `proofBytes` (protocols/proofs). */
export const MAX_SUBMISSION_PROOF_BYTES = 64 * 1024 * 1024
/** JavaScript heap of a bundle whose manifest names none, MiB: the same everywhere, as what an audit needs says something of a submission. */
export const DEFAULT_MEMORY_MB = 128
/** Why a submission is invalid, bytes of UTF-8; the runner cuts what is longer, as messages hold no more. */
export const MAX_REASON_BYTES = 160
/** One dag-cbor block. Bitswap moves whole blocks, so a block is the unit that a peer must take on trust until it is hashed. */
export const MAX_NODE_BYTES = 256 * 1024
/** All files of one `putFiles`: they cross the process boundary in one frame. */
export const MAX_PUT_FILES_BYTES = 16 * 1024 * 1024
/** Files of one `putFiles`. */
export const MAX_PUT_FILES = 4096
/** Bytes of one `readFile`; longer files are read in parts. */
export const MAX_READ_BYTES = 1024 * 1024
/** Key of the task's key-value store, bytes of UTF-8. */
export const MAX_KEY_BYTES = 256
/** Value of the task's key-value store, bytes of UTF-8. */
export const MAX_VALUE_BYTES = 64 * 1024
/** Keys that one `list` answers with; go on with `after`. */
export const MAX_LIST_KEYS = 1000
/** Slots that one `getBlocks` may span. */
export const MAX_SLOT_SPAN = 10_000
/** The bundle itself: it is read and verified by people before they run it. */
export const MAX_BUNDLE_BYTES = 8 * 1024 * 1024

// ---- data ----

/** Slots of one cycle's work stage. `endSlot` is the first slot that is no longer part of it. `slotMs` is the length of a slot now, in ms. */
export interface CycleTiming {
  cycle: number
  startSlot: number
  endSlot: number
  slotMs: number
}

/** What a node gossips for a cycle. */
export interface TaskSubmission {
  /** UTF-8, at most 512 bytes */
  value: string
  /** root CIDs, base32 CIDv1 strings */
  proofs: string[]
}

/** A submission as an auditor gets it. `staker` is the key that signed it, base58: the `ctx.staker` of the node that made it. */
export interface AuditedSubmission extends TaskSubmission {
  staker: string
}

export interface AuditResult {
  valid: boolean
  /** why not, in a few words; part of the challenge and of the record */
  reason?: string
}

/**
 * Input of `distribution`: nothing but what the record holds (protocols/record "Distribution"), so that every node has the
 * same. `Amount` is decimal text of ROE on the node's side of the process boundary and bigint on the author's.
 */
export interface DistributionFacts<Amount> {
  taskId: string
  cycle: number
  /** the most that may be paid */
  bounty: Amount
  /** hex of 32 bytes, a hash of all inputs: seeds every source of randomness */
  seed: string
  /** the accepted ones */
  submissions: Array<{ staker: string; value: string; stake: Amount }>
  /** whose submission does not count, and all who equivocated; reasons: invalid, unavailable, equivocated, refuted */
  rejected: Array<{ staker: string; reason: string; stake: Amount }>
  /** everyone who had stake in the cycle */
  stakes: Array<{ staker: string; stake: Amount }>
}

/** As the record makes it. */
export type DistributionInput = DistributionFacts<string>

/** ROE to (positive) or from (negative, a slash) a staker. */
export interface DistributionEntry {
  staker: string
  amount: bigint
}

/** A K2 transaction, reduced to what every RPC answers alike. Amounts are ROE as decimal strings. */
export interface TaskTransaction {
  signature: string
  feePayer: string
  fee: string
  /** null when it succeeded, else the error as compact JSON */
  err: string | null
  /** programs called, own and inner instructions, in order of first call */
  programs: string[]
  /** all accounts, static ones first, then those from look-up tables (writable, readonly); balances are in the same order */
  accounts: string[]
  preBalances: string[]
  postBalances: string[]
}

export interface TaskBlock {
  slot: number
  blockhash: string
  parentSlot: number
  transactions: TaskTransaction[]
}

// ---- what the node hands in ----

/** The task's key-value store (`KeyValue` of src/store), scoped to this task and under its quota by whoever hands it in. */
export interface TaskStore {
  get(key: string): Promise<Uint8Array | undefined>
  /** @throws QuotaExceededError */
  put(key: string, value: Uint8Array): Promise<void>
  delete(key: string): Promise<void>
  /** the keys that begin with `prefix` and come after `after`, ascending by their bytes, `limit` at most */
  list(prefix?: string, range?: { after?: string; limit?: number }): Promise<string[]>
}

/** One file of a UnixFS directory tree. */
export interface ProofFile {
  /** relative, `/` between parts, no empty, `.` or `..` parts */
  path: string
  /** root of the file itself */
  cid: string
  /** content, bytes */
  size: number
}

/** Reads proofs. Values are IPLD: plain data, `Uint8Array` for bytes, `CID` (multiformats) for links. */
export interface ProofReader {
  /** value of one dag-cbor block */
  getNode(cid: string, options: { signal: AbortSignal }): Promise<unknown>
  /** all files below a UnixFS directory (a lone file: one entry with path ''), by path ascending */
  listFiles(cid: string, options: { signal: AbortSignal }): Promise<ProofFile[]>
  /** `length` is at most MAX_READ_BYTES; shorter at the end of the file */
  readFile(cid: string, path: string, range: { offset: number; length: number; signal: AbortSignal }): Promise<Uint8Array>
}

/** Makes proofs. Both put what they make into the block store, durably, before they answer with its root. */
export interface TaskProofs extends ProofReader {
  /** one dag-cbor block, at most MAX_NODE_BYTES encoded; links are `CID`s */
  putNode(value: unknown, options: { signal: AbortSignal }): Promise<string>
  /** a UnixFS directory; must be deterministic: the same files give the same root */
  putFiles(files: Array<{ path: string; content: Uint8Array }>, options: { signal: AbortSignal }): Promise<string>
}

/** Read access to K2. */
export interface TaskK2Reader {
  /** the newest confirmed slot */
  slot(options: { signal: AbortSignal }): Promise<number>
  /** a block of a slot below `slot()`; null when that slot was skipped. Throws when K2 cannot say. */
  block(slot: number, options: { signal: AbortSignal }): Promise<TaskBlock | null>
  /** slots with a block in start..end, end included, ascending */
  blocks(start: number, end: number, options: { signal: AbortSignal }): Promise<number[]>
}

// ---- what an author writes ----

/** A link to a block, as an author writes and reads it. */
export interface TaskLink {
  '/': string
}

/** What a bundle says of itself. */
export interface TaskManifest {
  name: string
  version: string
  description?: string
  /** outgoing network; the operator has to agree */
  network?: boolean
  /** JavaScript heap, MiB, 128 when left out; the operator's maximum caps it */
  memoryMb?: number
  /** time limits by function, ms; the node's own limits cap them */
  timeoutsMs?: Partial<Record<TaskFunction, number>>
  /** the most that all proofs of one submission have together, bytes; the protocol's most when left out */
  proofBytes?: number
  /** the fewest proofs that a submission has, 0 to 4; 0 when left out */
  minProofs?: number
}

export type TaskFunction = 'setup' | 'task' | 'submission' | 'audit' | 'distribution'

/** All that a task can reach. Every method rejects with a named error and may be called at any time during a call. */
export interface TaskContext {
  taskId: string
  /** own staking key, base58 */
  staker: string
  /** the task's parameters, the same on every node */
  params: unknown
  /** slots of the cycle that this call is about; null in setup */
  timing: CycleTiming | null
  /** aborted when the call's time is over; the process is killed soon after */
  signal: AbortSignal
  log(...parts: unknown[]): void
  kv: {
    get(key: string): Promise<string | undefined>
    put(key: string, value: string): Promise<void>
    delete(key: string): Promise<void>
    list(options?: { prefix?: string; after?: string; limit?: number }): Promise<string[]>
  }
  proofs: {
    putNode(value: unknown): Promise<string>
    putFiles(files: Array<{ path: string; content: Uint8Array | string }>): Promise<string>
    get(cid: string): Promise<unknown>
    list(cid: string): Promise<ProofFile[]>
    readFile(cid: string, path: string, range?: { offset?: number; length?: number }): Promise<Uint8Array>
  }
  k2: {
    slot(): Promise<number>
    getBlock(slot: number): Promise<TaskBlock | null>
    getBlocks(start: number, end: number): Promise<number[]>
  }
}

/** The exports of a bundle. Only `manifest`, `task`, `submission` and `audit` are required. */
export interface TaskBundle {
  manifest: TaskManifest
  setup?(context: TaskContext): Promise<void> | void
  task(context: TaskContext, cycle: number): Promise<void> | void
  submission(context: TaskContext, cycle: number): Promise<TaskSubmission | null> | TaskSubmission | null
  audit(context: TaskContext, submission: AuditedSubmission, cycle: number): Promise<boolean | AuditResult> | boolean | AuditResult
  distribution?(
    input: DistributionInput
  ): Promise<Array<{ staker: string; amount: bigint | string }>> | Array<{ staker: string; amount: bigint | string }>
}

// ---- outcomes ----

/**
 * Why a call gave nothing.
 * - crashed: the process ended by itself
 * - killed: the process was ended by a signal from outside, which this node did not send
 * - timeout: killed, or gave up, when its time was over
 * - out-of-memory: over its memory limit, killed by the runner or ended by V8
 * - nonsense: a result or message that the contract does not know
 * - threw: the function threw; detail is the error
 * - not-loaded: the bundle does not load, or lacks a required export
 * - aborted: the caller's signal
 * - interrupted: another call of the same process made it end
 * - stopped: the runner is stopped
 * - unavailable: this node's own fault; the process could not be started
 */
/** One place of a stack, such as { name: 'audit', place: 'main.mjs:12:5' }. */
export interface StackFrame {
  /** Of the function; empty at the top level of the module. */
  name: string
  line: number
  /** 0 where it is not told. */
  column: number
}

/**
 * `ending` is the row of the table of endings (endings.ts), where the runner knows it. `accuses`, of an audit alone: the
 * submission counts as invalid, since the bundle brought this about itself and every honest auditor finds the same.
 * `at`: the place in the bundle that it came from, such as main.mjs:12:5. `frames`: the way there, on its way to the runner alone, which logs it.
 */
export type Outcome<T> =
  | { ok: true; value: T }
  | { ok: false; reason: FailureReason; detail: string; ending?: EndingName; accuses?: true; at?: string; frames?: StackFrame[] }
