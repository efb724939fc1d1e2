import { cycleAt, type Timing, windowOf } from '../clock/index.ts'
import { commandLine, type LineOptions } from '../command/line.ts'
import type { TaskAccount } from '../k2/settlement/index.ts'
import { bundleOf } from '../k2/settlement/weights.ts'
import type { Events, Logger } from '../observe/index.ts'
import { recordCid } from '../record/index.ts'
import type { RoundsEvent } from '../rounds/index.ts'
import type { Archive, Runtime } from './ports.ts'
import type { Settled } from './settled.ts'

/** How much later than K2 itself our clock may be. */
const GRACE_SLOTS = 16

export interface TaskFollowInit {
  task: string
  /** As it was when the node was built. */
  account: TaskAccount
  timing: Timing
  /** Whether another bundle is fetched and run unread. */
  followBundle: boolean
  /** What a command takes that is about this node's stake. */
  own: LineOptions
  runtime: Pick<Runtime, 'follow'>
  /** The cycle whose work is under way. */
  cycle: () => number
  /** The slot of K2 now; undefined while it is not known. */
  slot: () => number | undefined
  handle: (event: RoundsEvent) => void
  settled: Settled
  archive: Archive
  events: Events
  log: Logger
}

/** What K2 says of the task: what is finalized, its bundle, and that it is closed. */
export interface TaskFollow {
  /** To be called once, when the slot is known or not to be had, and before `catchUp`. */
  begin(slot: number | undefined): void
  heard(account: TaskAccount): void
  /** What was finalized while the node was away. */
  catchUp(): void
  /** -1 before the first. */
  finalizedCycle(): number
  closedFrom(): number | undefined
  /** One line for the operator of a task that is closed. */
  notice(): string | null
}

export function createTaskFollow(init: TaskFollowInit): TaskFollow {
  const { task, account: first, timing, own, runtime, handle, settled, archive, events, log } = init
  let finalizedCycle = first.finalized?.cycle ?? -1
  let { bundle } = first
  let closedFrom: number | undefined

  /** Whether a cycle can have a result by our clock: nobody votes before its window is open. */
  const canBeFinal = (cycle: number): boolean => {
    const slot = init.slot()
    return slot == null || windowOf(timing, cycle, 'distribution').from <= slot + GRACE_SLOTS
  }

  /** The last cycle's window is over: what is left is the operator's to take. */
  const settledFrom = (cycle: number) => (cycle === 0 ? timing.startingSlot : windowOf(timing, cycle - 1, 'distribution').to)

  const whatNow = (cycle: number) =>
    `the task is closed: no work and no votes from cycle ${cycle} on. The node stays up and serves its proofs. From slot ${settledFrom(cycle)} on, claim what is owed and take the stake out: ${commandLine(['claim'], own)}, ${commandLine(['unstake'], { ...own, amount: 'all' })}, then ${commandLine(['withdraw'], own)}`

  /** What the manager of the task has changed. */
  const follow = (account: TaskAccount): void => {
    runtime.follow(account, init.cycle())
    // one that was given may give up its place to another, in the same round too
    if (account.bundle.from >= bundle.from && account.bundle.cid !== bundle.cid) {
      bundle = account.bundle
      log.warn(
        { event: 'bundle-changed', bundle: bundle.cid, cycle: bundle.from },
        init.followBundle
          ? 'the manager has given the task another bundle: it is fetched now, and runs from that cycle on'
          : 'the manager has given the task another bundle: read it, and start this node again before that cycle'
      )
      events.emit('bundle-changed', { bundle: bundle.cid, from: bundle.from })
    }
    // nobody opens a task again: an endpoint that does not know that it is closed is behind
    if (account.closedFrom != null && account.closedFrom !== closedFrom) {
      closedFrom = account.closedFrom
      handle({ type: 'closed-from', cycle: closedFrom })
      log.warn({ event: 'task-closed', task, cycle: closedFrom }, whatNow(closedFrom))
      events.emit('task-closed', { from: closedFrom, settledFromSlot: settledFrom(closedFrom), reason: whatNow(closedFrom) })
    }
  }

  return {
    begin(slot) {
      // whoever starts while another bundle waits is told of it, too
      bundle = slot == null ? bundle : bundleOf(first, Math.max(0, cycleAt(timing, slot)))
      follow(first)
    },
    heard(account) {
      follow(account)
      const { finalized } = account
      if (finalized == null) {
        return
      }
      if (!canBeFinal(finalized.cycle)) {
        log.warn({ cycle: finalized.cycle }, 'K2 tells a result of a cycle that nobody can have voted on yet: it is not believed')
        return
      }
      // what was believed while the clock followed a lie is in the way of nothing
      if (finalized.cycle <= finalizedCycle && canBeFinal(finalizedCycle)) {
        return
      }
      finalizedCycle = finalized.cycle
      handle({ type: 'finalized', cycle: finalizedCycle })
      const cid = recordCid(finalized.recordDigest)
      events.emit('finalized', {
        cycle: finalized.cycle,
        record: cid.toString(),
        root: Buffer.from(finalized.root).toString('hex'),
        totalRewards: account.totalRewards.toString()
      })
      settled.follow(finalized.cycle, cid).finally(() => archive.follow(finalized.cycle, cid))
    },
    catchUp() {
      if (first.finalized != null) {
        // the ledger so far, for the records to come
        const last = recordCid(first.finalized.recordDigest)
        const { cycle } = first.finalized
        settled.catchUp(cycle, last).finally(() => archive.follow(cycle, last))
      }
    },
    finalizedCycle: () => finalizedCycle,
    closedFrom: () => closedFrom,
    notice: () => (closedFrom == null ? null : whatNow(closedFrom))
  }
}
