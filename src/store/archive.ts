/**
 * Finalized records and their ledgers, for long: one SQLite file of its own, so that neither what was signed nor the blocks of
 * proofs have to be walked over for their sake. All of it can be fetched again: a file that is damaged is moved away.
 */
import { createHash } from 'node:crypto'
import { renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { demandFile, freeBytes, makeFolder } from '../disk/index.ts'

export interface ArchivedRecord {
  cycle: number
  /** sha2-256 of its root block, which is what K2 and the next record name it by. */
  digest: Uint8Array
  /** The digest of the record before it; null for the first one. */
  previous: Uint8Array | null
  /** All of its blocks and those of its ledger, by their sha2-256. */
  blocks: ReadonlyArray<{ digest: Uint8Array; bytes: Uint8Array }>
}

/** A record that is here, while the one before it is not. */
export interface Gap {
  cycle: number
  previous: Uint8Array
}

export interface ArchiveStatus {
  /** The first and the last cycle whose records are here; null while there are none. */
  from: number | null
  to: number | null
  /** On the disk. */
  bytes: number
  maxBytes: number
  /** The records that lack the one before them, the newest first: none when the chain is here to its beginning. */
  gaps: number[]
}

export interface RecordArchive {
  /** The bytes of a block, which hash to `digest`; undefined when it is not here. */
  get(digest: Uint8Array): Uint8Array | undefined
  has(digest: Uint8Array): boolean
  /** Whether a record is here, with its ledger. */
  hasRecord(digest: Uint8Array): boolean
  /**
   * Keeps a record in one step. What it takes grows with the record alone, however many are kept.
   *
   * @returns false where it would leave too little room on the disk
   * @throws what the disk says
   */
  put(record: ArchivedRecord): boolean
  /** The newest gap. */
  gap(): Gap | undefined
  /** Whether there is room for older records, so that fetching them drops none. */
  hasRoom(): boolean
  /**
   * Drops records of cycles below `fromCycle`, and the oldest of all while they take more than they may: some at each call, and
   * never the newest one.
   *
   * @returns how many it dropped
   */
  trim(fromCycle: number): number
  status(): ArchiveStatus
  close(): void
}

export interface RecordArchiveInit {
  /** Made when it is missing, with its folder. */
  path: string
  /** The most that it takes on the disk. */
  maxBytes: number
  /** Told of a file that was moved away as damaged. */
  onDamaged?: (path: string, reason: string) => void
  /** Bytes that may still be written. @default what the system says */
  free?: (place: string) => number | undefined
}

/** Left free on the disk, for what must be written: the log of what was signed and its reserve. */
const KEEP_FREE_BYTES = 16 * 1024 * 1024
/** Older records are fetched as long as so much of the bound is free: what is dropped for want of room is not fetched again. */
const FETCH_BELOW = 0.9
/** Records dropped by one call, and pages given back to the system. */
const TRIM_RECORDS = 32
const TRIM_PAGES = 256
/** Gaps that a status names. */
const SHOWN_GAPS = 10

const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

// a block stays for as long as the newest record that has it, as the oldest records go first
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS block (digest BLOB NOT NULL UNIQUE, cycle INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE INDEX IF NOT EXISTS block_cycle ON block (cycle);
  CREATE TABLE IF NOT EXISTS record (cycle INTEGER PRIMARY KEY, digest BLOB NOT NULL, previous BLOB);
  CREATE INDEX IF NOT EXISTS record_digest ON record (digest);
  CREATE TABLE IF NOT EXISTS gap (cycle INTEGER PRIMARY KEY, previous BLOB NOT NULL);
`

/** @throws what the disk says where the file can be neither used nor moved away */
export function openRecordArchive({ path, maxBytes, onDamaged, free = freeBytes }: RecordArchiveInit): RecordArchive {
  let tables = openTables(path, onDamaged)

  /** Runs `use`, and begins anew with an empty file where the old one turns out to be damaged. */
  const safely = <T>(use: (of: Tables) => T, otherwise: T): T => {
    try {
      return use(tables)
    } catch (err) {
      if (!isDamage(err)) {
        throw err
      }
      tables.db.close()
      moveAway(path, err, onDamaged)
      tables = openTables(path, onDamaged)
      return otherwise
    }
  }

  return {
    get: (digest) =>
      safely((of) => {
        const row = of.get.get(digest) as { cycle: number; bytes: Uint8Array } | undefined
        if (row == null || createHash('sha256').update(row.bytes).digest().equals(digest)) {
          return row?.bytes
        }
        // it rotted: its record is fetched anew
        inOne(of, () => {
          of.dropBlock.run(digest)
          forget(of, row.cycle)
        })
        return undefined
      }, undefined),
    has: (digest) => safely((of) => of.has.get(digest) != null, false),
    hasRecord: (digest) => safely((of) => of.hasRecord.get(digest) != null, false),
    put: ({ cycle, digest, previous, blocks }) =>
      safely((of) => {
        const bytes = blocks.reduce((sum, block) => sum + block.bytes.length, 0)
        if ((free(dirname(path)) ?? Number.POSITIVE_INFINITY) < KEEP_FREE_BYTES + 2 * bytes) {
          return false
        }
        inOne(of, () => {
          for (const block of blocks) {
            of.put.run(block.digest, cycle, block.bytes)
          }
          of.putRecord.run(cycle, digest, previous)
          of.dropGap.run(cycle)
          if (previous != null && of.hasRecord.get(previous) == null) {
            of.putGap.run(cycle, previous)
          }
          of.closeGap.run(digest)
        })
        return true
      }, false),
    gap: () => safely((of) => of.gap.get() as Gap | undefined, undefined),
    hasRoom: () => safely((of) => usedBytes(of) < FETCH_BELOW * maxBytes, true),
    trim: (fromCycle) =>
      safely((of) => {
        let dropped = 0
        for (; dropped < TRIM_RECORDS; dropped++) {
          const { oldest, newest } = of.ends.get() as { oldest: number | null; newest: number | null }
          if (oldest == null || oldest === newest || (oldest >= fromCycle && usedBytes(of) <= maxBytes)) {
            break
          }
          inOne(of, () => {
            of.dropBlocks.run(oldest)
            forget(of, oldest)
          })
        }
        if (dropped > 0) {
          of.db.exec(`PRAGMA incremental_vacuum(${TRIM_PAGES})`)
        }
        return dropped
      }, 0),
    status: () =>
      safely(
        (of) => {
          const { oldest, newest } = of.ends.get() as { oldest: number | null; newest: number | null }
          const gaps = (of.gaps.all(SHOWN_GAPS) as Array<{ cycle: number }>).map(({ cycle }) => cycle)
          return { from: oldest, to: newest, bytes: usedBytes(of), maxBytes, gaps }
        },
        { from: null, to: null, bytes: 0, maxBytes, gaps: [] }
      ),
    close: () => tables.db.close()
  }
}

type Tables = ReturnType<typeof openTables>

function openTables(path: string, onDamaged: RecordArchiveInit['onDamaged'], isSecond = false) {
  let db: DatabaseSync | undefined
  try {
    makeFolder(dirname(path))
    for (const end of ['', '-wal', '-journal']) {
      demandFile(`${path}${end}`)
    }
    db = new DatabaseSync(path, { timeout: 0 })
    db.exec(
      'PRAGMA auto_vacuum = INCREMENTAL; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 256; PRAGMA journal_size_limit = 8388608;'
    )
    db.exec(SCHEMA)
    return {
      db,
      get: db.prepare('SELECT cycle, bytes FROM block WHERE digest = ?'),
      has: db.prepare('SELECT 1 FROM block WHERE digest = ?'),
      put: db.prepare('INSERT INTO block VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE SET cycle = max(cycle, excluded.cycle)'),
      dropBlock: db.prepare('DELETE FROM block WHERE digest = ?'),
      dropBlocks: db.prepare('DELETE FROM block WHERE cycle <= ?'),
      hasRecord: db.prepare('SELECT 1 FROM record WHERE digest = ?'),
      putRecord: db.prepare('INSERT OR REPLACE INTO record VALUES (?, ?, ?)'),
      dropRecord: db.prepare('DELETE FROM record WHERE cycle = ?'),
      recordAfter: db.prepare('SELECT cycle, previous FROM record WHERE cycle > ? ORDER BY cycle LIMIT 1'),
      // each end by itself, or SQLite reads all between
      ends: db.prepare('SELECT (SELECT min(cycle) FROM record) AS oldest, (SELECT max(cycle) FROM record) AS newest'),
      gap: db.prepare('SELECT cycle, previous FROM gap ORDER BY cycle DESC LIMIT 1'),
      gaps: db.prepare('SELECT cycle FROM gap ORDER BY cycle DESC LIMIT ?'),
      putGap: db.prepare('INSERT OR REPLACE INTO gap VALUES (?, ?)'),
      dropGap: db.prepare('DELETE FROM gap WHERE cycle = ?'),
      closeGap: db.prepare('DELETE FROM gap WHERE previous = ?'),
      pages: db.prepare('SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size')
    }
  } catch (err) {
    db?.close()
    if (isSecond || !isDamage(err)) {
      throw err
    }
    moveAway(path, err, onDamaged)
    return openTables(path, onDamaged, true)
  }
}

/** Takes a record out; the one after it then lacks the one before. */
function forget(of: Tables, cycle: number): void {
  of.dropRecord.run(cycle)
  of.dropGap.run(cycle)
  const after = of.recordAfter.get(cycle) as { cycle: number; previous: Uint8Array | null } | undefined
  if (after?.previous != null) {
    of.putGap.run(after.cycle, after.previous)
  }
}

function inOne(of: Tables, write: () => void): void {
  of.db.exec('BEGIN IMMEDIATE')
  try {
    write()
    of.db.exec('COMMIT')
  } catch (err) {
    try {
      of.db.exec('ROLLBACK')
    } catch {
      // a full disk has rolled it back already
    }
    throw err
  }
}

function usedBytes(of: Tables): number {
  const { page_count, freelist_count, page_size } = of.pages.get() as Record<'page_count' | 'freelist_count' | 'page_size', number>
  return (page_count - freelist_count) * page_size
}

function isDamage(err: unknown): boolean {
  const { errcode } = err as { errcode?: unknown }
  return typeof errcode === 'number' && [SQLITE_CORRUPT, SQLITE_NOTADB].includes(errcode & 0xff)
}

function moveAway(path: string, err: unknown, onDamaged: RecordArchiveInit['onDamaged']): void {
  rmSync(`${path}-wal`, { force: true })
  renameSync(path, `${path}.damaged`)
  onDamaged?.(`${path}.damaged`, (err as Error).message)
}
