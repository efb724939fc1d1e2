import type { Pace } from '../local-k2/index.ts'
import type { NodeEvent } from '../observe/index.ts'
import type { Fault } from './faults.ts'
import type { TestnetSummary } from './summary.ts'

/** What a testnet tells of itself, by its name. Amounts are in ROE; `task` is the address of the task that it is about, null for none. */
export interface TestnetDetails {
  k2: { url: string; program: string; slotMs: number; pace: Pace }
  task: { task: string; name: string; bundle: string; params: unknown; network: boolean }
  ready: { nodes: number }
  /** `node` is a staking key, here and below. */
  'node-started': { name: string; node: string; pid: number | null; fault: Fault | null }
  'node-killed': { name: string; node: string }
  'node-ended': { name: string; node: string; reason: string }
  'passed-over': { name: string; node: string; waitedMs: number }
  staked: { task: string; name: string; node: string; roe: bigint }
  finalized: {
    task: string
    cycle: number
    /** CID */
    record: string
    root: string
    accepted: string[]
    rejected: Array<{ staker: string; reason: string }>
    recomputed: boolean
  }
  unclaimed: { task: string; cycle: number | null }
  paid: { task: string; node: string; to: string; roe: bigint }
  slashed: { task: string; node: string; roe: bigint }
}

type Told = {
  [Name in keyof TestnetDetails]: {
    event: Name
    slot: number
    cycle: number | null
    node: string | null
    task: string | null
  } & TestnetDetails[Name]
}[keyof TestnetDetails]

/** What it tells: its own, those of its nodes with their names, and the sum at its end. */
export type TestnetEvent = Told | (NodeEvent & { name: string }) | TestnetSummary
