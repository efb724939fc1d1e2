/** What a testnet says at its end. */
import type { PaceFacts } from '../k2/local/index.ts'
import type { Payout, TransactionFacts } from './facts.ts'
import { type Invariant, nothingChecked } from './invariants.ts'
import { countersOf, type Member, type Stats } from './member.ts'
import type { TaskRun } from './task-run.ts'

export interface TestnetSummary {
  event: 'summary'
  ok: boolean
  reason: string | null
  /** Why nothing was checked, where no cycle was finalized; null where something was. */
  unchecked: string | null
  nodes: number
  cycles: number
  finalized: number
  skipped: number[]
  records: Array<{ cycle: number; root: string; record: string; accepted: string[]; rejected: Array<{ staker: string; reason: string }> }>
  rewards: Record<string, string>
  paid: Record<string, string>
  /** What was taken out of stakes on K2 by the ledger, ROE. */
  slashed: Record<string, string>
  k2: { transactions: number; bytes: number; votes: number; byKind: Record<string, number> }
  gossip: { delivered: number; duplicates: number; signatureChecks: number }
  proofs: { fetched: number; bytes: number }
  invariants: Invariant[]
  seconds: number
  /** What a slot was asked to take and what it took, in ms, and which node slots waited for longest; null with `strict`. */
  slotMs: { asked: number; median: number; longest: number; waitedFor: { name: string; ms: number } | null } | null
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
  transactions: readonly TransactionFacts[]
  /** When the run began, by `performance.now()`. */
  startedMs: number
  slotMs: PaceFacts | null
}

export function summarize(init: SummaryInit): TestnetSummary {
  const { tasks, isStopped, failure, members, transactions, startedMs, slotMs } = init
  const { run, payout, invariants } = tasks[0]!
  const { records } = run
  const broken = [failure, ...invariants.map(({ name, broken: found }) => (found == null ? null : `${name}: ${found}`))].filter(
    (reason) => reason != null
  )
  const stats = members.flatMap((member) => {
    const current = countersOf(member)
    return current == null ? member.past : [...member.past, current]
  })
  const sum = (pick: (one: Stats) => number) => stats.reduce((all, one) => all + pick(one), 0)
  const last = records.at(-1)
  const cycles = last == null ? 0 : last.cycle + 1
  return {
    event: 'summary',
    ok: broken.length === 0,
    reason: broken[0] ?? null,
    unchecked: nothingChecked(invariants, isStopped),
    nodes: members.length,
    cycles,
    finalized: records.length,
    skipped: Array.from({ length: cycles }, (_, cycle) => cycle).filter((cycle) => !records.some((record) => record.cycle === cycle)),
    records: records.map(({ cycle, root, cid, accepted, rejected }) => ({ cycle, root, record: cid, accepted, rejected })),
    rewards: amounts(last?.rewards ?? new Map()),
    paid: amounts(payout.paid),
    slashed: amounts(payout.slashed),
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
    invariants,
    seconds: Math.round((performance.now() - startedMs) / 100) / 10,
    slotMs
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
