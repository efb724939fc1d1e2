/** What became of each cycle, as the operator is told and as a restart needs it. */
import type { FinalVote } from '../k2/index.ts'
import type { Events } from '../observe/index.ts'
import type { CycleLog } from '../store/index.ts'
import { keepInLog } from './journal.ts'

export interface CycleNotes {
  /** Whether K2 has this vote for good, as far as this node was told. */
  hasVoted(vote: FinalVote): boolean
  /** K2 has it. `sent`: the transaction of ours that brought it; null when it came there by another way. */
  voted(vote: FinalVote, sent: { signature: string; bytes: number } | null): void
  /** Its window is over, and K2 does not have it. */
  voteLost(vote: FinalVote, reason: string): void
  /** K2 has no record of it. It says so when the window is over, and the records around the cycle do later: it is told once. */
  skipped(cycle: number, reason: string): void
  /** The last cycle that was voted on; -1 before the first. */
  votedCycle(): number
}

export function createCycleNotes({ task, cycles, events }: { task: string; cycles: CycleLog; events: Events }): CycleNotes {
  let last = -1
  events.on(keepInLog(cycles, task))
  return {
    hasVoted: ({ cycle, root }) => cycles.get(task, cycle)?.voted === hex(root),
    voted({ cycle, root }, sent) {
      last = cycle
      events.emit('voted', { cycle, root: hex(root), signature: sent?.signature ?? null, bytes: sent?.bytes ?? null })
    },
    voteLost({ cycle }, reason) {
      events.emit('vote-lost', { cycle, reason })
    },
    skipped(cycle, reason) {
      if (cycles.get(task, cycle)?.skipped == null) {
        events.emit('skipped', { cycle, reason })
      }
    },
    votedCycle: () => last
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
