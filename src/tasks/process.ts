/** One child process with one bundle loaded: its start, its calls, its limits and its end. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { setPriority } from 'node:os'
import type { Readable } from 'node:stream'
import type { Outcome } from './api.ts'
import { encodeFrame } from './child/frames.ts'
import type { ChildFiles } from './child-files.ts'
import { type EndingName, endingOfExit } from './endings.ts'
import { failureOf } from './failures.ts'
import { readInbox } from './inbox.ts'
import type { FromTask } from './messages.ts'
import { type LogGate, readOutput } from './output.ts'
import { type CallOutcome, createProcessCalls, type PendingCall, type ProcessCall, type ProcessEnd } from './process-calls.ts'
import { createRequests } from './requests.ts'
import type { Services } from './services.ts'
import { rssBytes, spawnChild } from './spawn.ts'
import { secondsText } from './timeouts.ts'

const WATCH_MS = 50
/** A process that closes its way to the node and does not end within this was not about to end. */
const CLOSED_MS = 1000
/** Memory of Node itself, and room for what is not JavaScript heap, on top of the heap limit. */
const BASE_MEMORY_MB = 128
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
    const why = failureOf('start', `the task's process could not be started: ${(error as Error).message}`)
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
  const rssLimitBytes = (init.memoryMb + BASE_MEMORY_MB) * 1024 * 1024
  let ended = false
  let killed: ProcessEnd | null = null
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
    () => kill('timeout', `the bundle did not load within ${secondsText(init.startTimeoutMs)}`),
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
    inbox.drain()
    const { ending, detail, stack } = endingOfExit(code, signal, errors())
    end(killed ?? { ending: ending === 'heap' && init.memoryCapped ? 'capped' : ending, detail, stack })
  })

  function end(why: ProcessEnd): void {
    if (ended) {
      return
    }
    ended = true
    clearTimeout(startTimer)
    clearInterval(watch)
    clearTimeout(closed)
    ready.resolve(failureOf(why.ending, why.detail, why.stack))
    calls.endAll(why)
    gone.resolve()
  }

  const isOver = () => ended || killed != null
  const calls = createProcessCalls({ isOver, send, kill })
  const request = createRequests({
    services: init.services,
    find: calls.find,
    send,
    onTooMany: (detail) => kill('unreadable', detail)
  })
  const inbox = readInbox({ channel, isOver: () => killed != null, receive, refuse: kill })

  function receive(message: FromTask, body: Uint8Array): void {
    switch (message.kind) {
      case 'ready':
        clearTimeout(startTimer)
        ready.resolve(
          message.error == null
            ? { ok: true, value: { manifest: message.manifest, functions: message.functions ?? [] } }
            : failureOf('not-loaded', `${message.error.name}: ${message.error.message}`, message.error.stack)
        )
        break
      case 'log':
        init.log.log({ source: 'task', text: message.text })
        break
      case 'result': {
        const pending = calls.find(message.id)
        pending?.settle(message.ok ? { ok: true, value: message.value } : threw(message.error, pending), calls.isOnly())
        break
      }
      case 'request':
        request(message, body)
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
    call: calls.call
  }
}

/** Only an error that a read of the proof gave the call is of the proof: a bundle may have one of the same name. */
function threw({ name, message, stack }: { name: string; message: string; stack?: string | undefined }, { badProof, k2Away }: PendingCall) {
  return failureOf(badProof && name === 'BadProofError' ? 'bad-proof' : k2Away ? 'k2-away' : 'threw', `${name}: ${message}`, stack)
}
