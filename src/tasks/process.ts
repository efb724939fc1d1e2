/** One child process with one bundle loaded: its start, its calls, its limits and its end. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import type { Readable } from 'node:stream'
import type { CycleTiming, FailureReason, Outcome, ProofReader, TaskFunction } from './api.ts'
import { createFrameReader, encodeFrame, FrameError } from './child/frames.ts'
import type { ChildFiles } from './child-files.ts'
import { FROM_TASK_LIMITS, type FromTask, firstProblem, fromTaskShape, MAX_OUTSTANDING_REQUESTS } from './messages.ts'
import { paceReading, readOutput, type TaskLog } from './output.ts'
import { type Answer, answer, type Services } from './services.ts'

/** Between the abort of a call's signal and the kill: enough to return, too little to matter. */
const GRACE_MS = 100
const WATCH_MS = 50
/** Memory of Node itself, and room for what is not JavaScript heap, on top of the heap limit. */
const BASE_MEMORY_MB = 128
/** What a child may send in a second before it has to wait, with each frame counted as so many bytes more: 8,192 small ones. */
const FRAME_BYTES_PER_SECOND = 64 * 1024 * 1024
const FRAME_COST_BYTES = 8 * 1024
/** Below nice 0: a busy task must not take the node's turns. */
const TASK_NICENESS = 2

export interface TaskProcessInit {
  /** the only folder that the process may read, besides this room's child-side files */
  folder: string
  child: ChildFiles
  bundlePath: string
  /** frozen: in the interpreter, without services */
  mode: 'work' | 'frozen'
  network: boolean
  memoryMb: number
  startTimeoutMs: number
  taskId: string
  staker: string
  params: unknown
  seed: string
  services: Services | null
  log: TaskLog
}

export interface ProcessCall {
  function: TaskFunction
  timing: CycleTiming | null
  /** JSON */
  argument: unknown
  /** where the call may read proofs; null means the node's own store, and that it may put as well */
  proofs: ProofReader | null
  timeoutMs: number
  signal?: AbortSignal
}

/** `alone`: no other call was under way when this one ended, so that a failure is its own. */
export type CallOutcome = Outcome<unknown> & { alone: boolean }

export interface TaskProcess {
  readonly pid: number | undefined
  readonly ended: boolean
  /** what the bundle says of itself */
  readonly ready: Promise<Outcome<{ manifest: unknown; functions: string[] }>>
  call(call: ProcessCall): Promise<CallOutcome>
  rssBytes(): number | null
  /** resolves when the process is gone */
  kill(reason: FailureReason, detail: string): Promise<void>
}

interface Pending {
  call: ProcessCall
  services: AbortController
  settle(outcome: Outcome<unknown>, alone: boolean): void
}

