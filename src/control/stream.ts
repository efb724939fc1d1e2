/**
 * Events as server-sent events. A ring keeps the last ones; each reader is a place in it, so that one who does not read costs what the
 * system buffers for a connection and no more. One who falls out of the ring, or takes nothing for a while, is cut, and may come back with
 * `Last-Event-ID`.
 */
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { type Events, type NodeEvent, toLine } from '../observe/index.ts'
import { LIMITS } from './limits.ts'

export interface StreamInit {
  events: Pick<Events, 'on'>
  /** What the ring keeps, in events and in bytes of them. */
  maxEvents?: number
  maxBytes?: number
  maxReaders?: number
  /** Tells this process from the one before it, in ids. */
  run?: string
  /** Calls `beat` now and then, and returns what ends that: a reader that took nothing between two calls is cut. */
  every?: (beat: () => void) => () => void
}

export interface OpenInit {
  /** The last event that the reader had; what came after it is given first. */
  lastEventId?: string | undefined
  /** Where a reader begins that had none. */
  from: 'oldest' | 'now'
  /** Whether the stream goes on after what is there. */
  follow: boolean
}

export interface EventStreams {
  /** undefined when there are too many readers. */
  open(init: OpenInit): Readable | undefined
  readers(): number
  /** Ends every stream, after what is there. */
  stop(): void
}

/** Well below what an intermediary waits for. */
const BEAT_MS = 15_000
/** A reader's own buffer, in bytes; the connection has one like it. */
const AHEAD_BYTES = 16 * 1024

const ID = /^([0-9a-f]{12})-(\d{1,15})$/

const everyBeat = (beat: () => void) => {
  const timer = setInterval(beat, BEAT_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** Whether a text is the id of an event of some node. */
export const isEventId = (text: string): boolean => ID.test(text)

export function createStreams({
  events,
  maxEvents = LIMITS.events,
  maxBytes = LIMITS.eventBytes,
  maxReaders = LIMITS.readers,
  run = randomBytes(6).toString('hex'),
  every = everyBeat
}: StreamInit): EventStreams {
  /** Those of numbers `newest - kept.length + 1` to `newest`. */
  const kept: Array<{ frame: string; bytes: number }> = []
  let newest = 0
  let keptBytes = 0
  let stopped = false
  const readers = new Set<Reader>()
  const oldest = () => newest - kept.length + 1

  const add = (event: NodeEvent) => {
    newest++
    const frame = `id: ${run}-${newest}\ndata: ${toLine(event)}\n\n`
    const bytes = Buffer.byteLength(frame)
    kept.push({ frame, bytes })
    keptBytes += bytes
    while (kept.length > maxEvents || keptBytes > maxBytes) {
      keptBytes -= kept.shift()!.bytes
    }
    for (const reader of readers) {
      reader.pump()
    }
  }

  /** Where a reader goes on, and what it has lost on the way; null where that is not known. */
  const placeOf = ({ lastEventId, from }: OpenInit): { after: number; lost: number | null } => {
    if (lastEventId == null) {
      return { after: from === 'now' ? newest : oldest() - 1, lost: 0 }
    }
    const [, itsRun, number] = ID.exec(lastEventId) ?? []
    const had = Number(number)
    if (itsRun !== run || had > newest) {
      return { after: oldest() - 1, lost: null }
    }
    return had < oldest() - 1 ? { after: oldest() - 1, lost: oldest() - 1 - had } : { after: had, lost: 0 }
  }

  class Reader extends Readable {
    /** The number of the last event that was given. */
    #at: number
    #wants = false
    #took = true
    readonly #follow: boolean

    constructor(after: number, follow: boolean, head: string) {
      super({ highWaterMark: AHEAD_BYTES })
      this.#at = after
      this.#follow = follow
      this.push(head)
    }

    override _read(): void {
      this.#wants = true
      this.#took = true
      this.pump()
    }

    override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
      readers.delete(this)
      callback(error)
    }

    pump(): void {
      if (this.#at + 1 < oldest()) {
        this.destroy()
        return
      }
      while (this.#wants && this.#at < newest) {
        this.#at++
        this.#wants = this.push(kept[this.#at - oldest()]!.frame)
      }
      if (this.#wants && (stopped || !this.#follow)) {
        readers.delete(this)
        this.push(null)
      }
    }

    beat(): void {
      if (this.#wants) {
        this.#wants = this.push(': still here\n\n')
      } else if (!this.#took) {
        this.destroy()
      }
      this.#took = false
    }
  }

  const off = events.on(add)
  const quiet = every(() => {
    for (const reader of readers) {
      reader.beat()
    }
  })

  return {
    open(init) {
      if (readers.size >= maxReaders || stopped) {
        return undefined
      }
      const { after, lost } = placeOf(init)
      const gap = lost === 0 ? '' : `event: gap\ndata: ${toLine({ lost })}\n\n`
      const reader = new Reader(after, init.follow, `retry: 2000\n\n${gap}`)
      readers.add(reader)
      return reader
    },
    readers: () => readers.size,
    stop() {
      stopped = true
      off()
      quiet()
      for (const reader of readers) {
        reader.pump()
      }
    }
  }
}
