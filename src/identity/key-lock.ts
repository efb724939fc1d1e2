import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, realpathSync } from 'node:fs'
import { hostname, tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { demandFile, diskFault } from '../disk/index.ts'
import { KeyFileError, KeyInUseError } from './errors.ts'

/** Who has a key: for the one who is refused. */
export interface KeyHolder {
  dataDir: string
  task: string
}

export interface KeyLock {
  /** The file that is locked; undefined when none could be, and `unlocked` says why. */
  path: string | undefined
  unlocked: string | undefined
  release(): void
}

/** Another process that takes the lock in this instant is waited for, so that it can be named. */
const BUSY_MS = 250

/**
 * Locks a key file for as long as this process lives: one key, one node. The lock is the operating system's, taken by SQLite
 * on a file beside the key (`KEY.lock`), and goes with the process however that ends. Links lead to the same lock; a copy of
 * the key elsewhere has its own. Where nothing can be written beside the key, the lock is in the user's folder for
 * temporary files.
 *
 * @throws KeyInUseError naming the process that has it, KeyFileError
 */
export function lockKeyFile(keyPath: string, holder: KeyHolder): KeyLock {
  const real = realpathSync(keyPath)
  const reasons: string[] = []
  for (const place of [() => `${real}.lock`, () => ownTempLock(real)]) {
    try {
      const path = place()
      return { path, unlocked: undefined, release: lockAt(path, keyPath, holder) }
    } catch (err) {
      if (err instanceof KeyInUseError || err instanceof KeyFileError) {
        throw err
      }
      reasons.push(err instanceof Error ? err.message : String(err))
    }
  }
  return { path: undefined, unlocked: reasons.join('; '), release: () => {} }
}

function lockAt(path: string, keyPath: string, holder: KeyHolder): () => void {
  demandFile(path)
  const db = new DatabaseSync(path, { timeout: BUSY_MS })
  try {
    db.exec('BEGIN IMMEDIATE')
    db.exec('CREATE TABLE IF NOT EXISTS holder (pid INTEGER, host TEXT, dataDir TEXT, task TEXT, since TEXT)')
    db.exec('DELETE FROM holder')
    db.prepare('INSERT INTO holder VALUES (?, ?, ?, ?, ?)').run(
      process.pid,
      hostname(),
      holder.dataDir,
      holder.task,
      new Date().toISOString()
    )
    db.exec('COMMIT')
    // held, and never committed: others can read who has it, and cannot get it
    db.exec('BEGIN IMMEDIATE')
    return () => db.close()
  } catch (err) {
    const message = err instanceof Error ? err.message : String(err)
    const holds = /locked|busy/i.test(message) ? describeHolder(db) : undefined
    db.close()
    if (holds != null) {
      throw new KeyInUseError(
        `the staking key ${keyPath} is in use by another node (${holds}): two nodes with one key contradict each other, and each time costs a slash. ` +
          'Stop that node, or give this one a key of its own (--key, or key in the entry of a task where the node does several)'
      )
    }
    // full for a moment, and the next one would get the lock that this one did not
    if (diskFault(err, dirname(path))?.kind === 'full') {
      throw new KeyFileError(
        `the key ${keyPath} could not be locked, as there is no room for ${path} (${message}): make room and start again`
      )
    }
    if (/not a database|malformed/i.test(message)) {
      throw new KeyFileError(`${path} is in the place of the lock of the key ${keyPath}, and is no such lock: move it away`)
    }
    throw err
  }
}

/**
 * Locks a path for as long as this process lives, as the system does it for SQLite.
 *
 * @param path - of a file for the lock alone, which stays
 * @returns lets it go; undefined where another process has it
 */
export function lockPath(path: string): (() => void) | undefined {
  demandFile(path)
  const db = new DatabaseSync(path, { timeout: BUSY_MS })
  try {
    db.exec('BEGIN IMMEDIATE')
    return () => db.close()
  } catch (err) {
    db.close()
    if (/locked|busy/i.test(err instanceof Error ? err.message : String(err))) {
      return undefined
    }
    throw err
  }
}

function describeHolder(db: DatabaseSync): string {
  try {
    const row = db.prepare('SELECT * FROM holder').get() as Record<string, string | number> | undefined
    return row == null
      ? 'it is just starting'
      : `process ${row.pid} on ${row.host}, data directory ${row.dataDir}, task ${row.task}, since ${row.since}`
  } catch {
    return 'it is just starting'
  }
}

/** In a folder that nobody else can write to, or an outsider could hold the lock. */
function ownTempLock(real: string): string {
  const { uid, username } = userInfo()
  const dir = join(tmpdir(), `koii-mesh-keys-${uid < 0 ? username : uid}`)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const there = lstatSync(dir)
  if (!there.isDirectory() || (uid >= 0 && (there.uid !== uid || (there.mode & 0o022) !== 0))) {
    throw new Error(`${dir} is not a folder of this user alone`)
  }
  return join(dir, `${createHash('sha256').update(real).digest('hex')}.lock`)
}
