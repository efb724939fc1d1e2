import type { AbortOptions, Connection, PeerId, PeerStore } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type Timer, wallTimer } from './seams.ts'

/** An address that has not answered after this long does not keep the next one waiting. A healthy link has by then said something. */
const STAGGER_MS = 250

interface DialOptions extends AbortOptions {
  peerId?: PeerId
  /** What is still to be dialled, as text; who joins a dial that is under way adds to it. */
  multiaddrs: Set<string>
}

interface Dialled {
  multiaddr: Multiaddr
}

/** The parts of libp2p's queue of dials that are used here. */
interface DialQueue {
  dialPeer: (options: DialOptions, signal: AbortSignal) => Promise<Connection>
  calculateMultiaddrs: (peerId: PeerId | undefined, multiaddrs: Set<string>, options: AbortOptions) => Promise<Dialled[]>
  addressDialTimeout: number
  maxPeerAddrsToDial: number
  components: {
    peerStore: Pick<PeerStore, 'merge'>
    transportManager: { dial: (address: Multiaddr, options: AbortOptions) => Promise<Connection> }
  }
}

/** Where libp2p keeps its queue of dials: in the components that its services get, or in those of a libp2p that is made. */
type Holder = { components?: { connectionManager?: unknown }; connectionManager?: unknown }

const done = new WeakSet<object>()

/**
 * Makes a libp2p dial the addresses of a peer side by side, whoever asks for the peer: the next one begins when one has failed, or has
 * not answered for a quarter of a second, and the first to answer as that peer ends the others. libp2p by itself dials them one
 * after the other and leaves each six seconds, so that one address that swallows packets, or that accepts them and says nothing, keeps
 * a peer out of reach. Each address still has the whole of its time, as a handshake over a slow but honest link needs it.
 *
 * It takes the place of a method of libp2p's. Where a later version has none of that name, the dials stay as they are, and
 * test/network/dial-abreast.spec.ts says so.
 *
 * @returns whether addresses are dialled side by side now
 */
export function dialAbreast(libp2p: object, timer: Timer = wallTimer): boolean {
  const { components, connectionManager } = libp2p as Holder
  const queue = ((connectionManager ?? components?.connectionManager) as { dialQueue?: DialQueue } | undefined)?.dialQueue
  if (typeof queue?.dialPeer !== 'function' || typeof queue.calculateMultiaddrs !== 'function') {
    return false
  }
  if (!done.has(queue)) {
    done.add(queue)
    queue.dialPeer = (options, signal) => new Dial(queue, options, signal, timer).run()
  }
  return true
}

class Dial {
  readonly #queue: DialQueue
  readonly #options: DialOptions
  readonly #signal: AbortSignal
  readonly #timer: Timer
  readonly #underway = new Set<AbortController>()
  readonly #outcome = Promise.withResolvers<Connection>()
  readonly #tried = new Set<string>()
  readonly #waiting: Multiaddr[] = []
  readonly #errors: Error[] = []
  #looking = false
  #isOver = false
  #cancelNext: (() => void) | undefined

  constructor(queue: DialQueue, options: DialOptions, signal: AbortSignal, timer: Timer) {
    this.#queue = queue
    this.#options = options
    this.#signal = signal
    this.#timer = timer
    // it may be over while the addresses are still being looked up, and nobody waits for it yet
    this.#outcome.promise.catch(() => {})
  }

  async run(): Promise<Connection> {
    const onAbort = () => this.#outcome.reject(Object.assign(new Error(`nobody answered in time${this.#told()}`), { name: 'TimeoutError' }))
    this.#signal.addEventListener('abort', onAbort)
    try {
      this.#signal.throwIfAborted()
      // with no address at all it is libp2p that knows some, or looks for them
      await this.#take(true)
      this.#next()
      return await this.#outcome.promise
    } finally {
      this.#isOver = true
      this.#cancelNext?.()
      this.#signal.removeEventListener('abort', onAbort)
      for (const one of this.#underway) {
        one.abort(new Error('another address answered, or nobody waits any more'))
      }
    }
  }

  #told(): string {
    return this.#errors.length === 0 ? '' : ` (${this.#errors[0]?.message})`
  }

  /** Takes what was asked for into the line: resolved, allowed by the gater, in order. */
  async #take(isFirst: boolean): Promise<void> {
    const { peerId, multiaddrs, ...rest } = this.#options
    if (!isFirst && multiaddrs.size === 0) {
      return
    }
    const asked = new Set(multiaddrs)
    multiaddrs.clear()
    this.#looking = true
    try {
      for (const { multiaddr } of await this.#queue.calculateMultiaddrs(peerId, asked, { ...rest, signal: this.#signal })) {
        const text = multiaddr.toString()
        if (!this.#tried.has(text)) {
          this.#tried.add(text)
          this.#waiting.push(multiaddr)
        }
      }
    } catch (err) {
      if (isFirst) {
        throw err
      }
      // what somebody added may not be dialled: that costs the others nothing
    } finally {
      this.#looking = false
    }
  }

  #next(): void {
    if (this.#isOver) {
      return
    }
    this.#cancelNext?.()
    const address = this.#waiting.shift()
    if (address != null && this.#tried.size - this.#waiting.length > this.#queue.maxPeerAddrsToDial) {
      this.#waiting.length = 0
      this.#errors.push(new Error(`the peer has more than ${this.#queue.maxPeerAddrsToDial} addresses: the rest were not dialled`))
      this.#next()
      return
    }
    if (address != null) {
      void this.#dial(address)
    } else if (this.#options.multiaddrs.size > 0 && !this.#looking) {
      void this.#take(false).then(() => this.#next())
      return
    } else if (this.#underway.size === 0 && !this.#looking) {
      this.#outcome.reject(this.#errors.length === 1 ? this.#errors[0] : new AggregateError(this.#errors, 'All multiaddr dials failed'))
      return
    }
    // also while nothing waits: somebody may join this dial, and bring an address
    this.#cancelNext = this.#timer(() => this.#next(), STAGGER_MS)
  }

  #failed(why: unknown): void {
    this.#errors.push(why instanceof Error ? why : new Error(String(why)))
    this.#next()
  }

  async #dial(address: Multiaddr): Promise<void> {
    const { multiaddrs: _, ...rest } = this.#options
    const { components, addressDialTimeout } = this.#queue
    // its own, and let go of as soon as it has connected: a socket ends with the signal that it was opened with
    const controller = new AbortController()
    this.#underway.add(controller)
    const cancel = this.#timer(
      () => controller.abort(new Error(`${address} did not answer in ${addressDialTimeout} ms`)),
      addressDialTimeout
    )
    let connection: Connection
    try {
      connection = await components.transportManager.dial(address, { ...rest, signal: controller.signal })
    } catch (err) {
      const why = controller.signal.aborted ? controller.signal.reason : err
      this.#underway.delete(controller)
      this.#failed(why)
      return
    } finally {
      cancel()
      this.#underway.delete(controller)
    }
    if (this.#isOver) {
      // two answered at once
      await connection.close().catch((err) => connection.abort(err))
      return
    }
    this.#isOver = true
    await components.peerStore
      .merge(connection.remotePeer, {
        multiaddrs: [connection.remoteAddr],
        metadata: { 'last-dial-success': new TextEncoder().encode(String(Date.now())) }
      })
      .catch(() => {})
    this.#outcome.resolve(connection)
  }
}
