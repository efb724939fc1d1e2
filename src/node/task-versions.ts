import { setTimeout } from 'node:timers/promises'
import { bundleOf, type TaskAccount } from '../k2/settlement/index.ts'
import type { TaskHost } from '../participant/index.ts'
import type { TaskRunner } from '../tasks/index.ts'

type Bundles = Pick<TaskAccount, 'bundle' | 'formerBundle'>

/** One bundle of the task, as it runs here. */
export interface TaskVersion {
  runner: TaskRunner
  host: TaskHost
  /** What the task fixes, as it is compared: null where that is nothing. */
  params: string | null
  /** Why none of its calls can work, in words: its author's doing. */
  broken: string | null
}

export interface TaskVersionsInit {
  /**
   * Fetches a bundle, until `signal` says that no cycle will run it, and starts it; the task's other one is told, too. Calls `onAbsent` when it
   * is not on this disk.
   */
  make: (cid: string, others: string[], signal: AbortSignal, onAbsent: () => void) => Promise<TaskVersion>
  /** No cycle has run it, and none will: what is kept of it may go. A task's manager can name another with every block of K2. */
  drop?: (cid: string) => Promise<unknown>
  onReady: (cid: string, version: TaskVersion) => void
  onFailed: (cid: string, reason: unknown) => void
}

/** The bundles of a task: each cycle runs the one that counts for it on K2. */
export interface TaskVersions {
  /** Takes what K2 says in `cycle`: fetches what is new at once, though it counts from a later cycle on, and ends what no cycle needs any more. */
  follow(task: Bundles, cycle: number): void
  /** Of a cycle; undefined until its bundle is here. */
  of(cycle: number): TaskVersion | undefined
  /** Resolves when all that is followed is here, or will not come from this disk, and after `timeoutMs` at the latest. */
  atHand(timeoutMs: number): Promise<void>
  /** What K2 names, and whether it is here; `failed` will not come. */
  list(): Array<{ cid: string; from: number; state: 'here' | 'fetching' | 'failed' }>
  stop(): Promise<void>
}

interface Entry {
  version?: TaskVersion
  /** Whether a cycle has run it: its records can be recomputed as long as somebody has it. */
  ran: boolean
  failed: boolean
  /** a bundle that was given may give up its place to another before any cycle has run it */
  needless: AbortController
  /** It runs, or has failed, or is to come from a peer. */
  known: PromiseWithResolvers<void>
}

/** A cycle is distributed two rounds after its own. */
const LIVE_CYCLES = 3

export function createTaskVersions({ make, drop, onReady, onFailed }: TaskVersionsInit): TaskVersions {
  const versions = new Map<string, Entry>()
  let task: Bundles | undefined
  let stopped = false

  const named = (of: Bundles) => [of.bundle, ...(of.formerBundle == null ? [] : [of.formerBundle])]

  /** Stops one that is not needed, and lets its files go, unless it has been named again meanwhile. */
  const end = async (cid: string, { ran }: Entry, version?: TaskVersion) => {
    await version?.runner.stop()
    if (!stopped && !ran && !versions.has(cid)) {
      await drop?.(cid)
    }
  }

  const begin = (cid: string, of: Bundles): Entry => {
    const others = named(of).flatMap((other) => (other.cid === cid ? [] : [other.cid]))
    const entry: Entry = { ran: false, failed: false, needless: new AbortController(), known: Promise.withResolvers() }
    versions.set(cid, entry)
    const made = make(cid, others, entry.needless.signal, entry.known.resolve)
    made.catch(() => {}).then(() => entry.known.resolve())
    made.then(
      async (version) => {
        if (stopped || versions.get(cid) !== entry) {
          await end(cid, entry, version)
          return
        }
        entry.version = version
        onReady(cid, version)
      },
      (err) => {
        entry.failed = true
        if (versions.get(cid) !== entry) {
          void end(cid, entry)
        } else if (!stopped) {
          onFailed(cid, err)
        }
      }
    )
    return entry
  }

  return {
    follow(said, cycle) {
      // an endpoint that is behind does not bring an old bundle back
      if (stopped || (task != null && said.bundle.from < task.bundle.from)) {
        return
      }
      task = said
      const runs = new Set<string>()
      for (let live = Math.max(0, cycle - LIVE_CYCLES + 1); live <= Math.max(0, cycle); live++) {
        runs.add(bundleOf(said, live).cid)
      }
      const needed = new Set([said.bundle.cid, ...runs])
      for (const cid of needed) {
        const { ran } = versions.get(cid) ?? begin(cid, said)
        versions.get(cid)!.ran = ran || runs.has(cid)
      }
      for (const [cid, entry] of [...versions]) {
        const { version, needless } = entry
        if (!needed.has(cid)) {
          versions.delete(cid)
          needless.abort()
          void end(cid, entry, version)
        }
      }
    },
    of: (cycle) => (task == null ? undefined : versions.get(bundleOf(task, cycle).cid)?.version),
    async atHand(timeoutMs) {
      const all = Promise.all([...versions.values()].map(({ known }) => known.promise))
      const late = new AbortController()
      await Promise.race([all, setTimeout(timeoutMs, undefined, { signal: late.signal }).catch(() => {})])
      late.abort()
    },
    list() {
      return (task == null ? [] : named(task)).flatMap(({ cid, from }) => {
        const entry = versions.get(cid)
        return entry == null ? [] : [{ cid, from, state: entry.version != null ? 'here' : entry.failed ? 'failed' : 'fetching' } as const]
      })
    },
    async stop() {
      stopped = true
      await Promise.all([...versions.values()].map(({ version }) => version?.runner.stop()))
    }
  }
}
