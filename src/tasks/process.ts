/** One child process with one bundle loaded: its start, its calls, its limits and its end. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { setPriority } from 'node:os'
import type { Readable } from 'node:stream'
import type { CycleTiming, Outcome, ProofReader, StackFrame, TaskFunction } from './api.ts'
import { createFrameReader, encodeFrame, type Frame, FrameError } from './child/frames.ts'
import type { ChildFiles } from './child-files.ts'
import { ENDINGS, type EndingName, endingOfExit } from './endings.ts'
import { FROM_TASK_LIMITS, type FromTask, fromTaskShape, MAX_OUTSTANDING_REQUESTS } from './messages.ts'
import { type LogGate, oneLine, paceReading, readOutput, tapOf } from './output.ts'
import { type Answer, answer, type Services } from './services.ts'
import { rssBytes, spawnChild } from './spawn.ts'
import { framesOf } from './stack.ts'
import { createTurns } from './turns.ts'
import { problemIn } from './words.ts'

/** Between the abort of a call's signal and the kill: enough to return, too little to matter. */
const GRACE_MS = 100
const WATCH_MS = 50
/** A process that closes its way to the node and does not end within this was not about to end. */
const CLOSED_MS = 1000
const DETAIL_BYTES = 600
/** Errors of a request that say nothing of this node. */
const ASKERS_FAULT: ReadonlySet<string> = new Set(['BadProofError', 'CallOverError', 'ProofValueError', 'TaskRequestError'])
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
  /** JavaScript heap, MiB */
  memoryMb: number
  /** whether that is less than the manifest asks for */
  memoryCapped: boolean
  startTimeoutMs: number
  taskId: string
  staker: string
  params: unknown
  seed: string
  services: Services | null
  log: LogGate
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

/**
 * `alone`: no other call was under way when this one ended, so that a failure is its own. `trouble`: this node failed the
 * call in something that it asked for, or never began it.
 */
export type CallOutcome = Outcome<unknown> & { alone: boolean; trouble: boolean }

export interface TaskProcess {
  readonly pid: number | undefined
  readonly ended: boolean
  /** what the bundle says of itself */
  readonly ready: Promise<Outcome<{ manifest: unknown; functions: string[] }>>
  call(call: ProcessCall): Promise<CallOutcome>
  rssBytes(): number | null
  /** resolves when the process is gone */
  kill(ending: EndingName, detail: string): Promise<void>
}

interface Pending {
  call: ProcessCall
  services: AbortController
  trouble: boolean
  badProof: boolean
  /** Whether K2 failed it, and has not answered since. */
  k2Away: boolean
  settle(outcome: Outcome<unknown>, alone: boolean): void
}

const failure = (
  ending: EndingName,
  detail: string,
  stack?: string
): { ok: false; reason: (typeof ENDINGS)[EndingName]['reason']; detail: string; ending: EndingName; frames: StackFrame[] } => ({
  ok: false,
  reason: ENDINGS[ending].reason,
  detail: oneLine(detail, DETAIL_BYTES),
  ending,
  frames: framesOf(stack)
})

/** Never throws: a process that cannot be started is one that has ended. */
export function startTaskProcess(init: TaskProcessInit): TaskProcess {
  try {
    const child = spawnChild(init)
    // without descriptors left Node makes no streams, and tells of the error later
    child.once('error', () => {})
    if (child.stdin == null) {
      throw new Error('no descriptors are left for its pipes')
    }
    return attend(init, child)
  } catch (error) {
    const why = failure('start', `the task's process could not be started: ${(error as Error).message}`)
    return {
      pid: undefined,
      ended: true,
      ready: Promise.resolve(why),
      call: async () => ({ ...why, alone: true, trouble: true }),
      rssBytes: () => null,
      kill: async () => {}
    }
  }
}

