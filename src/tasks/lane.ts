/** One process that calls share, one after the other and beside each other; started by the first, and again by the next after it ended. */
import type { Outcome, TaskFunction } from './api.ts'
import type { Describe } from './description.ts'
import type { TaskProcess } from './process.ts'
import type { CallOutcome, ProcessCall } from './process-calls.ts'
import type { TaskProcesses } from './processes.ts'
import { type CallOptions, timeoutOf } from './timeouts.ts'
import type { StartWorking } from './working.ts'

/** A call without its function and its time, which are added when it has a process. */
export type LaneCall = Omit<ProcessCall, 'timeoutMs' | 'function'>

export interface LaneInit {
  processes: TaskProcesses
  describe: Describe
  startWorking: StartWorking
  /** A process was started again after one that ended early. */
  onRestart: () => void
}

export interface Lane {
  /** the one that runs */
  readonly process: TaskProcess | null
  /** The process, started where there is none. */
  acquire(options: CallOptions | undefined): Promise<Outcome<TaskProcess>>
  call(name: TaskFunction, call: LaneCall, options: CallOptions | undefined): Promise<CallOutcome>
  /** Ends the process when nobody calls it for a while; the next call starts another, which is no restart. */
  stopWhenIdle(afterMs: number): void
}

export function createLane({ processes, describe, startWorking, onRestart }: LaneInit): Lane {
  let current: Promise<Outcome<TaskProcess>> | null = null
  let known: TaskProcess | null = null
  let everStarted = false
  let busy = 0
  let idleTimer: NodeJS.Timeout | undefined

  async function acquire(options: CallOptions | undefined): Promise<Outcome<TaskProcess>> {
    if (known?.ended === true) {
      processes.forget(known)
      known = null
      current = null
    }
    if (current == null) {
      const starting = startWorking(options)
      current = starting
      const outcome = await starting
      if (outcome.ok) {
        known = outcome.value
        if (everStarted) {
          onRestart()
        }
        everStarted = true
      } else if (current === starting) {
        current = null
      }
      return outcome
    }
    return current
  }

  return {
    get process() {
      return known?.ended === true ? null : known
    },
    acquire,
    async call(name, call, options) {
      clearTimeout(idleTimer)
      busy++
      try {
        const acquired = await acquire(options)
        if (!acquired.ok) {
          return { ...acquired, alone: true, trouble: true }
        }
        const manifest = await describe()
        const timeoutMs = timeoutOf(name, manifest.ok ? manifest.value.manifest : null, options)
        return await acquired.value.call({ ...call, function: name, timeoutMs })
      } finally {
        busy--
      }
    },
    stopWhenIdle(afterMs) {
      clearTimeout(idleTimer)
      idleTimer = setTimeout(() => {
        if (busy === 0 && known != null) {
          const idle = known
          known = null
          current = null
          everStarted = false
          void processes.end(idle, 'stopped', 'idle')
        }
      }, afterMs).unref()
    }
  }
}
