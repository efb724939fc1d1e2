/** What is shown of a task, whether it runs or not: null is what is not known, as it is not there yet, or failed before it was. */
import { keyFileOf } from '../../config/index.ts'
import type { Task, TaskStatus } from '../../control/index.ts'
import type { TaskStatusView } from '../task-facts.ts'
import type { TaskEntry } from './tasks.ts'

const viewOf = ({ rooms, isLeft }: TaskEntry): TaskStatusView | undefined => (isLeft === true ? undefined : rooms?.status)

function factsOf(entry: TaskEntry) {
  const { config, base, begun, state, reason } = entry
  const account = begun?.chain.account
  const facts = viewOf(entry)?.facts() ?? {
    ...{ task: config.task, taskName: account?.name ?? null, node: base?.self ?? null },
    ...{ minStake: account?.minStake.toString() ?? null, bundleNotice: account?.bundleNotice ?? null },
    ...{ cycle: null, staked: null, stake: null, finalizedCycle: null, bundles: [], closedFrom: null, paused: null }
  }
  return { ...facts, state, reason }
}

/** As a list of tasks has it. */
export function shownTask(entry: TaskEntry): Task {
  const timing = entry.begun?.chain.timing
  return {
    ...factsOf(entry),
    roundSlots: timing?.roundSlots ?? null,
    submissionWindow: timing?.submissionWindow ?? null,
    auditWindow: timing?.auditWindow ?? null
  }
}

/** As a status has it. */
export function shownStatus(entry: TaskEntry): TaskStatus {
  const { config, state, reason } = entry
  const view = viewOf(entry)
  if (view != null) {
    return { ...view.status(), state, reason }
  }
  return {
    ...factsOf(entry),
    ...{ keyFile: config.signer == null ? keyFileOf(config) : null, signer: config.signer ?? null, keyReplaced: false },
    ...{ signing: null, notices: [], taskProcess: null, gossip: null, peers: null, sync: null, outbox: null, records: null, cycles: [] }
  }
}
