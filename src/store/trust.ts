/** What the log of what was signed is worth, by task; and whose the key-value spaces are that a directory of before had for its one task. */
import type { DatabaseSync } from 'node:sqlite'
import { durably } from './durably.ts'
import type { StoreTools } from './logs.ts'

/**
 * Where the log of what was signed for a task comes from: `kept` by this node and to be believed; `new`, as this directory has kept none
 * of that task; or made anew because it was `lost`.
 */
export type Origin = 'kept' | 'new' | 'lost'

export interface TrustLog {
  /** Stays `new` or `lost` over restarts until `trustLog`. */
  origin(task: string): Origin
  /** From now on the log tells all that the key of this task may still be held to in it. Durable. */
  trustLog(task: string): void
  /** The key has spoken in this task where the log does not know of: what was `kept` is `lost` until `trustLog`. Durable. */
  distrustLog(task: string): void
}

/** What the log of one task is worth, for who knows no other: `origin` and `trustLog` of the store. */
export interface LogTrust {
  origin(): Origin
  trustLog(): void
}

/** Of every task that has no row of its own. */
const OF_ALL = 'origin'
const ofTask = (task: string) => `origin/${task}`
/** Whose the spaces of before are. */
const former = (task: string) => `former/${task}`

/** Where a value of one task is kept, for `keyValue`. */
export const spaceOf = (task: string, name: string): string => `task-of/${task}/${name}`

export function trustIn({ db, need }: StoreTools): TrustLog {
  const get = db.prepare('SELECT value FROM meta WHERE key = ?')
  const trust = db.prepare("INSERT INTO meta VALUES (?, 'kept') ON CONFLICT DO UPDATE SET value = 'kept' WHERE value <> 'kept'")
  const distrust = db.prepare("UPDATE meta SET value = 'lost' WHERE key = ? AND value = 'kept'")
  const originOf = (key: string) => (get.get(key) as { value: Origin } | undefined)?.value
  return {
    origin: (task) => originOf(ofTask(task)) ?? originOf(OF_ALL)!,
    trustLog: (task) => void need(() => durably(db, () => trust.run(ofTask(task)))),
    distrustLog: (task) => void need(() => durably(db, () => distrust.run(ofTask(task))))
  }
}

/**
 * Puts down what the log is worth for all tasks without a word of their own. In a directory of before, whose word was for whatever task
 * it ran, `kept` is that of the tasks that it knows, and its spaces are those of the task that it ran last. In the caller's transaction.
 *
 * @param otherwise - where the directory says nothing yet
 */
export function putTrust(db: DatabaseSync, otherwise: Origin): void {
  const { value } = (db.prepare('SELECT value FROM meta WHERE key = ?').get(OF_ALL) as { value: Origin } | undefined) ?? {
    value: otherwise
  }
  db.prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value').run(
    OF_ALL,
    value === 'kept' ? 'new' : value
  )
  const put = db.prepare('INSERT OR IGNORE INTO meta VALUES (?, ?)')
  const names = [...tasksIn(db, 'signed'), ...tasksIn(db, 'message'), ...tasksIn(db, 'cycle')]
  // the copy of a signer's log says nothing of this one
  for (const task of value === 'kept' ? names.filter((name) => !isCopy(name)) : []) {
    put.run(ofTask(task), 'kept')
  }
  const newest = db.prepare('SELECT task FROM message ORDER BY slot DESC LIMIT 1').get() as { task: string } | undefined
  for (const name of newest == null ? names : [newest.task]) {
    put.run(former(name.slice(name.lastIndexOf('/') + 1)), '')
  }
}

/**
 * Brings what a directory of before had in the space `name` to where it is kept now, if it was this task's. All of it, or nothing.
 *
 * @returns the name of that space
 */
export function adoptSpace({ db, need }: StoreTools, task: string, name: string): string {
  const space = spaceOf(task, name)
  const isThere = db.prepare('SELECT 1 FROM meta WHERE key = ? AND EXISTS (SELECT 1 FROM kv WHERE space = ?)').get(former(task), name)
  if (isThere != null) {
    const move = db.prepare('UPDATE kv SET space = ? WHERE space = ?')
    need(() => move.run(space, name))
  }
  return space
}

/** `signer/KEY/TASK`: see src/signer/remote/copy.ts. */
const isCopy = (name: string) => name.includes('/')

/** By the index, a step for each: a log has as many rows as its node has had cycles. */
function tasksIn(db: DatabaseSync, table: 'signed' | 'message' | 'cycle'): string[] {
  const rows = db.prepare(
    `WITH RECURSIVE known(task) AS (
       SELECT min(task) FROM ${table} UNION ALL SELECT (SELECT min(task) FROM ${table} WHERE task > known.task) FROM known WHERE known.task IS NOT NULL
     ) SELECT task FROM known WHERE task IS NOT NULL`
  )
  return (rows.all() as Array<{ task: string }>).map(({ task }) => task)
}
