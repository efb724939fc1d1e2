import type { Pool, Verdict } from '../judge/index.ts'

/** What both sides of the protocol touch. */
export interface SyncParts {
  pool: Pool
  /** The live cycles now; none while the slot is not known. */
  cycles: () => number[]
  /** The judge's door: the same as for gossip. */
  receive: (bytes: Uint8Array, from: string) => Verdict
}
