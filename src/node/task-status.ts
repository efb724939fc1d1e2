import { cycleAt } from '../clock/index.ts'
import { keyFileOf } from '../config/index.ts'
import type { Health } from '../control/index.ts'
import type { Stats } from '../observe/index.ts'
import { statsOf } from './host/stats.ts'
import { STATUS_CYCLES } from './life.ts'
import type { Rooms } from './rooms.ts'
import type { TaskFacts, TaskState, TaskStatusView } from './task-facts.ts'

/** @param init - the rooms of a task that are made before what tells of them */
export function createTaskStatus(init: Omit<Rooms, 'shared' | 'meeting' | 'status'>): TaskStatusView {
  const { base, chain, mesh, keeping, work, votes, participant, gossip, sync } = init
  const { config, signing, self, store } = base
  const { account, timing, slots, stakes, ownStake } = chain
  const { presence, bootstrapNotice } = mesh
  const { follow, guard, replaced } = participant
  const { versions, pause } = work

  const stats = (): Stats => statsOf(mesh.host, keeping.proofs, [{ gossip, presence }])

  function facts(): TaskFacts {
    const slot = slots.now() ?? null
    const finalized = follow.finalizedCycle()
    return {
      task: config.task,
      taskName: account.name,
      node: self,
      minStake: account.minStake.toString(),
      bundleNotice: account.bundleNotice,
      cycle: slot == null ? null : cycleAt(timing, slot),
      staked: stakes.isStaked(self) ?? null,
      stake: (ownStake()?.amount[0]?.value ?? 0n).toString(),
      finalizedCycle: finalized < 0 ? null : finalized,
      bundles: versions.list(),
      closedFrom: follow.closedFrom() ?? null,
      paused: pause.paused()
    }
  }

  function status(): TaskState {
    const { gossip: traffic, peers } = stats()
    return {
      ...facts(),
      keyFile: config.signer == null ? keyFileOf(config) : null,
      signer: config.signer ?? null,
      keyReplaced: replaced.notice() != null,
      signing: guard.status(),
      notices: [
        guard.notice(),
        signing.notice(),
        replaced.notice(),
        presence.staked().length > 0 ? null : bootstrapNotice.notice(),
        init.hintNotice(),
        follow.notice(),
        pause.notice()
      ].filter((notice) => notice != null),
      taskProcess: versions.of(participant.cycle())?.runner.status() ?? null,
      gossip: traffic,
      peers: { staked: peers.staked, mesh: peers.mesh },
      sync: sync.counters(),
      outbox: votes.outbox.counters(),
      records: keeping.history.status(),
      cycles: store.cycles.list(config.task, STATUS_CYCLES)
    }
  }

  function healthy(): Health {
    if (stakes.isStaked(self) !== true) {
      return { ok: false, reason: replaced.notice() ?? 'no stake in the task' }
    }
    const unsigned = guard.notice() ?? signing.notice()
    if (unsigned != null) {
      return { ok: false, reason: unsigned }
    }
    if (presence.staked().length === 0) {
      return { ok: false, reason: 'no staked peer is connected' }
    }
    return { ok: true, reason: pause.paused() == null ? 'working' : 'working, but the operator has paused the task' }
  }

  return { facts, status, healthy, stats }
}
