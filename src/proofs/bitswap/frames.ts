/**
 * Length-prefixed frames over libp2p streams, both ways, with bounds and backpressure.
 *
 * it-length-prefixed over the stream's own iterator would do the first half, but that iterator queues without bound
 * while its reader writes to the disk; here the stream is paused meanwhile, so that TCP holds the sender back.
 */
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'
import { MalformedFrameError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Timers } from '../timers.ts'
import { type Piece, PieceReader } from './pieces.ts'

export const BITSWAP_PROTOCOL = '/ipfs/bitswap/1.2.0'

/** What a paused stream may have under way: yamux's largest window. Past it the stream is reset. */
const READ_BUFFER_BYTES = 17 * 1024 * 1024

interface FrameHandlers {
  timers: Timers
  /**
   * A message, or whole fields of a long one. While promises of it wait for more than LIMITS.writeAheadBytes, the stream is paused.
   * What is thrown resets the stream.
   */
  onPiece: (piece: Piece) => Promise<unknown> | undefined
  onBytes: (count: number) => void
  onFault: (err: Error) => void
}

/** Reads frames off `stream` until its far end closes it, or breaks a bound. */
export function readFrames(stream: Stream, { timers, onPiece, onBytes, onFault }: FrameHandlers): void {
  const pieces = new PieceReader()
  let busy = false
  let more = false
  let timer: unknown
  let aheadBytes = 0
  let hasFailed = false
  let onRoom = () => {}
  stream.maxReadBufferLength = READ_BUFFER_BYTES

  const fail = (err: Error) => {
    if (hasFailed) {
      return
    }
    hasFailed = true
    onRoom()
    timers.clearTimeout(timer)
    pieces.clear()
    stream.abort(err)
    onFault(err)
  }
  /** Goes on while what came is being written, up to a bound: a disk and a line that wait for each other are as slow as both together. */
  const underWay = (handled: Promise<unknown>, bytes: number): Promise<void> | undefined => {
    aheadBytes += bytes
    handled.then(() => {
      aheadBytes -= bytes
      onRoom()
    }, fail)
    if (aheadBytes <= LIMITS.writeAheadBytes) {
      return undefined
    }
    if (stream.readStatus === 'readable') {
      stream.pause()
    }
    return new Promise((resolve) => {
      onRoom = () => {
        if (hasFailed || aheadBytes <= LIMITS.writeAheadBytes) {
          onRoom = () => {}
          resolve()
        }
      }
    })
  }
  const drain = async () => {
    if (hasFailed) {
      return
    }
    if (busy) {
      more = true
      return
    }
    busy = true
    more = false
    try {
      for (let piece = pieces.next(); piece != null; piece = pieces.next()) {
        timers.clearTimeout(timer)
        timer = undefined
        const handled = onPiece(piece)
        if (handled != null) {
          await underWay(handled, bytesIn(piece))
        }
        if (hasFailed) {
          return
        }
      }
      if (pieces.isInside && timer == null) {
        // a message has begun: its next piece has this long to come, however slowly its bytes drip
        timer = timers.setTimeout(() => fail(new MalformedFrameError('a Bitswap message that never ended')), LIMITS.frameTimeoutMs)
      }
      if (stream.readStatus === 'paused') {
        stream.resume()
      }
    } catch (err) {
      fail(err as Error)
      return
    } finally {
      busy = false
    }
    if (more) {
      void drain()
    }
  }

  stream.addEventListener('message', (event) => {
    onBytes(event.data.byteLength)
    pieces.push(event.data)
    void drain()
  })
  stream.addEventListener('close', () => timers.clearTimeout(timer))
  // nothing is answered on the stream that asked; closing our half lets it end with the other
  stream.close().catch(() => {})
}

function bytesIn(piece: Piece): number {
  return 'fields' in piece ? piece.fields.length : 'block' in piece ? piece.block.data.byteLength : 0
}

/** Writes frames to one peer, one after another, on one stream that is opened when needed and closed when idle. */
export class FrameWriter {
  readonly #libp2p: Pick<Libp2p, 'getConnections'>
  readonly peerId: PeerId
  readonly #timers: Timers
  #stream: Stream | undefined
  #idleTimer: unknown
  #tail: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(libp2p: Pick<Libp2p, 'getConnections'>, peerId: PeerId, timers: Timers) {
    this.#libp2p = libp2p
    this.peerId = peerId
    this.#timers = timers
  }

  /**
   * Resolves when the frame has left our buffers, so that a caller who waits holds one frame in memory.
   *
   * @throws Error when the peer is gone, does not speak Bitswap, or takes nothing for LIMITS.frameTimeoutMs
   */
  write(frame: Uint8ArrayList, { fresh = false } = {}): Promise<void> {
    this.#waiting++
    const written = this.#tail
      .then(() => this.#write(frame, fresh))
      .finally(() => {
        this.#waiting--
      })
    this.#tail = written.catch(() => {})
    return written
  }

  close(): void {
    this.#timers.clearTimeout(this.#idleTimer)
    const stream = this.#stream
    this.#stream = undefined
    stream?.close({ signal: AbortSignal.timeout(1000) }).catch((err) => stream.abort(err))
  }

  async #write(frame: Uint8ArrayList, fresh: boolean): Promise<void> {
    this.#timers.clearTimeout(this.#idleTimer)
    if (fresh) {
      this.close()
    }
    if (this.#stream?.writeStatus !== 'writable') {
      this.#stream = await this.#open()
    }
    const stream = this.#stream
    stream.send(frame)
    if (stream.writeBufferLength > 0) {
      await this.#emptied(stream)
    }
    if (this.#waiting === 1) {
      this.#idleTimer = this.#timers.setTimeout(() => this.close(), LIMITS.streamIdleMs)
    }
  }

  async #open(): Promise<Stream> {
    const connection: Connection | undefined = this.#libp2p.getConnections(this.peerId).find(({ status }) => status === 'open')
    if (connection == null) {
      throw new Error(`not connected to ${this.peerId}`)
    }
    return connection.newStream([BITSWAP_PROTOCOL], { signal: AbortSignal.timeout(LIMITS.dialTimeoutMs) })
  }

  /** Waits for `idle` rather than libp2p's onDrain, which resolves at once after the first time. */
  #emptied(stream: Stream): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (err?: Error) => {
        this.#timers.clearTimeout(timer)
        stream.removeEventListener('idle', onIdle)
        stream.removeEventListener('close', onClose)
        err == null ? resolve() : reject(err)
      }
      const onIdle = () => done()
      const onClose = () => done(new Error(`${this.peerId} closed the stream`))
      const timer = this.#timers.setTimeout(() => {
        const err = new Error(`${this.peerId} took nothing for ${LIMITS.frameTimeoutMs} ms`)
        done(err)
        stream.abort(err)
      }, LIMITS.frameTimeoutMs)
      stream.addEventListener('idle', onIdle)
      stream.addEventListener('close', onClose)
    })
  }
}
