import type { Connection, ConnectionGater } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { ipOf, isForbidden } from './addresses.ts'
import { type ConnectionLimits, HELLO_TIMEOUT_MS, UNBOUND_IDLE_MS } from './limits.ts'
import { prefixOf } from './prefix.ts'
import type { Roster } from './roster.ts'
import { type Timer, wallTimer } from './seams.ts'

/**
 * Who holds a connection: `bound`, a peer whose stake is proven; `greeting`, one whose hello is still to come, `named` when
 * a staker says that the PeerId is its own; `stranger`, anybody else.
 */
export type Holder = 'bound' | 'named' | 'greeting' | 'stranger'

/** Why a connection was closed for another one, or for nothing. */
export type SlotFault = 'full' | 'too many of one peer' | 'hellos-full' | 'unstaked-full' | 'ip-full' | 'prefix-full' | 'idle'

/** One connection, as the rules see it. */
export interface SlotUse {
  id: string
  peerId: string
  holder: Holder
  inbound: boolean
  /** The other end's IP address and its network; undefined where there is none. */
  ip: string | undefined
  prefix: string | undefined
  openedMs: number
  /** When it last asked us for something, or we it. */
  activeMs: number
  /** Its stake is not known because K2 is not. */
  undecided?: boolean
  /** The tasks that have let its peer in. @default the same one for all */
  tasks?: readonly unknown[]
}

/**
 * Which connections have to go, and why. Pure.
 *
 * Nobody is kept out: who comes is let in, and where there are too many of a kind one of that kind goes. Of strangers it is
 * the one that is idle the longest, of those whose hello is to come the oldest of the network that has the most; whoever
 * has more from one address or network than one may have loses one of its own. So a new one is always heard, however many
 * sit there, and no single holder can push all the others out. Of those with stake it is the newest of the task that has the most, so
 * that many stakes in one task, where they may be cheap, take no place of another's.
 */
export function overflow(uses: readonly SlotUse[], limits: ConnectionLimits, nowMs: number): Map<string, SlotFault> {
  const gone = new Map<string, SlotFault>()
  const left = (which: (use: SlotUse) => boolean) => uses.filter((use) => !gone.has(use.id) && which(use))
  const drop = (some: SlotUse[], most: number, reason: SlotFault, order: (a: SlotUse, b: SlotUse) => number) => {
    for (const { id } of some.length > most ? [...some].sort(order).slice(0, some.length - most) : []) {
      gone.set(id, reason)
    }
  }
  const oldest = (a: SlotUse, b: SlotUse) => a.openedMs - b.openedMs
  const idlest = (a: SlotUse, b: SlotUse) => a.activeMs - b.activeMs || a.openedMs - b.openedMs

  for (const use of uses) {
    if (use.holder === 'stranger' && use.undecided !== true && nowMs - use.activeMs >= UNBOUND_IDLE_MS) {
      gone.set(use.id, 'idle')
    }
  }
  for (const group of groups(
    left(() => true),
    'peerId'
  ).values()) {
    drop(group, limits.perPeer, 'too many of one peer', idlest)
  }

  const isStranger = ({ holder }: SlotUse) => holder === 'stranger'
  for (const group of groups(left(isStranger), 'ip').values()) {
    drop(group, limits.unstakedPerIp, 'ip-full', idlest)
  }
  for (const group of groups(left(isStranger), 'prefix').values()) {
    drop(group, limits.unstakedPerPrefix, 'prefix-full', idlest)
  }
  const bound = uses.filter(({ id, holder }) => holder === 'bound' && !gone.has(id))
  const room = Math.max(reserved(limits), limits.maxConnections - bound.length)
  drop(left(isStranger), Math.min(limits.unstakedSlots, room), 'unstaked-full', idlest)

  // what we dial we want: those that we opened count once they turned out to be strangers
  const isGreeting = ({ holder, inbound }: SlotUse) => holder === 'greeting' && inbound
  for (const group of groups(left(isGreeting), 'ip').values()) {
    drop(group, limits.hellosPerIp, 'ip-full', oldest)
  }
  for (const group of groups(left(isGreeting), 'prefix').values()) {
    drop(group, limits.hellosPerPrefix, 'prefix-full', oldest)
  }
  for (let rest = left(isGreeting); rest.length > limits.helloSlots; rest = left(isGreeting)) {
    const crowd = [...groups(rest, 'prefix').values(), rest.filter(({ prefix }) => prefix == null)].sort((a, b) => b.length - a.length)[0]!
    drop(crowd, crowd.length - 1, 'hellos-full', oldest)
  }

  const inbound = bound.filter((use) => use.inbound)
  const most = Math.max(0, limits.maxConnections - reserved(limits) - (bound.length - inbound.length))
  for (const { id } of crowding(inbound, inbound.length - most)) {
    gone.set(id, 'full')
  }
  return gone
}

