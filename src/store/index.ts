/**
 * # store
 *
 * What must outlive a crash: one SQLite file per node, in the data directory.
 *
 * @example
 * ```ts
 * const store = openStore({ dir: '/var/lib/koii-mesh' })
 * const signer = createSigner(keyPair, store.signerLog)
 * store.messages.put(taskId, { id, cycle, kind, bytes })
 * store.close()
 * ```
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { SignerLog } from '../identity/index.ts'
import { StoreError } from './errors.ts'
import { type KeyValue, keyValueIn } from './key-value.ts'
import { type CycleLog, cycleLogIn, type MessageLog, messageLogIn, signerLogIn } from './logs.ts'

export { StoreError } from './errors.ts'
export { type KeyValue, QuotaExceededError } from './key-value.ts'
export type { CycleEntry, CycleLog, MessageLog, StoredMessage } from './logs.ts'

/** Raised when the tables change; an older or newer file is refused rather than guessed at. */
const SCHEMA_VERSION = 1

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS signed (task TEXT, cycle INTEGER, key TEXT, hash TEXT NOT NULL, PRIMARY KEY (task, cycle, key)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS message (task TEXT, cycle INTEGER, id TEXT, bytes BLOB NOT NULL, slot INTEGER NOT NULL, PRIMARY KEY (task, cycle, id)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS cycle (task TEXT, cycle INTEGER, entry TEXT NOT NULL, PRIMARY KEY (task, cycle)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS kv (space TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;
`

export interface Store {
  signerLog: SignerLog
  messages: MessageLog
  cycles: CycleLog
  /**
   * A key-value space of its own, for a room or a task.
   *
   * @param quotaBytes bounds keys and values together
   * @param durable whether each write is to survive a power cut; a kill it survives anyway
   */
  keyValue(space: string, quotaBytes?: number, durable?: boolean): KeyValue
  close(): void
}

/**
 * Opens (or makes) the store of a node.
 *
 * @throws StoreError when another process has it, or it is damaged, or of another version
 */
export function openStore({ dir }: { dir: string }): Store {
  const path = join(dir, 'node.sqlite')
  let db: DatabaseSync | undefined
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    db = new DatabaseSync(path, { timeout: 0 })
    // an exclusive lock for as long as the process lives: the same key on two nodes would contradict itself
    // a commit survives a kill; what must survive a power cut too is written `durably`
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;')
    const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
    if (version !== 0 && version !== SCHEMA_VERSION) {
      throw new StoreError(
        `the data directory ${dir} was written by another version of koii-mesh (store ${version}, this one reads ${SCHEMA_VERSION}): run that version, or choose another --data-dir`
      )
    }
    const check = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
    if (check.quick_check !== 'ok') {
      throw new Error(check.quick_check)
    }
    db.exec(`BEGIN IMMEDIATE; ${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT;`)
  } catch (err) {
    db?.close() // or its lock would outlive the refusal
    throw explain(err, dir, path)
  }
  const opened = db
  const messages = messageLogIn(opened)
  const usage = new Map<string, number>()
  return {
    signerLog: signerLogIn(opened),
    messages,
    cycles: cycleLogIn(opened),
    keyValue: (space, quotaBytes, durable) => keyValueIn(opened, space, usage, quotaBytes, durable),
    close: () => {
      try {
        messages.flush()
      } finally {
        opened.close()
      }
    }
  }
}

function explain(err: unknown, dir: string, path: string): StoreError {
  if (err instanceof StoreError) {
    return err
  }
  const message = err instanceof Error ? err.message : String(err)
  if (/locked|busy/i.test(message)) {
    return new StoreError(`the data directory ${dir} is in use by another running node: stop that one, or choose another --data-dir`)
  }
  if (/EACCES|EPERM|EEXIST|ENOTDIR|EROFS|ENOSPC|unable to open/i.test(message)) {
    return new StoreError(
      `cannot use the data directory ${dir} (${message}): check that it is a folder that you may write to, or choose another --data-dir`
    )
  }
  return new StoreError(
    `the data directory ${dir} is damaged (${message}). Nothing was changed. Move ${path} away and start again: the node takes the round up from its peers and K2, ` +
      'but stay out for three rounds with this key, as its log of what it signed is in that file'
  )
}
