/**
 * What the permission model leaves open to a task, shut before the bundle is loaded.
 *
 * Node 26.10's `--permission` lets `node:sqlite` create and write files anywhere, `process.kill` and `os.setPriority`
 * reach the node's own process, and `process._debugProcess` start an inspector in it. So a task gets a list of
 * built-in modules and nothing else, and the functions that reach other processes are gone. The checks here run in the
 * task's own realm, where it may replace any prototype's methods: they use own properties of null-prototype objects
 * and captured functions only.
 */
import { createRequire, registerHooks, syncBuiltinESMExports } from 'node:module'
import type NetModule from 'node:net'
import type OsModule from 'node:os'

export class TaskAccessError extends Error {
  override name = 'TaskAccessError'
  code = 'ERR_ACCESS_DENIED'
}

/** Where the bundle is, for itself: the same on every node, so that no path of a machine can leak into a result. */
export const BUNDLE_URL = 'koii-task:main.mjs'

const MODULES = [
  'assert',
  'assert/strict',
  'buffer',
  'console',
  'constants',
  'crypto',
  'dgram',
  'diagnostics_channel',
  'dns',
  'dns/promises',
  'events',
  'fs',
  'fs/promises',
  'http',
  'http2',
  'https',
  'net',
  'os',
  'path',
  'path/posix',
  'path/win32',
  'perf_hooks',
  'process',
  'punycode',
  'querystring',
  'readline',
  'readline/promises',
  'stream',
  'stream/consumers',
  'stream/promises',
  'stream/web',
  'string_decoder',
  'timers',
  'timers/promises',
  'tls',
  'url',
  'util',
  'util/types',
  'zlib'
]

/** Own functions of `process` that reach other processes, native code, the machine or Node's insides. */
const PROCESS_FUNCTIONS = [
  'kill',
  '_kill',
  '_debugProcess',
  '_debugEnd',
  'execve',
  'dlopen',
  'binding',
  '_linkedBinding',
  'setuid',
  'setgid',
  'seteuid',
  'setegid',
  'setgroups',
  'initgroups',
  'chdir',
  'umask',
  'loadEnvFile',
  'openStdin',
  '_getActiveHandles',
  '_getActiveRequests'
]

/** A table that nobody's prototype can answer for. */
export function lookUp(names: string[]): Record<string, true> {
  const table: Record<string, true> = Object.create(null)
  for (const name of names) {
    table[name] = true
    table[`node:${name}`] = true
  }
  return Object.freeze(table)
}

export function denied(what: string): () => never {
  // a function, not an arrow: a class may extend what is denied, and only fail when it is used
  return function denied(): never {
    throw new TaskAccessError(`${what} is not available to tasks`)
  }
}

export function fix(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, writable: false, configurable: false, enumerable: false })
}

/** Answers every import of the bundle: itself, the modules of the list, and no others. */
export function hookImports(source: string, allowed: Record<string, true>): void {
  registerHooks({
    resolve(specifier, context, next) {
      if (allowed[specifier] === true) {
        return next(specifier, context)
      }
      if (specifier === BUNDLE_URL) {
        return { url: BUNDLE_URL, format: 'module', shortCircuit: true }
      }
      throw new TaskAccessError(`import of '${specifier}': a bundle is one module and may import only the built-ins of its contract`)
    },
    load(url, context, next) {
      return url === BUNDLE_URL ? { format: 'module', source, shortCircuit: true } : next(url, context)
    }
  })
}

export const TASK_MODULES = lookUp(MODULES)

/** Call once, before the bundle is loaded. Cannot be undone. */
export function guardProcess(network: boolean): void {
  const require = createRequire(import.meta.url)
  const os = require('node:os') as typeof OsModule
  const getBuiltin = process.getBuiltinModule.bind(process)

  fix(process, 'getBuiltinModule', (id: unknown) => {
    if (typeof id !== 'string' || TASK_MODULES[id] !== true) {
      throw new TaskAccessError('this built-in module is not available to tasks')
    }
    return getBuiltin(id as 'node:fs')
  })
  for (const name of PROCESS_FUNCTIONS) {
    if (name in process) {
      const absent = denied(`process.${name}`)
      // Node's own modules wrap some of these when they are first loaded: their assignment must not fail, and not succeed
      Object.defineProperty(process, name, { get: () => absent, set: () => {}, configurable: false, enumerable: false })
    }
  }
  // names the machine's interfaces and the command line
  fix(process, 'report', undefined)
  fix(os, 'setPriority', denied('os.setPriority'))
  if (network) {
    guardSockets(require('node:net') as typeof NetModule)
  }
  syncBuiltinESMExports()
}

/** With the network allowed, a socket of the file system would still lead to the machine's own services. */
function guardSockets(net: typeof NetModule): void {
  const connect = net.Socket.prototype.connect
  const apply = Reflect.apply
  const isArray = Array.isArray
  fix(net.Socket.prototype, 'connect', function guarded(this: unknown, ...args: unknown[]) {
    // net.connect hands its normalized arguments on as one array
    const first = isArray(args[0]) ? (args[0] as unknown[])[0] : args[0]
    const isPath = typeof first === 'string' && !(+first >= 0)
    if (isPath || (typeof first === 'object' && first !== null && (first as { path?: unknown }).path != null)) {
      throw new TaskAccessError('sockets of the file system are not available to tasks')
    }
    return apply(connect, this, args)
  })
  fix(net.Server.prototype, 'listen', denied('listening'))
}
