/**
 * Files and folders that a person names: regular files of bounded size, and folders that are made one part at a time. A device, a FIFO
 * or an odd file system would hang the process, or feed it without end.
 */
import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync, rmSync, type Stats, statSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** The file is none that can be read as a whole; the message says why, with `code` as the system's errors have it. */
export class UnreadableFileError extends Error {
  override name = 'UnreadableFileError'
  readonly code: string

  constructor(code: string, reason?: string) {
    super(reason == null ? code : `${code}: ${reason}`)
    this.code = code
  }
}

function kindOf(stats: Stats): string {
  const kinds: Array<[boolean, string]> = [
    [stats.isDirectory(), 'a folder'],
    [stats.isFIFO(), 'a FIFO'],
    [stats.isSocket(), 'a socket'],
    [stats.isCharacterDevice() || stats.isBlockDevice(), 'a device']
  ]
  return kinds.find(([is]) => is)?.[1] ?? 'no regular file'
}

/**
 * The contents of a regular file of at most `maxBytes`: opening and reading neither waits nor goes on without end.
 *
 * @throws UnreadableFileError
 */
export function readSmallFile(path: string, maxBytes: number): Buffer {
  let file: number | undefined
  try {
    // a FIFO without a writer would wait here
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0))
    const stats = fstatSync(file)
    if (!stats.isFile()) {
      throw new UnreadableFileError(stats.isDirectory() ? 'EISDIR' : 'EINVAL', `it is ${kindOf(stats)}, and should be a file`)
    }
    if (stats.size > maxBytes) {
      throw new UnreadableFileError('EFBIG', `it has ${stats.size} bytes, and should have ${maxBytes} at most`)
    }
    // its size says nothing under /proc
    const bytes = Buffer.alloc(maxBytes + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(file, bytes, length, bytes.length - length, null)
    }
    if (length > maxBytes) {
      throw new UnreadableFileError('EFBIG', `it has more than ${maxBytes} bytes`)
    }
    return bytes.subarray(0, length)
  } catch (err) {
    if (err instanceof UnreadableFileError) {
      throw err
    }
    const { code = 'unknown' } = err as NodeJS.ErrnoException
    throw new UnreadableFileError(code, code === 'ENXIO' ? 'it is a socket or a device, and should be a file' : undefined)
  } finally {
    if (file != null) {
      closeSync(file)
    }
  }
}

/** Makes a folder and those above it, for this user alone: one part at a time, as `recursive` never ends under /proc. */
export function makeFolder(path: string, mode = 0o700): void {
  const missing: string[] = []
  for (let part = resolve(path); ; part = dirname(part)) {
    const stats = statSync(part, { throwIfNoEntry: false })
    if (stats != null) {
      if (!stats.isDirectory()) {
        throw Object.assign(new Error(`ENOTDIR: ${part} is ${stats.isFile() ? 'a file' : kindOf(stats)}, and should be a folder`), {
          code: 'ENOTDIR'
        })
      }
      break
    }
    missing.unshift(part)
  }
  for (const part of missing) {
    try {
      mkdirSync(part, { mode })
    } catch (err) {
      // another process may have made it in between
      if ((err as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw err
      }
    }
  }
}

/** Refuses what SQLite would open and wait for: anything at `path` but a regular file, or nothing. @throws UnreadableFileError */
export function demandFile(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats != null && !stats.isFile()) {
    throw new UnreadableFileError('EINVAL', `${path} is ${kindOf(stats)}, and should be a file`)
  }
}

/** Says beside a lock whose it is; only the holder of the lock may call it. A full disk costs the name, not the lock. */
export function leavePid(path: string): void {
  try {
    rmSync(path, { force: true })
    writeFileSync(path, `${process.pid}\n`, { mode: 0o600, flag: 'wx' })
  } catch {
    // whoever is refused is told less
  }
}

/** To be called by the holder of the lock, while it has it. */
export function forgetPid(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // a disk that became read-only
  }
}

/** "process 123", as far as it is known who has what `path` stands beside. */
export function holderAt(path: string): string {
  try {
    const pid = Number(readSmallFile(path, 32).toString())
    process.kill(pid, 0)
    return `process ${pid}`
  } catch (err) {
    // of another user, and there
    return (err as NodeJS.ErrnoException).code === 'EPERM' && !(err instanceof UnreadableFileError)
      ? `process ${readSmallFile(path, 32).toString().trim()}`
      : 'its process is not known'
  }
}
