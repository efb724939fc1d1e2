import { cycleAt } from '../clock/index.ts'
import { createStakeFollow, messageOf, readFirst, type StakeFollow } from '../k2/index.ts'
import { inTurn } from './closers.ts'
import type { Rooms } from './rooms.ts'

/** A bundle that is on the disk is given this long to load before the first slot is heard; what comes later is waited for. */
const BUNDLE_START_MS = 5_000
/** Whether the address on K2 still leads here is asked this often. */
const HINT_CHECK_SLOTS = 25
/** Whether an announcement is due is asked this often: addresses change, and slots can jump. */
const ANNOUNCE_CHECK_SLOTS = 4

/** A task's life within a node that runs: K2's slots are heard, and libp2p and the block store are there. */
export interface Running {
  /** Among the others: what was said before is taken up, and they are told that we are here. */
  join(): Promise<void>
  /** What happens from now on is heard. */
  begin(): Promise<void>
  /** The news of K2 that were missed; when slots wait for this node, too. */
  catchUp(): void
  /** The task's processes, and what is on its way to K2: while K2 can be spoken with. */
  end(): Promise<void>
  /** All else, outside in. */
  leave(): Promise<void>
}

export function createRunning(rooms: Rooms): Running {
  const { shared, base, chain, mesh, keeping, work, votes, participant, gossip, sync, meeting } = rooms
  const { config, log, self, signing, stopping } = base
  const { k2, account, timing, slots, stakes, events } = chain
  const { peers, presence, hello, discovery } = mesh
  let pastHint: string | null = null
  let stakeFollow: StakeFollow | undefined
  /** Ends what is told to this task. */
  const deafen: Array<() => void> = []
  const now = () => slots.now() ?? 0
  let under: Promise<void> = Promise.resolve()
  /** What is left in the middle of its start goes no further. */
  const inSteps = (...steps: Array<() => unknown>): Promise<void> => {
    const run = async () => {
      for (const step of steps) {
        stopping.signal.throwIfAborted()
        await step()
      }
    }
    const running = run()
    under = running.catch(() => {})
    return running
  }

  /** Told once for each way in which it is so. */
  const tellPastHint = () => {
    const past = rooms.hintNotice()
    if (past != null && past !== pastHint) {
      events.emit('address-past', { reason: past })
    }
    pastHint = past
  }

  const onSlot = (slot: number, back = false) => {
    if (slot % HINT_CHECK_SLOTS === 0) {
      tellPastHint()
    }
    participant.onSlot(slot, { isBack: back, isConnected: presence.staked().length > 0 })
    votes.batcher.onSlot(slot)
    votes.slasher.onSlot(slot)
    if (slot % ANNOUNCE_CHECK_SLOTS === 0) {
      void meeting.announce()
    }
    stakeFollow?.onSlot(slot, meeting.hasStrangers() || stakes.isStaked(self) !== true)
  }

  const follow = () => {
    discovery.start()
    deafen.push(peers.onBan((peerId, reason) => events.emit('peer-cut', { peerId, staker: peers.stakerOf(peerId) ?? null, reason })))
    presence.onChange(({ peerId, staker, present }) => {
      events.emit(present ? 'peer' : 'peer-left', { peerId, staker, staked: presence.staked().length })
      if (present && presence.staked().length <= 3) {
        sync.now(1).catch(() => {})
        participant.handle({ type: 'arrived' })
      }
    })
    deafen.push(k2.watchTask(config.task, participant.follow.heard))
    stakeFollow = createStakeFollow({ k2, task: config.task, stakes, log })
    deafen.push(stakeFollow.stop)
  }

  const close = () =>
    inTurn(
      log,
      votes.batcher.stop,
      votes.slasher.stop,
      discovery.stop,
      sync.stop,
      // with the node its connections end, and all of this with them
      () => gossip.stop(!shared.base.stopping.signal.aborted),
      hello.stop,
      participant.settled,
      keeping.history.stop
    )

  return {
    join: () =>
      inSteps(
        () => readFirst(stakes, log, stopping.signal),
        () => participant.open(now()),
        () => {
          peers.refresh()
          // a bundle that is on the disk is loaded while the rest starts, so that nothing is asked for in vain
          work.versions.follow(account, Math.max(0, cycleAt(timing, now())))
        },
        hello.start,
        gossip.start,
        sync.start,
        () => participant.join(now()),
        () => {
          stakes.onRefresh(() => {
            participant.replaced.look()
            meeting.onStakes()
          })
          stakes.onCorrected((cycle, set) => participant.handle({ type: 'stakes', cycle, stakes: set }))
        },
        () => meeting.announce(true)
      ),
    begin: () =>
      inSteps(
        tellPastHint,
        follow,
        () => votes.outbox.resume(participant.openVotes(now())),
        () => participant.start(slots.now()),
        () => work.versions.atHand(BUNDLE_START_MS),
        () => deafen.push(slots.on(onSlot))
      ),
    catchUp: () => participant.follow.catchUp(),
    async end() {
      stopping.abort()
      signing.abandon()
      mesh.lifeSigns.stop()
      presence.stop()
      await inTurn(log, ...deafen.splice(0), work.versions.stop, votes.outbox.stop)
    },
    async leave() {
      await close()
      // what a start that was left in the middle had opened meanwhile
      await under
      await inTurn(log, ...deafen.splice(0), close)
      try {
        base.store.messages.flush()
      } catch (err) {
        log.error({ reason: messageOf(err) }, 'what was heard last is not on the disk; other nodes have it')
      }
      await base.close()
    }
  }
}
