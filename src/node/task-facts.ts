import type { Health, Status } from '../control/index.ts'
import type { Stats } from '../observe/index.ts'

/** All of a status that is about one task. */
export type TaskFacts = Omit<
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
  status(): TaskFacts
  healthy(): Health
  /** Counters since the start: the task's gossip and peers, and what all tasks share. */
  stats(): Stats
}
