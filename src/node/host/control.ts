/** What the control API shows and does, of a node and its tasks. */
import { cycleAt, liveCycles } from '../../clock/index.ts'
import { ConfigError, MAX_TASKS, taskConfigOf } from '../../config/index.ts'
import {
  type Added,
  type AskedTask,
  type Controlled,
  type Cycle,
  NotNowError,
  type Peer,
  phasesOf,
  type Removed,
  TaskRefusedError
} from '../../control/index.ts'
import { messageOf } from '../../k2/index.ts'
import type { Rooms, Shared } from '../rooms.ts'
import { createTurns } from '../turns.ts'
import type { AddedTasks } from './kept.ts'
import type { Leftovers } from './leftovers.ts'
import { shownTask } from './shown.ts'
import type { HostStatus } from './status.ts'
import type { Tasks } from './tasks.ts'

export interface HostControlledInit {
  shared: Shared
  tasks: Tasks
  status: HostStatus
  added: AddedTasks
  leftovers: Leftovers
}

export interface HostControlled extends Controlled {
  /** Tries again what failed by what may pass: K2, a signer or a key that was not there. Never throws. */
  retry(): Promise<void>
}

export function createHostControlled({ shared, tasks, status, added, leftovers }: HostControlledInit): HostControlled {
  const { base, chain, mesh } = shared
  const { config, rooms } = base
  const inTurn = createTurns()

  /** @throws TaskRefusedError for one that is not there, or not any more */
  const roomsOf = (task: string): Rooms => {
    const found = rooms.get(task)
    if (found == null) {
      throw new TaskRefusedError('task-refused', `the node does not run this task: ${tasks.get(task)?.reason ?? 'it is not there'}`)
    }
    return found
  }

  const shownPeers = (): Peer[] => {
    const all = [...rooms.values()].map(({ base: { config: of }, mesh: { peers }, gossip }) => ({
      ...{ task: of.task, peers },
      near: new Set(gossip.meshPeers())
    }))
    const byPeer = Map.groupBy(mesh.host.libp2p.getConnections(), ({ remotePeer }) => remotePeer.toString())
    return [...byPeer].map(([peerId, connections]) => {
      const inTasks = all.flatMap(({ task, peers, near }) =>
        peers.isStaked(peerId) ? [{ task, staker: peers.stakerOf(peerId)!, mesh: near.has(peerId) }] : []
      )
      return {
        peerId,
        staker: inTasks[0]?.staker ?? null,
        connections: connections.map(({ remoteAddr, direction }) => ({ address: remoteAddr.toString(), direction })),
        mesh: inTasks.some(({ mesh: near }) => near),
        tasks: inTasks
      }
    })
  }

  const isConfigured = (task: string) => config.tasks.some((one) => one.task === task)

  /** @throws TaskRefusedError */
  const settingsOf = (asked: AskedTask) => {
    try {
      return taskConfigOf(config, asked)
    } catch (err) {
      throw err instanceof ConfigError ? new TaskRefusedError('bad-task', err.message) : err
    }
  }

  const add = async (asked: AskedTask): Promise<Added> => {
    if (!tasks.areRunning()) {
      throw new NotNowError('the node is just starting: add the task in a moment')
    }
    const settings = settingsOf(asked)
    const there = tasks.get(settings.task)
    if (there != null && there.state !== 'failed') {
      throw new TaskRefusedError('task-there', `the node has this task already (it is ${there.state})`)
    }
    if (tasks.all().filter((entry) => entry !== there && entry.state !== 'failed').length >= MAX_TASKS) {
      throw new TaskRefusedError('task-refused', `a node runs ${MAX_TASKS} tasks at most: remove another one first`)
    }
    await added.put(asked)
    try {
      const entry = await tasks.add(settings, shared)
      await leftovers.back(settings.task)
      entry.begun!.chain.events.emit('task-added', { taskName: entry.begun!.chain.account.name })
      return { ...shownTask(entry), configured: isConfigured(settings.task) }
    } catch (err) {
      if (there == null) {
        await added.delete(settings.task)
      }
      throw new TaskRefusedError('task-refused', `the task was not added: ${messageOf(err)}`)
    }
  }

  const remove = async (task: string): Promise<Removed> => {
    const entry = tasks.get(task)
    const others = tasks.all().filter((one) => one !== entry && one.state !== 'failed')
    if (others.length === 0) {
      throw new TaskRefusedError('last-task', 'no other task of the node runs: stop the node instead, or add another one first')
    }
    await added.delete(task)
    if (entry?.begun != null) {
      await leftovers.left(task, chain.slots.now(), entry.begun.chain.timing.roundSlots)
    }
    await tasks.remove(task)
    entry?.begun?.chain.events.emit('task-removed')
    return { task, configured: isConfigured(task) }
  }

  const retry = async () => {
    for (const { config: of } of tasks.all().filter(({ state, isOver }) => state === 'failed' && isOver !== true)) {
      try {
        const entry = await tasks.add(of, shared)
        entry.begun!.chain.events.emit('task-added', { taskName: entry.begun!.chain.account.name })
      } catch (err) {
        base.log.debug({ task: of.task, reason: messageOf(err) }, 'a task that failed cannot be done yet')
      }
    }
  }

  return {
    status: status.status,
    healthy: status.healthy,
    tasks: () => tasks.all().map(shownTask),
    cycles: (task, limit) => (rooms.has(task) ? shownCycles(roomsOf(task), limit) : []),
    peers: shownPeers,
    pause: async (task) => roomsOf(task).work.pause.pause(),
    resume: async (task) => roomsOf(task).work.pause.resume(),
    retry: () => inTurn(retry),
    add: (asked) => inTurn(() => add(asked)),
    remove: (task) => inTurn(() => remove(task))
  }
}

/** Those that are under way, and those of which something was kept. */
function shownCycles({ base, chain: { timing, slots } }: Rooms, limit: number): Cycle[] {
  const slot = slots.now() ?? null
  const live = slot == null ? [] : [...liveCycles(timing, slot), cycleAt(timing, slot)].filter((cycle) => cycle >= 0)
  const kept = new Map(base.store.cycles.list(base.config.task, limit).map(({ cycle, entry }) => [cycle, entry]))
  return [...new Set([...live, ...kept.keys()])]
    .sort((one, other) => other - one)
    .slice(0, limit)
    .map((cycle) => phasesOf(cycle, kept.get(cycle) ?? {}, timing, slot))
}