function attend(init: TaskProcessInit, child: ChildProcessWithoutNullStreams): TaskProcess {
  const input = child.stdin
  const channel = child.stdio[3] as Readable
  const calls = new Map<number, Pending>()
  const rssLimitBytes = (init.memoryMb + BASE_MEMORY_MB) * 1024 * 1024
  let nextCall = 1
  let requests = 0
  let ended = false
  let killed: { ending: EndingName; detail: string; culprit: number | null } | null = null
  let closed: NodeJS.Timeout | undefined
  const ready = Promise.withResolvers<Outcome<{ manifest: unknown; functions: string[] }>>()
  const gone = Promise.withResolvers<void>()

  const kill = (ending: EndingName, detail: string, culprit: number | null = null): void => {
    killed ??= { ending, detail, culprit }
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
  // most often the process has ended, and its exit says why
  const onClosed = () => {
    closed ??= setTimeout(() => kill('closed-pipe', 'the process closed its way to the node, and went on'), CLOSED_MS)
  }
  input.on('error', onClosed)
  channel.on('end', onClosed)

  const startTimer = setTimeout(
    () => kill('timeout', `the bundle did not load within ${seconds(init.startTimeoutMs)}`),
    init.startTimeoutMs
  )
  const watch = setInterval(() => {
    const bytes = rssBytes(child.pid)
    if (bytes != null && bytes > rssLimitBytes) {
      kill('resident', `${Math.round(bytes / 1024 / 1024)} MiB resident; at most ${rssLimitBytes / 1024 / 1024} are allowed`)
    }
  }, WATCH_MS).unref()

  child.on('error', (error) => end({ ending: 'start', detail: `the task's process could not be started: ${error.message}` }))
  // 'close' comes after the last byte of the streams: a crash report is complete by then
  child.on('close', (code, signal) => {
    turns.drain()
    const { ending, detail, stack } = endingOfExit(code, signal, errors())
    end(killed ?? { ending: ending === 'heap' && init.memoryCapped ? 'capped' : ending, detail, stack })
  })

  function end(why: { ending: EndingName; detail: string; stack?: string | undefined; culprit?: number | null }): void {
    if (ended) {
      return
    }
    ended = true
    clearTimeout(startTimer)
    clearInterval(watch)
    clearTimeout(closed)
    ready.resolve(failure(why.ending, why.detail, why.stack))
    const alone = calls.size <= 1
    for (const [id, pending] of [...calls]) {
      pending.settle(
        why.culprit == null || why.culprit === id
          ? failure(why.ending, why.detail, why.stack)
          : failure('interrupted', `another call of the same process ended it: ${ENDINGS[why.ending].reason}, ${why.detail}`),
        alone
      )
    }
    gone.resolve()
  }

  const frames = createFrameReader(FROM_TASK_LIMITS)
  const tap = tapOf(channel)
  const turns = createTurns<Frame>({
    handle({ head, body }) {
      if (killed != null) {
        return
      }
      const message = fromTaskShape.safeParse(head)
      if (message.success) {
        receive(message.data, body)
      } else {
        kill('unreadable', `a message of unknown shape: ${problemIn(message.error)}`)
      }
    },
    onBacklog: () => tap.hold('turn'),
    onEmpty: () => tap.release('turn'),
    now: () => performance.now(),
    after: (delayMs, fn) => void setTimeout(fn, delayMs)
  })
  paceReading(
    channel,
    FRAME_BYTES_PER_SECOND,
    (chunk) => {
      let read = 0
      try {
        turns.take(() => {
          const whole = killed == null ? frames.push(chunk) : []
          read = whole.length
          return whole
        })
      } catch (error) {
        if (!(error instanceof FrameError)) {
          throw error
        }
        kill(error.isTooLarge ? 'oversized' : 'unreadable', error.message)
      }
      return read * FRAME_COST_BYTES
    },
    tap
  )

  function receive(message: FromTask, body: Uint8Array): void {
    switch (message.kind) {
      case 'ready':
        clearTimeout(startTimer)
        ready.resolve(
          message.error == null
            ? { ok: true, value: { manifest: message.manifest, functions: message.functions ?? [] } }
            : failure('not-loaded', `${message.error.name}: ${message.error.message}`, message.error.stack)
        )
        break
      case 'log':
        init.log.log({ source: 'task', text: message.text })
        break
      case 'result': {
        const pending = calls.get(message.id)
        pending?.settle(message.ok ? { ok: true, value: message.value } : threw(message.error, pending), calls.size === 1)
        break
      }
      case 'request':
        if (++requests > MAX_OUTSTANDING_REQUESTS) {
          kill('unreadable', `more than ${MAX_OUTSTANDING_REQUESTS} requests at a time`)
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
      pending.k2Away &&= !method.startsWith('k2.')
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error))
      if (pending != null) {
        pending.trouble ||= !ASKERS_FAULT.has(name)
        pending.badProof ||= name === 'BadProofError'
        pending.k2Away ||= name === 'K2ReadError'
      }
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
    async kill(ending, detail) {
      kill(ending, detail)
      await gone.promise
    },
    call(call) {
      return new Promise((resolve) => {
        if (ended || killed != null) {
          resolve({ ...failure('interrupted', 'the process has ended'), alone: false, trouble: true })
          return
        }
        const id = nextCall++
        let graceTimer: NodeJS.Timeout | undefined
        let late: Outcome<unknown> | null = null
        const stopCall = (ending: EndingName, detail: string) => {
          if (late != null) {
            return
          }
          late = failure(ending, detail)
          send({ kind: 'abort', id, reason: detail })
          graceTimer = setTimeout(() => kill(ending, detail, id), GRACE_MS)
        }
        const onAbort = () => stopCall('aborted', whyAborted(call.signal))
        const timer = setTimeout(
          () => stopCall('timeout', `${call.function} took longer than the ${seconds(call.timeoutMs)} that it had`),
          call.timeoutMs
        )
        const services = new AbortController()
        calls.set(id, {
          call,
          services,
          trouble: false,
          badProof: false,
          k2Away: false,
          settle(outcome, alone) {
            clearTimeout(timer)
            clearTimeout(graceTimer)
            call.signal?.removeEventListener('abort', onAbort)
            calls.delete(id)
            services.abort(new DOMException('the call that asked for it is over', 'AbortError'))
            // a result after its time counts as none, whatever it is
            resolve({ ...(late ?? outcome), alone, trouble: this.trouble })
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

/** Only an error that a read of the proof gave the call is of the proof: a bundle may have one of the same name. */
function threw({ name, message, stack }: { name: string; message: string; stack?: string | undefined }, { badProof, k2Away }: Pending) {
  return failure(badProof && name === 'BadProofError' ? 'bad-proof' : k2Away ? 'k2-away' : 'threw', `${name}: ${message}`, stack)
}

/** What the caller says of it: without a word of its own, only that it did. */
function whyAborted(signal: AbortSignal | undefined): string {
  const { reason } = signal ?? {}
  return reason instanceof Error && reason.message !== UNTOLD ? reason.message : 'the node gave the call up'
}

/** What `abort()` says by itself. */
const UNTOLD = new DOMException('This operation was aborted', 'AbortError').message

const seconds = (ms: number) => (ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`)
