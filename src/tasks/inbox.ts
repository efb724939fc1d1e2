/** What a process says, read at a bounded pace, a turn at a time, and as the shapes that there are. */
import type { Readable } from 'node:stream'
import { createFrameReader, type Frame, FrameError } from './child/frames.ts'
import { FROM_TASK_LIMITS, type FromTask, fromTaskShape } from './messages.ts'
import { paceReading, tapOf } from './output.ts'
import { createTurns } from './turns.ts'
import { problemIn } from './words.ts'

/** What a child may send in a second before it has to wait, with each frame counted as so many bytes more: 8,192 small ones. */
const FRAME_BYTES_PER_SECOND = 64 * 1024 * 1024
const FRAME_COST_BYTES = 8 * 1024

export interface InboxInit {
  channel: Readable
  /** Nothing more is taken. */
  isOver: () => boolean
  receive: (message: FromTask, body: Uint8Array) => void
  /** What came is none. */
  refuse: (ending: 'oversized' | 'unreadable', detail: string) => void
}

export interface Inbox {
  /** Takes what has been read and waits for its turn. */
  drain(): void
}

export function readInbox({ channel, isOver, receive, refuse }: InboxInit): Inbox {
  const frames = createFrameReader(FROM_TASK_LIMITS)
  const tap = tapOf(channel)
  const turns = createTurns<Frame>({
    handle({ head, body }) {
      if (isOver()) {
        return
      }
      const message = fromTaskShape.safeParse(head)
      if (message.success) {
        receive(message.data, body)
      } else {
        refuse('unreadable', `a message of unknown shape: ${problemIn(message.error)}`)
      }
    },
    onBacklog: () => tap.hold('turn'),
    onEmpty: () => tap.release('turn'),
    now: () => performance.now(),
    after: (delayMs, fn) => void setTimeout(fn, delayMs)
  })
  paceReading(
    channel,
    FRAME_BYTES_PER_SECOND,
    (chunk) => {
      let read = 0
      try {
        turns.take(() => {
          const whole = isOver() ? [] : frames.push(chunk)
          read = whole.length
          return whole
        })
      } catch (error) {
        if (!(error instanceof FrameError)) {
          throw error
        }
        refuse(error.isTooLarge ? 'oversized' : 'unreadable', error.message)
      }
      return read * FRAME_COST_BYTES
    },
    tap
  )

  return { drain: () => turns.drain() }
}
