import { bundleOf, type TaskAccount } from '../k2/settlement/index.ts'
import type { TaskRunner } from '../tasks/index.ts'
import type { TaskHost } from './task-host.ts'

type Bundles = Pick<TaskAccount, 'bundle' | 'formerBundle'>

/** One bundle of the task, as it runs here. */
export interface TaskVersion {
  runner: TaskRunner
  host: TaskHost
}

export interface TaskVersionsInit {
  /** Fetches a bundle, until `signal` says that no cycle will run it, and starts it; the task's other one is told, too. */
  make: (cid: string, others: string[], signal: AbortSignal) => Promise<TaskVersion>
  onReady: (cid: string) => void
  onFailed: (cid: string, reason: unknown) => void
}

/** The bundles of a task: each cycle runs the one that counts for it on K2. */
export interface TaskVersions {
  /** Takes what K2 says in `cycle`: fetches what is new at once, though it counts from a later cycle on, and ends what no cycle needs any more. */
  follow(task: Bundles, cycle: number): void
  /** Of a cycle; undefined until its bundle is here. */
  of(cycle: number): TaskVersion | undefined
  /** What K2 names, and whether it is here; `failed` will not come. */
  list(): Array<{ cid: string; from: number; state: 'here' | 'fetching' | 'failed' }>
  stop(): Promise<void>
}

interface Entry {
  version?: TaskVersion
  failed: boolean
  /** a bundle that was given may give up its place to another before any cycle has run it */
  needless: AbortController
}

/** A cycle is distributed two rounds after its own. */
const LIVE_CYCLES = 3

export function createTaskVersions({ make, onReady, onFailed }: TaskVersionsInit): TaskVersions {
  const versions = new Map<string, Entry>()
  let task: Bundles | undefined
  let stopped = false

  const named = (of: Bundles) => [of.bundle, ...(of.formerBundle == null ? [] : [of.formerBundle])]

  const begin = (cid: string, of: Bundles) => {
    const others = named(of).flatMap((other) => (other.cid === cid ? [] : [other.cid]))
    const entry: Entry = { failed: false, needless: new AbortController() }
    versions.set(cid, entry)
    make(cid, others, entry.needless.signal).then(
      async (version) => {
        if (stopped || versions.get(cid) !== entry) {
          await version.runner.stop()
          return
        }
        entry.version = version
        onReady(cid)
      },
      (err) => {
        entry.failed = true
        if (!stopped && versions.get(cid) === entry) {
          onFailed(cid, err)
        }
      }
    )
  }

  return {
    follow(said, cycle) {
      // an endpoint that is behind does not bring an old bundle back
      if (stopped || (task != null && said.bundle.from < task.bundle.from)) {
        return
      }
      task = said
      const needed = new Set([said.bundle.cid])
      for (let live = Math.max(0, cycle - LIVE_CYCLES + 1); live <= Math.max(0, cycle); live++) {
        needed.add(bundleOf(said, live).cid)
      }
      for (const cid of needed) {
        if (!versions.has(cid)) {
          begin(cid, said)
        }
      }
      for (const [cid, { version, needless }] of [...versions]) {
        if (!needed.has(cid)) {
          versions.delete(cid)
          needless.abort()
          void version?.runner.stop()
        }
      }
    },
    of: (cycle) => (task == null ? undefined : versions.get(bundleOf(task, cycle).cid)?.version),
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
