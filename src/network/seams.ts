/** What the network rooms are handed instead of reaching for globals. */

/** Runs `run` once after `ms`; the returned function cancels. */
export type Timer = (run: () => void, ms: number) => () => void

/** The wall timer. It never keeps the process alive by itself. */
export const wallTimer: Timer = (run, ms) => {
  const handle = setTimeout(run, ms)
  handle.unref?.()
  return () => clearTimeout(handle)
}

/** The part of a pino logger that these rooms write to. */
export interface Log {
  debug(facts: object, text: string): void
  warn(facts: object, text: string): void
}

export const silentLog: Log = { debug: () => {}, warn: () => {} }
