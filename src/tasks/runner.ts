import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AuditedSubmission,
  type AuditResult,
  type CycleTiming,
  DEFAULT_MEMORY_MB,
  type DistributionEntry,
  type DistributionInput,
  type FailureReason,
  MAX_BUNDLE_BYTES,
  type Outcome,
  type ProofReader,
  type TaskFunction,
  type TaskK2Reader,
  type TaskManifest,
  type TaskProofs,
  type TaskStore,
  type TaskSubmission
} from './api.ts'
import { prepareChildFiles } from './child-files.ts'
import { checkDistribution, DistributionError, defaultDistribution } from './distribution.ts'
import { ENDINGS, type EndingName, endingOf } from './endings.ts'
import { auditShape, manifestShape, submissionShape } from './messages.ts'
import { createLogGate, oneLine, type TaskLog } from './output.ts'
import { type CallOutcome, type ProcessCall, startTaskProcess, type TaskProcess } from './process.ts'
import { scopeProofs } from './scope.ts'
import { detailAt, placed, stackText } from './stack.ts'
import { problemIn } from './words.ts'

/** The bundle given to the runner is none; the message says what is wrong with it. */
export class TaskBundleError extends Error {
  override name = 'TaskBundleError'
}

/** How a call fails when its process ends under it. */
const ENDS_PROCESS: ReadonlySet<FailureReason> = new Set<FailureReason>(['interrupted', 'crashed', 'killed', 'out-of-memory', 'nonsense'])
/** The heap of an audit that is tried again: machines differ on what just fits, not on what does not fit twice. */
const SECOND_HEAP = 2
const DETAIL_BYTES = 600
/** Without anything from the manifest or the caller. A task that works all through its cycle is told its time by the caller. */
const DEFAULT_TIMEOUTS_MS: Record<TaskFunction, number> = {
  setup: 30_000,
  task: 300_000,
  submission: 30_000,
  audit: 30_000,
  // only against what hangs for this machine's own reasons: what ends a distribution is its count of steps
  distribution: 120_000
}
const DEFAULT_MAX_MEMORY_MB = 512
/** Beside Node's own: the interpreter's 256 MiB, and its input and output on their way; not the operator's to lower, as it would be a vote. */
const INTERPRETER_MEMORY_MB = 512
const DEFAULT_START_TIMEOUT_MS = 15_000
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

export interface CallOptions {
  /** the node's limit; the manifest's own is used when it is lower */
  timeoutMs?: number
  signal?: AbortSignal
}

export interface TaskRunnerStatus {
  /** of the process that works */
  pid: number | null
  /** all processes of the task together; null where it cannot be read */
  rssBytes: number | null
  processes: Array<{ lane: 'work' | 'audit'; pid: number | null; rssBytes: number | null }>
  /** processes that had to be started again after one ended early */
  restarts: number
  lastReason: { function: TaskFunction; cycle: number | null; reason: FailureReason; detail: string } | null
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

interface Description {
  manifest: TaskManifest
  functions: Set<string>
}

type Failed = Extract<Outcome<never>, { ok: false }>

const failed = (reason: FailureReason, detail: string, ending?: EndingName): Failed => ({
  ok: false,
  reason,
  detail: oneLine(detail, DETAIL_BYTES),
  ...(ending == null ? {} : { ending })
})

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
  const { taskId, staker, params = {}, fileName = 'main.mjs', store, proofs, k2, maxMemoryMb = DEFAULT_MAX_MEMORY_MB } = init
  const source = await readBundle(init.bundle)
  const temporary = init.folder == null
  const given = init.folder ?? (await mkdtemp(join(tmpdir(), 'koii-task-')))
  await mkdir(given, { recursive: true })
  // the permission model compares resolved paths
  const base = await realpath(given)
  // a copy of its own: the file that was given may change, and its folder may hold what a task must not read
  const folder = join(base, createHash('sha256').update(source).digest('hex').slice(0, 16))
  const bundlePath = join(folder, 'main.mjs')
  await mkdir(folder, { recursive: true })
  await rm(bundlePath, { force: true })
  await writeFile(bundlePath, source)
  await chmod(bundlePath, 0o444)
  const child = await prepareChildFiles(base)

  const now = init.now ?? (() => performance.now())
  const log = createLogGate({ log: init.log, now })
  let stopped = false
  let restarts = 0
  let lastReason: TaskRunnerStatus['lastReason'] = null
  const live = new Set<TaskProcess>()

