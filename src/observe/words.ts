/** Numbers as people read them; JSON has them exact. */

/** "1 cycle", "2 cycles", "1 reply" and "2 replies" with the plural given. */
export function counted(count: number | bigint, noun: string, plural = `${noun}s`): string {
  return `${count} ${Number(count) === 1 ? noun : plural}`
}

/** A length of time, of at most four digits: "11 ms", "1.5 s", "11 s". */
export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : ms < 9950 ? `${Math.round(ms / 100) / 10} s` : `${Math.round(ms / 1000)} s`
}

/** By the clock on the operator's wall, "13:05:09", of an ISO 8601 time. */
export function timeOfDay(iso: string): string {
  return new Date(iso).toLocaleTimeString('en-GB')
}
