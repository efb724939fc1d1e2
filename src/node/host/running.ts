import { type Control, startControl } from '../../control/index.ts'
import { messageOf } from '../../k2/index.ts'
import { unreachableNotice, watchNetworks } from '../../network/index.ts'
import { inTurn } from '../closers.ts'
import type { Shared } from '../rooms.ts'
import type { HostControlled } from './control.ts'
import type { Leftovers } from './leftovers.ts'
import type { HostStatus } from './status.ts'
import type { Tasks } from './tasks.ts'

/** The disk of a node that writes little is looked at this often. */
const DISK_CHECK_SLOTS = 25
/** A task that failed is tried again this often: a minute of K2. */
const RETRY_SLOTS = 150

export interface HostRunningInit {
  shared: Shared
  tasks: Tasks
  controlled: HostControlled
  status: HostStatus
  leftovers: Leftovers
}

/** Starts a node from K2 outwards, and stops it the other way. */
export function createHostRunning({ shared, tasks, controlled, status, leftovers }: HostRunningInit) {
  const { base, chain, mesh, keeping } = shared
  const { config, log, rooms, stopping } = base
  const { k2, paced, slots, events } = chain
  const { libp2p } = mesh.host
  const { addresses } = libp2p.services
  let api: Control | undefined
  let started = false
  let leaveNetworks = () => {}

  const onSlot = (slot: number) => {
    if (slot % DISK_CHECK_SLOTS === 0) {
      base.watch.look()
      void leftovers.look(slot)
    }
    if (slot % RETRY_SLOTS === 0 && tasks.areRunning()) {
      void controlled.retry()
    }
  }

  /** What happens to the machine from now on is heard. */
  const follow = () => {
    leaveNetworks = watchNetworks({
      onLeft(gone) {
        log.warn({ gone }, 'this machine has left a network: what went over its connections is asked for again')
        k2.renew('this machine has left a network')
        paced?.renew()
        for (const { meeting } of rooms.values()) {
          void meeting.announce()
        }
      }
    })
    const unreachable = unreachableNotice(addresses)
    if (unreachable != null) {
      log.warn(unreachable)
    }
  }

  return {
    async start(): Promise<void> {
      // first, as a port in use is the operator's to mend, and nothing has to be undone yet
      api = await startControl({ host: config.apiHost, port: config.apiPort, dataDir: config.dataDir, node: controlled, events, log })
      started = true
      await slots.start()
      await keeping.proofs.start()
      await mesh
        .keepPorts()
        .catch((err) => log.warn({ reason: messageOf(err) }, 'the ports of this start are not kept: the next one may listen on others'))
      slots.on(onSlot)
      follow()
      await tasks.runAll(events, () =>
        events.emit('listening', {
          peerId: libp2p.peerId.toString(),
          multiaddrs: addresses.told().map(String),
          listens: addresses.listens().map(String),
          api: api!.url,
          staked: status.staked()
        })
      )
      paced?.start()
      tasks.catchUp()
    },
    async stop(): Promise<void> {
      stopping.abort()
      leaveNetworks()
      paced?.stop()
      await inTurn(log, slots.stop, tasks.endAll)
      // what is owed to K2 is in the outbox: nobody waits for its answers any more
      await inTurn(log, k2.close, () => started && events.emit('stats', status.stats()), tasks.leaveAll, keeping.proofs.stop)
      await inTurn(
        log,
        () => libp2p.stop(),
        () => api?.stop()
      )
      await base.close()
      if (started) {
        events.emit('stopped')
      }
    }
  }
}
