/** How long each call of a bundle may take. */
import type { TaskFunction, TaskManifest } from './api.ts'

export interface CallOptions {
  /** the node's limit; the manifest's own is used when it is lower */
  timeoutMs?: number
  signal?: AbortSignal
}

/** Without anything from the manifest or the caller. A task that works all through its cycle is told its time by the caller. */
const DEFAULT_TIMEOUTS_MS: Record<TaskFunction, number> = {
  setup: 30_000,
  task: 300_000,
  submission: 30_000,
  audit: 30_000,
  // only against what hangs for this machine's own reasons: what ends a distribution is its count of steps
  distribution: 120_000
}

/** @param manifest null: its limits do not count, or are not known */
export function timeoutOf(name: TaskFunction, manifest: TaskManifest | null, options: CallOptions | undefined): number {
  const limits = [manifest?.timeoutsMs?.[name], options?.timeoutMs].filter((limit) => limit != null)
  // setTimeout's range
  return Math.min(2 ** 31 - 1, limits.length > 0 ? Math.min(...limits) : DEFAULT_TIMEOUTS_MS[name])
}

/** `250 ms`, `1.5 s`. */
export const secondsText = (ms: number) => (ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`)
