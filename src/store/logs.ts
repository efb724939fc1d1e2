import type { DatabaseSync } from 'node:sqlite'
import type { LogEntry, Logged, WholeLog } from '../identity/index.ts'
import { durably } from './durably.ts'

/** What the parts of the store share: three ways of writing, which tell of a disk that is at fault and throw what failed. */
export interface StoreTools {
  db: DatabaseSync
  told<T>(write: () => T): T
  /** Once more where SQLite's own log was in the way. */
  want<T>(write: () => T): T
  /** With the reserve. */
  need<T>(write: () => T): T
}

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
  /** @throws what the disk says; the messages go on waiting, and are part of `load` */
  flush(): void
  load(task: string, fromCycle: number): StoredMessage[]
  /** Forgets the cycles before `cycle`. */
  prune(task: string, cycle: number): void
  /** Tries nothing more. */
  stop(): void
}

/** What became of a cycle, as the operator is told and as a restart needs it: JSON, amounts in ROE as decimal text. */
export interface CycleEntry {
  /** CIDs of what the node submitted. */
  proofs?: string[]
  /** Why there was nothing to submit. */
  missed?: string
  /** Why K2 has no record of the cycle. */
  skipped?: string
  /** Root of the final vote that is on K2, hex. */
  voted?: string
  /** Why K2 did not take the vote. */
  voteLost?: string
  /** CID of the finalized record. */
  record?: string
  /** `accepted`, `no submission`, `not known`, or why it was rejected. */
  outcome?: string
  reason?: string
  paid?: string
  total?: string
  /** When each thing was done, as far as it was told. */
  phases?: CyclePhases
}

/** Slots in which things were told; null where K2's slot was not known. */
export interface CyclePhases {
  submittedSlot?: number | null
  missedSlot?: number | null
  /** The first ones, as many as are kept. */
  audits?: PhaseAudit[]
  /** All of them. */
  auditCount?: number
  /** Who challenged this node's own submission. */
  challengedBy?: string[]
  proposals?: number
  approvedSlot?: number | null
  agreedSlot?: number | null
  /** CID */
  agreed?: string
  /** Why there was no agreement, or not yet: the last that was told. */
  noAgreement?: string
  handedOverSlot?: number | null
  votedSlot?: number | null
  voteLostSlot?: number | null
  /** Of the transaction that brought the vote; null where it is not known. */
  signature?: string | null
  finalizedSlot?: number | null
  settledSlot?: number | null
  closedSlot?: number | null
}

export interface PhaseAudit {
  slot: number | null
  /** Whose work. */
  subject: string
  finding: 'valid' | 'invalid' | 'unavailable' | 'abstained'
  reason: string
  purpose: 'sample' | 'challenge'
}

export interface CycleLog {
  /** Merges `entry` into what is known of the cycle. What the disk does not take waits in memory. */
  merge(task: string, cycle: number, entry: CycleEntry): void
  /** Writes what waits. @throws what the disk says */
  flush(): void
  get(task: string, cycle: number): CycleEntry | undefined
  list(task: string, limit: number): Array<{ cycle: number; entry: CycleEntry }>
}

/** Cycles behind the one that is pruned to which is looked: a node that was down for longer leaves a few bytes more. */
const PRUNED_CYCLES = 1_000

export function signerLogIn({ db, need }: StoreTools): WholeLog {
  const get = db.prepare('SELECT hash FROM signed WHERE task = ? AND cycle = ? AND key = ?')
  const put = db.prepare('INSERT INTO signed (task, cycle, key, hash, bytes) VALUES (?, ?, ?, ?, ?)')
  const list = db.prepare('SELECT cycle, key, bytes FROM signed WHERE task = ? AND cycle >= ? AND bytes IS NOT NULL ORDER BY cycle, key')
  const page = db.prepare(
    'SELECT cycle, key, hash, bytes FROM signed WHERE task = ? AND cycle >= ? AND (cycle, key) > (?, ?) ORDER BY cycle, key LIMIT ?'
  )
  const take = db.prepare('INSERT OR IGNORE INTO signed (task, cycle, key, hash, bytes) VALUES (?, ?, ?, ?, ?)')
  const dropAgain = db.prepare("DELETE FROM signed WHERE task = ? AND cycle >= ? AND cycle < ? AND key LIKE 'again/%'")
  const dropBytes = db.prepare('UPDATE signed SET bytes = NULL WHERE task = ? AND cycle >= ? AND cycle < ? AND bytes IS NOT NULL')
  return {
    get: (task, cycle, key) => (get.get(task, cycle, key) as { hash: string } | undefined)?.hash,
    put: (task, cycle, key, hash, bytes) => {
      need(() => durably(db, () => put.run(task, cycle, key, hash, bytes)))
    },
    list: (task, fromCycle) => list.all(task, fromCycle) as unknown as Logged[],
    page: (task, { fromCycle, after, limit }) =>
      page.all(task, fromCycle, after?.cycle ?? -1, after?.key ?? '', limit) as unknown as LogEntry[],
    takeAll: (task, entries) => {
      need(() =>
        durably(db, () =>
          atOnce(db, () => {
            for (const { cycle, key, hash, bytes } of entries) {
              take.run(task, cycle, key, hash, bytes)
            }
          })
        )
      )
    },
    prune: (task, cycle) => {
      need(() => {
        dropAgain.run(task, cycle - PRUNED_CYCLES, cycle)
        dropBytes.run(task, cycle - PRUNED_CYCLES, cycle)
      })
    }
  }
}

