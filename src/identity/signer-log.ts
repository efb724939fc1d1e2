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

export interface Logged {
  cycle: number
  key: string
  bytes: Uint8Array
}
