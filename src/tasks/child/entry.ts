/**
 * A task's process. Reads frames on descriptor 0, writes frames on descriptor 3; the bundle's own output goes to 1 and 2.
 *
 *   node -> task   init, call, abort, response
 *   task -> node   ready, result, request, log
 *
 * Holds nothing worth stealing: no keys, no environment, no path but the bundle's folder and these files.
 *
 * In the mode `frozen` the bundle runs in the interpreter, in a thread of this process, and nothing of it runs in Node.
 */
import { readFileSync, writeSync } from 'node:fs'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { createFrameReader, encodeFrame } from './frames.ts'
import { BUNDLE_URL, guardProcess, hookImports, TASK_MODULES } from './guard.ts'
import { INTERPRETER } from './interpreter.ts'
import { fromJson, taskLinkOf, toJson } from './values.ts'

/** Requests that wait for an answer at a time; the runner ends a process that has more. */
const MAX_REQUESTS = 32
const LOG_CHARACTERS = 4096
/** Of an audit's reason, which the node cuts shorter still. */
const REASON_CHARACTERS = 4096
/** Of a stack; the node's limit (src/tasks/stack.ts), as no file of the node is read here. */
const STACK_CHARACTERS = 8192
const CHANNEL = 3

interface Init {
  kind: 'init'
  mode: 'work' | 'frozen'
  bundlePath: string
  network: boolean
  taskId: string
  staker: string
  params: unknown
  seed: string
}
interface Call {
  kind: 'call'
  id: number
  function: string
  timing: { cycle: number } | null
  argument: unknown
}
interface Response {
  kind: 'response'
  id: number
  ok: boolean
  value?: unknown
  error?: { name: string; message: string }
}
type FromNode = Init | Call | Response | { kind: 'abort'; id: number; reason: string }

// captured: the bundle may replace what it likes in its realm, and then at least not by accident
const exit = process.exit.bind(process)
const input = process.stdin
const AbortControllerHere = AbortController
const StringHere = String
const ErrorHere = Error
const { apply } = Reflect
const { stringify } = JSON
const { slice } = String.prototype
const cut = (text: string, characters: number): string => apply(slice, text, [0, characters])

function abortError(reason: string): Error {
  const error = new ErrorHere(reason)
  error.name = 'AbortError'
  return error
}

function send(head: unknown, body?: Uint8Array): void {
  const frame = encodeFrame(head, body)
  for (let offset = 0; offset < frame.length; ) {
    try {
      offset += writeSync(CHANNEL, frame, offset)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') {
        throw error
      }
    }
  }
}

/**
 * Text that the bundle has a hand in, by Error.prepareStackTrace, a getter or a Proxy, which run here, within the time of its call. Only
 * its beginning goes to the node, which reads nothing but places from it.
 */
function stackOf(error: unknown): string | undefined {
  try {
    const { stack } = error as { stack?: unknown }
    return typeof stack === 'string' ? cut(stack, STACK_CHARACTERS) : undefined
  } catch {
    return undefined
  }
}

/** What the bundle made of a property, by a getter or a Proxy; undefined when that throws. */
function propertyOf(value: unknown, name: 'name' | 'message'): unknown {
  try {
    return (value as Record<string, unknown> | null | undefined)?.[name]
  } catch {
    return undefined
  }
}

/** The beginning of a value's text; undefined when it has none, as of an object without a prototype, or of a proof's `{ "toString": 1 }`. */
function textOf(value: unknown, characters: number): string | undefined {
  try {
    return cut(StringHere(value), characters)
  } catch {
    return undefined
  }
}

function isError(value: unknown): value is Error {
  try {
    return value instanceof ErrorHere
  } catch {
    return false
  }
}

/** Of whatever a bundle throws. Never throws, as what is thrown while a failure is told ends the process. */
function describe(error: unknown): { name: string; message: string; stack?: string } {
  const message = propertyOf(error, 'message')
  if (isError(error) || typeof message === 'string') {
    const stack = stackOf(error)
    return {
      name: textOf(propertyOf(error, 'name') ?? 'Error', 64) ?? 'Error',
      message: textOf(message, 500) ?? 'its message cannot be described',
      ...(stack == null ? {} : { stack })
    }
  }
  const text = textOf(error, 500)
  return { name: 'Error', message: text == null ? 'threw what cannot be described' : cut(`threw ${text}`, 500) }
}

