/** Time as this room uses it. Handed in, so that tests own it. */
export interface Timers {
  /** Milliseconds, never going back. */
  now(): number
  setTimeout(run: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

/** The machine's own time. Its timers keep no process alive. */
export const systemTimers: Timers = {
  now: () => performance.now(),
  setTimeout: (run, ms) => setTimeout(run, ms).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout)
}
