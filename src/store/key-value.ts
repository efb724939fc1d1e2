import type { DatabaseSync } from 'node:sqlite'
import { durably } from './durably.ts'

export class QuotaExceededError extends Error {
  override name = 'QuotaExceededError'
}

/** A small durable map from text to bytes. A write survives a kill once its promise has resolved. */
export interface KeyValue {
  get(key: string): Promise<Uint8Array | undefined>
  /** @throws QuotaExceededError */
  put(key: string, value: Uint8Array): Promise<void>
  delete(key: string): Promise<void>
  /** The keys that begin with `prefix`, ascending. */
  list(prefix?: string): Promise<string[]>
}

/** `usage` holds the bytes in use of every space of the store, so that a space opened twice has one quota. */
export function keyValueIn(
  db: DatabaseSync,
  space: string,
  usage: Map<string, number>,
  quotaBytes = Number.POSITIVE_INFINITY,
  durable = false
): KeyValue {
  const get = db.prepare('SELECT value FROM kv WHERE space = ? AND key = ?')
  const put = db.prepare('INSERT INTO kv (space, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
  const remove = db.prepare('DELETE FROM kv WHERE space = ? AND key = ?')
  // compared as bytes: SQLite measures text up to its first NUL only
  const list = db.prepare(
    "SELECT key FROM kv WHERE space = ? AND coalesce(substr(CAST(key AS BLOB), 1, ?), x'') = CAST(? AS BLOB) ORDER BY key"
  )
  const sizeOf = (key: string, value: Uint8Array) => Buffer.byteLength(key) + value.length
  const sum = db.prepare('SELECT coalesce(sum(length(CAST(key AS BLOB)) + length(value)), 0) AS bytes FROM kv WHERE space = ?')
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
      const after = used() + sizeOf(key, value) - (before == null ? 0 : sizeOf(key, before))
      if (after > quotaBytes) {
        throw new QuotaExceededError(
          `'${key}' of ${value.length} bytes does not fit: ${used()} of ${quotaBytes} bytes are in use. Delete keys first`
        )
      }
      if (durable) {
        durably(db, () => put.run(space, key, value))
      } else {
        put.run(space, key, value)
      }
      usage.set(space, after)
    },
    async delete(key) {
      const before = stored(key)
      if (before != null) {
        remove.run(space, key)
        usage.set(space, used() - sizeOf(key, before))
      }
    },
    async list(prefix = '') {
      return (list.all(space, Buffer.byteLength(prefix), prefix) as Array<{ key: string }>).map((row) => row.key)
    }
  }
}