/** An error in the log: what it says, and where in the bundle. */
function shownError(error: Error): string {
  const places = (stackOf(error) ?? '').split('\n').filter((line) => line.includes(`${BUNDLE_URL}:`))
  const what = textOf(error, LOG_CHARACTERS) ?? 'an error that cannot be described'
  return [what, ...places.slice(0, 8).map((line) => line.trim().slice(0, 200).replace(BUNDLE_URL, 'main.mjs'))].join('; ')
}

/** Anything in the log: a value that is no JSON, such as a proof's large number, costs its line and not the call. */
function shown(part: unknown): string {
  if (typeof part === 'string') {
    return part
  }
  if (isError(part)) {
    return shownError(part)
  }
  try {
    const text = stringify(part, (_key, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner))
    if (typeof text === 'string') {
      return text
    }
  } catch {
    // its text is shown
  }
  return textOf(part, LOG_CHARACTERS) ?? 'what cannot be described'
}

const waiting = new Map<number, { resolve(response: { value: unknown; body: Uint8Array }): void; reject(error: Error): void }>()
const queue: Array<() => void> = []
let nextRequest = 1

/** Asks the node for something; `call` says on whose behalf. */
function request(call: number, method: string, args: unknown, body?: Uint8Array): Promise<{ value: unknown; body: Uint8Array }> {
  return new Promise((resolve, reject) => {
    const start = () => {
      const id = nextRequest++
      waiting.set(id, { resolve, reject })
      send({ kind: 'request', id, call, method, args }, body)
    }
    if (waiting.size < MAX_REQUESTS) {
      start()
    } else {
      queue.push(start)
    }
  })
}

const link = (cid: string) => Object.freeze({ '/': cid })

function createContext(init: Init, call: Call, signal: AbortSignal) {
  const ask = (method: string, args: unknown, body?: Uint8Array) => request(call.id, method, args, body)
  const value = async (method: string, args: unknown, body?: Uint8Array) => (await ask(method, args, body)).value
  return {
    taskId: init.taskId,
    staker: init.staker,
    params: init.params,
    timing: call.timing,
    signal,
    log(...parts: unknown[]) {
      const text = parts.map(shown).join(' ')
      send({ kind: 'log', text: text.slice(0, LOG_CHARACTERS) })
    },
    kv: {
      get: async (key: string) => (await value('kv.get', { key })) ?? undefined,
      put: (key: string, text: string) => value('kv.put', { key, value: text }),
      delete: (key: string) => value('kv.delete', { key }),
      list: ({ prefix = '', after = '', limit = 1000 } = {}) => value('kv.list', { prefix, after, limit })
    },
    proofs: {
      putNode: async (node: unknown) => value('proofs.putNode', { value: toJson(node, taskLinkOf) }),
      putFiles: async (files: Array<{ path: string; content: Uint8Array | string }>) => {
        const contents = files.map(({ content }) => (typeof content === 'string' ? Buffer.from(content) : content))
        const sizes = files.map(({ path }, i) => ({ path, size: contents[i]!.length }))
        return value('proofs.putFiles', { files: sizes }, Buffer.concat(contents))
      },
      get: async (cid: string) => fromJson(await value('proofs.get', { cid }), link),
      list: (cid: string) => value('proofs.list', { cid }),
      readFile: async (cid: string, path: string, { offset = 0, length = 1024 * 1024 } = {}) =>
        (await ask('proofs.readFile', { cid, path, offset, length })).body
    },
    k2: {
      slot: () => value('k2.slot', {}),
      getBlock: (slot: number) => value('k2.getBlock', { slot }),
      getBlocks: (start: number, end: number) => value('k2.getBlocks', { start, end })
    }
  }
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null, (_key, inner) => (typeof inner === 'bigint' ? inner.toString() : inner)))
}

