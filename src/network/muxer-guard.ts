import type { StreamMuxerFactory } from '@libp2p/interface'
import { MUXER_FRAMES } from './limits.ts'

/** What yamux's class has and its interface leaves out. */
interface Inside {
  handleFrame?: (frame: object) => void
}

/**
 * A muxer that takes only so many frames: pings, window updates and bytes one at a time cost as much as whole blocks, and
 * belong to no stream that could be counted. Too many end the connection.
 *
 * It replaces a method of the object that the library has made. Where a later version has none of that name, it is left as
 * it is, and test/network/streams.spec.ts says so.
 */
export function boundFrames(make: () => StreamMuxerFactory, now: () => number = () => performance.now()): () => StreamMuxerFactory {
  return () => {
    const factory = make()
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => {
      const muxer = createStreamMuxer(connection)
      const inside = muxer as unknown as Inside
      const handleFrame = inside.handleFrame?.bind(muxer)
      let spent = 0
      let atMs = now()
      if (handleFrame != null) {
        inside.handleFrame = (frame) => {
          if (++spent > MUXER_FRAMES.burst) {
            // the clock is asked only where it matters: most connections never come here
            const nowMs = now()
            spent = Math.max(1, spent - ((nowMs - atMs) * MUXER_FRAMES.perSecond) / 1_000)
            atMs = nowMs
            if (spent > MUXER_FRAMES.burst) {
              // the muxer ends its connection for what it throws
              throw new Error(`more than ${MUXER_FRAMES.burst} frames at once, or ${MUXER_FRAMES.perSecond} a second`)
            }
          }
          handleFrame(frame)
        }
      }
      return muxer
    }
    return factory
  }
}
