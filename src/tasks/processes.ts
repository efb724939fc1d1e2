/** The processes of one task that run now: how they are started, counted and ended. */
import { DEFAULT_MEMORY_MB, type TaskManifest } from './api.ts'
import type { BundleCopy } from './bundle-copy.ts'
import type { ChildFiles } from './child-files.ts'
import type { EndingName } from './endings.ts'
import type { LogGate } from './output.ts'
import { startTaskProcess, type TaskProcess } from './process.ts'
import type { Services } from './services.ts'

const DEFAULT_MAX_MEMORY_MB = 512
/** Beside Node's own: the interpreter's 256 MiB, and its input and output on their way; not the operator's to lower, as it would be a vote. */
const INTERPRETER_MEMORY_MB = 512
const DEFAULT_START_TIMEOUT_MS = 15_000

export interface TaskProcessesInit {
  taskId: string
  staker: string
  /** JSON */
  params: unknown
  bundle: BundleCopy
  child: ChildFiles
  services: Services
  log: LogGate
  allowNetwork?: boolean | undefined
  /** the operator's cap on the manifest's `memoryMb` */
  maxMemoryMb?: number | undefined
  startTimeoutMs?: number | undefined
}

export interface TaskProcesses {
  /** Nothing may be started any more. */
  readonly stopped: boolean
  /** With the task's services, and its params. @param heaps of the manifest's `memoryMb` */
  startWorking(manifest: TaskManifest, heaps?: number): TaskProcess
  /** In the interpreter, with nothing but the seed. */
  startFrozen(seed: string): TaskProcess
  /** Resolves when the process is gone. */
  end(ending: TaskProcess, why: EndingName, detail: string): Promise<void>
  /** Counts one no more that has ended by itself. */
  forget(ended: TaskProcess): void
  /** Of all together; null where it cannot be read. */
  rssBytes(): number | null
  /** Ends all of them. */
  stop(): Promise<void>
}

export function createTaskProcesses(init: TaskProcessesInit): TaskProcesses {
  const { taskId, staker, bundle, child, log, maxMemoryMb = DEFAULT_MAX_MEMORY_MB } = init
  const live = new Set<TaskProcess>()
  let stopped = false

  const common = {
    folder: bundle.folder,
    child,
    bundlePath: bundle.path,
    startTimeoutMs: init.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS,
    taskId,
    staker,
    log
  }

  function started(process: TaskProcess): TaskProcess {
    live.add(process)
    return process
  }

  async function end(ending: TaskProcess, why: EndingName, detail: string): Promise<void> {
    await ending.kill(why, detail)
    live.delete(ending)
  }

  return {
    get stopped() {
      return stopped
    },
    startWorking(manifest, heaps = 1) {
      const memoryMb = heaps * (manifest.memoryMb ?? DEFAULT_MEMORY_MB)
      return started(
        startTaskProcess({
          ...common,
          mode: 'work',
          network: manifest.network === true && init.allowNetwork === true,
          memoryMb: Math.min(memoryMb, maxMemoryMb),
          memoryCapped: memoryMb > maxMemoryMb,
          params: init.params,
          seed: '',
          services: init.services
        })
      )
    },
    startFrozen(seed) {
      return started(
        startTaskProcess({
          ...common,
          mode: 'frozen',
          network: false,
          memoryMb: INTERPRETER_MEMORY_MB,
          memoryCapped: false,
          params: null,
          seed,
          services: null
        })
      )
    },
    end,
    forget: (ended) => void live.delete(ended),
    rssBytes() {
      const sizes = [...live].map((running) => running.rssBytes()).filter((bytes) => bytes != null)
      return sizes.length === 0 ? null : sizes.reduce((sum, bytes) => sum + bytes, 0)
    },
    async stop() {
      stopped = true
      await Promise.all([...live].map((running) => end(running, 'stopped', 'the runner is stopped')))
    }
  }
}
