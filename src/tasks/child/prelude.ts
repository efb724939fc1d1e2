/**
 * What is in the interpreter beside the language, as source that runs in it before the bundle does. Its text is part of
 * the contract: its length and its steps count towards the limits (protocols/task/README.md "The interpreter").
 *
 * A function of the seed (hex) and two functions of the host: sha256 of a text as hex, and a line for the log. Gives the
 * functions that the host calls.
 */
export const PRELUDE = String.raw`(function (seed, sha256, log) {
  'use strict'
  const { parse, stringify } = JSON
  const hidden = (value) => ({ value, writable: true, configurable: true, enumerable: false })
  const allowed = (
    'Object Function Array Number parseFloat parseInt Infinity NaN undefined Boolean String Symbol Date Promise RegExp Error ' +
    'AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError InternalError globalThis JSON Math ArrayBuffer ' +
    'Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array BigUint64Array BigInt64Array Uint8ClampedArray Float16Array ' +
    'Float32Array Float64Array DataView Map BigInt Set Iterator WeakMap WeakSet Proxy Reflect decodeURI decodeURIComponent encodeURI ' +
    'encodeURIComponent escape unescape eval isFinite isNaN'
  ).split(' ')
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    if (!allowed.includes(name)) delete globalThis[name]
  }
  const define = (entries, on = globalThis) => {
    for (const [name, value] of Object.entries(entries)) Object.defineProperty(on, name, hidden(value))
  }

  // ---- randomness: sha256(seed/0), sha256(seed/1), ...
  let pool = []
  let counter = 0
  const nextByte = () => {
    if (pool.length === 0) {
      pool = sha256(seed + '/' + counter++).match(/../g).map((hex) => parseInt(hex, 16)).reverse()
    }
    return pool.pop()
  }
  const view = (target) => {
    if (!ArrayBuffer.isView(target)) throw new TypeError('getRandomValues fills a typed array')
    if (target.byteLength > 65536) throw new RangeError('getRandomValues fills at most 65536 bytes at a time')
    return new Uint8Array(target.buffer, target.byteOffset, target.byteLength)
  }
  define({ random: () => {
    let sum = 0
    for (let i = 0; i < 6; i++) sum = sum * 256 + nextByte()
    return sum / 2 ** 48
  } }, Math)
  const crypto = {
    getRandomValues (target) {
      const bytes = view(target)
      for (let i = 0; i < bytes.length; i++) bytes[i] = nextByte()
      return target
    },
    randomUUID () {
      const raw = Array.from({ length: 16 }, nextByte)
      raw[6] = (raw[6] & 0x0f) | 0x40
      raw[8] = (raw[8] & 0x3f) | 0x80
      const hex = raw.map((byte) => byte.toString(16).padStart(2, '0')).join('')
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
    }
  }

  // ---- text and bytes
  class TextEncoder {
    get encoding () { return 'utf-8' }
    encode (text = '') {
      const bytes = []
      for (const character of String(text).toWellFormed()) {
        const code = character.codePointAt(0)
        if (code < 0x80) bytes.push(code)
        else if (code < 0x800) bytes.push(0xc0 | code >> 6, 0x80 | code & 63)
        else if (code < 0x10000) bytes.push(0xe0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63)
        else bytes.push(0xf0 | code >> 18, 0x80 | code >> 12 & 63, 0x80 | code >> 6 & 63, 0x80 | code & 63)
      }
      return new Uint8Array(bytes)
    }
  }
  class TextDecoder {
    #fatal
    #keep
    constructor (label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
      if (!/^\s*utf-?8\s*$/i.test(label)) throw new RangeError("the encoding '" + label + "' is not available in distribution: only utf-8 is")
      this.#fatal = !!fatal
      this.#keep = !!ignoreBOM
    }
    get encoding () { return 'utf-8' }
    get fatal () { return this.#fatal }
    get ignoreBOM () { return this.#keep }
    decode (input = new Uint8Array()) {
      const bytes = ArrayBuffer.isView(input) ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength) : new Uint8Array(input)
      const parts = []
      for (let i = 0; i < bytes.length;) {
        const first = bytes[i++]
        let more = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : -1
        let code = more <= 0 ? first : first & (0x3f >> more)
        let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
        let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
        for (; more > 0 && bytes[i] >= low && bytes[i] <= high; more--) {
          code = code << 6 | bytes[i++] & 63
          low = 0x80
          high = 0xbf
        }
        if (more !== 0) {
          if (this.#fatal) throw new TypeError('The encoded data was not valid for encoding utf-8')
          code = 0xfffd
        }
        if (parts.length > 0 || code !== 0xfeff || this.#keep) parts.push(String.fromCodePoint(code))
        else parts.push('')
      }
      return parts.join('')
    }
  }
  const base64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const btoa = (data) => {
    const text = String(data)
    const out = []
    for (let i = 0; i < text.length; i += 3) {
      const codes = [0, 1, 2].map((j) => i + j < text.length ? text.charCodeAt(i + j) : 0)
      if (codes.some((code) => code > 255)) throw new RangeError('btoa takes characters up to U+00FF')
      const bits = codes[0] << 16 | codes[1] << 8 | codes[2]
      const four = [18, 12, 6, 0].map((shift) => base64[bits >> shift & 63])
      out.push(...four.slice(0, text.length - i + 1), ...(text.length - i < 3 ? '='.repeat(3 - text.length + i) : ''))
    }
    return out.join('')
  }
  const atob = (data) => {
    const text = String(data).replace(/[\t\n\f\r ]/g, '')
    const bare = text.length % 4 === 0 ? text.replace(/==?$/, '') : text
    if (bare.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(bare)) throw new SyntaxError('atob takes base64')
    const out = []
    let bits = 0
    for (let i = 0; i < bare.length; i++) {
      bits = (bits << 6 | base64.indexOf(bare[i])) & 0xffffff
      if (i % 4 !== 0) out.push(String.fromCharCode(bits >> (6 - i % 4 * 2) & 255))
    }
    return out.join('')
  }
  const structuredClone = (value, seen = new Map()) => {
    if (typeof value === 'function' || typeof value === 'symbol') throw new TypeError('a ' + typeof value + ' cannot be cloned')
    if (typeof value !== 'object' || value === null) return value
    if (seen.has(value)) return seen.get(value)
    const keep = (copy) => (seen.set(value, copy), copy)
    if (value instanceof Date) return keep(new Date(value.getTime()))
    if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags))
    if (value instanceof ArrayBuffer) return keep(value.slice(0))
    if (value instanceof DataView) return keep(new DataView(structuredClone(value.buffer, seen), value.byteOffset, value.byteLength))
    if (ArrayBuffer.isView(value)) return keep(new value.constructor(structuredClone(value.buffer, seen), value.byteOffset, value.length))
    if (value instanceof Map) {
      const copy = keep(new Map())
      for (const [key, item] of [...value]) copy.set(structuredClone(key, seen), structuredClone(item, seen))
      return copy
    }
    if (value instanceof Set) {
      const copy = keep(new Set())
      for (const item of [...value]) copy.add(structuredClone(item, seen))
      return copy
    }
    if (value instanceof Error) return keep(Object.defineProperty(new Error(value.message), 'name', hidden(value.name)))
    const copy = keep(Array.isArray(value) ? new Array(value.length) : {})
    for (const key of Object.keys(value)) copy[key] = structuredClone(value[key], seen)
    return copy
  }

  // ---- the log
  const show = (part) => {
    if (typeof part === 'string') return part
    if (part instanceof Error) return String(part)
    try {
      return stringify(part, (_, inner) => typeof inner === 'bigint' ? inner + 'n' : inner) ?? String(part)
    } catch {
      return String(part)
    }
  }
  const print = (...parts) => { log(parts.map(show).join(' ').slice(0, 4096)) }
  const console = {}
  for (const name of ['log', 'info', 'debug', 'warn', 'error', 'trace']) console[name] = print

  const resolved = Promise.resolve()
  define({
    TextEncoder, TextDecoder, atob, btoa, crypto, console,
    structuredClone: (value) => structuredClone(value),
    queueMicrotask: (run) => { resolved.then(() => run()) },
    global: globalThis,
    process: Object.freeze({ env: Object.freeze({}), argv: Object.freeze([]), platform: 'task', version: '', versions: Object.freeze({}) })
  })

  // ---- what the host calls
  const text = (value) => stringify(value ?? null, (_, inner) => typeof inner === 'bigint' ? inner.toString() : inner) ?? 'null'
  const amounts = (list) => list.map((item) => ({ ...item, stake: BigInt(item.stake) }))
  return {
    describe (bundle) {
      const functions = Object.keys(bundle).filter((name) => typeof bundle[name] === 'function').slice(0, 64)
      return text({ manifest: bundle.manifest, functions })
    },
    async distribution (bundle, argument) {
      const input = parse(argument)
      return text(await bundle.distribution({
        ...input,
        bounty: BigInt(input.bounty),
        submissions: amounts(input.submissions),
        rejected: amounts(input.rejected),
        stakes: amounts(input.stakes)
      }))
    },
    failure (error) {
      const { name, message } = error ?? {}
      return error instanceof Error || typeof message === 'string'
        ? stringify({ name: String(name ?? 'Error').slice(0, 64), message: String(message).slice(0, 500) })
        : stringify({ name: 'Error', message: ('threw ' + String(error)).slice(0, 500) })
    }
  }
})`
