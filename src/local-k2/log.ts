/** Where the local K2 says what it does; pino's logger is one. */
export interface LocalK2Log {
  debug(facts: object, message: string): void
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

/** Says nothing. */
export function silentLog(): LocalK2Log {
  const nothing = () => {}
  return { debug: nothing, info: nothing, warn: nothing, error: nothing }
}
