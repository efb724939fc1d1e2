import type { Stream } from '@libp2p/interface'
import { messageStreamToDuplex } from '@libp2p/utils'
import { decode, encode } from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { StreamLimitError } from './errors.ts'

export interface FrameLimits {
  /** The longest single frame. */
  frameBytes: number
  /** All that the other end may send on the stream: what it sends while we think is held in memory. */
  totalBytes: number
}

/**
 * Runs one conversation over a stream: frames in, frames out, each preceded by its length as a varint.
 *
 * `talk` is an async generator: it reads the other end's frames and yields ours. The write side closes when it returns.
 * Whatever goes wrong, the stream is gone afterwards.
 *
 * @throws StreamLimitError, the signal's reason, and what `talk` throws
 */
export async function converse(
  stream: Stream,
  talk: (frames: AsyncGenerator<Uint8Array>) => AsyncGenerator<Uint8Array>,
  limits: FrameLimits,
  signal: AbortSignal
): Promise<void> {
  let received = 0
  let finished = false
  const count = (event: { data: { byteLength: number } }) => {
    received += event.data.byteLength
    if (received > limits.totalBytes) {
      stream.abort(new StreamLimitError(`more than ${limits.totalBytes} bytes came over ${stream.protocol}`))
    }
  }
  const stop = () => stream.abort(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)))
  if (signal.aborted) {
    stop()
    throw signal.reason
  }
  // a peer that does not read must not make us hold more than it may make us read
  stream.maxWriteBufferLength = limits.totalBytes
  signal.addEventListener('abort', stop, { once: true })
  stream.addEventListener('message', count)
  const duplex = messageStreamToDuplex(stream)
  try {
    await pipe(
      duplex.source,
      (source) => decode(source, { maxDataLength: limits.frameBytes }),
      async function* (frames) {
        yield* talk(flat(frames))
        finished = true
      },
      (frames) => encode(frames, { maxDataLength: limits.frameBytes }),
      duplex.sink
    )
    // a stream that the other end resets just stops taking what we send
    if (!finished) {
      throw new StreamLimitError(`the other end gave ${stream.protocol} up before its end`)
    }
  } catch (err) {
    stream.abort(err as Error)
    throw err
  } finally {
    signal.removeEventListener('abort', stop)
    stream.removeEventListener('message', count)
  }
}

async function* flat(frames: AsyncIterable<{ subarray(): Uint8Array }>): AsyncGenerator<Uint8Array> {
  for await (const frame of frames) {
    yield frame.subarray()
  }
}

/** The next frame. @throws StreamLimitError when the other end closed before it */
export async function next(frames: AsyncGenerator<Uint8Array>): Promise<Uint8Array> {
  const { value, done } = await frames.next()
  if (done === true) {
    throw new StreamLimitError('the stream ended before the next frame')
  }
  return value
}
