/** Starts the processes that calls run in: loaded, and set up by the bundle's own `setup`. */
import type { Outcome } from './api.ts'
import type { Describe } from './description.ts'
import { failed, stoppedFailure } from './failures.ts'
import type { TaskProcess } from './process.ts'
import type { TaskProcesses } from './processes.ts'
import { type CallOptions, timeoutOf } from './timeouts.ts'

export interface WorkingInit {
  processes: TaskProcesses
  describe: Describe
  /** the operator agrees to network access for a bundle whose manifest asks for it */
  allowNetwork?: boolean | undefined
}

/** @param heaps of the manifest's memory */
export type StartWorking = (options: CallOptions | undefined, heaps?: number) => Promise<Outcome<TaskProcess>>

export function createWorkingStart({ processes, describe, allowNetwork }: WorkingInit): StartWorking {
  return async (options, heaps = 1) => {
    if (processes.stopped) {
      return stoppedFailure()
    }
    const known = await describe()
    if (!known.ok) {
      return known
    }
    const { manifest, functions } = known.value
    if (manifest.network === true && allowNetwork !== true) {
      return failed('not-loaded', `${manifest.name} asks for network access and the operator has not agreed to it`)
    }
    if (processes.stopped) {
      return stoppedFailure()
    }
    const started = processes.startWorking(manifest, heaps)
    const loaded = await started.ready
    const outcome: Outcome<unknown> =
      loaded.ok && functions.has('setup')
        ? await started.call({
            function: 'setup',
            timing: null,
            argument: null,
            proofs: null,
            timeoutMs: timeoutOf('setup', manifest, options),
            signal: options?.signal
          })
        : loaded
    if (!outcome.ok) {
      await processes.end(started, 'stopped', outcome.detail)
      return outcome
    }
    return { ok: true, value: started }
  }
}