  function start(mode: 'work' | 'frozen', description: Description | null, seed: string, heaps = 1): TaskProcess {
    const memoryMb = heaps * (description?.manifest.memoryMb ?? DEFAULT_MEMORY_MB)
    const started = startTaskProcess({
      folder,
      child,
      bundlePath,
      mode,
      network: mode === 'work' && description?.manifest.network === true && init.allowNetwork === true,
      memoryMb: mode === 'frozen' ? INTERPRETER_MEMORY_MB : Math.min(memoryMb, maxMemoryMb),
      memoryCapped: mode !== 'frozen' && memoryMb > maxMemoryMb,
      startTimeoutMs: init.startTimeoutMs ?? DEFAULT_START_TIMEOUT_MS,
      taskId,
      staker,
      params: mode === 'work' ? params : null,
      seed,
      services: mode === 'work' ? { store, proofs, k2 } : null,
      log
    })
    live.add(started)
    return started
  }

  async function end(ending: TaskProcess, why: EndingName, detail: string): Promise<void> {
    await ending.kill(why, detail)
    live.delete(ending)
  }

  /** In the interpreter, so that a manifest cannot depend on the node either. */
  async function describe(): Promise<Outcome<Description>> {
    const started = start('frozen', null, '')
    const outcome = await started.ready
    await end(started, 'stopped', 'described')
    if (!outcome.ok) {
      return placed(outcome, fileName, new TextDecoder().decode(source))
    }
    const manifest = manifestShape.safeParse(outcome.value.manifest)
    if (!manifest.success) {
      return failed('not-loaded', `the bundle's manifest is not right: ${problemIn(manifest.error)}`)
    }
    const functions = new Set(outcome.value.functions)
    const missing = ['task', 'submission', 'audit'].filter((name) => !functions.has(name))
    return missing.length > 0
      ? failed('not-loaded', `the bundle does not export ${missing.join(', ')}`)
      : { ok: true, value: { manifest: manifest.data as TaskManifest, functions } }
  }

  let described: Promise<Outcome<Description>> | null = null
  async function description(): Promise<Outcome<Description>> {
    described ??= describe()
    const outcome = await described
    // what may have been this machine's fault is tried again
    if (!outcome.ok && outcome.reason !== 'not-loaded') {
      described = null
    }
    return outcome
  }

  function timeoutOf(name: TaskFunction, manifest: TaskManifest | null, options: CallOptions | undefined): number {
    const limits = [manifest?.timeoutsMs?.[name], options?.timeoutMs].filter((limit) => limit != null)
    // setTimeout's range
    return Math.min(2 ** 31 - 1, limits.length > 0 ? Math.min(...limits) : DEFAULT_TIMEOUTS_MS[name])
  }

