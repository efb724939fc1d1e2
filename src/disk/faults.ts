import { accessSync, constants, statfsSync } from 'node:fs'
import { dirname } from 'node:path'

/** `full`: no room. `read-only`: nothing may be written. `failing`: it answers with errors. `denied`: this user may not. `slow`: it works, and takes seconds. */
export type DiskFaultKind = 'full' | 'read-only' | 'failing' | 'denied' | 'slow'

export interface DiskFault {
  kind: DiskFaultKind
  /** What the system said, with its code. */
  says: string
}

const BY_CODE: Record<string, DiskFaultKind> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  // a limit on the size of files: no room for this process
  EFBIG: 'full',
  EROFS: 'read-only',
  EIO: 'failing',
  ENXIO: 'failing',
  ENODEV: 'failing',
  ESTALE: 'failing',
  EUCLEAN: 'failing',
  EACCES: 'denied',
  EPERM: 'denied'
}
/** SQLite's primary result codes: https://www.sqlite.org/rescode.html */
const BY_SQLITE: Record<number, DiskFaultKind> = { 3: 'denied', 8: 'read-only', 10: 'failing', 13: 'full' }
/** A file cannot be opened, for any reason. */
const SQLITE_CANTOPEN = 14

/**
 * What is wrong with the disk, when that is what an error says: of a system call, of SQLite, or of one that was caused by either.
 *
 * @param place where it was: SQLite calls some full and read-only disks an I/O error, so that a look is taken
 */
export function diskFault(err: unknown, place?: string): DiskFault | undefined {
  for (let error = err, depth = 0; error != null && depth < 8; error = (error as Error).cause, depth++) {
    const { code, errcode, message } = error as { code?: unknown; errcode?: unknown; message?: unknown }
    const says = String(message ?? error)
    const ofSqlite = typeof errcode === 'number' ? BY_SQLITE[errcode & 0xff] : undefined
    const kind = ofSqlite ?? (typeof code === 'string' ? BY_CODE[code] : undefined)
    const isVague = kind === 'failing' || (typeof errcode === 'number' && (errcode & 0xff) === SQLITE_CANTOPEN)
    const found = (isVague && place != null ? whyNotWritable(place) : undefined) ?? kind
    if (found != null) {
      return { kind: found, says }
    }
  }
  return undefined
}

/** What keeps this user from writing in `place`, as far as can be seen without writing. */
export function whyNotWritable(place: string): DiskFaultKind | undefined {
  try {
    accessSync(place, constants.W_OK)
  } catch (err) {
    return BY_CODE[(err as NodeJS.ErrnoException).code ?? '']
  }
  return freeBytes(place) === 0 ? 'full' : undefined
}

/** Bytes that this user may still write to the disk of `place`; undefined when that cannot be told. */
export function freeBytes(place: string): number | undefined {
  for (let path = place; ; path = dirname(path)) {
    try {
      const { bavail, bsize } = statfsSync(path)
      return bavail * bsize
    } catch {
      if (dirname(path) === path) {
        return undefined
      }
    }
  }
}

/** What it is, where, and what to do, as the end of a sentence that says what failed. */
export function diskAdvice({ kind, says }: DiskFault, place: string): string {
  switch (kind) {
    case 'full':
      return `the disk of ${place} is full (${says}): make room there`
    case 'read-only':
      return `${place} is read-only (${says}): see that its disk is mounted for writing and that this user may write there`
    case 'failing':
      return `the disk of ${place} is failing (${says}): look at the system's log, and at the disk`
    case 'slow':
      return `the disk of ${place} is slow (${says}): see what else uses it, as a node that waits for its disk misses its windows`
    case 'denied':
      return `${place} may not be used (${says}): check its owner and permissions`
  }
}
