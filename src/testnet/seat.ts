/** A node of a testnet in one of its tasks: its stake there, and what it has said of that task. */
import type { Member } from './member.ts'
import type { NodeRow } from './table.ts'

export interface Seat {
  member: Member
  /** Address of its stake account. */
  stake: string
  row: NodeRow
  /** CID of its record of each cycle. */
  records: Map<number, string>
  /** Cycles of which it has told what became of its vote. */
  told: Set<number>
  /** Its process has the code, and runs it. */
  hasTask: boolean
  /** The task does not run on it. */
  failed: boolean
  /** Why it has given up this task, and goes on with its others. */
  ended: string | null
}

export function newSeat(member: Member, stake: string): Seat {
  return {
    member,
    stake,
    row: {
      name: member.name,
      staker: member.pair.address,
      fault: member.fault,
      state: 'starting',
      peers: 0,
      work: '-',
      submitted: '-',
      audits: '-',
      challenged: '-',
      voted: '-',
      rewards: 0n
    },
    records: new Map(),
    told: new Set(),
    hasTask: false,
    failed: false,
    ended: null
  }
}
