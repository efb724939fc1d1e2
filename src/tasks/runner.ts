/** The runner of one task: what the node calls, put together from the parts that do it. */
import type {
  AuditedSubmission,
  AuditResult,
  CycleTiming,
  DistributionEntry,
  DistributionInput,
  Outcome,
  ProofReader,
  TaskK2Reader,
  TaskManifest,
  TaskProofs,
  TaskStore,
  TaskSubmission
} from './api.ts'
import { createAuditCall } from './audit-call.ts'
import { copyBundle } from './bundle-copy.ts'
import { createCalls } from './calls.ts'
import { prepareChildFiles } from './child-files.ts'
import { createDescriber } from './description.ts'
import { callDistribution } from './distribution-call.ts'
import { createFailureReports, type FailureReport, failed, stoppedFailure } from './failures.ts'
import { createLane } from './lane.ts'
import { submissionShape } from './messages.ts'
import { createLogGate, type TaskLog } from './output.ts'
import { createTaskProcesses } from './processes.ts'
import { scopeProofs } from './scope.ts'
import type { CallOptions } from './timeouts.ts'
import { problemIn } from './words.ts'
import { createWorkingStart } from './working.ts'

const DEFAULT_IDLE_STOP_MS = 30_000

export interface TaskRunnerInit {
  taskId: string
  /** own staking key, base58: its public half only */
  staker: string
  /** the bundle's bytes, already verified against its CID, or a file of them */
  bundle: Uint8Array | { path: string }
  /** the task's parameters, JSON, the same on every node */
  params?: unknown
  /** what the bundle is called in places of errors: `main.mjs`, as on every node, when not given */
  fileName?: string
  /** for the copy of the bundle that the task's process reads; a temporary one, removed by `stop`, when not given */
  folder?: string
  store: TaskStore
  proofs: TaskProofs
  k2: TaskK2Reader
  log: TaskLog
  /** the operator agrees to network access for a bundle whose manifest asks for it */
  allowNetwork?: boolean
  /** the operator's cap on the manifest's `memoryMb` */
  maxMemoryMb?: number
  startTimeoutMs?: number
  /** an audit process that nobody has called for so long is ended, to give its memory back */
  idleStopMs?: number
  /** ms, monotonic */
  now?: () => number
}

export interface TaskRunnerStatus {
  /** of the process that works */
  pid: number | null
  /** all processes of the task together; null where it cannot be read */
  rssBytes: number | null
  processes: Array<{ lane: 'work' | 'audit'; pid: number | null; rssBytes: number | null }>
  /** processes that had to be started again after one ended early */
  restarts: number
  lastReason: FailureReport | null
}

export interface TaskRunner {
  /** What the bundle says of itself, read in a process that can do nothing else. */
  manifest(): Promise<Outcome<TaskManifest>>
  /** Starts the process that works and runs the bundle's `setup`. Optional: the first call does it too. */
  setup(options?: CallOptions): Promise<Outcome<void>>
  task(timing: CycleTiming, options?: CallOptions): Promise<Outcome<void>>
  /** null: nothing this cycle */
  submission(timing: CycleTiming, options?: CallOptions): Promise<Outcome<TaskSubmission | null>>
  /** @param proofs reads the submission's fetched and verified proof; the task reaches nothing beyond its roots */
  audit(submission: AuditedSubmission, timing: CycleTiming, proofs: ProofReader, options?: CallOptions): Promise<Outcome<AuditResult>>
  /** Checked, in the order that every node has. The default distribution when the bundle has none. */
  distribution(input: DistributionInput, options?: CallOptions): Promise<Outcome<DistributionEntry[]>>
  status(): TaskRunnerStatus
  /** Ends all processes and calls. The runner cannot be used afterwards. */
  stop(): Promise<void>
}

/**
 * Runs a task's bundle in processes of its own.
 *
 *              ┌─ work lane ──── one process: setup, task, submission
 *   runner ────┼─ audit lane ─── one process: setup, audit; ended when idle
 *              └─ frozen ─────── a fresh process with a fresh interpreter for each distribution
 *
 * Two lanes, because an audit is fed by somebody else: a submission that makes the audit hang or crash must not cost
 * the auditor its own work. A call that was under way beside the one that ended their process runs again, once, in a
 * process of its own: a cycle whose work hangs or crashes costs that cycle and not the one beside it.
 *
 * No method throws or rejects for what a task does: outcomes are data.
 *
 * @throws TaskBundleError when the bundle is too large or no text
 */
