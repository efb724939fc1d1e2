import type { MessageStream, StreamMuxerFactory } from '@libp2p/interface'
import { frameBudget } from './frame-budget.ts'
import { EMPTY_FRAMES, MUXER_FRAME_BYTES, MUXER_FRAMES, MUXER_PINGS } from './limits.ts'

/** What yamux's class has and its interface leaves out. */
interface Inside {
  handleFrame?: (frame: Frame) => void
  sendGoAway?: (reason?: number) => void
  decoder?: { buffer: { byteLength: number }; readFrame?: () => Frame | undefined }
}

interface Frame {
  header?: { type: number; flag: number }
}

/** What the connection under the muxer has beside its interface: noise opens each of its frames with `decrypt`. */
interface Sealed {
  decrypt?: (frame: { byteLength: number }) => unknown
  writableNeedsDrain?: boolean
}

const PING = 2
const SYN = 1
/** A sealed frame has its tag at least. */
const TAG_BYTES = 16

/**
 * A muxer that takes only so much: what lies below its streams belongs to none of them and could be counted nowhere else.
 *
 * - Frames: pings, window updates and bytes one at a time cost as much as whole blocks. So do frames of noise, full or empty.
 * - The bytes of a frame that has begun: its header may announce 4 GiB, and yamux keeps them all until the last.
 * - Answers to pings: for one who does not read they would pile up without end, so it gets none.
 *
 * Too many end the connection. The last word of a muxer, that it goes away, never keeps it from going.
 *
 * It replaces methods of objects that the library has made. Where a later version has none of that name, it is left as
 * it is, and test/network/streams.spec.ts says so.
 */
export function boundFrames(make: () => StreamMuxerFactory, now: () => number = () => performance.now()): () => StreamMuxerFactory {
  return () => {
    const factory = make()
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => {
      const muxer = createStreamMuxer(connection)
      const inside = muxer as unknown as Inside
      boundSealed(connection, now)
      boundHandling(inside, connection, now)
      boundDecoder(inside)
      const sendGoAway = inside.sendGoAway?.bind(muxer)
      if (sendGoAway != null) {
        inside.sendGoAway = (reason) => {
          try {
            sendGoAway(reason)
          } catch {
            // the connection under it has ended first: nobody is left to be told
          }
        }
      }
      return muxer
    }
    return factory
  }
}

function boundHandling(inside: Inside, connection: MessageStream, now: () => number): void {
  const handleFrame = inside.handleFrame?.bind(inside)
  if (handleFrame == null) {
    return
  }
  const count = frameBudget(MUXER_FRAMES, now)
  const countPing = frameBudget(MUXER_PINGS, now)
  const sealed = connection as unknown as Sealed
  inside.handleFrame = (frame) => {
    // the muxer ends its connection for what it throws
    count()
    if (frame.header?.type === PING && frame.header.flag === SYN) {
      countPing()
      if (sealed.writableNeedsDrain === true) {
        return
      }
    }
    handleFrame(frame)
  }
}

function boundDecoder({ decoder }: Inside): void {
  const readFrame = decoder?.readFrame?.bind(decoder)
  if (decoder == null || readFrame == null) {
    return
  }
  decoder.readFrame = () => {
    const frame = readFrame()
    if (frame == null && decoder.buffer.byteLength > MUXER_FRAME_BYTES) {
      throw new Error(`a frame of more than ${MUXER_FRAME_BYTES} bytes`)
    }
    return frame
  }
}

function boundSealed(connection: MessageStream, now: () => number): void {
  const sealed = connection as unknown as Sealed
  const decrypt = sealed.decrypt?.bind(connection)
  if (decrypt != null) {
    const count = frameBudget(MUXER_FRAMES, now)
    const countEmpty = frameBudget(EMPTY_FRAMES, now)
    sealed.decrypt = (frame) => {
      count()
      if (frame.byteLength <= TAG_BYTES) {
        countEmpty()
      }
      return decrypt(frame)
    }
  }
}
