/** What each scenario writes to `outcome.json`, for its spec. */
import type { LabFacts } from '../facts.ts'

/** Meeting, three cycles that count, and their votes. */
export const PUBLIC_SLOTS = 300

export interface PublicOutcome {
  facts: LabFacts
  /** By node: whom it is connected to, and whether it has the task's code. */
  met: Record<string, { peers: number; hasTask: boolean }>
  /** By node: the addresses that it told when it began to listen. */
  told: Record<string, string[]>
  /** By node: where K2 says that it is. */
  hints: Record<string, string | null>
  /** By node: ROE that `koii-mesh claim` brought. */
  claimed: Record<string, string>
}

/** Fourteen rounds of 60 slots, and the meeting. */
export const EIGHT_SLOTS = 14 * 60 + 150

export interface EightOutcome {
  facts: LabFacts
  haveMet: boolean
  /** How often a node was killed. */
  kills: number
  /** What the node behind a router told when it began to listen. */
  toldFromBehind: string[]
}

/** Each is the address that a datagram came from, or null when it did not come; where sending failed, why. */
export interface NetworkOutcome {
  plain: string | null
  /** Why nothing can be sent out of the lab. */
  wayOut: string | null
  cutOneWay: string | null
  cutOtherWay: string | null
  cutBothWays: Array<string | null>
  mended: string | null
  fromBehindRouter: string | null
  /** What is sent back to the router reaches the host behind it. */
  answered: boolean
  /** Why nothing can be sent to the private address. */
  toBehindRouter: string | null
  movedFrom: string | null
  movedTo: string | null
  /** Of so many packets, at 5 %. */
  lost: number
  packets: number
}