export function startTaskProcess(init: TaskProcessInit): TaskProcess {
  const child = spawn(
    process.execPath,
    [
      '--permission',
      `--allow-fs-read=${init.folder}`,
      `--allow-fs-read=${init.child.folder}`,
      ...(init.network ? ['--allow-net'] : []),
      // writes files in spite of --permission (Node 26.10)
      '--no-experimental-sqlite',
      '--no-experimental-webstorage',
      '--disable-sigusr1',
      '--no-addons',
      '--no-warnings',
      `--max-old-space-size=${init.memoryMb}`,
      // Scavenges more often, for some megabytes less in each of many processes
      '--max-semi-space-size=4',
      '--v8-pool-size=1',
      ...(init.mode === 'frozen' ? init.child.interpreter.flags : []),
      init.child.entry,
      ...(init.mode === 'frozen' ? init.child.interpreter.modules : [])
    ],
    {
      cwd: init.folder,
      env: { TZ: 'UTC', LC_ALL: 'C', UV_THREADPOOL_SIZE: '2' },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      windowsHide: true
    }
  )
  const input = child.stdin
  const channel = child.stdio[3] as Readable
  const calls = new Map<number, Pending>()
  const rssLimitBytes = (init.memoryMb + BASE_MEMORY_MB) * 1024 * 1024
  let nextCall = 1
  let requests = 0
  let ended = false
  let killed: { reason: FailureReason; detail: string; culprit: number | null } | null = null
  const ready = Promise.withResolvers<Outcome<{ manifest: unknown; functions: string[] }>>()
  const gone = Promise.withResolvers<void>()

  const kill = (reason: FailureReason, detail: string, culprit: number | null = null): void => {
    killed ??= { reason, detail, culprit }
    child.kill('SIGKILL')
  }
  const send = (head: unknown, body?: Uint8Array, onRead?: () => void): void => {
    if (!ended) {
      input.write(encodeFrame(head, body), onRead)
    }
  }

  if (child.pid != null) {
    try {
      setPriority(child.pid, TASK_NICENESS)
    } catch {
      // a courtesy to the node's own work; nothing depends on it
    }
  }
  readOutput(child.stdout, 'stdout', init.log)
  const errors = readOutput(child.stderr, 'stderr', init.log)
  input.on('error', () => {}) // the process has ended; its exit says why

  const startTimer = setTimeout(() => kill('timeout', `the bundle did not load within ${init.startTimeoutMs} ms`), init.startTimeoutMs)
  const watch = setInterval(() => {
    const bytes = rssBytes(child.pid)
    if (bytes != null && bytes > rssLimitBytes) {
      kill('out-of-memory', `${Math.round(bytes / 1024 / 1024)} MiB resident; at most ${rssLimitBytes / 1024 / 1024} are allowed`)
    }
  }, WATCH_MS).unref()

  child.on('error', (error) => end({ reason: 'unavailable', detail: `the task's process could not be started: ${error.message}` }))
  // 'close' comes after the last byte of the streams: a crash report is complete by then
  child.on('close', (code, signal) => end(killed ?? explainExit(code, signal, errors())))

  function end(why: { reason: FailureReason; detail: string; culprit?: number | null }): void {
    if (ended) {
      return
    }
    ended = true
    clearTimeout(startTimer)
    clearInterval(watch)
    ready.resolve({ ok: false, reason: why.reason, detail: why.detail })
    const alone = calls.size <= 1
    for (const [id, pending] of [...calls]) {
      pending.settle(
        why.culprit == null || why.culprit === id
          ? { ok: false, reason: why.reason, detail: why.detail }
          : { ok: false, reason: 'interrupted', detail: `another call of the same process ended it: ${why.reason}, ${why.detail}` },
        alone
      )
    }
    gone.resolve()
  }

  const frames = createFrameReader(FROM_TASK_LIMITS)
  paceReading(channel, FRAME_BYTES_PER_SECOND, (chunk) => {
    let read = 0
    try {
      for (const { head, body } of killed == null ? frames.push(chunk) : []) {
        read++
        const message = fromTaskShape.safeParse(head)
        if (!message.success) {
          kill('nonsense', `a message of unknown shape: ${firstProblem(message.error)}`)
          break
        }
        receive(message.data, body)
      }
    } catch (error) {
      if (!(error instanceof FrameError)) {
        throw error
      }
      kill('nonsense', error.message)
    }
    return read * FRAME_COST_BYTES
  })

  function receive(message: FromTask, body: Uint8Array): void {
    switch (message.kind) {
      case 'ready':
        clearTimeout(startTimer)
        ready.resolve(
          message.error == null
            ? { ok: true, value: { manifest: message.manifest, functions: message.functions ?? [] } }
            : { ok: false, reason: 'not-loaded', detail: `${message.error.name}: ${message.error.message}` }
        )
        break
      case 'log':
        init.log({ source: 'task', text: message.text })
        break
      case 'result':
        calls
          .get(message.id)
          ?.settle(
            message.ok
              ? { ok: true, value: message.value }
              : { ok: false, reason: 'threw', detail: `${message.error.name}: ${message.error.message}` },
            calls.size === 1
          )
        break
      case 'request':
        if (++requests > MAX_OUTSTANDING_REQUESTS) {
          kill('nonsense', `more than ${MAX_OUTSTANDING_REQUESTS} requests at a time`)
        } else {
          void respond(message, body)
        }
    }
  }

  async function respond(message: Extract<FromTask, { kind: 'request' }>, body: Uint8Array): Promise<void> {
    const pending = calls.get(message.call)
    let reply: { answer: Answer } | { error: { name: string; message: string } }
    try {
      if (pending == null || init.services == null) {
        throw Object.assign(new Error('the call that this request belongs to is over, or may not ask for anything'), {
          name: 'CallOverError'
        })
      }
      const { proofs } = pending.call
      const { method, args } = message
      reply = {
        answer: await answer(init.services, proofs ?? init.services.proofs, proofs == null, {
          method,
          args,
          body,
          signal: pending.services.signal
        })
      }
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error))
      reply = { error: { name: name.slice(0, 64), message: message.slice(0, 300) } }
    }
    // a request is over when its answer is on its way: a child that asks and never reads runs into its limit
    const over = () => {
      requests--
    }
    if ('answer' in reply) {
      send({ kind: 'response', id: message.id, ok: true, value: reply.answer.value }, reply.answer.body, over)
    } else {
      send({ kind: 'response', id: message.id, ok: false, error: reply.error }, undefined, over)
    }
  }

  const { mode, bundlePath, network, taskId, staker, params, seed } = init
  send({ kind: 'init', mode, bundlePath, network, taskId, staker, params, seed })

  return {
    get pid() {
      return child.pid
    },
    get ended() {
      return ended || killed != null
    },
    ready: ready.promise,
    rssBytes: () => (ended ? null : rssBytes(child.pid)),
    async kill(reason, detail) {
      kill(reason, detail)
      await gone.promise
    },
    call(call) {
      return new Promise((resolve) => {
        if (ended || killed != null) {
          resolve({ ok: false, reason: 'interrupted', detail: 'the process has ended', alone: false })
          return
        }
        const id = nextCall++
        let graceTimer: NodeJS.Timeout | undefined
        let late: Outcome<unknown> | null = null
        const stopCall = (reason: FailureReason, detail: string) => {
          if (late != null) {
            return
          }
          late = { ok: false, reason, detail }
          send({ kind: 'abort', id })
          graceTimer = setTimeout(() => kill(reason, detail, id), GRACE_MS)
        }
        const onAbort = () => stopCall('aborted', 'the call was aborted')
        const timer = setTimeout(() => stopCall('timeout', `${call.function} took more than ${call.timeoutMs} ms`), call.timeoutMs)
        const services = new AbortController()
        calls.set(id, {
          call,
          services,
          settle(outcome, alone) {
            clearTimeout(timer)
            clearTimeout(graceTimer)
            call.signal?.removeEventListener('abort', onAbort)
            calls.delete(id)
            services.abort()
            // a result after its time counts as none, whatever it is
            resolve({ ...(late ?? outcome), alone })
          }
        })
        call.signal?.addEventListener('abort', onAbort)
        send({ kind: 'call', id, function: call.function, timing: call.timing, argument: call.argument })
        if (call.signal?.aborted === true) {
          onAbort()
        }
      })
    }
  }
}

/** Resident memory as the kernel counts it; null where it cannot be read. */
function rssBytes(pid: number | undefined): number | null {
  if (pid == null || process.platform !== 'linux') {
    return null
  }
  try {
    const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    return kb == null ? null : Number(kb) * 1024
  } catch {
    return null
  }
}

function explainExit(code: number | null, signal: string | null, errors: string): { reason: FailureReason; detail: string } {
  if (/heap out of memory|Fatal JavaScript (invalid size|out of memory)/i.test(errors)) {
    return { reason: 'out-of-memory', detail: 'the JavaScript heap reached its limit' }
  }
  const line = errors
    .split('\n')
    .map((text) => text.trim())
    .find((text) => /^(\w*Error|Uncaught)\b/.test(text))
  const how = signal == null ? `the process ended with exit status ${code}` : `the process ended by ${signal}`
  return { reason: 'crashed', detail: line == null ? how : `${how}: ${line.slice(0, 300)}` }
}
