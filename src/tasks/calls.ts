/**
 * How a call of a bundle finds its process: beside others in a lane, or in one of its own. What one call does to a process
 * must not cost those beside it theirs.
 */
import type { FailureReason, TaskFunction } from './api.ts'
import type { Describe } from './description.ts'
import { endingOf } from './endings.ts'
import type { Lane, LaneCall } from './lane.ts'
import type { CallOutcome } from './process-calls.ts'
import type { TaskProcesses } from './processes.ts'
import { type CallOptions, timeoutOf } from './timeouts.ts'
import type { StartWorking } from './working.ts'

/** How a call fails when its process ends under it. */
const ENDS_PROCESS: ReadonlySet<FailureReason> = new Set<FailureReason>(['interrupted', 'crashed', 'killed', 'out-of-memory', 'nonsense'])

export interface CallsInit {
  processes: TaskProcesses
  describe: Describe
  startWorking: StartWorking
  /** ms, monotonic */
  now: () => number
}

export type Calls = ReturnType<typeof createCalls>

export function createCalls({ processes, describe, startWorking, now }: CallsInit) {
  /** One call in a process of its own, which ends with it. */
  async function callApart(
    name: TaskFunction,
    call: LaneCall,
    options: CallOptions & { timeoutMs: number },
    heaps = 1
  ): Promise<CallOutcome> {
    const started = await startWorking(options, heaps)
    if (!started.ok) {
      return { ...started, alone: true, trouble: true }
    }
    const outcome = await started.value.call({ ...call, function: name, timeoutMs: options.timeoutMs })
    await processes.end(started.value, 'stopped', 'called')
    return outcome
  }

  /**
   * A call that shares its process with others. Where one of them ended the process, and it need not have been this one,
   * or something outside ended it, `again` runs the call once more, in the time that it has left.
   */
  async function callBeside(
    lane: Lane,
    name: TaskFunction,
    call: () => LaneCall,
    options: CallOptions | undefined,
    again: (run: () => Promise<CallOutcome>) => Promise<CallOutcome> = (run) => run()
  ): Promise<CallOutcome> {
    const startedMs = now()
    const outcome = await lane.call(name, call(), options)
    if (outcome.ok || processes.stopped || options?.signal?.aborted === true) {
      return outcome
    }
    const endedByOthers = !outcome.alone && ENDS_PROCESS.has(outcome.reason)
    if (!endedByOthers && !(outcome.ending != null && endingOf(outcome.ending).work === 'again')) {
      return outcome
    }
    const leftMs = await timeLeftMs(name, options, startedMs)
    return leftMs > 0 ? again(() => callApart(name, call(), { ...options, timeoutMs: leftMs })) : outcome
  }

  /** Of what a call has, since `startedMs`. */
  async function timeLeftMs(name: TaskFunction, options: CallOptions | undefined, startedMs: number): Promise<number> {
    const known = await describe()
    return timeoutOf(name, known.ok ? known.value.manifest : null, options) - (now() - startedMs)
  }

  return { callApart, callBeside, timeLeftMs }
}
