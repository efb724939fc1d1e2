/** A task's own output on its way to the log: cut into lines, bounded in length and rate. */
import type { Readable } from 'node:stream'

export interface TaskLogEntry {
  source: 'task' | 'stdout' | 'stderr'
  text: string
}
export type TaskLog = (entry: TaskLogEntry) => void

const LINE_CHARACTERS = 4096
const WINDOW_MS = 1000
/** What goes to the log in a second: enough to debug with, too little to fill a disk in a day. */
const LOGGED_BYTES = 64 * 1024
/** What is read in a second. Beyond it the task's writes block, instead of costing the node's CPU. */
const READ_BYTES = 1024 * 1024

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

/** Bounds what reaches the log, from all sources of one process together. */
export function createLogGate(log: TaskLog, now: () => number): TaskLog {
  let windowStart = now()
  let left = LOGGED_BYTES
  let dropped = 0
  return (entry) => {
    if (now() - windowStart >= WINDOW_MS) {
      windowStart = now()
      left = LOGGED_BYTES
      if (dropped > 0) {
        log({ source: 'task', text: `(${dropped} lines dropped: the task writes more than ${LOGGED_BYTES} bytes a second)` })
        dropped = 0
      }
    }
    const text = oneLine(entry.text.slice(0, LINE_CHARACTERS), LINE_CHARACTERS)
    if (text.length > left) {
      dropped++
      return
    }
    left -= text.length
    log({ ...entry, text })
  }
}

/**
 * Reads a stream's bytes at no more than a rate; beyond it the writer waits.
 *
 * @param onData may answer with what the chunk costs beyond its bytes, in bytes
 */
export function paceReading(stream: Readable, bytesPerSecond: number, onData: (chunk: Buffer) => number | undefined): void {
  let seen = 0
  let counting = false
  stream.on('data', (chunk: Buffer) => {
    if (!counting) {
      counting = true
      setTimeout(() => {
        counting = false
        seen = 0
        stream.resume()
      }, WINDOW_MS / 10)
    }
    seen += chunk.length + (onData(chunk) ?? 0)
    if (seen > bytesPerSecond / 10) {
      stream.pause()
    }
  })
  stream.on('error', () => {}) // the process has ended; its exit says why
}

/** @returns the last characters that the stream wrote, for a crash report */
export function readOutput(stream: Readable, source: 'stdout' | 'stderr', log: TaskLog): () => string {
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
    for (const line of lines) {
      log({ source, text: line })
    }
    return undefined
  })
  stream.on('end', () => {
    if (partial !== '') {
      log({ source, text: partial })
    }
  })
  return () => tail
}
