import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { demandFile, holderAt } from '../disk/index.ts'
import { DataDirLockedError, DataDirUnusableError } from './errors.ts'

/** The chain's file in its folder; SQLite puts a log beside it while it is open, and after a kill. */
export const CHAIN_FILE = 'k2.sqlite'
/** Who has it open. */
export const PID_FILE = 'k2.sqlite.pid'
const BESIDE = ['-wal', '-shm', '-journal', '.pid']

/** Whether there is a chain in `dataDir`, whatever its state. */
export function hasChain(dataDir: string): boolean {
  return existsSync(join(dataDir, CHAIN_FILE))
}

/**
 * Throws the chain in `dataDir` away, whatever version wrote it and however damaged it is. Nothing else in the folder is touched.
 *
 * @returns whether there was one
 * @throws DataDirLockedError while a process has it open, DataDirUnusableError when it cannot be removed
 */
export function resetDataDir(dataDir: string): boolean {
  const path = join(dataDir, CHAIN_FILE)
  if (!existsSync(path)) {
    return false
  }
  try {
    demandFile(path)
  } catch (err) {
    throw new DataDirUnusableError(path, { cause: err as Error })
  }
  if (isOpenElsewhere(path)) {
    throw new DataDirLockedError(path, holderAt(join(dataDir, PID_FILE)))
  }
  try {
    // the logs first: a kill in between leaves a database that lost its last blocks, and no log that would be laid over a new one
    for (const end of [...BESIDE, '']) {
      rmSync(`${path}${end}`, { force: true })
    }
  } catch (err) {
    throw new DataDirUnusableError(path, { cause: err as Error })
  }
  return true
}

function isOpenElsewhere(path: string): boolean {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path)
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return false
  } catch (err) {
    // SQLITE_BUSY and SQLITE_LOCKED; a file that is no database at all is nobody's
    return [5, 6].includes(((err as { errcode?: number }).errcode ?? -1) & 0xff)
  } finally {
    db?.close()
  }
}
