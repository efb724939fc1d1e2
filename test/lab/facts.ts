import type { Timing } from '../../src/clock/index.ts'

/** What a run in the lab has seen: plain facts, so that the promises over them are pure. Slots are K2's, as the driver saw them. */
export interface LabFacts {
  timing: Timing
  /** K2's slot when the driver stopped looking. */
  lastSlot: number
  nodes: NodeFacts[]
  outages: Outage[]
  /** Cycles that K2 finalized, with the slot in which the driver saw it. */
  finalized: Array<{ cycle: number; slot: number }>
  /** Final votes that K2 has counted. */
  votes: Array<{ node: string; cycle: number; slot: number }>
  /** Finalized records as an outsider read and recomputed them. */
  records: RecordFacts[]
}

export interface NodeFacts {
  name: string
  /** ROE, as text for JSON. */
  stake: string
  /** The first cycle for which its stake counts; null when it never staked. */
  fromCycle: number | null
  submitted: Array<{ cycle: number; slot: number }>
  /** CID of the record that it holds, by cycle. */
  settled: Array<{ cycle: number; record: string }>
  /** It ended without having been told to. */
  crashed: string[]
  /** What it accused others of, or was accused of. */
  accused: Array<{ cycle: number; by: string; subject: string; finding: string; reason: string }>
}

/** A node is not there for the others: not running, not connected, or its network is another. */
export interface Outage {
  node: string
  why: 'killed' | 'cut' | 'moved'
  from: number
  /** The first slot in which it is back; null when it never was. */
  to: number | null
}

export interface RecordFacts {
  cycle: number
  record: string
  /** Null when all of it recomputes, else why not. */
  broken: string | null
  accepted: string[]
  rejected: Array<{ node: string; reason: string }>
  /** What the cycle gives to each node, ROE as text; those without pay are left out. */
  paid: Record<string, string>
}