/** So many of them, each the newest of the most crowded task as it is by then. A peer of several tasks counts for its least crowded one. */
function crowding(uses: readonly SlotUse[], count: number): SlotUse[] {
  const found: SlotUse[] = []
  if (count <= 0) {
    return found
  }
  const tasksOf = ({ tasks = [] }: SlotUse) => (tasks.length === 0 ? [undefined] : tasks)
  const sizes = new Map<unknown, number>()
  for (const task of uses.flatMap(tasksOf)) {
    sizes.set(task, (sizes.get(task) ?? 0) + 1)
  }
  const crowdOf = (use: SlotUse) => Math.min(...tasksOf(use).map((task) => sizes.get(task)!))
  const rest = [...uses].sort((a, b) => b.openedMs - a.openedMs)
  while (found.length < count) {
    const at = rest.map(crowdOf).reduce((best, crowd, i, all) => (crowd > all[best]! ? i : best), 0)
    const [use] = rest.splice(at, 1) as [SlotUse]
    for (const task of tasksOf(use)) {
      sizes.set(task, sizes.get(task)! - 1)
    }
    found.push(use)
  }
  return found
}

/** Connections that stake never takes: an auditor is heard however many peers with stake there are. */
function reserved({ maxConnections }: ConnectionLimits): number {
  return Math.max(1, Math.min(8, Math.floor(maxConnections / 8)))
}

function groups(uses: SlotUse[], by: 'peerId' | 'ip' | 'prefix'): Map<string, SlotUse[]> {
  const found = new Map<string, SlotUse[]>()
  for (const use of uses) {
    const key = use[by]
    if (key != null) {
      const group = found.get(key)
      group == null ? found.set(key, [use]) : group.push(use)
    }
  }
  return found
}

/** The connections that are open, by who holds them. */
export interface ConnectionSlots {
  gater: ConnectionGater
  opened(connection: Connection): void
  closed(connection: Connection): void
  /** A hello over this connection is done, whatever came of it: there is one for each task. */
  greeted(connection: Connection): void
  /** The other end has asked for something over this connection, or we have. */
  used(connection: Connection): void
  counts(): { total: number; unstaked: number; greeting: number }
  /** Connections that were closed for want of a slot or for being idle, since the start. */
  dropped(): Partial<Record<SlotFault, number>>
}

export interface ConnectionSlotsInit {
  peers: Pick<Roster, 'isStaked' | 'isClaimed' | 'isBanned' | 'stakerOf' | 'hasStake'> & Partial<Pick<Roster, 'tasksOf'>>
  /** How many hellos there are to come over each connection. @default one */
  hellos?: () => number
  limits: ConnectionLimits
  /** Whether private ranges may be dialled. */
  local: boolean
  /** Addresses that the operator named: these may be private. */
  allowed?: Multiaddr[]
  timer?: Timer
  /** Clock in ms. */
  now?: () => number
}

