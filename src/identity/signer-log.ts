/** The write-ahead log of what was signed. `put` returns only when the entry would survive a power cut. */
export interface SignerLog {
  /** The hash of what was signed under a key, 64 hex digits. */
  get(task: string, cycle: number, key: string): string | undefined
  /** `bytes` is what the hash is of, so that it can be said again. */
  put(task: string, cycle: number, key: string, hash: string, bytes: Uint8Array): void
  /** What was signed for `fromCycle` and later, as far as its bytes are kept. */
  list(task: string, fromCycle: number): Logged[]
  /** Forgets the bytes of cycles before `cycle`; the hashes of what may be said once stay for ever. */
  prune(task: string, cycle: number): void
}

/** A log that can be told from its beginning to its end, to whoever keeps the same entries. */
export interface WholeLog extends SignerLog {
  /** Of `fromCycle` and later those that come after `after` in the order of cycle and key: so many at most. */
  page(task: string, from: { fromCycle: number; after?: { cycle: number; key: string } | undefined; limit: number }): LogEntry[]
  /** Takes entries in one write that survives a power cut; where there is one already it stays. */
  takeAll(task: string, entries: readonly LogEntry[]): void
}

/** What stands in a log: of an old cycle the hash alone. */
export interface LogEntry {
  cycle: number
  key: string
  hash: string
  bytes: Uint8Array | null
}

export interface Logged {
  cycle: number
  key: string
  bytes: Uint8Array
}
