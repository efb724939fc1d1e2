/**
 * Length-prefixed frames over libp2p streams, both ways, with bounds and backpressure.
 *
 * it-length-prefixed over the stream's own iterator would do the first half, but that iterator queues without bound
 * while its reader writes to the disk; here the stream is paused meanwhile, so that TCP holds the sender back.
 */
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { MalformedFrameError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Timers } from '../timers.ts'

export const BITSWAP_PROTOCOL = '/ipfs/bitswap/1.2.0'

/** What a paused stream may have under way: yamux's largest window. Past it the stream is reset. */
const READ_BUFFER_BYTES = 17 * 1024 * 1024

interface FrameHandlers {
  timers: Timers
  /** One frame. The stream is paused until the promise, if any, settles. What is thrown resets the stream. */
  onFrame: (frame: Uint8Array) => Promise<void> | undefined
  onBytes: (count: number) => void
  onFault: (err: Error) => void
}

/** Reads frames off `stream` until its far end closes it, or breaks a bound. */
export function readFrames(stream: Stream, { timers, onFrame, onBytes, onFault }: FrameHandlers): void {
  const buffer = new Uint8ArrayList()
  let busy = false
  let timer: unknown
  stream.maxReadBufferLength = READ_BUFFER_BYTES

  const fail = (err: Error) => {
    timers.clearTimeout(timer)
    buffer.consume(buffer.byteLength)
    stream.abort(err)
    onFault(err)
  }
  const drain = async () => {
    if (busy) {
      return
    }
    busy = true
    try {
      for (let frame = takeFrame(buffer); frame != null; frame = takeFrame(buffer)) {
        timers.clearTimeout(timer)
        timer = undefined
        const handled = onFrame(frame)
        if (handled != null) {
          if (stream.readStatus === 'readable') {
            stream.pause()
          }
          await handled
        }
      }
      if (buffer.byteLength > 0 && timer == null) {
        // a frame has begun: it has this long to end, however slowly its bytes drip
        timer = timers.setTimeout(() => fail(new MalformedFrameError('a Bitswap message that never ended')), LIMITS.frameTimeoutMs)
      }
      if (stream.readStatus === 'paused') {
        stream.resume()
      }
    } catch (err) {
      fail(err as Error)
    } finally {
      busy = false
    }
    if (hasFrame(buffer)) {
      void drain()
    }
  }

  stream.addEventListener('message', (event) => {
    onBytes(event.data.byteLength)
    buffer.append(event.data)
    void drain()
  })
  stream.addEventListener('close', () => timers.clearTimeout(timer))
  // nothing is answered on the stream that asked; closing our half lets it end with the other
  stream.close().catch(() => {})
}

function headOf(buffer: Uint8ArrayList): { length: number; headBytes: number } | undefined {
  let length = 0
  for (let at = 0; at < buffer.byteLength; at++) {
    const byte = buffer.get(at)
    length += (byte & 127) * 128 ** at
    if (length > LIMITS.frameBytes || at > 3) {
      throw new MalformedFrameError(`a Bitswap message of ${length} bytes: ${LIMITS.frameBytes} are allowed`)
    }
    if (byte === 0 && at > 0) {
      throw new MalformedFrameError('a Bitswap message whose length is written in more bytes than it needs')
    }
    if (byte < 128) {
      return { length, headBytes: at + 1 }
    }
  }
  return undefined
}

function hasFrame(buffer: Uint8ArrayList): boolean {
  const head = headOf(buffer)
  return head != null && buffer.byteLength >= head.headBytes + head.length
}

function takeFrame(buffer: Uint8ArrayList): Uint8Array | undefined {
  const head = headOf(buffer)
  if (head == null || buffer.byteLength < head.headBytes + head.length) {
    return undefined
  }
  const frame = buffer.slice(head.headBytes, head.headBytes + head.length)
  buffer.consume(head.headBytes + head.length)
  return frame
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
