import type { Health, Status } from '../../control/index.ts'
import { unreachableNotice } from '../../network/index.ts'
import { logTrouble, type Stats, shownText } from '../../observe/index.ts'
import type { Rooms, Shared } from '../rooms.ts'
import { shownStatus } from './shown.ts'
import { statsOf } from './stats.ts'
import type { TaskEntry, Tasks } from './tasks.ts'

/** What a node tells of itself: to its operator, to a supervisor, and in its events. */
export interface HostStatus {
  status(): Promise<Status>
  healthy(): Health
  /** Counters since the start, of all tasks together. */
  stats(): Stats
  /** Whether the node has stake: in its first task, as `status` tells it. */
  staked(): boolean | null
}

export function createHostStatus({ base, chain, mesh, keeping }: Shared, tasks: Tasks): HostStatus {
  const { log, rooms } = base
  const { k2, outage, slots } = chain
  const { libp2p } = mesh.host
  const { addresses } = libp2p.services
  const several = () => tasks.all().length > 1

  /** Of those that are there, the first that the operator named. */
  const first = (): Rooms => {
    const found = tasks.all().find((entry) => rooms.has(entry.config.task))
    return rooms.get(found?.config.task ?? '') ?? [...rooms.values()][0]!
  }

  const stats = () =>
    statsOf(
      mesh.host,
      keeping.proofs,
      [...rooms.values()].map(({ gossip, mesh: { presence } }) => ({ gossip, presence }))
    )

  async function status(): Promise<Status> {
    const all = tasks.all().map(shownStatus)
    const one = first().status.status()
    const notices = [keeping.disk.notice(), logTrouble(log), unreachableNotice(addresses)].filter((notice) => notice != null)
    return {
      ...one,
      peerId: libp2p.peerId.toString(),
      multiaddrs: addresses.told().map(String),
      listens: addresses.listens().map(String),
      program: k2.programId,
      k2: k2.endpoints().map((endpoint) => ({ ...endpoint, ...outage.of(endpoint.name) })),
      slot: slots.now() ?? null,
      notices: [...notices, ...one.notices],
      ...stats(),
      tasks: all
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
    if (!keeping.disk.works()) {
      return { ok: false, reason: keeping.disk.notice()! }
    }
    const each = tasks.all().map((entry) => ({ entry, health: healthOf(entry) }))
    const ill = each.filter(({ health }) => !health.ok)
    const saying = ({ entry, health }: (typeof each)[number]) => (several() ? `${nameOf(entry)}: ${health.reason}` : health.reason)
    // who restarts a node for one task ends the work of the others
    if (ill.length === each.length) {
      return { ok: false, reason: saying(ill[0]!) }
    }
    const slow = keeping.disk.notice()
    const other = ill[0] ?? each.find(({ health }) => health.reason !== 'working')
    const idle = other == null ? undefined : ill.length > 0 ? `working, but not in all: ${saying(other)}` : saying(other)
    const dialled = unreachableNotice(addresses) == null
    return {
      ok: true,
      reason: slow ?? idle ?? (dialled ? 'working' : 'working, but nobody can dial this node: it has no public address to tell')
    }
  }

  return { status, healthy, stats, staked: () => first().chain.stakes.isStaked(first().base.self) ?? null }
}

const nameOf = ({ config, begun }: TaskEntry): string =>
  `task ${begun == null ? config.task : `${shownText(begun.chain.account.name)} ${config.task}`}`

function healthOf({ state, reason, rooms }: TaskEntry): Health {
  if (state === 'failed') {
    return { ok: false, reason: `it has failed: ${reason}` }
  }
  return state === 'running' && rooms != null ? rooms.status.healthy() : { ok: false, reason: `it is ${state}` }
}
