/**
 * # store
 *
 * What must outlive a crash: one SQLite file per node, in the data directory. What belongs to a task is kept by task.
 *
 * @example
 * ```ts
 * const store = openStore({ dir: '/var/lib/koii-mesh' })
 * const signer = createSigner(keyPair, store.signerLog)
 * store.messages.put(taskId, { id, cycle, kind, bytes })
 * store.close()
 * ```
 */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type DiskWatch, demandFile, diskAdvice, diskFault, forgetPid, holderAt, leavePid, makeFolder } from '../disk/index.ts'
import type { WholeLog } from '../identity/index.ts'
import { durably } from './durably.ts'
import { DataDirInUseError, StoreError } from './errors.ts'
import { type KeyValue, keyValueIn } from './key-value.ts'
import { type CycleLog, cycleLogIn, type MessageLog, messageLogIn, signerLogIn } from './logs.ts'
import { createRoom } from './room.ts'
import { adoptSpace, type Origin, putTrust, type TrustLog, trustIn } from './trust.ts'

export {
  type ArchivedRecord,
  type ArchiveStatus,
  type Gap,
  openRecordArchive,
  type RecordArchive,
  type RecordArchiveInit
} from './archive.ts'
export { DataDirInUseError, StoreError } from './errors.ts'
export { KEY_COST_BYTES, type KeyValue, type ListRange, QuotaExceededError } from './key-value.ts'
export type { CycleEntry, CycleLog, CyclePhases, MessageLog, PhaseAudit, StoredMessage } from './logs.ts'
export { type LogTrust, type Origin, spaceOf, type TrustLog } from './trust.ts'

