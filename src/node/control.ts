/** What the control API shows and does, of the rooms of one node. */
import { cycleAt, liveCycles, type Timing } from '../clock/index.ts'
import { type Controlled, type Cycle, NotNowError, type Peer, phasesOf, type Task } from '../control/index.ts'
import type { Gossip } from '../gossip/index.ts'
import type { StakeView } from '../k2/index.ts'
import type { StakeAccount, TaskAccount } from '../k2/settlement/index.ts'
import type { Host, Peers } from '../network/index.ts'
import type { TaskFollow } from '../participant/index.ts'
import type { CycleLog } from '../store/index.ts'
import type { Pause } from './pause.ts'
import type { NodeStatus } from './status.ts'
import type { TaskVersions } from './task-versions.ts'

export interface ControlledInit {
  task: string
  /** As it was when the node was built. */
  account: TaskAccount
  timing: Timing
  /** Our staking key. */
  self: string
  slot: () => number | undefined
  ownStake: () => StakeAccount | undefined
  stakes: Pick<StakeView, 'isStaked'>
  follow: Pick<TaskFollow, 'finalizedCycle' | 'closedFrom'>
  versions: Pick<TaskVersions, 'list'>
  cycles: Pick<CycleLog, 'list'>
  libp2p: Pick<Host['libp2p'], 'getConnections'>
  peers: Pick<Peers, 'isStaked' | 'stakerOf'>
  gossip: Pick<Gossip, 'meshPeers'>
  pause: Pause
  status: Pick<NodeStatus, 'status' | 'healthy'>
}

export function createControlled(init: ControlledInit): Controlled {
  const { task, account, timing, self, follow, pause } = init

  const shownTask = (): Task => {
    const slot = init.slot()
    const finalized = follow.finalizedCycle()
    return {
      ...{ task, taskName: account.name, node: self, state: 'running', reason: null },
      cycle: slot == null ? null : cycleAt(timing, slot),
      finalizedCycle: finalized < 0 ? null : finalized,
      closedFrom: follow.closedFrom() ?? null,
      paused: pause.paused(),
      stake: (init.ownStake()?.amount[0]?.value ?? 0n).toString(),
      staked: init.stakes.isStaked(self) ?? null,
      bundles: init.versions.list(),
      minStake: account.minStake.toString(),
      bundleNotice: account.bundleNotice,
      roundSlots: timing.roundSlots,
      submissionWindow: timing.submissionWindow,
      auditWindow: timing.auditWindow
    }
  }

  /** Those that are under way, and those of which something was kept. */
  const shownCycles = (limit: number): Cycle[] => {
    const slot = init.slot() ?? null
    const live = slot == null ? [] : [...liveCycles(timing, slot), cycleAt(timing, slot)].filter((cycle) => cycle >= 0)
    const kept = new Map(init.cycles.list(task, limit).map(({ cycle, entry }) => [cycle, entry]))
    return [...new Set([...live, ...kept.keys()])]
      .sort((one, other) => other - one)
      .slice(0, limit)
      .map((cycle) => phasesOf(cycle, kept.get(cycle) ?? {}, timing, slot))
  }

  const shownPeers = (): Peer[] => {
    const mesh = new Set(init.gossip.meshPeers())
    const byPeer = Map.groupBy(init.libp2p.getConnections(), ({ remotePeer }) => remotePeer.toString())
    return [...byPeer].map(([peerId, connections]) => {
      const staker = init.peers.isStaked(peerId) ? (init.peers.stakerOf(peerId) ?? null) : null
      return {
        ...{ peerId, staker, mesh: mesh.has(peerId) },
        connections: connections.map(({ remoteAddr, direction }) => ({ address: remoteAddr.toString(), direction })),
        tasks: staker == null ? [] : [{ task, staker, mesh: mesh.has(peerId) }]
      }
    })
  }

  const notYet = async (): Promise<never> => {
    throw new NotNowError('this node does one task: start another one, with a data directory of its own, for another task')
  }

  return {
    status: init.status.status,
    healthy: init.status.healthy,
    tasks: () => [shownTask()],
    cycles: (_task, limit) => shownCycles(limit),
    peers: shownPeers,
    pause: () => pause.pause(),
    resume: () => pause.resume(),
    ...{ add: notYet, remove: notYet }
  }
}
