/** What a piece of work costs this process in ms of CPU, whatever else the machine does meanwhile. */
export async function cpuMs(work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** What takes this long hangs: a limit for what is expected to end well before. */
export const HANGS_MS = 10 * 60_000

/**
 * For what is expected to be so when a time is up: how much happens within a time is the machine's business, so what was not yet so is
 * tried again with four times as much, from the start.
 */
export async function withMoreTime(firstMs: number, attempt: (timeoutMs: number) => Promise<unknown>): Promise<void> {
  for (let timeoutMs = firstMs; ; timeoutMs *= 4) {
    try {
      await attempt(timeoutMs)
      return
    } catch (err) {
      if (timeoutMs >= 64 * firstMs) {
        throw err
      }
    }
  }
}
