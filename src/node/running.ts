import { cycleAt } from '../clock/index.ts'
import { type Control, startControl } from '../control/index.ts'
import { createStakeFollow, messageOf, readFirst, type StakeFollow } from '../k2/index.ts'
import { unreachableNotice, watchNetworks } from '../network/index.ts'
import type { Rooms } from './rooms.ts'

/** A bundle that is on the disk is given this long to load before the first slot is heard; what comes later is waited for. */
const BUNDLE_START_MS = 5_000
/** The disk of a node that writes little is looked at this often. */
const DISK_CHECK_SLOTS = 25
/** Whether an announcement is due is asked this often: addresses change, and slots can jump. */
const ANNOUNCE_CHECK_SLOTS = 4

/** Starts a node from K2 outwards, and stops it the other way. */
export function createRunning(rooms: Rooms): { start(): Promise<void>; stop(): Promise<void> } {
  const { base, chain, mesh, keeping, work, votes, participant, gossip, sync, meeting } = rooms
  const { config, log, self, store, signing, stopping } = base
  const { k2, paced, account, timing, slots, stakes, nodeEvents, events } = chain
  const { host, peers, presence, hello, discovery } = mesh
  const { addresses } = host.libp2p.services
  let api: Control | undefined
  let pastHint: string | null = null
  let started = false
  let leaveNetworks = () => {}
  let stakeFollow: StakeFollow | undefined
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
    if (slot % DISK_CHECK_SLOTS === 0) {
      tellPastHint()
      base.watch.look()
    }
    participant.onSlot(slot, { isBack: back, isConnected: presence.staked().length > 0 })
    votes.batcher.onSlot(slot)
    votes.slasher.onSlot(slot)
    if (slot % ANNOUNCE_CHECK_SLOTS === 0) {
      void meeting.announce()
    }
    stakeFollow?.onSlot(slot, meeting.hasStrangers() || stakes.isStaked(self) !== true)
  }

  /** What happens from now on is heard. */
  const follow = () => {
    leaveNetworks = watchNetworks({
      onLeft(gone) {
        log.warn({ gone }, 'this machine has left a network: what went over its connections is asked for again')
        k2.renew('this machine has left a network')
        paced?.renew()
        void meeting.announce()
      }
    })
    const unreachable = unreachableNotice(addresses)
    if (unreachable != null) {
      log.warn(unreachable)
    }
    discovery.start()
    peers.onBan((peerId, reason) => events.emit('peer-cut', { peerId, staker: peers.stakerOf(peerId) ?? null, reason }))
    presence.onChange(({ peerId, staker, present }) => {
      events.emit(present ? 'peer' : 'peer-left', { peerId, staker, staked: presence.staked().length })
      if (present && presence.staked().length <= 3) {
        sync.now(1).catch(() => {})
        participant.handle({ type: 'arrived' })
      }
    })
    k2.watchTask(config.task, participant.follow.heard)
    stakeFollow = createStakeFollow({ k2, task: config.task, stakes, log })
  }

  /** Among the others: what was said before is taken up, and they are told that we are here. */
  const join = async (url: string) => {
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
    nodeEvents.emit('listening', {
      peerId: host.libp2p.peerId.toString(),
      multiaddrs: addresses.told().map(String),
      listens: addresses.listens().map(String),
      api: url,
      staked: stakes.isStaked(self) ?? null
    })
    tellPastHint()
  }

  /** One after the other: what fails keeps nothing that comes after it from being let go. */
  const inTurn = async (...steps: Array<() => unknown>) => {
    for (const step of steps) {
      try {
        await step()
      } catch (err) {
        log.error({ reason: messageOf(err) }, 'a part of the node could not be stopped: the others are')
      }
    }
  }

  return {
    async start() {
      // first, as a port in use is the operator's to mend, and nothing has to be undone yet
      const { apiHost, apiPort, dataDir } = config
      api = await startControl({ host: apiHost, port: apiPort, dataDir, node: rooms.controlled, events: nodeEvents, log })
      started = true
      await slots.start()
      await readFirst(stakes, log, stopping.signal)
      await participant.open(now())
      peers.refresh()
      await keeping.proofs.start()
      await mesh
        .keepPorts()
        .catch((err) => log.warn({ reason: messageOf(err) }, 'the ports of this start are not kept: the next one may listen on others'))
      // a bundle that is on the disk is loaded while the rest starts, so that nothing is asked for in vain
      work.versions.follow(account, Math.max(0, cycleAt(timing, now())))
      await join(api.url)
      follow()
      await votes.outbox.resume(participant.openVotes(now()))
      participant.start(slots.now())
      await work.versions.atHand(BUNDLE_START_MS)
      slots.on(onSlot)
      paced?.start()
      participant.follow.catchUp()
    },
    async stop() {
      stopping.abort()
      signing.abandon()
      leaveNetworks()
      paced?.stop()
      mesh.lifeSigns.stop()
      presence.stop()
      await inTurn(
        slots.stop,
        work.versions.stop,
        votes.outbox.stop,
        // what is owed to K2 is in the outbox: nobody waits for its answers any more
        k2.close,
        votes.batcher.stop,
        votes.slasher.stop,
        discovery.stop,
        sync.stop,
        hello.stop,
        gossip.stop,
        () => started && nodeEvents.emit('stats', rooms.status.stats()),
        participant.settled,
        keeping.history.stop,
        keeping.proofs.stop,
        () => host.libp2p.stop(),
        () => api?.stop()
      )
      try {
        store.messages.flush()
      } catch (err) {
        log.error({ reason: messageOf(err) }, 'what was heard last is not on the disk; other nodes have it')
      }
      await base.close()
      if (started) {
        nodeEvents.emit('stopped')
      }
    }
  }
}
