/** The chain's SQLite file: its schema, its header, the lock of who has it open, and what is said where it cannot be opened. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { demandFile, forgetPid, holderAt, leavePid, makeFolder } from '../disk/index.ts'
import { CHAIN_FILE, PID_FILE } from './data-dir.ts'
import { DataDirCorruptError, DataDirLockedError, DataDirUnusableError, DataDirVersionError } from './errors.ts'

/** The format of the file, kept in its header beside the application id "K2LC". */
const FORMAT = 1
const APPLICATION_ID = 0x4b324c43
/** A log that a large commit has made longer is cut to this once it is in the database. */
const MAX_LOG_BYTES = 16 * 1024 * 1024

const SCHEMA = `
  CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE blocks (
    height INTEGER PRIMARY KEY, slot INTEGER UNIQUE NOT NULL, parent INTEGER NOT NULL, blockhash BLOB NOT NULL, previous BLOB NOT NULL,
    time INTEGER NOT NULL, transactions INTEGER NOT NULL, total INTEGER NOT NULL, supply TEXT NOT NULL
  );
  CREATE TABLE transactions (id INTEGER PRIMARY KEY, signature BLOB UNIQUE NOT NULL, err TEXT, bytes BLOB NOT NULL, meta TEXT NOT NULL);
  CREATE TABLE mentions (address BLOB NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (address, id)) WITHOUT ROWID;
  CREATE TABLE accounts (
    address BLOB PRIMARY KEY, lamports INTEGER NOT NULL, owner BLOB NOT NULL, executable INTEGER NOT NULL, rent INTEGER NOT NULL,
    data BLOB NOT NULL
  );
`

/**
 * The chain's database in `dataDir`, made where there is none; an empty one in memory without `dataDir`.
 *
 * @throws DataDirLockedError, DataDirVersionError, DataDirCorruptError, DataDirUnusableError
 */
export function openChain(dataDir: string | undefined): DatabaseSync {
  if (dataDir === undefined) {
    const db = new DatabaseSync(':memory:')
    db.exec(SCHEMA)
    return db
  }
  const path = join(dataDir, CHAIN_FILE)
  let db: DatabaseSync | undefined
  try {
    makeFolder(dataDir, 0o777)
    demandFile(path)
    checkHeader(path)
    db = new DatabaseSync(path)
    // the exclusive lock is the operating system's: it ends with the process, however that ends
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    if (db.prepare('PRAGMA schema_version').get()?.schema_version === 0) {
      db.exec(`${SCHEMA} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}`)
    }
    // the log in write-ahead form only now: the format must stand in the file itself, where checkHeader reads it
    db.exec('COMMIT; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16000')
    db.exec(`PRAGMA journal_size_limit = ${MAX_LOG_BYTES}`)
    leavePid(join(dataDir, PID_FILE))
    return db
  } catch (err) {
    db?.close()
    throw toOpenError(err as Error & { errcode?: number }, path)
  }
}

/** Ends what `openChain` began. */
export function closeChain(db: DatabaseSync, dataDir: string | undefined): void {
  if (dataDir !== undefined) {
    forgetPid(join(dataDir, PID_FILE))
  }
  db.close()
}

/**
 * Looks at a file before SQLite opens it, which would write into it. Layout: https://www.sqlite.org/fileformat2.html#the_database_header
 *
 * @throws DataDirCorruptError, DataDirVersionError
 */
function checkHeader(path: string): void {
  // a journal beside it means that a kill came while it was being made: SQLite undoes that
  if (!existsSync(path) || statSync(path).size === 0 || existsSync(`${path}-journal`)) {
    return
  }
  const header = Buffer.alloc(100)
  const file = openSync(path, 'r')
  try {
    readSync(file, header, 0, header.length, 0)
  } finally {
    closeSync(file)
  }
  if (header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
    throw new DataDirCorruptError(path, 'it is not a database')
  }
  if (header.readUInt32BE(68) !== APPLICATION_ID) {
    throw new DataDirCorruptError(path, 'it is the database of another program')
  }
  if (header.readUInt32BE(60) !== FORMAT) {
    throw new DataDirVersionError(path, header.readUInt32BE(60), FORMAT)
  }
}

/** The named error for what SQLite says of the file at `path`. Codes: https://www.sqlite.org/rescode.html */
export function toOpenError(err: Error & { errcode?: number }, path: string): Error {
  switch ((err.errcode ?? -1) & 0xff) {
    case 5:
    case 6:
      return new DataDirLockedError(path, holderAt(join(dirname(path), PID_FILE)))
    case 11:
    case 26:
      return new DataDirCorruptError(path, err.message, { cause: err })
    default:
      return err instanceof DataDirCorruptError || err instanceof DataDirVersionError ? err : new DataDirUnusableError(path, { cause: err })
  }
}
