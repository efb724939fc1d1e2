import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { CreateListenerOptions, Listener, MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface'
import { type ConnectionLimits, FIRST_BYTE_MS, HANDSHAKE_MS } from './limits.ts'
import { canonicalIp, prefixOf } from './prefix.ts'
import { type Timer, wallTimer } from './seams.ts'

/** Why a connection was closed before its handshake was done. */
export type DoorstepFault = 'silent' | 'slow' | 'crowded'

/** A connection whose handshake is under way, as the rules see it. */
export interface Arrival {
  ip: string
  prefix: string
  /** Whether its first byte is still to come, and overdue. */
  silent: boolean
  arrivedMs: number
}

/** What comes with the end of TCP's handshake is read in the same turn, or in the next. */
const OVERDUE_MS = 100

/**
 * Runs what is due once what has come has been read: after a moment in which this process was busy, timers come first, and whoever spoke
 * meanwhile would count as silent.
 */
function afterReading(timer: Timer): Timer {
  return (run, ms) => {
    let soon: NodeJS.Immediate | undefined
    const cancel = timer(() => {
      soon = setImmediate(run)
    }, ms)
    return () => {
      cancel()
      clearImmediate(soon)
    }
  }
}

type PlaceLimits = Pick<ConnectionLimits, 'pendingInbound' | 'pendingPerIp' | 'pendingPerPrefix'>

/**
 * Which of those on the doorstep goes for the one that has just arrived; undefined while there is room. Pure.
 *
 * A silent one before one that speaks, and the oldest before all: a handshake that gets on takes a tenth of a second, one
 * that is only there to be there takes all that it is given. An address or network with too many loses one of its own.
 * Otherwise, when all of them speak, it is the network with the most that does.
 */
export function whoGoes<A extends Arrival>(arrivals: readonly A[], newest: A, limits: PlaceLimits): A | undefined {
  const sameIp = arrivals.filter(({ ip }) => ip === newest.ip)
  if (sameIp.length > limits.pendingPerIp) {
    return worst(sameIp, newest)
  }
  const samePrefix = arrivals.filter(({ prefix }) => prefix === newest.prefix)
  if (samePrefix.length > limits.pendingPerPrefix) {
    return worst(samePrefix, newest)
  }
  if (arrivals.length <= limits.pendingInbound) {
    return undefined
  }
  const silent = arrivals.filter((one) => one.silent && one !== newest)
  return worst(silent.length > 0 ? silent : mostCrowded(arrivals), newest)
}

function worst<A extends Arrival>(arrivals: readonly A[], newest: A): A | undefined {
  let found: A | undefined
  for (const one of arrivals) {
    if (
      one !== newest &&
      (found == null || (one.silent ? !found.silent || one.arrivedMs < found.arrivedMs : !found.silent && one.arrivedMs < found.arrivedMs))
    ) {
      found = one
    }
  }
  return found ?? arrivals.at(-1)
}

function mostCrowded<A extends Arrival>(arrivals: readonly A[]): A[] {
  const crowds = new Map<string, A[]>()
  let most: A[] = []
  for (const one of arrivals) {
    const crowd = crowds.get(one.prefix) ?? []
    crowd.push(one)
    crowds.set(one.prefix, crowd)
    if (crowd.length > most.length) {
      most = crowd
    }
  }
  return most
}

/** Watches over the connections that arrive, from TCP's handshake to the end of libp2p's. */
export interface Doorstep {
  /** A transport whose listeners it watches over. */
  guard<T extends Transport>(transport: T): T
  /** Handshakes under way. */
  pending(): number
  /** Connections that were closed before their handshake was done, since the start. */
  dropped(): Partial<Record<DoorstepFault, number>>
}

export interface DoorstepInit {
  limits: PlaceLimits
  timer?: Timer
  /** Clock in ms. */
  now?: () => number
  firstByteMs?: number
  handshakeMs?: number
}

interface Waiting extends Arrival {
  key: string
  socket: Socket
  cancel: () => void
}

/**
 * Libp2p counts a connection once its transport has made one of it, and refuses the newest when there are too many: who
 * says nothing, or one byte a second, holds its place for as long as a handshake may take. A WebSocket listener waits for
 * the first byte, and for the whole of the request, for ever. So places are given here, on the socket itself, and libp2p's
 * own bound is never reached.
 *
 * The sockets are seen through the listeners' server, which is a field of an object that the library has made. Where a later
 * version has none, libp2p's bounds are what is left, and test/network/doorstep.spec.ts says so.
 */
export function createDoorstep(init: DoorstepInit): Doorstep {
  const { limits, timer = wallTimer, now = () => performance.now(), firstByteMs = FIRST_BYTE_MS, handshakeMs = HANDSHAKE_MS } = init
  const later = afterReading(timer)
  const waiting = new Set<Waiting>()
  const dropped: Partial<Record<DoorstepFault, number>> = {}

  const drop = (one: Waiting, reason: DoorstepFault) => {
    if (leave(one)) {
      dropped[reason] = (dropped[reason] ?? 0) + 1
      // a reset, so that nothing of it is left to the kernel either
      if (!one.socket.destroyed) {
        one.socket.resetAndDestroy()
      }
    }
  }
  const leave = (one: Waiting): boolean => {
    one.cancel()
    return waiting.delete(one)
  }

  const arrive = (socket: Socket, key: string) => {
    const ip = canonicalIp(socket.remoteAddress ?? '')
    let isOverdue = false
    const overdue = later(() => {
      isOverdue = true
    }, OVERDUE_MS)
    let deadline = later(() => {
      if (socket.bytesRead === 0) {
        drop(one, 'silent')
      } else {
        deadline = later(() => drop(one, 'slow'), handshakeMs - firstByteMs)
      }
    }, firstByteMs)
    const one: Waiting = {
      key,
      socket,
      ip,
      prefix: prefixOf(ip),
      arrivedMs: now(),
      get silent() {
        return isOverdue && socket.bytesRead === 0
      },
      cancel() {
        overdue()
        deadline()
      }
    }
    waiting.add(one)
    socket.once('close', () => leave(one))
    const goes = whoGoes([...waiting], one, limits)
    if (goes != null) {
      drop(goes, 'crowded')
    }
    return one
  }

  const guardListener = (listener: Listener, sockets: Map<string, Waiting>): Listener => {
    const { server } = listener as unknown as { server?: EventEmitter }
    server?.prependListener('connection', (socket: Socket) => {
      const key = keyOf(socket.remoteAddress, socket.remotePort)
      const one = arrive(socket, key)
      sockets.set(key, one)
      socket.once('close', () => {
        if (sockets.get(key) === one) {
          sockets.delete(key)
        }
      })
    })
    return listener
  }

  /** An upgrader that tells when a handshake is done, and ends the socket with the connection. */
  const guardUpgrader = (upgrader: Upgrader, sockets: Map<string, Waiting>): Upgrader =>
    Object.create(upgrader, {
      upgradeInbound: {
        value: async (...args: Parameters<Upgrader['upgradeInbound']>) => {
          const [connection] = args
          const one = sockets.get(keyOfAddress(connection))
          resetFor(connection, () => one?.socket.destroy())
          try {
            await upgrader.upgradeInbound(...args)
          } catch (err) {
            // the transport closes it; a WebSocket that is closed politely waits half a minute for the other end
            setImmediate(() => one?.socket.destroy())
            throw err
          } finally {
            if (one != null) {
              leave(one)
            }
          }
        }
      },
      upgradeOutbound: {
        value: (...args: Parameters<Upgrader['upgradeOutbound']>) => {
          resetFor(args[0], () => {})
          return upgrader.upgradeOutbound(...args)
        }
      }
    }) as Upgrader

  return {
    guard(transport) {
      const createListener = transport.createListener.bind(transport)
      const dial = transport.dial.bind(transport)
      transport.createListener = (options: CreateListenerOptions) => {
        const sockets = new Map<string, Waiting>()
        return guardListener(createListener({ ...options, upgrader: guardUpgrader(options.upgrader, sockets) }), sockets)
      }
      transport.dial = (address, options) => dial(address, { ...options, upgrader: guardUpgrader(options.upgrader, new Map()) })
      return transport
    },
    pending: () => waiting.size,
    dropped: () => ({ ...dropped })
  }
}

/**
 * Makes a reset end the connection. A WebSocket's is a close with a code that its library refuses, so that it stays open:
 * whoever was cut over one would stay, and cost what it likes.
 */
function resetFor(connection: MultiaddrConnection, destroy: () => void): void {
  const inside = connection as unknown as { websocket?: { close(): void }; sendReset?: () => void }
  const { websocket } = inside
  if (websocket != null && inside.sendReset != null) {
    inside.sendReset = () => {
      websocket.close()
      destroy()
    }
  }
}

function keyOf(ip: string | undefined, port: number | string | undefined): string {
  return `${canonicalIp(ip ?? '')} ${port ?? 0}`
}

function keyOfAddress({ remoteAddr }: MultiaddrConnection): string {
  const parts = remoteAddr.getComponents()
  const ip = parts.find(({ name }) => name === 'ip4' || name === 'ip6')
  return keyOf(ip?.value, parts.find(({ name }) => name === 'tcp')?.value)
}