  /** A process that is loaded and set up. */
  async function startWorking(options: CallOptions | undefined, heaps = 1): Promise<Outcome<TaskProcess>> {
    if (stopped) {
      return failed('stopped', 'the runner is stopped')
    }
    const known = await description()
    if (!known.ok) {
      return known
    }
    const { manifest, functions } = known.value
    if (manifest.network === true && init.allowNetwork !== true) {
      return failed('not-loaded', `${manifest.name} asks for network access and the operator has not agreed to it`)
    }
    if (stopped) {
      return failed('stopped', 'the runner is stopped')
    }
    const started = start('work', known.value, '', heaps)
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
      await end(started, 'stopped', outcome.detail)
      return outcome
    }
    return { ok: true, value: started }
  }

  function createLane() {
    let current: Promise<Outcome<TaskProcess>> | null = null
    let known: TaskProcess | null = null
    let everStarted = false
    let busy = 0
    let idleTimer: NodeJS.Timeout | undefined

    async function acquire(options: CallOptions | undefined): Promise<Outcome<TaskProcess>> {
      if (known?.ended === true) {
        live.delete(known)
        known = null
        current = null
      }
      if (current == null) {
        const starting = startWorking(options)
        current = starting
        const outcome = await starting
        if (outcome.ok) {
          known = outcome.value
          restarts += everStarted ? 1 : 0
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
      async call(
        name: TaskFunction,
        call: Omit<ProcessCall, 'timeoutMs' | 'function'>,
        options: CallOptions | undefined
      ): Promise<CallOutcome> {
        clearTimeout(idleTimer)
        busy++
        try {
          const acquired = await acquire(options)
          if (!acquired.ok) {
            return { ...acquired, alone: true, trouble: true }
          }
          const manifest = await description()
          const timeoutMs = timeoutOf(name, manifest.ok ? manifest.value.manifest : null, options)
          return await acquired.value.call({ ...call, function: name, timeoutMs })
        } finally {
          busy--
        }
      },
      /** Ends the process when nobody calls it for a while; the next call starts another, which is no restart. */
      stopWhenIdle(afterMs: number) {
        clearTimeout(idleTimer)
        idleTimer = setTimeout(() => {
          if (busy === 0 && known != null) {
            const idle = known
            known = null
            current = null
            everStarted = false
            void end(idle, 'stopped', 'idle')
          }
        }, afterMs).unref()
      }
    }
  }

  const work = createLane()
  const audits = createLane()
  let alone: Promise<unknown> = Promise.resolve()

  /** Notes a failure for the operator and drops what callers do not need. */
  function report<T>(name: TaskFunction, cycle: number | null, outcome: Outcome<T>): Outcome<T> {
    if (outcome.ok) {
      return { ok: true, value: outcome.value }
    }
    const failure = stopped && outcome.reason === 'interrupted' ? failed('stopped', 'the runner is stopped', 'stopped') : outcome
    const { reason, detail, ending, accuses, at, frames } = placed(failure, fileName)
    const said = detailAt({ detail, at })
    lastReason = { function: name, cycle, reason, detail: said }
    // a proof that is none is no error of the bundle's
    if (ending != null && endingOf(ending).whose === 'bundle' && ending !== 'bad-proof') {
      log.log({
        source: 'error',
        text: `${name}${cycle == null ? '' : `, cycle ${cycle}`}: ${reason}: ${said}${stackText(frames, fileName)}`
      })
    }
    return { ...failed(reason, detail, ending), ...(accuses === true ? { accuses } : {}), ...(at == null ? {} : { at }) }
  }

  /** One call in a process of its own, which ends with it. */
  async function callApart(
    name: TaskFunction,
    call: Omit<ProcessCall, 'timeoutMs' | 'function'>,
    options: CallOptions & { timeoutMs: number },
    heaps = 1
  ): Promise<CallOutcome> {
    const started = await startWorking(options, heaps)
    if (!started.ok) {
      return { ...started, alone: true, trouble: true }
    }
    const outcome = await started.value.call({ ...call, function: name, timeoutMs: options.timeoutMs })
    await end(started.value, 'stopped', 'called')
    return outcome
  }

  /**
   * A call that shares its process with others. Where one of them ended the process, and it need not have been this one,
   * or something outside ended it, `again` runs the call once more, in the time that it has left.
   */
  async function callBeside(
    lane: ReturnType<typeof createLane>,
    name: TaskFunction,
    call: () => Omit<ProcessCall, 'timeoutMs' | 'function'>,
    options: CallOptions | undefined,
    again: (run: () => Promise<CallOutcome>) => Promise<CallOutcome> = (run) => run()
  ): Promise<CallOutcome> {
    const startedMs = now()
    const outcome = await lane.call(name, call(), options)
    if (outcome.ok || stopped || options?.signal?.aborted === true) {
      return outcome
    }
    const endedByOthers = !outcome.alone && ENDS_PROCESS.has(outcome.reason)
    if (!endedByOthers && !(outcome.ending != null && endingOf(outcome.ending).work === 'again')) {
      return outcome
    }
    const leftMs = await timeLeftMs(name, options, startedMs)
    return leftMs > 0 ? again(() => callApart(name, call(), { ...options, timeoutMs: leftMs })) : outcome
  }

  async function timeLeftMs(name: TaskFunction, options: CallOptions | undefined, startedMs: number): Promise<number> {
    const known = await description()
    return timeoutOf(name, known.ok ? known.value.manifest : null, options) - (now() - startedMs)
  }

  /** Whether an audit's end is the bundle's own act, over nothing but the submission: every honest auditor then sees it. */
  async function isBundles(outcome: CallOutcome): Promise<boolean> {
    if (outcome.ok || !outcome.alone || outcome.trouble || outcome.ending == null || endingOf(outcome.ending).audit !== 'twice') {
      return false
    }
    // what the network did to it cannot be seen from here
    const known = await description()
    return known.ok && known.value.manifest.network !== true
  }

  function judged(outcome: CallOutcome): CallOutcome {
    if (!outcome.ok) {
      return outcome
    }
    const result = auditShape.safeParse(outcome.value)
    return result.success
      ? { ...outcome, value: result.data }
      : {
          ...failed(ENDINGS.answer.reason, `neither a boolean nor { valid, reason }: ${problemIn(result.error)}`, 'answer'),
          alone: true,
          trouble: outcome.trouble
        }
  }

  /** An audit, tried once more where it ended in a way that would accuse: an accusation is what happens both times. */
  async function auditTwice(
    call: () => Omit<ProcessCall, 'timeoutMs' | 'function'>,
    options: CallOptions | undefined
  ): Promise<CallOutcome> {
    const startedMs = now()
    const first = judged(await callBeside(audits, 'audit', call, options, oneByOne))
    if (!first.ok && first.ending != null && endingOf(first.ending).audit === 'invalid') {
      return { ...first, accuses: true }
    }
    if (first.ok || stopped || options?.signal?.aborted === true || !(await isBundles(first))) {
      return first
    }
    const second = await oneByOne(async () => {
      const leftMs = await timeLeftMs('audit', options, startedMs)
      return leftMs > 0 ? judged(await callApart('audit', call(), { ...options, timeoutMs: leftMs }, SECOND_HEAP)) : null
    })
    if (second == null || second.ok || !(await isBundles(second))) {
      return second ?? first
    }
    return { ...second, detail: `${second.detail} (twice)`, accuses: true }
  }

  /** After any other such: audits come in numbers, and whoever submits decides how many of them crash. */
  function oneByOne<T>(run: () => Promise<T>): Promise<T> {
    const result = alone.then(run)
    alone = result
    return result
  }

  return {
    async manifest() {
      const outcome = stopped ? failed('stopped', 'the runner is stopped') : await description()
      return outcome.ok ? { ok: true, value: outcome.value.manifest } : outcome
    },

    async setup(options) {
      const outcome = await work.acquire(options)
      return report('setup', null, outcome.ok ? { ok: true, value: undefined } : outcome)
    },

    async task(timing, options) {
      const call = () => ({ timing, argument: null, proofs: null, signal: options?.signal })
      const outcome = await callBeside(work, 'task', call, options)
      return report('task', timing.cycle, outcome.ok ? { ok: true, value: undefined } : outcome)
    },

    async submission(timing, options) {
      const call = () => ({ timing, argument: null, proofs: null, signal: options?.signal })
      const outcome = await callBeside(work, 'submission', call, options)
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
        outcome = await auditTwice(call, options)
      } catch (error) {
        outcome = failed('nonsense', (error as Error).message) // a root that is no CID
      }
      audits.stopWhenIdle(init.idleStopMs ?? DEFAULT_IDLE_STOP_MS)
      return report('audit', timing.cycle, outcome as Outcome<AuditResult>)
    },

    async distribution(input, options) {
      const known = stopped ? failed('stopped', 'the runner is stopped') : await description()
      if (!known.ok) {
        return report('distribution', null, known)
      }
      let list: unknown
      if (known.value.functions.has('distribution')) {
        const started = start('frozen', known.value, input.seed)
        const loaded = await started.ready
        const outcome: Outcome<unknown> = loaded.ok
          ? await started.call({
              function: 'distribution',
              timing: null,
              argument: input,
              proofs: null,
              timeoutMs: timeoutOf('distribution', null, options),
              signal: options?.signal
            })
          : loaded
        await end(started, 'stopped', 'distributed')
        if (!outcome.ok) {
          return report('distribution', null, outcome)
        }
        list = outcome.value
      } else {
        list = defaultDistribution(input)
      }
      try {
        return { ok: true, value: checkDistribution(list, input) }
      } catch (error) {
        if (!(error instanceof DistributionError)) {
          throw error
        }
        return report('distribution', null, failed('nonsense', error.message))
      }
    },

    status() {
      const processes = (['work', 'audit'] as const).map((lane) => {
        const { process: running } = lane === 'work' ? work : audits
        return { lane, pid: running?.pid ?? null, rssBytes: running?.rssBytes() ?? null }
      })
      const sizes = [...live].map((running) => running.rssBytes()).filter((bytes) => bytes != null)
      return {
        pid: processes[0]!.pid,
        rssBytes: sizes.length === 0 ? null : sizes.reduce((sum, bytes) => sum + bytes, 0),
        processes,
        restarts,
        lastReason
      }
    },

    async stop() {
      stopped = true
      await Promise.all([...live].map((running) => end(running, 'stopped', 'the runner is stopped')))
      if (temporary) {
        await rm(base, { recursive: true, force: true })
      }
    }
  }
}

async function readBundle(bundle: Uint8Array | { path: string }): Promise<Uint8Array> {
  let bytes: Uint8Array
  if (bundle instanceof Uint8Array) {
    bytes = bundle
  } else {
    const size = await stat(bundle.path).then(
      (found) => (found.isFile() ? found.size : null),
      () => null
    )
    if (size == null || size > MAX_BUNDLE_BYTES) {
      throw new TaskBundleError(
        `${bundle.path} is ${size == null ? 'no file that can be read' : `${size} bytes long, more than ${MAX_BUNDLE_BYTES}`}. Give the path of one JavaScript module`
      )
    }
    bytes = await readFile(bundle.path)
  }
  if (bytes.length > MAX_BUNDLE_BYTES) {
    throw new TaskBundleError(`a bundle of ${bytes.length} bytes; at most ${MAX_BUNDLE_BYTES}. Leave out what the task does not need`)
  }
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new TaskBundleError('the bundle is no UTF-8 text: it has to be one JavaScript module')
  }
  return bytes
}
