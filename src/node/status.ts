import { cycleAt, type Timing } from '../clock/index.ts'
import { type Config, keyFileOf } from '../config/index.ts'
import type { Health, Status } from '../control/index.ts'
import type { Gossip } from '../gossip/index.ts'
import type { K2Client, Outage, Outbox, Slots, StakeView } from '../k2/index.ts'
import type { StakeAccount, TaskAccount } from '../k2/settlement/index.ts'
import { type Host, type Presence, unreachableNotice } from '../network/index.ts'
import { type Logger, logTrouble, type Stats } from '../observe/index.ts'
import type { KeyGuard, ReplacedKey, TaskFollow } from '../participant/index.ts'
import type { Proofs } from '../proofs/index.ts'
import type { Store } from '../store/index.ts'
import type { Sync } from '../sync/index.ts'
import type { BootstrapNotice } from './bootstrap-notice.ts'
import type { DiskCare } from './disk-care.ts'
import type { History } from './history.ts'
import type { Pause } from './pause.ts'
import type { Signing } from './signing.ts'
import type { TaskVersions } from './task-versions.ts'

export interface NodeStatusInit {
  config: Config
  /** As it was when the node was built. */
  account: TaskAccount
  timing: Timing
  /** Our staking key. */
  self: string
  ownStake: () => StakeAccount | undefined
  /** The cycle whose work is under way. */
  cycle: () => number
  /** The last so many are shown. */
  cyclesShown: number
  host: Host
  presence: Presence
  gossip: Gossip
  sync: Sync
  proofs: Proofs
  k2: K2Client
  outage: Outage
  slots: Slots
  stakes: StakeView
  outbox: Outbox
  store: Store
  history: History
  versions: TaskVersions
  follow: TaskFollow
  pause: Pick<Pause, 'paused' | 'notice'>
  guard: KeyGuard
  signing: Pick<Signing, 'notice'>
  replaced: ReplacedKey
  disk: DiskCare
  bootstrapNotice: BootstrapNotice
  hintNotice: () => string | null
  log: Logger
}

/** What a node tells of itself: to its operator, to a supervisor, and in its events. */
export interface NodeStatus {
  status(): Promise<Status>
  healthy(): Health
  /** Counters since the start. */
  stats(): Stats
}

export function createNodeStatus(init: NodeStatusInit): NodeStatus {
  const { config, account, timing, self, host, presence, gossip, sync, proofs, k2, outage, slots, stakes, outbox, store, history } = init
  const { versions, follow, pause, guard, signing, replaced, disk, bootstrapNotice, log } = init
  const { libp2p } = host
  const { addresses } = libp2p.services

  function stats(): Stats {
    const { delivered, duplicates, signatureChecks, published, synced, refused } = gossip.counters()
    const { fetched, fetchedBytes, unavailable, invalid, servedBlocks, servedBytes, dhtQueries } = proofs.stats()
    return {
      gossip: {
        delivered,
        duplicates,
        signatureChecks,
        published,
        synced,
        refused: Object.fromEntries(Object.entries(refused).filter(([, count]) => count > 0))
      },
      proofs: { fetched, bytes: fetchedBytes, unavailable, invalid, servedBlocks, servedBytes, dhtQueries },
      peers: { staked: presence.staked().length, connected: libp2p.getPeers().length, mesh: gossip.meshPeers().length },
      door: { ...host.slots.counts(), dropped: { ...host.doorstep.dropped(), ...host.slots.dropped() }, cut: host.meter.cuts() },
      rssBytes: process.memoryUsage().rss
    }
  }

  /** All that is about the task. */
  function ofTask(slot: number | null) {
    return {
      node: self,
      task: config.task,
      taskName: account.name,
      minStake: account.minStake.toString(),
      bundleNotice: account.bundleNotice,
      keyFile: config.signer == null ? keyFileOf(config) : null,
      signer: config.signer ?? null,
      cycle: slot == null ? null : cycleAt(timing, slot),
      staked: stakes.isStaked(self) ?? null,
      keyReplaced: replaced.notice() != null,
      stake: (init.ownStake()?.amount[0]?.value ?? 0n).toString(),
      finalizedCycle: follow.finalizedCycle() < 0 ? null : follow.finalizedCycle(),
      bundles: versions.list(),
      closedFrom: follow.closedFrom() ?? null,
      paused: pause.paused(),
      signing: guard.status(),
      taskProcess: versions.of(init.cycle())?.runner.status() ?? null,
      sync: sync.counters(),
      outbox: outbox.counters(),
      records: history.status(),
      cycles: store.cycles.list(config.task, init.cyclesShown)
    }
  }

  async function status(): Promise<Status> {
    const slot = slots.now() ?? null
    const [task, counters] = [ofTask(slot), stats()]
    const own = [guard.notice(), signing.notice(), replaced.notice(), init.hintNotice(), follow.notice(), pause.notice()]
    const { gossip: heard, peers } = counters
    return {
      ...task,
      peerId: libp2p.peerId.toString(),
      multiaddrs: addresses.told().map(String),
      listens: addresses.listens().map(String),
      program: k2.programId,
      k2: k2.endpoints().map((endpoint) => ({ ...endpoint, ...outage.of(endpoint.name) })),
      slot,
      notices: [
        guard.notice(),
        signing.notice(),
        replaced.notice(),
        disk.notice(),
        logTrouble(log),
        unreachableNotice(addresses),
        presence.staked().length > 0 ? null : bootstrapNotice.notice(),
        init.hintNotice(),
        follow.notice(),
        pause.notice()
      ].filter((notice) => notice != null),
      ...counters,
      tasks: [
        {
          ...task,
          ...{ state: 'running', reason: null, gossip: heard },
          notices: own.filter((notice) => notice != null),
          peers: { staked: peers.staked, mesh: peers.mesh }
        }
      ]
    }
  }

  function healthy(): Health {
    if (slots.now() == null) {
      return { ok: false, reason: 'K2 has not answered' }
    }
    const away = outage.reason()
    if (away != null) {
      return { ok: false, reason: away }
    }
    if (stakes.isStaked(self) !== true) {
      return { ok: false, reason: replaced.notice() ?? 'no stake in the task' }
    }
    const unsigned = guard.notice() ?? signing.notice()
    if (unsigned != null) {
      return { ok: false, reason: unsigned }
    }
    if (!disk.works()) {
      return { ok: false, reason: disk.notice()! }
    }
    if (presence.staked().length === 0) {
      return { ok: false, reason: 'no staked peer is connected' }
    }
    const dialled = unreachableNotice(addresses) == null
    const idle = pause.paused() == null ? null : 'working, but the operator has paused the task'
    return {
      ok: true,
      reason: disk.notice() ?? idle ?? (dialled ? 'working' : 'working, but nobody can dial this node: it has no public address to tell')
    }
  }

  return { status, healthy, stats }
}
