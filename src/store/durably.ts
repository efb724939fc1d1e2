import type { DatabaseSync } from 'node:sqlite'

/**
 * Commits what `write` writes to the disk itself before it returns, with all commits before it. Costs a wait for the
 * disk, so it is for promises alone: what was signed, and votes on their way.
 */
export function durably(db: DatabaseSync, write: () => unknown): void {
  db.exec('PRAGMA synchronous = FULL')
  try {
    write()
  } finally {
    db.exec('PRAGMA synchronous = NORMAL')
  }
}
