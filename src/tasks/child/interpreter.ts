/**
 * One run of a bundle in QuickJS, compiled to WebAssembly and metered: the same bytes in, the same bytes out on every
 * machine, or the same refusal. Spec: protocols/task/README.md "The interpreter".
 *
 *   host ── prelude ── bundle          host: sha256, a log, the clock that stands still; nothing else
 *
 * An interpreter serves one run. After a refusal its memory may hold anything, and nobody looks.
 */
import { createHash } from 'node:crypto'
import type * as Core from 'quickjs-emscripten-core'
import type { QuickJSSyncVariant } from 'quickjs-emscripten-core'
import { fixImports, type Imports, RefusedError, standIn } from './interpreter-host.ts'
import { PRELUDE } from './prelude.ts'

/** Part of the contract: nodes with other figures come to other records. */
export const INTERPRETER = {
  /** sha-256 of the module of @jitl/quickjs-wasmfile-release-sync 0.32.0 */
  moduleSha256: '105c3bed22d457e43e3d1c3c1c6959fda62a8fe06f0fc8a985303c3a2be72232',
  /** sha-256 of the same, metered (scripts/interpreter) */
  meteredSha256: '240a6c65bba27daac6683dd0a1052f44fdcae375b88ebbbdeb18731b12ddbc4f',
  /** of the load and the call together */
  steps: 1_000_000_000,
  /** weight of the functions that have not returned; part of the metered module */
  depth: 1_000_000,
  /** what the bundle's values may take */
  memoryBytes: 128 * 1024 * 1024,
  /** the module's whole memory, which never grows: 256 MiB */
  memoryPages: 4096,
  /** QuickJS's own stack: beyond it a bundle gets an InternalError that it can catch */
  stackBytes: 256 * 1024,
  /** stack of the thread that it runs in: several times what the deepest calls take, so that it is never what ends a run */
  threadStackMb: 64,
  /** of the input, as JSON in UTF-8 */
  inputBytes: 16 * 1024 * 1024,
  /** of the list, as JSON in UTF-8 */
  resultBytes: 1_000_000,
  /** of the manifest and the names of functions */
  descriptionBytes: 65_536
} as const

const BUNDLE = 'koii-task:main.mjs'
/** Of a stack that is read, a deep recursion's too, and of its beginning that is sent: the node's limit (src/tasks/stack.ts). */
const STACK_CHARACTERS = 1_048_576
const SENT_CHARACTERS = 8192
/** Lines that reach the log in a run; the bundle does not learn how many did. */
const LOG_LINES = 256

export interface InterpreterInit {
  core: typeof Core
  variant: QuickJSSyncVariant
  /** the metered module */
  wasm: WebAssembly.Module
  source: string
  seed: string
  log: (text: string) => void
}

export interface Interpreter {
  /** @returns JSON of `{ manifest, functions }` @throws RefusedError */
  describe(): string
  /** @param argument JSON of the input @returns JSON of what the function gave @throws RefusedError */
  distribution(argument: string): string
}

interface Meters {
  '+steps': WebAssembly.Global<'i64'>
  '+depth': WebAssembly.Global<'i32'>
}

/** QuickJS's own limits are exceptions in it; those of the metered module are traps, which come out of it here. */
function guarded<T>({ '+steps': steps, '+depth': depth }: Meters, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (steps.value < 0n) {
      throw new RefusedError('TaskLimitError', `used more than ${INTERPRETER.steps} steps`)
    }
    if (depth.value > INTERPRETER.depth) {
      throw new RefusedError('TaskLimitError', 'nested calls too deep')
    }
    if (error instanceof WebAssembly.RuntimeError) {
      throw new RefusedError('TaskLimitError', 'the interpreter broke, as it does when memory ends where it cannot tell')
    }
    throw error
  }
}

