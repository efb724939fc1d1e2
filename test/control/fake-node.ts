/** A node as the control API sees it, with nothing behind it. */

import { NO_STATUS } from '../../src/control/former.ts'
import type { AskedTask, Controlled, Cycle, Paused, Status, Task, TaskStatus } from '../../src/control/index.ts'
import { phasesOf, TaskRefusedError } from '../../src/control/index.ts'

export const TASK = '9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin'
export const OTHER_TASK = '52yZU6HMtBsyMumVzYBY9U9oiKfNkpDdWnWmfHrn5EyU'
export const TIMING = { startingSlot: 0, roundSlots: 100, submissionWindow: 30, auditWindow: 50 }

export const STATUS: Status = {
  ...NO_STATUS,
  ...{ node: 'n', peerId: '12D3', task: TASK, taskName: 'count', program: 'P', minStake: '1', bundleNotice: 3, keyFile: '/k.json' },
  ...{ slot: 320, cycle: 3, staked: true, stake: '12', finalizedCycle: 1, rssBytes: 1 },
  gossip: { ...NO_STATUS.gossip, delivered: 1, signatureChecks: 1, published: 1 },
  records: { ...NO_STATUS.records, maxBytes: 1 }
}

export interface FakeNode extends Controlled {
  health: { ok: boolean; reason: string }
  shown: Status
  paused: Paused | null
  /** What was added, as it was asked for. */
  added: AskedTask[]
}

/** One task of a status: what there is of one that runs. */
export function taskStatus(of: Partial<TaskStatus> = {}): TaskStatus {
  const { gossip, signing, sync, outbox, records } = STATUS
  return {
    ...{ task: TASK, taskName: 'count', node: 'n', state: 'running', reason: null, keyFile: '/k.json', signer: null, minStake: '1' },
    ...{ bundleNotice: 3, cycle: 3, staked: true, keyReplaced: false, stake: '12', finalizedCycle: 1, bundles: [], closedFrom: null },
    ...{ paused: null, notices: [], taskProcess: null, peers: { staked: 2, mesh: 1 }, gossip, signing, sync, outbox, records, cycles: [] },
    ...of
  }
}

/** One that failed before anything of it was known. */
export function failedTask(task: string, reason: string): TaskStatus {
  return taskStatus({
    ...{ task, reason, taskName: null, node: null, state: 'failed', keyFile: null, minStake: null, bundleNotice: null, cycle: null },
    ...{
      staked: null,
      stake: null,
      finalizedCycle: null,
      signing: null,
      gossip: null,
      peers: null,
      sync: null,
      outbox: null,
      records: null
    }
  })
}

/** What a task may be added with is checked by a real node. */
const taskOf = (task: string, taskName: string, paused: Paused | null): Task => ({
  ...{ task, taskName, node: 'n', state: 'running', reason: null, cycle: 3, finalizedCycle: 1, closedFrom: null, paused },
  ...{ stake: '12', staked: true, bundles: [], minStake: '1', bundleNotice: 3, roundSlots: 100, submissionWindow: 30, auditWindow: 50 }
})

export function fakeNode(): FakeNode {
  const node: FakeNode = {
    health: { ok: false, reason: 'no stake in the task' },
    shown: STATUS,
    paused: null,
    added: [],
    status: async () => node.shown,
    healthy: () => node.health,
    tasks: (): Task[] => [taskOf(TASK, 'count', node.paused), ...node.added.map(({ task }) => taskOf(task, 'more', null))],
    cycles: (_task, limit): Cycle[] => [3, 2, 1].slice(0, limit).map((cycle) => phasesOf(cycle, {}, TIMING, 320)),
    peers: () => [
      { peerId: '12D3', staker: null, connections: [{ address: '/ip4/127.0.0.1/tcp/1', direction: 'inbound' }], mesh: false, tasks: [] }
    ],
    pause: async () => {
      node.paused ??= { from: 4, since: '2026-01-01T00:00:00.000Z' }
      return node.paused
    },
    resume: async () => {
      node.paused = null
    },
    add: async (asked) => {
      if (node.tasks().some(({ task }) => task === asked.task)) {
        throw new TaskRefusedError('task-there', 'the node does that task already')
      }
      node.added.push(asked)
      return { ...taskOf(asked.task, 'more', null), configured: asked.task === TASK }
    },
    remove: async (task) => {
      node.added = node.added.filter((one) => one.task !== task)
      return { task, configured: task === TASK }
    }
  }
  return node
}
