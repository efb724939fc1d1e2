/**
 * What `distribution` ran in before the interpreter: Node's own world with what was known to differ taken out of it. It
 * leaks paths, clocks, memory and the depth of the stack; kept as what the benchmark compares with, and for nothing else.
 */
import nodeCrypto, { createHash } from 'node:crypto'
import { createRequire, registerHooks } from 'node:module'
import { BUNDLE_URL, denied, fix, lookUp, TASK_MODULES } from '../../../src/tasks/child/guard.ts'

/** Pure built-ins, passed through whole. */
const PURE = lookUp([
  'assert',
  'assert/strict',
  'events',
  'path/posix',
  'punycode',
  'querystring',
  'string_decoder',
  'url',
  'util',
  'util/types'
])

/** What of node:crypto stays: synchronous, and a function of its arguments. */
const PURE_CRYPTO = ['createHash', 'createHmac', 'getHashes', 'hash', 'timingSafeEqual', 'verify', 'createPublicKey', 'constants']

const GLOBALS = lookUp(
  (
    'Object Function Array Number parseFloat parseInt Infinity NaN undefined Boolean String Symbol Date Promise RegExp Error AggregateError ' +
    'EvalError RangeError ReferenceError SyntaxError TypeError URIError SuppressedError globalThis JSON Math Intl ArrayBuffer Uint8Array ' +
    'Int8Array Uint16Array Int16Array Uint32Array Int32Array BigUint64Array BigInt64Array Uint8ClampedArray Float16Array Float32Array ' +
    'Float64Array DataView Map BigInt Set Iterator WeakMap WeakSet Proxy Reflect decodeURI decodeURIComponent encodeURI encodeURIComponent ' +
    'escape unescape eval isFinite isNaN console global Buffer URL URLSearchParams TextEncoder TextDecoder queueMicrotask structuredClone ' +
    'atob btoa DisposableStack AsyncDisposableStack'
  ).split(' ')
)

/** Bytes of sha256(seed, 0), sha256(seed, 1), ... */
function createSeededBytes(seed: string): (count: number) => Uint8Array {
  let pool = new Uint8Array(0)
  let counter = 0
  return (count) => {
    const out = new Uint8Array(count)
    for (let filled = 0; filled < count; ) {
      if (pool.length === 0) {
        pool = new Uint8Array(createHash('sha256').update(`${seed}/${counter++}`).digest())
      }
      const part = pool.subarray(0, count - filled)
      out.set(part, filled)
      filled += part.length
      pool = pool.slice(part.length)
    }
    return out
  }
}

/** A random source whose every output follows from the seed. */
function createRandom(seed: string) {
  const bytes = createSeededBytes(seed)
  const uint48 = () => bytes(6).reduce((sum, byte) => sum * 256 + byte, 0)
  const fill = <T>(target: T): T => {
    const view = target as unknown as { buffer: ArrayBuffer; byteOffset: number; byteLength: number }
    const whole = target instanceof ArrayBuffer ? new Uint8Array(target) : new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    whole.set(bytes(whole.length))
    return target
  }
  return {
    /** 48 of the 53 bits that a double could hold: enough, and exact */
    random: () => uint48() / 2 ** 48,
    bytes: (count: number) => Buffer.from(bytes(count)),
    fill,
    int(low: number, high?: number) {
      const [from, to] = high == null ? [0, low] : [low, high]
      if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || to <= from || to - from > 2 ** 47) {
        throw new RangeError(`randomInt of ${from} to ${to}`)
      }
      return from + (uint48() % (to - from))
    },
    uuid() {
      const raw = bytes(16)
      raw[6] = (raw[6]! & 0x0f) | 0x40
      raw[8] = (raw[8]! & 0x3f) | 0x80
      const hex = Buffer.from(raw).toString('hex')
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
    }
  }
}

/** Answers every import of the bundle. @param standIn source of what takes a built-in's place, null for the real one */
export function hookFrozenImports(source: string, standIn: (specifier: string) => string | null): void {
  const substitutes: Record<string, string> = Object.create(null)
  registerHooks({
    resolve(specifier, context, next) {
      const substitute = TASK_MODULES[specifier] === true ? standIn(specifier) : null
      if (substitute == null) {
        return specifier === BUNDLE_URL ? { url: BUNDLE_URL, format: 'module', shortCircuit: true } : next(specifier, context)
      }
      const url = `koii-task:stand-in/${specifier}`
      substitutes[url] = substitute
      return { url, format: 'module', shortCircuit: true }
    },
    load(url, context, next) {
      const text = url === BUNDLE_URL ? source : substitutes[url]
      return text == null ? next(url, context) : { format: 'module', source: text, shortCircuit: true }
    }
  })
}

/** Source of a module with a built-in's names, each of which fails when it is called. */
function absentModule(names: string[], specifier: string): string {
  const message = JSON.stringify(`${specifier} is not available in distribution`)
  const identifiers = names.filter((name) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== 'default')
  return [
    `function absent() { const error = new Error(${message}); error.name = 'TaskAccessError'; throw error }`,
    ...identifiers.map((name, i) => `const n${i} = absent; export { n${i} as ${name} }`),
    `export default { ${identifiers.map((name, i) => `${name}: n${i}`).join(', ')} }`
  ].join('\n')
}