/** An audit's answer without what would keep it from being read: whoever is audited may have a say in the reason. */
function briefly(answer: unknown): unknown {
  const { valid, reason } = (answer ?? {}) as { valid?: unknown; reason?: unknown }
  return typeof valid === 'boolean'
    ? { valid, ...(typeof reason === 'string' ? { reason: reason.slice(0, REASON_CHARACTERS) } : {}) }
    : answer
}

/**
 * In a thread for its stack, whose size is ours there. The thread answers what it can; its end without an answer is this
 * machine's fault, and ends the process as an error that nobody handles.
 */
function startInterpreter({ bundlePath, seed }: Init): Worker {
  const [core, variant] = process.argv.slice(2)
  const worker = new Worker(new URL(`./interpreter-worker${extname(new URL(import.meta.url).pathname)}`, import.meta.url), {
    workerData: { core, variant, bundlePath, seed },
    resourceLimits: { stackSizeMb: INTERPRETER.threadStackMb }
  })
  worker.on('message', (message) => send(message))
  return worker
}

async function main(): Promise<void> {
  const controllers = new Map<number, AbortController>()
  let interpreter: Worker | null = null
  let init: Init | null = null
  let bundle: Record<string, unknown> = {}

  async function load(message: Init): Promise<void> {
    init = message
    const source = readFileSync(message.bundlePath, 'utf8')
    // the hooks come last: they answer require as well, also ours
    guardProcess(message.network)
    hookImports(source, TASK_MODULES)
    const loaded = (await import(BUNDLE_URL)) as Record<string, unknown>
    bundle = { ...loaded }
    const functions = Object.keys(bundle).filter((name) => typeof bundle[name] === 'function')
    send({ kind: 'ready', manifest: plain(bundle.manifest), functions: functions.slice(0, 64) })
  }

  async function run(call: Call): Promise<void> {
    const controller = new AbortControllerHere()
    controllers.set(call.id, controller)
    const context = createContext(init!, call, controller.signal)
    const functions = bundle as Record<string, (...args: unknown[]) => unknown>
    const cycle = call.timing?.cycle
    switch (call.function) {
      case 'setup':
        await functions.setup!(context)
        return send({ kind: 'result', id: call.id, ok: true, value: null })
      case 'task':
        await functions.task!(context, cycle)
        return send({ kind: 'result', id: call.id, ok: true, value: null })
      case 'submission':
        return send({ kind: 'result', id: call.id, ok: true, value: plain(await functions.submission!(context, cycle)) })
      case 'audit':
        return send({ kind: 'result', id: call.id, ok: true, value: briefly(plain(await functions.audit!(context, call.argument, cycle))) })
    }
  }

  const reader = createFrameReader({ headBytes: 256 * 1024 * 1024, bodyBytes: 16 * 1024 * 1024 })
  input.on('data', (chunk: Buffer) => {
    for (const { head, body } of reader.push(chunk)) {
      const message = head as FromNode
      switch (message.kind) {
        case 'init':
          if (message.mode === 'frozen') {
            interpreter = startInterpreter(message)
          } else {
            load(message).catch((error) => send({ kind: 'ready', error: describe(error) }))
          }
          break
        case 'call':
          if (interpreter != null) {
            interpreter.postMessage({ id: message.id, argument: JSON.stringify(message.argument) })
            break
          }
          run(message)
            .catch((error) => send({ kind: 'result', id: message.id, ok: false, error: describe(error) }))
            .finally(() => controllers.delete(message.id))
          break
        case 'abort':
          controllers.get(message.id)?.abort(abortError(message.reason))
          break
        case 'response': {
          const asker = waiting.get(message.id)
          waiting.delete(message.id)
          queue.shift()?.()
          if (message.ok) {
            asker?.resolve({ value: message.value, body })
          } else {
            const error = new Error(message.error!.message)
            error.name = message.error!.name
            asker?.reject(error)
          }
        }
      }
    }
  })
  // the node is gone: whatever the bundle still has running ends with it
  input.on('end', () => exit(0))
  input.on('error', () => exit(0))
}

await main()
