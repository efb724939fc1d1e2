import type { DatabaseSync } from 'node:sqlite'
import type { Logged, SignerLog } from '../identity/index.ts'
import { durably } from './durably.ts'

export interface StoredMessage {
  id: string
  cycle: number
  /** The slot in which this node first had it. */
  slot: number
  /** The envelope. */
  bytes: Uint8Array
}

/** The accepted messages of the live cycles, so that a restarted node takes its rounds up where it was. */
export interface MessageLog {
  /** Takes a message; it is on disk at the latest `FLUSH_MS` later, or when `flush` returns. Sync brings back what a kill took. */
  put(task: string, message: StoredMessage): void
  flush(): void
  load(task: string, fromCycle: number): StoredMessage[]
  /** Forgets the cycles before `cycle`. */
  prune(task: string, cycle: number): void
}

/** What became of a cycle, as the operator is told and as a restart needs it: JSON, bigint as text. */
export type CycleEntry = Record<string, unknown>

export interface CycleLog {
  /** Merges `entry` into what is known of the cycle. */
  merge(task: string, cycle: number, entry: CycleEntry): void
  get(task: string, cycle: number): CycleEntry | undefined
  list(task: string, limit: number): Array<{ cycle: number; entry: CycleEntry }>
}

/** Cycles behind the one that is pruned to which is looked: a node that was down for longer leaves a few bytes more. */
const PRUNED_CYCLES = 1_000

export function signerLogIn(db: DatabaseSync): SignerLog {
  const get = db.prepare('SELECT hash FROM signed WHERE task = ? AND cycle = ? AND key = ?')
  const put = db.prepare('INSERT INTO signed (task, cycle, key, hash, bytes) VALUES (?, ?, ?, ?, ?)')
  const list = db.prepare('SELECT cycle, key, bytes FROM signed WHERE task = ? AND cycle >= ? AND bytes IS NOT NULL ORDER BY cycle, key')
  const dropAgain = db.prepare("DELETE FROM signed WHERE task = ? AND cycle >= ? AND cycle < ? AND key LIKE 'again/%'")
  const dropBytes = db.prepare('UPDATE signed SET bytes = NULL WHERE task = ? AND cycle >= ? AND cycle < ? AND bytes IS NOT NULL')
  return {
    get: (task, cycle, key) => (get.get(task, cycle, key) as { hash: string } | undefined)?.hash,
    put: (task, cycle, key, hash, bytes) => {
      durably(db, () => put.run(task, cycle, key, hash, bytes))
    },
    list: (task, fromCycle) => list.all(task, fromCycle) as unknown as Logged[],
    prune: (task, cycle) => {
      dropAgain.run(task, cycle - PRUNED_CYCLES, cycle)
      dropBytes.run(task, cycle - PRUNED_CYCLES, cycle)
    }
  }
}

/** One commit for all messages of this long: each costs a wait for the disk. */
const FLUSH_MS = 50
const RETRY_MS = 5_000

export function messageLogIn(db: DatabaseSync): MessageLog {
  const put = db.prepare('INSERT OR IGNORE INTO message (task, cycle, id, bytes, slot) VALUES (?, ?, ?, ?, ?)')
  const load = db.prepare('SELECT id, cycle, slot, bytes FROM message WHERE task = ? AND cycle >= ? ORDER BY slot, id')
  const prune = db.prepare('DELETE FROM message WHERE task = ? AND cycle < ?')
  let waiting: Array<{ task: string; message: StoredMessage }> = []
  let timer: NodeJS.Timeout | undefined

  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    if (waiting.length === 0) {
      return
    }
    const batch = waiting
    waiting = []
    db.exec('BEGIN')
    try {
      for (const { task, message } of batch) {
        put.run(task, message.cycle, message.id, message.bytes, message.slot)
      }
      db.exec('COMMIT')
    } catch (err) {
      waiting = [...batch, ...waiting]
      // on a full disk SQLite has rolled back by itself
      if (db.isTransaction) {
        db.exec('ROLLBACK')
      }
      throw err
    }
  }
  /** A disk that is full now may not be so later; nothing that others need to have hangs on this write. */
  const flushLater = () => {
    try {
      flush()
    } catch {
      timer = setTimeout(flushLater, RETRY_MS)
    }
  }
  return {
    put: (task, message) => {
      waiting.push({ task, message })
      timer ??= setTimeout(flushLater, FLUSH_MS)
    },
    flush,
    load: (task, fromCycle) => {
      flush()
      return load.all(task, fromCycle) as unknown as StoredMessage[]
    },
    prune: (task, cycle) => {
      flush()
      prune.run(task, cycle)
    }
  }
}

export function cycleLogIn(db: DatabaseSync): CycleLog {
  const get = db.prepare('SELECT entry FROM cycle WHERE task = ? AND cycle = ?')
  const put = db.prepare('INSERT INTO cycle (task, cycle, entry) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET entry = excluded.entry')
  const list = db.prepare('SELECT cycle, entry FROM cycle WHERE task = ? ORDER BY cycle DESC LIMIT ?')
  const read = (task: string, cycle: number) => {
    const row = get.get(task, cycle) as { entry: string } | undefined
    return row == null ? undefined : (JSON.parse(row.entry) as CycleEntry)
  }
  return {
    merge: (task, cycle, entry) => {
      put.run(task, cycle, JSON.stringify({ ...read(task, cycle), ...entry }))
    },
    get: read,
    list: (task, limit) =>
      (list.all(task, limit) as Array<{ cycle: number; entry: string }>).map((row) => ({
        cycle: row.cycle,
        entry: JSON.parse(row.entry) as CycleEntry
      }))
  }
}