/** Source of a module that passes on what a table under a global symbol holds: modules reach one another by text only. */
function subsetModule(table: Record<string, unknown>, specifier: string): string {
  const symbol = `koii-task:${specifier}`
  Object.defineProperty(globalThis, Symbol.for(symbol), { value: Object.freeze(table) })
  return [
    `const table = globalThis[Symbol.for('${symbol}')]`,
    ...Object.keys(table).map((name, i) => `const n${i} = table.${name}; export { n${i} as ${name} }`),
    'export default table'
  ].join('\n')
}

/**
 * Call once, after everything that the process itself needs has been captured. Cannot be undone.
 *
 * @param source the bundle's: names the modules that it may import
 * @returns for `hookImports`: source of what a built-in is in this world, null where it is itself
 */
export function freezeWorld(seed: string, source: string): (specifier: string) => string | null {
  const random = createRandom(seed)
  const require = createRequire(import.meta.url)
  const world = globalThis as unknown as Record<string, unknown>

  // ---- randomness
  fix(Math, 'random', random.random)
  const webCrypto = Object.freeze({ getRandomValues: random.fill, randomUUID: random.uuid })
  // memory that was somebody else's before is a source of randomness too
  const alloc = Buffer.alloc.bind(Buffer)
  fix(Buffer, 'allocUnsafe', (size: number) => alloc(size))
  fix(Buffer, 'allocUnsafeSlow', (size: number) => alloc(size))

  // ---- time: it stands still at 1970-01-01T00:00:00Z
  const RealDate = Date
  const FrozenDate = function (this: unknown, ...args: unknown[]) {
    if (new.target == null) {
      return new RealDate(0).toString()
    }
    return Reflect.construct(RealDate, args.length === 0 ? [0] : args, new.target)
  } as unknown as DateConstructor
  Object.defineProperty(FrozenDate, 'name', { value: 'Date' })
  Object.defineProperty(FrozenDate, 'length', { value: 7 })
  fix(FrozenDate, 'now', () => 0)
  fix(FrozenDate, 'parse', RealDate.parse)
  fix(FrozenDate, 'UTC', RealDate.UTC)
  fix(FrozenDate, 'prototype', RealDate.prototype)
  fix(RealDate.prototype, 'constructor', FrozenDate)
  world.Date = FrozenDate
  // asked for no date, Intl formats the real present
  const DateTimeFormat = Intl.DateTimeFormat.prototype
  const format = Object.getOwnPropertyDescriptor(DateTimeFormat, 'format')!.get!
  Object.defineProperty(DateTimeFormat, 'format', {
    configurable: false,
    get(this: unknown) {
      const bound = format.call(this) as (date: unknown) => string
      return (date: unknown) => bound(date ?? 0)
    }
  })
  const formatToParts = DateTimeFormat.formatToParts
  fix(DateTimeFormat, 'formatToParts', function (this: Intl.DateTimeFormat, date: Date | number | undefined) {
    return formatToParts.call(this, date ?? 0)
  })

  // ---- stacks name this machine's paths
  fix(Error, 'stackTraceLimit', 0)
  fix(Error, 'prepareStackTrace', undefined)

  // ---- everything else that is not the language
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    if (GLOBALS[name] !== true) {
      // the properties are configurable, or the process does not get this far: a leftover would be a hole
      delete world[name]
      if (name in globalThis) {
        throw new Error(`the global ${name} cannot be removed; report the Node version ${process.version}`)
      }
    }
  }
  world.crypto = webCrypto
  world.process = Object.freeze({
    env: Object.freeze({}),
    argv: Object.freeze([]),
    platform: 'task',
    version: '',
    versions: Object.freeze({})
  })

  // ---- modules
  const standIns: Record<string, string> = Object.create(null)
  for (const specifier of Object.keys(TASK_MODULES)) {
    // loading a built-in to learn its names takes milliseconds: only those that the bundle can mean
    if (PURE[specifier] !== true && source.includes(specifier)) {
      standIns[specifier] = absentModule(Object.keys(require(specifier) as object), specifier)
    }
  }
  const pick = (from: object, names: string[]) => Object.fromEntries(names.map((name) => [name, (from as Record<string, unknown>)[name]]))
  const subsets: Record<string, Record<string, unknown>> = {
    buffer: pick(require('node:buffer'), ['Buffer', 'atob', 'btoa', 'constants', 'isAscii', 'isUtf8', 'kMaxLength', 'transcode']),
    crypto: {
      ...Object.fromEntries(Object.keys(nodeCrypto).map((name) => [name, denied(`crypto.${name} in distribution`)])),
      ...pick(nodeCrypto, PURE_CRYPTO),
      randomBytes: random.bytes,
      pseudoRandomBytes: random.bytes,
      randomFillSync: random.fill,
      getRandomValues: random.fill,
      randomInt: random.int,
      randomUUID: random.uuid,
      webcrypto: webCrypto
    }
  }
  for (const [name, table] of Object.entries(subsets)) {
    standIns[name] = standIns[`node:${name}`] = subsetModule(table, name)
  }
  return (specifier) => standIns[specifier] ?? null
}
