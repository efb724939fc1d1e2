/** A node as the control API sees it, with nothing behind it. */

import { NO_STATUS } from '../../src/control/former.ts'
import type { Controlled, Cycle, Paused, Status, Task } from '../../src/control/index.ts'
import { phasesOf } from '../../src/control/index.ts'

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
}

export function fakeNode(): FakeNode {
  const node: FakeNode = {
    health: { ok: false, reason: 'no stake in the task' },
    shown: STATUS,
    paused: null,
    status: async () => node.shown,
    healthy: () => node.health,
    tasks: (): Task[] => [
      {
        ...{ task: TASK, taskName: 'count', cycle: 3, finalizedCycle: 1, closedFrom: null, paused: node.paused, stake: '12', staked: true },
        ...{ bundles: [], minStake: '1', bundleNotice: 3, roundSlots: 100, submissionWindow: 30, auditWindow: 50 }
      }
    ],
    cycles: (_task, limit): Cycle[] => [3, 2, 1].slice(0, limit).map((cycle) => phasesOf(cycle, {}, TIMING, 320)),
    peers: () => [{ peerId: '12D3', staker: null, connections: [{ address: '/ip4/127.0.0.1/tcp/1', direction: 'inbound' }], mesh: false }],
    pause: async () => {
      node.paused ??= { from: 4, since: '2026-01-01T00:00:00.000Z' }
      return node.paused
    },
    resume: async () => {
      node.paused = null
    }
  }
  return node
}