/** Raised when the tables change, or what stands in them means something else; a newer file is refused rather than guessed at. */
const SCHEMA_VERSION = 3

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS signed (task TEXT, cycle INTEGER, key TEXT, hash TEXT NOT NULL, bytes BLOB, PRIMARY KEY (task, cycle, key)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS message (task TEXT, cycle INTEGER, id TEXT, bytes BLOB NOT NULL, slot INTEGER NOT NULL, PRIMARY KEY (task, cycle, id)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS cycle (task TEXT, cycle INTEGER, entry TEXT NOT NULL, PRIMARY KEY (task, cycle)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS kv (space TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
`

/** Says outside of the database that there was one, so that an empty one is not taken for a new one. */
const MARKER = 'node.sqlite.made'
const MARKER_TEXT = `A node has kept its log of what it signed in node.sqlite in this folder. If that file is lost or empty, the node sees by
this one that it was there, and listens for three rounds before it signs again. Leave it here.
`
/** What every node has made beside its database since before there was a marker. */
const TRACES = [MARKER, 'node-key', 'blocks']
/** Beside the database: room that is given up on a full disk, and who runs. */
const RESERVE = 'node.sqlite.reserve'
const PID = 'node.sqlite.pid'

export interface Store extends TrustLog {
  signerLog: WholeLog
  /** Of this database: one that is made anew has another. 32 hex digits. */
  id(): string
  messages: MessageLog
  cycles: CycleLog
  /**
   * A key-value space of its own, for a room or a task.
   *
   * @param quotaBytes bounds keys and values together, each key with `KEY_COST_BYTES` more
   * @param durable whether each write is to survive a power cut; a kill it survives anyway
   */
  keyValue(space: string, quotaBytes?: number, durable?: boolean): KeyValue
  /**
   * The space `spaceOf(task, name)`. What a data directory of before, which was for one task, had in the space `name` is brought there
   * first, if it was this task's.
   *
   * @throws StoreError where the disk does not take that
   */
  taskSpace(task: string, name: string, quotaBytes?: number, durable?: boolean): KeyValue
  /** Whether what is signed has room that is kept for it on a full disk. */
  hasReserve(): boolean
  close(): void
}

export interface StoreInit {
  dir: string
  /** Told of writes that fail, and tells when to try again. */
  watch?: Pick<DiskWatch, 'failed' | 'took' | 'onRetry'>
}

/**
 * Opens (or makes) the store of a node.
 *
 * On a disk that is full later on, what was signed, votes on their way, pins and whatever is deleted have a reserve of 1 MiB;
 * messages and what became of a cycle wait in memory.
 *
 * @throws DataDirInUseError, StoreError when it cannot be written to, or is damaged, or of another version
 */
export function openStore({ dir, watch }: StoreInit): Store {
  const path = join(dir, 'node.sqlite')
  // a database without a byte and with nothing beside it could not be made, on a full disk perhaps: it is no log that was lost
  const before =
    [path, `${path}-wal`].some((file) => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0) ||
    TRACES.some((name) => existsSync(join(dir, name)))
  let db: DatabaseSync | undefined
  try {
    makeFolder(dir)
    for (const end of ['', '-wal', '-journal']) {
      demandFile(`${path}${end}`)
    }
    db = new DatabaseSync(path, { timeout: 0 })
    // an exclusive lock for as long as the process lives: the same key on two nodes would contradict itself
    // a commit survives a kill; what must survive a power cut too is written `durably`
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;')
    const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
    if (version > SCHEMA_VERSION) {
      throw new StoreError(
        `the data directory ${dir} was written by another version of koii-mesh (store ${version}, this one reads ${SCHEMA_VERSION}): run that version, or choose another --data-dir`
      )
    }
    const check = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
    if (check.quick_check !== 'ok') {
      throw Object.assign(new Error(check.quick_check), { errcode: SQLITE_CORRUPT })
    }
    makeTables(db, version, before ? 'lost' : 'new')
    leaveMarker(join(dir, MARKER))
  } catch (err) {
    db?.close() // or its lock would outlive the refusal
    throw explain(err, dir, path)
  }
  const opened = db
  leavePid(join(dir, PID))
  const room = createRoom({ path: join(dir, RESERVE), db: opened, onFault: (err) => watch?.failed('the database', err) })
  room.restore()
  const told = <T>(write: () => T): T => {
    try {
      return write()
    } catch (err) {
      watch?.failed('the database', err)
      throw err
    }
  }
  const timed = <T>(write: () => T): T => {
    const startMs = performance.now()
    try {
      return write()
    } finally {
      watch?.took('the database', performance.now() - startMs)
    }
  }
  const tools = {
    db: opened,
    told,
    want: <T>(write: () => T) => timed(() => room.want(write)),
    need: <T>(write: () => T) => timed(() => room.need(write))
  }
  const messages = messageLogIn(tools)
  const cycles = cycleLogIn(tools)
  const usage = new Map<string, number>()
  watch?.onRetry(() => {
    durably(opened, () => opened.exec("INSERT INTO meta VALUES ('probe', '') ON CONFLICT DO UPDATE SET value = ''"))
    messages.flush()
    cycles.flush()
    room.restore()
  })
  return {
    signerLog: signerLogIn(tools),
    id: () => (opened.prepare("SELECT value FROM meta WHERE key = 'id'").get() as { value: string }).value,
    ...trustIn(tools),
    messages,
    cycles,
    keyValue: (space, quotaBytes, durable) => keyValueIn(tools, space, usage, quotaBytes, durable),
    taskSpace(task, name, quotaBytes, durable) {
      try {
        return keyValueIn(tools, adoptSpace(tools, task, name), usage, quotaBytes, durable)
      } catch (err) {
        throw explain(err, dir, path)
      }
    },
    hasReserve: room.has,
    close: () => {
      // a stopped node needs no reserve, and what waits may fit into its place
      room.remove()
      for (const { flush } of [cycles, messages]) {
        try {
          flush()
        } catch {
          // told to the watch; the lock has to be let go whatever the disk says
        }
      }
      messages.stop()
      forgetPid(join(dir, PID))
      opened.close()
    }
  }
}

const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/** Makes the tables, or carries over those of version 1, whose log had the hashes alone, and of 2, which was for one task. */
function makeTables(db: DatabaseSync, version: number, origin: Origin): void {
  db.exec(`BEGIN IMMEDIATE; ${SCHEMA}`)
  const columns = db.prepare('PRAGMA table_info(signed)').all() as Array<{ name: string }>
  if (!columns.some(({ name }) => name === 'bytes')) {
    db.exec('ALTER TABLE signed ADD COLUMN bytes BLOB')
  }
  if (version < SCHEMA_VERSION) {
    putTrust(db, version === 0 ? origin : 'kept')
  }
  db.prepare("INSERT OR IGNORE INTO meta (key, value) VALUES ('id', ?)").run(randomBytes(16).toString('hex'))
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT;`)
}

function leaveMarker(path: string): void {
  if (existsSync(path)) {
    return
  }
  const file = openSync(path, 'w', 0o600)
  try {
    writeSync(file, MARKER_TEXT)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function explain(err: unknown, dir: string, path: string): StoreError {
  if (err instanceof StoreError) {
    return err
  }
  const { message, errcode } = err as Error & { errcode?: number }
  const primary = errcode == null ? undefined : errcode & 0xff
  if (primary === 5 || primary === 6) {
    return new DataDirInUseError(
      `the data directory ${dir} is in use by another running node (${holderAt(join(dir, PID))}): stop that one, or choose another --data-dir`
    )
  }
  const fault = diskFault(err, dir)
  if (fault != null && fault.kind !== 'denied') {
    return new StoreError(
      `the data directory ${dir} cannot be written to: ${diskAdvice(fault, dir)}. Leave ${path} where it is: it holds the log of what this node signed`
    )
  }
  if (primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB) {
    return new StoreError(
      `the data directory ${dir} is damaged (${message}). Nothing was changed. Move ${path} away and start again: the node takes the round up from its peers and K2, ` +
        'and with this key listens for three rounds before it signs, as its log of what it signed is in that file'
    )
  }
  return new StoreError(
    `cannot use the data directory ${dir} (${message}): check that it is a folder that you may write to, or choose another --data-dir`
  )
}
