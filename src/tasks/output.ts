/** A task's own output on its way to the log: cut into lines, bounded in length and rate. */
import type { Readable } from 'node:stream'

export interface TaskLogEntry {
  /** `error`: not the task's own words, but how a call of it failed, and where. */
  source: 'task' | 'stdout' | 'stderr' | 'error'
  text: string
}
export type TaskLog = (entry: TaskLogEntry) => void

const LINE_CHARACTERS = 4096
const WINDOW_MS = 1000
/** What goes to the log in a second, and in an hour: enough to debug with, and no more than 400 MB of disk a day. */
const LOGGED_BYTES = 64 * 1024
const HOUR_MS = 3_600_000
const LOGGED_BYTES_AN_HOUR = 16 * 1024 * 1024
/** What a line costs on the disk beside its text: the time, the source and the rest of its JSON. */
const LINE_COST_BYTES = 128
/** What was dropped is told this often while a flood lasts. */
const TELL_MS = 60_000
/** What is read in a second. Beyond it the task's writes block, instead of costing the node's CPU. */
const READ_BYTES = 1024 * 1024
/** Lines of one chunk that are looked at; more of them are only counted. */
const CHUNK_LINES = 512

/** What acts on a terminal or hides: controls, bidi and other format characters, separators of lines and what is not seen. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]+/gu

/** Text that a task chose as one line that only shows, of at most `maxBytes` of UTF-8, cut at a character. */
export function oneLine(text: string, maxBytes: number): string {
  // a character takes at least a byte: no more than this can be left
  const plain = text
    .slice(0, 4 * maxBytes)
    .toWellFormed()
    .replace(UNSEEN, ' ')
  const bytes = new TextEncoder().encode(plain)
  return bytes.length <= maxBytes ? plain : new TextDecoder().decode(bytes.subarray(0, maxBytes)).replace(/\ufffd+$/, '')
}

/** Where a task's output goes on its way to the log. */
export interface LogGate {
  log(entry: TaskLogEntry): void
  /** Lines that nobody has looked at. */
  drop(lines: number): void
}

export interface LogGateInit {
  log: TaskLog
  /** ms, monotonic */
  now: () => number
  /** Calls `fn` once after `delayMs`. */
  after?: (delayMs: number, fn: () => void) => void
}

/** Bounds what reaches the log, from all sources of one task together, by what it costs on the disk. */
export function createLogGate({ log, now, after = afterUnref }: LogGateInit): LogGate {
  const windows = [
    { lengthMs: WINDOW_MS, bytes: LOGGED_BYTES, startMs: now(), left: LOGGED_BYTES },
    { lengthMs: HOUR_MS, bytes: LOGGED_BYTES_AN_HOUR, startMs: now(), left: LOGGED_BYTES_AN_HOUR }
  ]
  let dropped = 0
  let isTelling = false
  let toldMs = Number.NEGATIVE_INFINITY

  /** Once after a short flood, and now and then in a long one. */
  const tell = () => {
    if (!isTelling) {
      isTelling = true
      after(Math.max(WINDOW_MS, toldMs + TELL_MS - now()), () => {
        isTelling = false
        toldMs = now()
        const lines = dropped
        dropped = 0
        log({
          source: 'task',
          text: `(${lines === 1 ? '1 line' : `${lines} lines`} dropped: the task writes more than ${LOGGED_BYTES} bytes a second, or ${LOGGED_BYTES_AN_HOUR} an hour)`
        })
      })
    }
  }
  const drop = (lines: number) => {
    if (lines > 0) {
      dropped += lines
      tell()
    }
  }
  return {
    drop,
    log(entry) {
      const nowMs = now()
      for (const window of windows) {
        if (nowMs - window.startMs >= window.lengthMs) {
          window.startMs = nowMs
          window.left = window.bytes
        }
      }
      // nothing is looked at that cannot be logged anyway
      if (windows.some(({ left }) => left < LINE_COST_BYTES)) {
        drop(1)
        return
      }
      const text = oneLine(entry.text.slice(0, LINE_CHARACTERS), LINE_CHARACTERS)
      const cost = LINE_COST_BYTES + Buffer.byteLength(JSON.stringify(text))
      if (windows.some(({ left }) => left < cost)) {
        drop(1)
        return
      }
      for (const window of windows) {
        window.left -= cost
      }
      log({ ...entry, text })
    }
  }
}

function afterUnref(delayMs: number, fn: () => void): void {
  setTimeout(fn, delayMs).unref()
}

/** A stream that several reasons may hold at a time. */
export interface Tap {
  hold(reason: string): void
  release(reason: string): void
}

export function tapOf(stream: Pick<Readable, 'pause' | 'resume'>): Tap {
  const reasons = new Set<string>()
  return {
    hold(reason) {
      reasons.add(reason)
      stream.pause()
    },
    release(reason) {
      if (reasons.delete(reason) && reasons.size === 0) {
        stream.resume()
      }
    }
  }
}

/**
 * Reads a stream's bytes at no more than a rate; beyond it the writer waits, for as long as what was read is worth.
 *
 * @param onData may answer with what the chunk costs beyond its bytes, in bytes
 */
export function paceReading(
  stream: Readable,
  bytesPerSecond: number,
  onData: (chunk: Buffer) => number | undefined,
  tap: Tap = tapOf(stream)
): void {
  const perWindow = bytesPerSecond / 10
  let seen = 0
  let counting = false
  const count = () => {
    counting = true
    setTimeout(() => {
      seen = Math.max(0, seen - perWindow)
      if (seen <= perWindow) {
        tap.release('rate')
      }
      if (seen > 0) {
        count()
      } else {
        counting = false
      }
    }, WINDOW_MS / 10)
  }
  stream.on('data', (chunk: Buffer) => {
    seen += chunk.length + (onData(chunk) ?? 0)
    if (!counting) {
      count()
    }
    if (seen > perWindow) {
      tap.hold('rate')
    }
  })
  stream.on('error', () => {}) // the process has ended; its exit says why
}

/** @returns the last characters that the stream wrote, for a crash report */
export function readOutput(stream: Readable, source: 'stdout' | 'stderr', gate: LogGate): () => string {
  let partial = ''
  let tail = ''
  paceReading(stream, READ_BYTES, (chunk) => {
    const text = chunk.toString('utf8')
    tail = (tail + text).slice(-4096)
    const lines = (partial + text).split('\n')
    partial = lines.pop()!
    if (partial.length > LINE_CHARACTERS) {
      lines.push(partial)
      partial = ''
    }
    for (const line of lines.slice(0, CHUNK_LINES)) {
      gate.log({ source, text: line })
    }
    gate.drop(lines.length - Math.min(lines.length, CHUNK_LINES))
    return Math.min(lines.length, CHUNK_LINES) * LINE_COST_BYTES
  })
  stream.on('end', () => {
    if (partial !== '') {
      gate.log({ source, text: partial })
    }
  })
  return () => tail
}
