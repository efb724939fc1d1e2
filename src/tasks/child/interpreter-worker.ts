/**
 * The thread in which the interpreter runs, with a stack of its own size: that of a process is the machine's choice, and
 * too small on some.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import type * as Core from 'quickjs-emscripten-core'
import { createInterpreter, INTERPRETER, type Interpreter } from './interpreter.ts'
import { RefusedError } from './interpreter-host.ts'

export interface WorkerData {
  /** URLs of quickjs-emscripten-core and of the variant */
  core: string
  variant: string
  bundlePath: string
  seed: string
}

const port = parentPort!
const { core, variant, bundlePath, seed } = workerData as WorkerData

const described = ({ name, message, bundleStack }: RefusedError) => ({
  name,
  message,
  ...(bundleStack == null ? {} : { stack: bundleStack })
})

/** What crosses from here on is walked by functions that recurse, on stacks of the machine's own. */
const MAX_NESTING = 8

function cut(value: unknown, left = MAX_NESTING): unknown {
  if (typeof value !== 'object' || value === null) {
    return value
  }
  if (left === 0) {
    return null
  }
  return Array.isArray(value)
    ? value.map((item) => cut(item, left - 1))
    : Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cut(item, left - 1)]))
}

async function load(): Promise<Interpreter> {
  const wasm = readFileSync(new URL('./quickjs.wasm', import.meta.url))
  if (createHash('sha256').update(wasm).digest('hex') !== INTERPRETER.meteredSha256) {
    throw new Error('the interpreter beside this file is not the one of the contract: install the package again')
  }
  return createInterpreter({
    core: (await import(core)) as typeof Core,
    variant: ((await import(variant)) as { default: Core.QuickJSSyncVariant }).default,
    wasm: new WebAssembly.Module(wasm),
    source: readFileSync(bundlePath, 'utf8'),
    seed,
    log: (text) => port.postMessage({ kind: 'log', text })
  })
}

/** What is no refusal is this machine's: it ends the thread, and the process with it. */
function refused(error: unknown): { name: string; message: string; stack?: string } {
  if (error instanceof RefusedError) {
    return described(error)
  }
  throw error
}

let interpreter: Interpreter | null = null
try {
  interpreter = await load()
  port.postMessage({ kind: 'ready', ...(cut(JSON.parse(interpreter.describe())) as object) })
} catch (error) {
  port.postMessage({ kind: 'ready', error: refused(error) })
}

port.on('message', ({ id, argument }: { id: number; argument: string }) => {
  let message: unknown
  try {
    message = { kind: 'result', id, ok: true, value: cut(JSON.parse(interpreter!.distribution(argument))) }
  } catch (error) {
    message = { kind: 'result', id, ok: false, error: refused(error) }
  }
  port.postMessage(message)
})
