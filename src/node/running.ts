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
  const { base, chain, mesh, keeping, work, votes, participant, gossip, sync, meeting } = rooms
  const { config, log, self, signing, stopping } = base
  const { k2, account, timing, slots, stakes, events } = chain
  const { peers, presence, hello, discovery } = mesh
  let pastHint: string | null = null
  let stakeFollow: StakeFollow | undefined
  /** Ends what is told to this task. */
  const deafen: Array<() => void> = []
  const now = () => slots.now() ?? 0

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

  /** What has begun of it: where that is left in the middle, it ends before what it may have opened is closed. */
  let underWay: Promise<unknown> = Promise.resolve()
  const tracked = (run: () => Promise<void>) => (): Promise<void> => {
    const done = run()
    underWay = done.catch(() => {})
    return done
  }

  const close = () =>
    inTurn(
      log,
      votes.batcher.stop,
      votes.slasher.stop,
      discovery.stop,
      sync.stop,
      gossip.stop,
      hello.stop,
      participant.settled,
      keeping.history.stop
    )

  return {
    join: tracked(async () => {
      await readFirst(stakes, log, stopping.signal)
      stopping.signal.throwIfAborted()
      await participant.open(now())
      peers.refresh()
      // a bundle that is on the disk is loaded while the rest starts, so that nothing is asked for in vain
      work.versions.follow(account, Math.max(0, cycleAt(timing, now())))
      await hello.start()
      gossip.start()
      await sync.start()
      await participant.join(now())
      stakes.onRefresh(() => {
        participant.replaced.look()
        meeting.onStakes()
      })
      stakes.onCorrected((cycle, set) => participant.handle({ type: 'stakes', cycle, stakes: set }))
      await meeting.announce(true)
    }),
    begin: tracked(async () => {
      stopping.signal.throwIfAborted()
      tellPastHint()
      follow()
      await votes.outbox.resume(participant.openVotes(now()))
      participant.start(slots.now())
      await work.versions.atHand(BUNDLE_START_MS)
      stopping.signal.throwIfAborted()
      deafen.push(slots.on(onSlot))
    }),
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
      await underWay
      // what it had opened meanwhile
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
