/** What a testnet says at its end. */
import type { PaceFacts } from '../k2/local/index.ts'
import type { RecordFacts, RunFacts } from './facts.ts'
import { type Invariant, nothingChecked } from './invariants.ts'
import type { Member, Stats } from './member.ts'

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

export interface SummaryInit {
  facts: RunFacts
  invariants: Invariant[]
  /** Whether it was ended from outside. */
  isStopped: boolean
  /** Why the run is not as it should be; empty when it is. */
  broken: string[]
  members: readonly Member[]
  records: RecordFacts[]
  /** By staker, ROE. */
  paid: ReadonlyMap<string, bigint>
  slashed: ReadonlyMap<string, bigint>
  /** When the run began, by `performance.now()`. */
  startedMs: number
  slotMs: PaceFacts | null
}

export function summarize(init: SummaryInit): TestnetSummary {
  const { facts, invariants, isStopped, broken, members, records, paid, slashed, startedMs, slotMs } = init
  const stats = members.flatMap(({ past, stats: current }) => (current == null ? past : [...past, current]))
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
    rewards: Object.fromEntries([...(last?.rewards ?? [])].map(([staker, roe]) => [staker, roe.toString()])),
    paid: amounts(paid),
    slashed: amounts(slashed),
    k2: {
      transactions: facts.transactions.length,
      bytes: facts.transactions.reduce((all, { bytes }) => all + bytes, 0),
      votes: facts.transactions.filter(({ failed }) => !failed).reduce((all, { votes }) => all + votes.length, 0),
      byKind: countBy(facts.transactions.flatMap(({ kinds }) => kinds))
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
