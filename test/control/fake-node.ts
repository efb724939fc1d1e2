/** A node as the control API sees it, with nothing behind it. */
import type { Controlled, Cycle, Paused, Status, Task } from '../../src/control/index.ts'
import { phasesOf } from '../../src/control/index.ts'

export const TASK = '9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin'
export const OTHER_TASK = '52yZU6HMtBsyMumVzYBY9U9oiKfNkpDdWnWmfHrn5EyU'
export const TIMING = { startingSlot: 0, roundSlots: 100, submissionWindow: 30, auditWindow: 50 }

export const STATUS: Status = {
  ...{ node: 'n', peerId: '12D3', multiaddrs: [], listens: [], task: TASK, taskName: 'count', program: 'P', minStake: '1' },
  ...{ bundleNotice: 3, keyFile: '/k.json', signer: null, k2: [], slot: 320, cycle: 3, staked: true, keyReplaced: false, stake: '12' },
  ...{ finalizedCycle: 1, bundles: [], closedFrom: null, paused: null, notices: [], taskProcess: null, rssBytes: 1, cycles: [] },
  signing: { state: 'signs', untilSlot: null, reason: null },
  gossip: { delivered: 1, duplicates: 0, signatureChecks: 1, published: 1, synced: 0, refused: {} },
  proofs: { fetched: 0, bytes: 0, unavailable: 0, invalid: 0, servedBlocks: 0, servedBytes: 0, dhtQueries: 0 },
  peers: { staked: 0, connected: 0, mesh: 0 },
  door: { total: 0, unstaked: 0, greeting: 0, dropped: {}, cut: {} },
  sync: { asked: 0, served: 0, received: 0, sent: 0, failed: 0 },
  outbox: { signed: 0, sent: 0, rolledBack: 0, landedTwice: 0, handedOver: 0, voted: 0, lost: 0, bids: 0 },
  records: { from: null, to: null, bytes: 0, maxBytes: 1, gaps: [] }
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
