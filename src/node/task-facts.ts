import type { Health, Status } from '../control/index.ts'
import type { Stats } from '../observe/index.ts'

/** What a list of tasks shows of one. */
export type TaskFacts = Pick<
  Status,
  | 'task'
  | 'taskName'
  | 'node'
  | 'minStake'
  | 'bundleNotice'
  | 'cycle'
  | 'staked'
  | 'stake'
  | 'finalizedCycle'
  | 'bundles'
  | 'closedFrom'
  | 'paused'
>

/** All of a status that is about one task. */
export type TaskState = Omit<
  Status,
  | 'peerId'
  | 'multiaddrs'
  | 'listens'
  | 'program'
  | 'k2'
  | 'slot'
  | 'proofs'
  | 'peers'
  | 'door'
  | 'rssBytes'
  | 'heapBytes'
  | 'externalBytes'
  | 'tasks'
> & { peers: { staked: number; mesh: number } }

/** What is told of a task: to the operator, to a supervisor, and in its events. */
export interface TaskStatusView {
  facts(): TaskFacts
  status(): TaskState
  healthy(): Health
  /** Counters since the start: the task's gossip and peers, and what all tasks share. */
  stats(): Stats
}