/** @throws whatever the machine throws that cannot give it its memory: that is no refusal */
export async function createInterpreter({ core, variant, wasm, source, seed, log }: InterpreterInit): Promise<Interpreter> {
  const memory = new WebAssembly.Memory({ initial: INTERPRETER.memoryPages, maximum: INTERPRETER.memoryPages })
  let meters: Meters | null = null
  const emscriptenModule = {
    wasmMemory: memory,
    printErr: () => {},
    instantiateWasm(imports: Imports, done: (instance: WebAssembly.Instance) => void) {
      const instance = new WebAssembly.Instance(wasm, fixImports(imports, memory) as WebAssembly.Imports)
      meters = instance.exports as unknown as Meters
      done(instance)
      return instance.exports
    }
  }
  type Options = NonNullable<Parameters<typeof core.newVariant>[1]>
  const quickjs = await core.newQuickJSWASMModuleFromVariant(
    core.newVariant(variant, { emscriptenModule: emscriptenModule as Options['emscriptenModule'] })
  )
  const runtime = quickjs.newRuntime()
  runtime.setMemoryLimit(INTERPRETER.memoryBytes)
  runtime.setMaxStackSize(INTERPRETER.stackBytes)
  runtime.setModuleLoader(
    (specifier) => standIn(specifier) as ReturnType<Parameters<typeof runtime.setModuleLoader>[0]>,
    (_base, specifier) => specifier
  )
  const context = runtime.newContext()
  type Handle = Core.QuickJSHandle

  let helpers: Record<'describe' | 'distribution' | 'failure', Handle> | null = null
  function refuse(error: Handle): never {
    const described = helpers == null ? null : context.callFunction(helpers.failure, context.undefined, error)
    if (described == null || described.error != null) {
      throw new RefusedError('Error', 'threw what cannot be described')
    }
    const { name, message } = JSON.parse(context.getString(described.value)) as { name: string; message: string }
    throw new RefusedError(name, message, stackOf(error))
  }

  /** Read when the run has failed, and so out of what nodes compare. A getter of the bundle runs metered, like all of it. */
  function stackOf(error: Handle): string | undefined {
    try {
      const stack = context.getProp(error, 'stack')
      const isText = context.typeof(stack) === 'string'
      return isText && context.getNumber(context.getProp(stack, 'length')) <= STACK_CHARACTERS
        ? context.getString(stack).slice(0, SENT_CHARACTERS)
        : undefined
    } catch {
      return undefined
    }
  }

  function valueIn(result: { value: Handle; error?: undefined } | { error: Handle }): Handle {
    return result.error == null ? (result as { value: Handle }).value : refuse(result.error)
  }

  /** Runs the jobs of promises until none is left; what is not settled then never will be. */
  function settle(value: Handle): Handle {
    for (;;) {
      const ran = runtime.executePendingJobs()
      if (ran.error != null) {
        refuse(ran.error as unknown as Handle)
      }
      if (!runtime.hasPendingJob()) {
        break
      }
    }
    const state = context.getPromiseState(value)
    if (state.type === 'pending') {
      throw new RefusedError('TaskLimitError', 'waits for what never comes: a promise that nothing can settle')
    }
    return state.type === 'fulfilled' ? state.value : refuse(state.error)
  }

  function bounded(handle: Handle, maxBytes: number, what: string): string {
    const text = context.getString(handle)
    const bytes = Buffer.byteLength(text)
    if (bytes > maxBytes) {
      throw new RefusedError('TaskLimitError', `${what} takes ${bytes} bytes of JSON; at most ${maxBytes} are read`)
    }
    return text
  }

  let lines = 0
  meters!['+steps'].value = BigInt(INTERPRETER.steps)
  const bundle = guarded(meters!, () => {
    const make = valueIn(context.evalCode(PRELUDE, 'koii-task:prelude', { type: 'global' }))
    const sha256 = context.newFunction('sha256', (text) =>
      context.newString(createHash('sha256').update(context.getString(text)).digest('hex'))
    )
    const print = context.newFunction('log', (text) => {
      if (lines++ < LOG_LINES) {
        log(context.getString(text))
      }
    })
    const made = valueIn(context.callFunction(make, context.undefined, context.newString(seed), sha256, print))
    helpers = {
      describe: context.getProp(made, 'describe'),
      distribution: context.getProp(made, 'distribution'),
      failure: context.getProp(made, 'failure')
    }
    return settle(valueIn(context.evalCode(source, BUNDLE, { type: 'module' })))
  })

  return {
    describe: () =>
      guarded(meters!, () => {
        const text = valueIn(context.callFunction(helpers!.describe, context.undefined, bundle))
        return bounded(text, INTERPRETER.descriptionBytes, 'the manifest')
      }),
    distribution: (argument) =>
      guarded(meters!, () => {
        const bytes = Buffer.byteLength(argument)
        if (bytes > INTERPRETER.inputBytes) {
          throw new RefusedError('TaskLimitError', `the input takes ${bytes} bytes of JSON; at most ${INTERPRETER.inputBytes} are given`)
        }
        const input = context.newString(argument)
        const given = valueIn(context.callFunction(helpers!.distribution, context.undefined, bundle, input))
        return bounded(settle(given), INTERPRETER.resultBytes, 'the list')
      })
  }
}
