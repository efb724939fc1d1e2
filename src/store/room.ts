import { closeSync, existsSync, openSync, rmSync, writeSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { diskFault, freeBytes } from '../disk/index.ts'

/**
 * Room for what must be written on a full disk: a file that is given up then. Deleting takes room too, as SQLite writes
 * into its log first.
 */
export interface Room {
  /** Runs a write that must not fail for want of room: it changes nothing when it fails, and is then run once more with the reserve. */
  need<T>(write: () => T): T
  /** The same without the reserve, for what may wait: SQLite's log is emptied into the database, which may be all the room that it takes. */
  want<T>(write: () => T): T
  /** Makes the file again when there is room for much more. */
  restore(): void
  /** A node that is stopped needs none. */
  remove(): void
  /** Whether there is a reserve: a disk that is nearly full from the start has no room for one. */
  has(): boolean
}

const RESERVE_BYTES = 1024 * 1024

/** @param onFault told of each first failure, also where the second try works */
export function createRoom({ path, db, onFault }: { path: string; db: DatabaseSync; onFault: (err: unknown) => void }): Room {
  const remove = () => {
    try {
      rmSync(path, { force: true })
    } catch {
      // a disk that became read-only
    }
  }
  const twice = <T>(write: () => T, before: () => void): T => {
    try {
      return write()
    } catch (err) {
      onFault(err)
      if (diskFault(err, path)?.kind !== 'full') {
        throw err
      }
      before()
      try {
        db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      } catch {
        // the write will say it
      }
      return write()
    }
  }
  return {
    need: (write) => twice(write, remove),
    want: (write) => twice(write, () => {}),
    restore() {
      if (existsSync(path) || (freeBytes(path) ?? 0) < 4 * RESERVE_BYTES) {
        return
      }
      let file: number | undefined
      try {
        file = openSync(path, 'wx', 0o600)
        // not zeros: some file systems keep no room for these
        writeSync(file, Buffer.alloc(RESERVE_BYTES, 'room for what is signed '))
      } catch {
        remove()
      } finally {
        if (file != null) {
          closeSync(file)
        }
      }
    },
    remove,
    has: () => existsSync(path)
  }
}
