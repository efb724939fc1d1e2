import type { Fault } from './faults.ts'

/** What a testnet run has seen: plain facts, so that the checks over them are pure. */
export interface RunFacts {
  nodes: NodeFacts[]
  /** Every transaction of K2 that was not of the traffic stream, in order. */
  transactions: TransactionFacts[]
  /** The finalized cycles of the run, ascending. */
  records: RecordFacts[]
  /** First slot of cycle 0. */
  startingSlot: number
  roundSlots: number
  /** The cycle whose votes were still coming in when somebody stopped the run: what it lacks is nobody's fault. */
  openCycle: number | null
  /** What K2 has finalized last, which may be a cycle after those of the run: it was voted on while the nodes were stopped. */
  onK2: { cycle: number; totalRewards: bigint } | null
  /** Money on K2 in ROE: what genesis made, what is there now, and the fees that were burned between. */
  money: { genesis: bigint; now: bigint; fees: bigint }
  /** By staker: what the ledger has, what was taken on K2, and what is left there. Null when nothing was paid out. */
  slashes: ReadonlyMap<string, { ledger: bigint; applied: bigint; left: bigint }> | null
  pot: { funded: bigint; claimed: bigint; lamports: bigint; rentReserve: bigint; slashed: bigint } | null
}

export interface NodeFacts {
  name: string
  staker: string
  fault: Fault | null
  /** CID of the record that the node holds for each finalized cycle. */
  records: ReadonlyMap<number, string>
  /** Set when the process was killed or stopped on purpose during the run. */
  interrupted: boolean
  /** The first cycle for which it had stake. */
  firstCycle: number
  /** The process ended on its own. */
  crashed: string | null
}

export interface TransactionFacts {
  slot: number
  signature: string
  feePayer: string
  bytes: number
  failed: boolean
  /** Instruction names of the settlement program, or the program's name. */
  kinds: string[]
  /** Those that counted: one, or in a batch those whose vote was not in yet. */
  votes: Array<{ staker: string; cycle: number }>
}

export interface RecordFacts {
  cycle: number
  cid: string
  root: string
  /** Whether content, tally, distribution, ledger and root were recomputed from the fetched record and found right. */
  recomputed: { ok: true } | { ok: false; reason: string }
  accepted: string[]
  rejected: Array<{ staker: string; reason: string }>
  /** Cumulative, ROE. */
  rewards: ReadonlyMap<string, bigint>
  totalRewards: bigint
}

/** What a task came to for its stakers at the end: by staker, ROE. */
export interface Payout {
  paid: ReadonlyMap<string, bigint>
  slashed: ReadonlyMap<string, bigint>
  /** Whether everything that is owed was paid and slashed. */
  complete: boolean
}