/** How often those are looked for that were idle for too long, while there are any without stake. */
const SWEEP_MS = 5_000

interface Held extends Omit<SlotUse, 'holder' | 'undecided' | 'tasks'> {
  connection: Connection
  /** Hellos that are done. */
  greeted: number
}

export function createConnectionSlots(init: ConnectionSlotsInit): ConnectionSlots {
  const { peers, hellos = () => 1, limits, local, allowed = [], timer = wallTimer, now = () => performance.now() } = init
  const open = new Map<string, Held>()
  const dropped: Partial<Record<SlotFault, number>> = {}
  let cancelSweep: (() => void) | undefined

  const holderOf = ({ peerId, greeted, openedMs }: Held): Holder => {
    if (peers.isStaked(peerId)) {
      return 'bound'
    }
    if (greeted >= hellos() || now() - openedMs >= HELLO_TIMEOUT_MS) {
      return 'stranger'
    }
    return peers.isClaimed(peerId) ? 'named' : 'greeting'
  }
  const isUndecided = (peerId: string) => {
    const staker = peers.stakerOf(peerId)
    return staker != null && peers.hasStake(staker) == null
  }

  const enforce = () => {
    if (hellos() === 0) {
      // nobody can prove anything to a node without a task: it only dials whom it wants
      return
    }
    const uses = [...open.values()].map((held) => ({
      ...{ ...held, holder: holderOf(held), undecided: isUndecided(held.peerId) },
      tasks: peers.tasksOf?.(held.peerId) ?? []
    }))
    for (const [id, reason] of overflow(uses, limits, now())) {
      const held = open.get(id)
      // closed before libp2p says so: the next look must not count it
      open.delete(id)
      dropped[reason] = (dropped[reason] ?? 0) + 1
      held?.connection.abort(new Error(`closed: ${reason}`))
    }
    sweepLater()
  }

  const sweepLater = () => {
    if (cancelSweep == null && [...open.values()].some(({ peerId }) => !peers.isStaked(peerId))) {
      cancelSweep = timer(() => {
        cancelSweep = undefined
        enforce()
      }, SWEEP_MS)
    }
  }

  const count = (which: (holder: Holder) => boolean) => [...open.values()].filter((held) => which(holderOf(held))).length

  return {
    gater: {
      denyDialPeer: (peerId) => peers.isBanned(peerId.toString()),
      denyDialMultiaddr: (address) => isForbidden(address, { local, allowed }),
      denyInboundEncryptedConnection: (peerId) => peers.isBanned(peerId.toString()),
      denyOutboundEncryptedConnection: (peerId) => peers.isBanned(peerId.toString()),
      // one that has ended in the meantime would be open for ever: its end was told before anybody listened
      denyInboundUpgradedConnection: (_peerId, connection) => connection.status !== 'open',
      denyOutboundUpgradedConnection: (_peerId, connection) => connection.status !== 'open'
    },
    opened(connection) {
      if (open.has(connection.id) || connection.status !== 'open') {
        return
      }
      const ip = ipOf(connection.remoteAddr)
      open.set(connection.id, {
        id: connection.id,
        peerId: connection.remotePeer.toString(),
        inbound: connection.direction === 'inbound',
        ip,
        prefix: ip == null ? undefined : prefixOf(ip),
        openedMs: now(),
        activeMs: now(),
        connection,
        greeted: 0
      })
      enforce()
    },
    closed(connection) {
      open.delete(connection.id)
    },
    greeted(connection) {
      const held = open.get(connection.id)
      if (held != null) {
        held.greeted++
        enforce()
      }
    },
    used(connection) {
      const held = open.get(connection.id)
      if (held != null) {
        held.activeMs = now()
      }
    },
    counts: () => ({
      total: open.size,
      unstaked: count((holder) => holder !== 'bound'),
      greeting: count((holder) => holder === 'greeting' || holder === 'named')
    }),
    dropped: () => ({ ...dropped })
  }
}