function atOnce(db: DatabaseSync, write: () => void): void {
  db.exec('BEGIN')
  try {
    write()
    db.exec('COMMIT')
  } catch (err) {
    // on a full disk SQLite has rolled back by itself
    if (db.isTransaction) {
      db.exec('ROLLBACK')
    }
    throw err
  }
}

/** One commit for all messages of this long: each costs a wait for the disk. */
const FLUSH_MS = 50
const RETRY_MS = 5_000
/** What one step of forgetting deletes: SQLite's log needs room for no more. */
const PRUNED_MESSAGES = 256

export function messageLogIn({ db, want, need }: StoreTools): MessageLog {
  const put = db.prepare('INSERT OR IGNORE INTO message (task, cycle, id, bytes, slot) VALUES (?, ?, ?, ?, ?)')
  const load = db.prepare('SELECT id, cycle, slot, bytes FROM message WHERE task = ? AND cycle >= ? ORDER BY slot, id')
  const prune = db.prepare(
    `DELETE FROM message WHERE (task, cycle, id) IN (SELECT task, cycle, id FROM message WHERE task = ? AND cycle < ? LIMIT ${PRUNED_MESSAGES})`
  )
  let waiting: Array<{ task: string; message: StoredMessage }> = []
  let timer: NodeJS.Timeout | undefined

  const write = (batch: typeof waiting) =>
    atOnce(db, () => {
      for (const { task, message } of batch) {
        put.run(task, message.cycle, message.id, message.bytes, message.slot)
      }
    })
  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    if (waiting.length === 0) {
      return
    }
    try {
      want(() => write(waiting))
      waiting = []
    } catch (err) {
      timer = setTimeout(flushLater, RETRY_MS).unref()
      throw err
    }
  }
  /** A disk that is full now may not be so later; nothing that others need to have hangs on this write. */
  const flushLater = () => {
    try {
      flush()
    } catch {
      // flush has set the next try
    }
  }
  return {
    put: (task, message) => {
      waiting.push({ task, message })
      timer ??= setTimeout(flushLater, FLUSH_MS)
    },
    flush,
    load: (task, fromCycle) => {
      flushLater()
      const kept = load.all(task, fromCycle) as unknown as StoredMessage[]
      const ids = new Set(kept.map(({ cycle, id }) => `${cycle}/${id}`))
      for (const { task: its, message } of waiting) {
        const name = `${message.cycle}/${message.id}`
        if (its === task && message.cycle >= fromCycle && !ids.has(name)) {
          ids.add(name)
          kept.push(message)
        }
      }
      return kept
    },
    prune: (task, cycle) => {
      waiting = waiting.filter(({ task: its, message }) => its !== task || message.cycle >= cycle)
      while (need(() => prune.run(task, cycle)).changes === PRUNED_MESSAGES) {
        // the next ones
      }
      flushLater()
    },
    stop: () => {
      clearTimeout(timer)
      waiting = []
    }
  }
}

export function cycleLogIn({ db, want }: StoreTools): CycleLog {
  const get = db.prepare('SELECT entry FROM cycle WHERE task = ? AND cycle = ?')
  const put = db.prepare('INSERT INTO cycle (task, cycle, entry) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET entry = excluded.entry')
  const list = db.prepare('SELECT cycle, entry FROM cycle WHERE task = ? ORDER BY cycle DESC LIMIT ?')
  /** By task and cycle: what the disk has not taken, with all that is known of the cycle. */
  const waiting = new Map<string, { task: string; cycle: number; entry: CycleEntry }>()
  const nameOf = (task: string, cycle: number) => `${task}/${cycle}`
  const read = (task: string, cycle: number) => {
    const row = get.get(task, cycle) as { entry: string } | undefined
    return waiting.get(nameOf(task, cycle))?.entry ?? (row == null ? undefined : (JSON.parse(row.entry) as CycleEntry))
  }
  const flush = () => {
    for (const [name, { task, cycle, entry }] of waiting) {
      want(() => put.run(task, cycle, JSON.stringify(entry)))
      waiting.delete(name)
    }
  }
  return {
    merge: (task, cycle, entry) => {
      waiting.set(nameOf(task, cycle), { task, cycle, entry: { ...read(task, cycle), ...entry } })
      try {
        flush()
      } catch {
        // told, and written with the next one that can be
      }
    },
    flush,
    get: read,
    list: (task, limit) => {
      const rows = (list.all(task, limit) as Array<{ cycle: number; entry: string }>).map(({ cycle, entry }) => ({
        cycle,
        entry: JSON.parse(entry) as CycleEntry
      }))
      const all = new Map(rows.map((row) => [row.cycle, row]))
      for (const { task: its, cycle, entry } of waiting.values()) {
        if (its === task) {
          all.set(cycle, { cycle, entry })
        }
      }
      return [...all.values()].sort((a, b) => b.cycle - a.cycle).slice(0, limit)
    }
  }
}
