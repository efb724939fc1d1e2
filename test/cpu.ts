/** What a piece of work costs this process in ms of CPU, whatever else the machine does meanwhile. */
export async function cpuMs(work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** What takes this long hangs: a limit for what is expected to end well before. */
export const HANGS_MS = 10 * 60_000
