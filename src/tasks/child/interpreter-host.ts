/** What the interpreter finds outside itself: a host without a clock, a place or memory to spare, and no modules of Node's. */
import { namesOf } from './node-names.ts'

/** A run that ends without a value, for a reason that is the same on every machine. */
export class RefusedError extends Error {
  /** Of the error in the interpreter: for people alone, and no part of what nodes agree on. */
  readonly bundleStack: string | undefined

  constructor(name: string, message: string, bundleStack?: string) {
    super(message)
    this.name = name
    this.bundleStack = bundleStack
  }
}

export type Imports = Record<string, Record<string, unknown>>

/**
 * What the module may ask of its host, by the names that its linker gave. Those that would tell about the machine give
 * the same everywhere; its memory never grows, as whether it can is the machine's.
 */
export function fixImports(imports: Imports, memory: WebAssembly.Memory): Imports {
  const view = () => new DataView(memory.buffer)
  return {
    a: {
      ...imports.a,
      // _localtime_js: UTC
      m: (seconds: bigint, tm: number) => {
        const date = new Date(Number(seconds) * 1000)
        const startOfYear = Date.UTC(date.getUTCFullYear(), 0, 1)
        const fields = [
          date.getUTCSeconds(),
          date.getUTCMinutes(),
          date.getUTCHours(),
          date.getUTCDate(),
          date.getUTCMonth(),
          date.getUTCFullYear() - 1900,
          date.getUTCDay(),
          Math.floor((date.getTime() - startOfYear) / 86_400_000),
          0,
          0
        ]
        for (const [i, field] of fields.entries()) {
          view().setInt32(tm + 4 * i, field, true)
        }
      },
      // _tzset_js: UTC
      n: (timezone: number, daylight: number, standardName: number, daylightName: number) => {
        view().setInt32(timezone, 0, true)
        view().setInt32(daylight, 0, true)
        for (const name of [standardName, daylightName]) {
          new Uint8Array(memory.buffer).set([0x55, 0x54, 0x43, 0], name)
        }
      },
      // emscripten_date_now
      p: () => 0,
      // emscripten_resize_heap
      k: () => 0,
      // environ_get, environ_sizes_get: empty
      e: () => 0,
      f: (count: number, bytes: number) => {
        view().setInt32(count, 0, true)
        view().setInt32(bytes, 0, true)
        return 0
      },
      // fd_write: what QuickJS itself prints goes nowhere
      c: (_fd: number, parts: number, count: number, written: number) => {
        let total = 0
        for (let i = 0; i < count; i++) {
          total += view().getInt32(parts + 8 * i + 4, true)
        }
        view().setInt32(written, total, true)
        return 0
      }
    }
  }
}

/**
 * A module that stands for one of Node's: it may be taken apart and extended, as bundles do while they load, and fails
 * when anything of it is called, made or turned into a value.
 */
export function standIn(specifier: string): string | { error: Error } {
  const names = namesOf(specifier)
  if (names == null) {
    return {
      error: new RefusedError(
        'TaskAccessError',
        `import of '${specifier.slice(0, 200)}': a bundle is one module and may import only the built-ins of its contract`
      )
    }
  }
  const message = JSON.stringify(`${specifier} is not available in distribution, nor while the bundle is loaded for it`)
  return [
    `const fail = () => { const error = new Error(${message}); error.name = 'TaskAccessError'; throw error }`,
    "const get = (target, key) => key === 'prototype' ? target.prototype : absent",
    'const absent = new Proxy(function () {}, { get, set: fail, apply: fail, construct: fail })',
    ...names.map((name) => `export { absent as ${name} }`),
    'export default absent'
  ].join('\n')
}
