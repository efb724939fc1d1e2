/** What a testnet says at its end. */
import type { PaceFacts } from '../local-k2/index.ts'
import type { Payout } from './facts.ts'
import { type Invariant, nothingChecked } from './invariants.ts'
import { countersOf, type Member, type Stats } from './member.ts'
import type { TaskRun } from './task-run.ts'
import type { LoggedTransaction } from './transactions.ts'

/** What became of one task. Amounts are in ROE. */
export interface TaskSummary {
  /** Address of its account on K2. */
  task: string
  /** Its name, with a number where others have the same. */
  name: string
  ok: boolean
  reason: string | null
  /** Why nothing was checked, where no cycle was finalized; null where something was. */
  unchecked: string | null
  cycles: number
  finalized: number
  skipped: number[]
  records: Array<{ cycle: number; root: string; record: string; accepted: string[]; rejected: Array<{ staker: string; reason: string }> }>
  rewards: Record<string, string>
  paid: Record<string, string>
  /** What was taken out of stakes on K2 by the ledger, ROE. */
  slashed: Record<string, string>
  /** Those that K2 took. */
  votes: number
  invariants: Invariant[]
}

/** What is of one task alone stands at the top as well, where a run has no other. */
type OfTheOnly = Partial<Pick<TaskSummary, 'cycles' | 'skipped' | 'records' | 'rewards' | 'paid' | 'slashed'>>

export interface TestnetSummary extends OfTheOnly {
  event: 'summary'
  ok: boolean
  /** The first. */
  reason: string | null
  /** Why nothing was checked in any task. */
  unchecked: string | null
  nodes: number
  /** Cycles of all tasks together. */
  finalized: number
  k2: { transactions: number; bytes: number; votes: number; byKind: Record<string, number> }
  gossip: { delivered: number; duplicates: number; signatureChecks: number }
  proofs: { fetched: number; bytes: number }
  /** Of all tasks, one after the other: `task` says of which. */
  invariants: Array<Invariant & { task: string }>
  seconds: number
  /** What a slot was asked to take and what it took, in ms, and which node slots waited for longest; null with `strict`. */
  slotMs: { asked: number; median: number; longest: number; waitedFor: { name: string; ms: number } | null } | null
  tasks: TaskSummary[]
}

/** One task at the end of a run. */
export interface PlayedTask {
  run: TaskRun
  payout: Payout
  invariants: Invariant[]
}

export interface SummaryInit {
  tasks: readonly PlayedTask[]
  /** Whether it was ended from outside. */
  isStopped: boolean
  /** Why the run did not go as it should; null where it did. */
  failure: string | null
  members: readonly Member[]
  /** All of the run, whichever task they are about. */
  transactions: readonly LoggedTransaction[]
  /** When the run began, by `performance.now()`. */
  startedMs: number
  slotMs: PaceFacts | null
}

export function summarize(init: SummaryInit): TestnetSummary {
  const { tasks, isStopped, failure, members, transactions, startedMs, slotMs } = init
  const all = tasks.map((task) => summaryOf(task, transactions, isStopped))
  const broken = [failure, ...tasks.map(({ run }, at) => (all[at]!.reason == null ? null : run.about(all[at]!.reason)))].filter(
    (reason) => reason != null
  )
  const stats = members.flatMap((member) => {
    const current = countersOf(member)
    return current == null ? member.past : [...member.past, current]
  })
  const sum = (pick: (one: Stats) => number) => stats.reduce((all, one) => all + pick(one), 0)
  const only = all.length === 1 ? all[0] : undefined
  return {
    event: 'summary',
    ok: broken.length === 0,
    reason: broken[0] ?? null,
    unchecked: all.every(({ unchecked }) => unchecked != null) ? all[0]!.unchecked : null,
    nodes: members.length,
    ...(only && { cycles: only.cycles }),
    finalized: all.reduce((cycles, { finalized }) => cycles + finalized, 0),
    ...(only && {
      ...{ skipped: only.skipped, records: only.records, rewards: only.rewards, paid: only.paid, slashed: only.slashed }
    }),
    k2: {
      transactions: transactions.length,
      bytes: transactions.reduce((all, { bytes }) => all + bytes, 0),
      votes: transactions.filter(({ failed }) => !failed).reduce((all, { votes }) => all + votes.length, 0),
      byKind: countBy(transactions.flatMap(({ kinds }) => kinds))
    },
    gossip: {
      delivered: sum(({ gossip }) => gossip.delivered),
      duplicates: sum(({ gossip }) => gossip.duplicates),
      signatureChecks: sum(({ gossip }) => gossip.signatureChecks)
    },
    proofs: { fetched: sum(({ proofs }) => proofs.fetched), bytes: sum(({ proofs }) => proofs.bytes) },
    invariants: all.flatMap(({ task, invariants }) => invariants.map((one) => ({ ...one, task }))),
    seconds: Math.round((performance.now() - startedMs) / 100) / 10,
    slotMs,
    tasks: all
  }
}

function summaryOf({ run, payout, invariants }: PlayedTask, transactions: readonly LoggedTransaction[], isStopped: boolean): TaskSummary {
  const { task, label, records } = run
  const broken = invariants.flatMap(({ name, broken: found }) => (found == null ? [] : [`${name}: ${found}`]))
  const last = records.at(-1)
  const cycles = last == null ? 0 : last.cycle + 1
  const votes = transactions.filter(({ failed }) => !failed).flatMap((one) => one.votes.filter((vote) => vote.task === task))
  return {
    task,
    name: label,
    ok: broken.length === 0,
    reason: broken[0] ?? null,
    unchecked: nothingChecked(invariants, isStopped),
    cycles,
    finalized: records.length,
    skipped: Array.from({ length: cycles }, (_, cycle) => cycle).filter((cycle) => !records.some((record) => record.cycle === cycle)),
    records: records.map(({ cycle, root, cid, accepted, rejected }) => ({ cycle, root, record: cid, accepted, rejected })),
    rewards: amounts(last?.rewards ?? new Map()),
    paid: amounts(payout.paid),
    slashed: amounts(payout.slashed),
    votes: votes.length,
    invariants
  }
}

function amounts(by: ReadonlyMap<string, bigint>): Record<string, string> {
  return Object.fromEntries([...by].map(([staker, roe]) => [staker, roe.toString()]))
}

function countBy(names: string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) {
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
