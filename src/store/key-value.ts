import { durably } from './durably.ts'
import type { StoreTools } from './logs.ts'

export class QuotaExceededError extends Error {
  override name = 'QuotaExceededError'
}

/** What a key costs in a quota beyond its own bytes and those of its value: a row of the database has its space's name, too. */
export const KEY_COST_BYTES = 128

export interface ListRange {
  /** The keys after this one, which need not be there. @default from the first */
  after?: string
  /** No more than so many. @default all */
  limit?: number
}

/** A small durable map from text to bytes. A write survives a kill once its promise has resolved. */
export interface KeyValue {
  get(key: string): Promise<Uint8Array | undefined>
  /** @throws QuotaExceededError, or what the disk says */
  put(key: string, value: Uint8Array): Promise<void>
  delete(key: string): Promise<void>
  /** The keys that begin with `prefix`, ascending by their bytes. No more of them are read than are asked for. */
  list(prefix?: string, range?: ListRange): Promise<string[]>
}

/** `usage` holds the bytes in use of every space of the store, so that a space opened twice has one quota. */
export function keyValueIn(
  { db, told, need }: StoreTools,
  space: string,
  usage: Map<string, number>,
  quotaBytes = Number.POSITIVE_INFINITY,
  durable = false
): KeyValue {
  const get = db.prepare('SELECT value FROM kv WHERE space = ? AND key = ?')
  const put = db.prepare('INSERT INTO kv (space, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
  const remove = db.prepare('DELETE FROM kv WHERE space = ? AND key = ?')
  // text is compared by its bytes, so that the keys with one beginning stand together
  const from = db.prepare('SELECT key FROM kv WHERE space = ? AND key >= ? ORDER BY key LIMIT ?')
  const after = db.prepare('SELECT key FROM kv WHERE space = ? AND key > ? ORDER BY key LIMIT ?')
  const sizeOf = (key: string, value: Uint8Array) => KEY_COST_BYTES + Buffer.byteLength(key) + value.length
  const sum = db.prepare(
    `SELECT coalesce(sum(${KEY_COST_BYTES} + length(CAST(key AS BLOB)) + length(value)), 0) AS bytes FROM kv WHERE space = ?`
  )
  const used = () => usage.get(space) ?? 0
  if (!usage.has(space)) {
    usage.set(space, (sum.get(space) as { bytes: number }).bytes)
  }
  const stored = (key: string) => (get.get(space, key) as { value: Uint8Array } | undefined)?.value

  return {
    async get(key) {
      return stored(key)
    },
    async put(key, value) {
      const before = stored(key)
      const total = used() + sizeOf(key, value) - (before == null ? 0 : sizeOf(key, before))
      if (total > quotaBytes) {
        throw new QuotaExceededError(
          `'${key}' of ${value.length} bytes does not fit: ${used()} of ${quotaBytes} bytes are in use, and a key costs ${KEY_COST_BYTES} of its own. Delete keys first`
        )
      }
      if (durable) {
        need(() => durably(db, () => put.run(space, key, value)))
      } else {
        told(() => put.run(space, key, value))
      }
      usage.set(space, total)
    },
    async delete(key) {
      const before = stored(key)
      if (before != null) {
        need(() => remove.run(space, key))
        usage.set(space, used() - sizeOf(key, before))
      }
    },
    async list(prefix = '', range = {}) {
      const { limit = -1 } = range
      const isPast = range.after != null && Buffer.compare(Buffer.from(range.after), Buffer.from(prefix)) >= 0
      const rows = (isPast ? after.all(space, range.after!, limit) : from.all(space, prefix, limit)) as Array<{ key: string }>
      const end = rows.findIndex(({ key }) => !key.startsWith(prefix))
      return (end < 0 ? rows : rows.slice(0, end)).map(({ key }) => key)
    }
  }
}
