import type { Pace } from '../local-k2/index.ts'

/** What a testnet waits for by the clock on the wall, in ms. */
export interface TestnetLimits {
  /** Nodes have this long to start, find each other and fetch the task; the slots then jump to the first cycle. */
  bootMs: number
  /** A node hears within this that the last cycle is finalized, and has its record. */
  lateMs: number
  /** The outsider has this long to fetch a record. */
  fetchMs: number
}

/** Where slots wait for the nodes, a slow machine makes a run long and spoils nothing. */
export function limitsOf(pace: Pace): TestnetLimits {
  return pace === 'auto' ? { bootMs: 600_000, lateMs: 300_000, fetchMs: 300_000 } : { bootMs: 90_000, lateMs: 5_000, fetchMs: 20_000 }
}
