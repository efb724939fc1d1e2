import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type DiskFault, diskAdvice, diskFault, whyNotWritable } from './faults.ts'

/** What is wrong now, and since how many failures. */
export interface DiskTrouble extends DiskFault {
  /** What was being done when it was noticed first: "the log of what was signed". */
  what: string
  /** One line: what is wrong, where, what to do. */
  advice: string
}

export interface DiskWatch {
  /** A write of `what` failed. Says whether the disk was at fault; then it is tried again until it works. */
  failed(what: string, err: unknown): boolean
  /** A write of `what` took so long. */
  took(what: string, ms: number): void
  /** Looks whether there is room, for a node that writes little: cheap, and writes nothing. */
  look(): void
  /** What is wrong now, or null. */
  trouble(): DiskTrouble | null
  /** `retry` is called at each new try, and throws when it does not work yet. */
  onRetry(retry: () => void): void
  /** What must not wait for the next try: called once for each trouble, when it begins. */
  onTrouble(listener: (trouble: DiskTrouble) => void): void
  onOver(listener: (former: DiskTrouble) => void): void
  stop(): void
}

export interface DiskWatchInit {
  /** The folder whose disk it is. */
  dir: string
  /** Calls `fn` once after `delayMs`; the returned function cancels it. */
  after?: (delayMs: number, fn: () => void) => () => void
  /** Tries to write so much in `dir`. @throws what the system says */
  probe?: (dir: string) => void
  /** ms, monotonic */
  now?: () => number
}

/** The first try again, and the longest pause. */
const FIRST_MS = 1_000
const LONGEST_MS = 30_000
/** One write that takes longer is worth knowing of. */
const SLOW_MS = 2_000
const PROBE_FILE = 'room.probe'
const PROBE_BYTES = 64 * 1024
/** Room that must be there before a full disk counts as well again: with less it would be full again at once. */
const ROOM_BYTES = 4 * 1024 * 1024

/** Watches whether one folder can be written to. Trouble is told when it begins and when it is over, not at each failure between. */
export function createDiskWatch({ dir, after = systemAfter, probe = writeProbe, now = () => performance.now() }: DiskWatchInit): DiskWatch {
  const retries: Array<() => void> = []
  const begun: Array<(trouble: DiskTrouble) => void> = []
  const over: Array<(former: DiskTrouble) => void> = []
  let trouble: DiskTrouble | null = null
  let cancel = () => {}

  const tryAgain = (pauseMs: number) => {
    cancel = after(pauseMs, () => {
      const startMs = now()
      try {
        probe(dir)
        for (const retry of retries) {
          retry()
        }
        if (now() - startMs > SLOW_MS) {
          throw new Error('it works, and is slow still')
        }
      } catch {
        tryAgain(Math.min(2 * pauseMs, LONGEST_MS))
        return
      }
      const former = trouble!
      trouble = null
      for (const listener of over) {
        listener(former)
      }
    })
  }
  const begin = (what: string, fault: DiskFault) => {
    // what is worse than slow is told of at once
    if (trouble == null || (trouble.kind === 'slow' && fault.kind !== 'slow')) {
      trouble = { ...fault, what, advice: diskAdvice(fault, dir) }
      cancel()
      tryAgain(FIRST_MS)
      for (const listener of begun) {
        listener(trouble)
      }
    }
  }
  return {
    failed(what, err) {
      const fault = diskFault(err, dir)
      if (fault != null) {
        begin(what, fault)
      }
      return fault != null
    },
    took(what, ms) {
      if (ms > SLOW_MS) {
        begin(what, { kind: 'slow', says: `${Math.round(ms)} ms for one write` })
      }
    },
    look() {
      const kind = trouble == null ? whyNotWritable(dir) : undefined
      if (kind != null) {
        begin('what comes next', { kind, says: kind === 'full' ? 'not one byte is free' : 'nothing may be written' })
      }
    },
    trouble: () => trouble,
    onRetry: (retry) => void retries.push(retry),
    onTrouble: (listener) => void begun.push(listener),
    onOver: (listener) => void over.push(listener),
    stop() {
      cancel()
      retries.length = 0
    }
  }
}

function systemAfter(delayMs: number, fn: () => void): () => void {
  const timer = setTimeout(fn, delayMs).unref()
  return () => clearTimeout(timer)
}

function writeProbe(dir: string): void {
  const { bavail, blocks, bsize } = statfsSync(dir)
  if (bavail * bsize < Math.min(ROOM_BYTES, (blocks * bsize) / 8)) {
    throw Object.assign(new Error('ENOSPC: hardly any room'), { code: 'ENOSPC' })
  }
  const path = join(dir, PROBE_FILE)
  rmSync(path, { force: true })
  const file = openSync(path, 'wx', 0o600)
  try {
    writeSync(file, Buffer.alloc(PROBE_BYTES))
  } finally {
    closeSync(file)
    rmSync(path, { force: true })
  }
}