export async function createTaskRunner(init: TaskRunnerInit): Promise<TaskRunner> {
  const { taskId, staker, params = {}, fileName = 'main.mjs', store, proofs, k2, allowNetwork } = init
  const now = init.now ?? (() => performance.now())
  const bundle = await copyBundle(init.bundle, init.folder)
  const child = await prepareChildFiles(bundle.base)
  const log = createLogGate({ log: init.log, now })
  const processes = createTaskProcesses({
    taskId,
    staker,
    params,
    bundle,
    child,
    services: { store, proofs, k2 },
    log,
    allowNetwork,
    maxMemoryMb: init.maxMemoryMb,
    startTimeoutMs: init.startTimeoutMs
  })
  const describe = createDescriber({ processes, source: bundle.source, fileName })
  const startWorking = createWorkingStart({ processes, describe, allowNetwork })
  const calls = createCalls({ processes, describe, startWorking, now })
  let restarts = 0
  const laneInit = { processes, describe, startWorking, onRestart: () => void restarts++ }
  const work = createLane(laneInit)
  const audits = createLane(laneInit)
  const callAudit = createAuditCall({ processes, describe, calls, lane: audits, now })
  const reports = createFailureReports({ fileName, log: log.log, isStopped: () => processes.stopped })
  const { report } = reports

  return {
    async manifest() {
      const outcome = processes.stopped ? stoppedFailure() : await describe()
      return outcome.ok ? { ok: true, value: outcome.value.manifest } : outcome
    },

    async setup(options) {
      const outcome = await work.acquire(options)
      return report('setup', null, outcome.ok ? { ok: true, value: undefined } : outcome)
    },

    async task(timing, options) {
      const call = () => ({ timing, argument: null, proofs: null, signal: options?.signal })
      const outcome = await calls.callBeside(work, 'task', call, options)
      return report('task', timing.cycle, outcome.ok ? { ok: true, value: undefined } : outcome)
    },

    async submission(timing, options) {
      const call = () => ({ timing, argument: null, proofs: null, signal: options?.signal })
      const outcome = await calls.callBeside(work, 'submission', call, options)
      if (!outcome.ok) {
        return report('submission', timing.cycle, outcome)
      }
      const submission = submissionShape.safeParse(outcome.value)
      return report(
        'submission',
        timing.cycle,
        submission.success ? { ok: true, value: submission.data } : failed('nonsense', `not a submission: ${problemIn(submission.error)}`)
      )
    },

    async audit({ staker: submitter, value, proofs: roots }, timing, reader, options) {
      const argument = { staker: submitter, value, proofs: roots }
      const call = () => ({ timing, argument, proofs: scopeProofs(reader, roots), signal: options?.signal })
      let outcome: Outcome<unknown>
      try {
        outcome = await callAudit(call, options)
      } catch (error) {
        outcome = failed('nonsense', (error as Error).message) // a root that is no CID
      }
      audits.stopWhenIdle(init.idleStopMs ?? DEFAULT_IDLE_STOP_MS)
      return report('audit', timing.cycle, outcome as Outcome<AuditResult>)
    },

    async distribution(input, options) {
      const known = processes.stopped ? stoppedFailure() : await describe()
      return report('distribution', null, known.ok ? await callDistribution(processes, known.value, input, options) : known)
    },

    status() {
      const lanes = [
        { lane: 'work' as const, process: work.process },
        { lane: 'audit' as const, process: audits.process }
      ]
      return {
        pid: work.process?.pid ?? null,
        rssBytes: processes.rssBytes(),
        processes: lanes.map(({ lane, process: running }) => ({ lane, pid: running?.pid ?? null, rssBytes: running?.rssBytes() ?? null })),
        restarts,
        lastReason: reports.last()
      }
    },

    async stop() {
      await processes.stop()
      await bundle.remove()
    }
  }
}
