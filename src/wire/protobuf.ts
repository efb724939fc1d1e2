/**
 * What the generated codecs stand on: protobuf's numbers, lengths and strings, written one way and read only that way.
 * It has the shape of protons-runtime, which wraps integers instead of refusing them (docs/decisions, 0020).
 *
 * Every value that does not fit its field is refused, on both sides, and so are bytes that are not the ones that encoding
 * what they say would give: overlong numbers, unknown, repeated or misordered fields, defaults spelled out.
 */
import type { Uint8ArrayList } from 'uint8arraylist'
import { MalformedMessageError } from './errors.ts'

const UINT32_MAX = 2 ** 32 - 1
const UINT64_MAX = 2n ** 64n - 1n
/** A varint is read in two numbers, as 53 bits are all that one can hold: seven bytes of 7 bits, and up to three more. */
const LOW_BYTES = 7
const HIGH_UNIT = 2 ** 49
const VARINT_BYTES = 10
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 }

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** How many elements each repeated field may have; `name$` bounds what is inside of the elements of `name`. */
export type Limits<T> = {
  [K in keyof T]?: NonNullable<T[K]> extends Uint8Array | string | number | bigint | boolean
    ? never
    : NonNullable<T[K]> extends unknown[]
      ? number
      : Limits<NonNullable<T[K]>>
} & { [K in keyof T as `${K & string}$`]?: NonNullable<T[K]> extends Array<infer Element> ? Limits<Element> : never }

export interface DecodeOptions<T> {
  limits?: Limits<T>
}

/** What the generator makes of one message. */
export interface Codec<T> {
  encode(value: Partial<T>, writer: Writer, options?: { lengthDelimited?: boolean }): void
  decode(reader: Reader, length?: number, options?: DecodeOptions<T>): T
}

/** A repeated field with more elements than `limits` allows. */
export class MaxLengthError extends MalformedMessageError {
  override name = 'MaxLengthError'
}

/** Writes a message into bytes that grow. A number that its field cannot hold throws MalformedMessageError. */
export class Writer {
  #bytes = new Uint8Array(256)
  #length = 0
  /** Where the nested messages that are open begin. */
  readonly #starts: number[] = []
  /** The last uint32, which is the tag of the field when the next value is refused. */
  #tag = 0

  uint32(value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > UINT32_MAX) {
      throw this.#refused(value, '2^32 - 1')
    }
    this.#tag = value
    return this.#varint(value)
  }

  uint64(value: bigint): this {
    if (typeof value !== 'bigint' || value < 0n || value > UINT64_MAX) {
      throw this.#refused(value, '2^64 - 1')
    }
    this.#reserve(VARINT_BYTES)
    let rest = value
    for (; rest > 127n; rest >>= 7n) {
      this.#bytes[this.#length++] = Number(rest & 127n) | 128
    }
    this.#bytes[this.#length++] = Number(rest)
    return this
  }

  /** A uint64 that the code holds as a number, hence below 2^53. */
  uint64Number(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw this.#refused(value, '2^53 - 1')
    }
    return this.#varint(value)
  }

  bytes(value: Uint8Array): this {
    this.#varint(value.length)
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
    return this
  }

  /** Halves of surrogate pairs, which UTF-8 cannot hold, become U+FFFD. */
  string(value: string): this {
    return this.bytes(Buffer.from(value))
  }

  /** Begins a nested message. */
  fork(): this {
    this.#starts.push(this.#length)
    return this
  }

  /** Ends the nested message that began last, and puts its length before it. */
  ldelim(): this {
    const start = this.#starts.pop()!
    const end = this.#length
    // written after the message, to see how long it is, then again in its place
    this.#varint(end - start)
    const size = this.#length - end
    this.#bytes.copyWithin(start + size, start, end)
    this.#length = start
    this.#varint(end - start)
    this.#length = end + size
    return this
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length)
  }

  #varint(value: number): this {
    this.#reserve(VARINT_BYTES)
    let rest = value
    for (; rest > 127; rest = Math.floor(rest / 128)) {
      this.#bytes[this.#length++] = (rest % 128) + 128
    }
    this.#bytes[this.#length++] = rest
    return this
  }

  #reserve(count: number): void {
    if (this.#length + count > this.#bytes.length) {
      const larger = new Uint8Array(2 * (this.#length + count))
      larger.set(this.#bytes)
      this.#bytes = larger
    }
  }

  #refused(value: unknown, max: string): MalformedMessageError {
    return new MalformedMessageError(`field ${this.#tag >>> 3} holds whole numbers from 0 to ${max}, not ${String(value)}`)
  }
}

/** Reads a message. Whatever is not there, does not fit or is longer than it need be throws MalformedMessageError. */
export class Reader {
  readonly buf: Uint8Array<ArrayBuffer>
  readonly len: number
  pos = 0
  /** Where the message that is being read ends: nothing in it reaches past this. */
  #end: number
  #low = 0
  #high = 0

  constructor(bytes: Uint8Array) {
    // a plain view also of a Buffer, so that what is cut from it is plain
    this.buf = new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength)
    this.len = this.#end = this.buf.length
  }

  uint32(): number {
    this.#varint()
    if (this.#high > 0 || this.#low > UINT32_MAX) {
      throw this.#refused('a number past 2^32 - 1')
    }
    return this.#low
  }

  uint64(): bigint {
    this.#varint()
    return this.#high === 0 ? BigInt(this.#low) : BigInt(this.#high) * BigInt(HIGH_UNIT) + BigInt(this.#low)
  }

  /** A uint64 that the code holds as a number, hence below 2^53. */
  uint64Number(): number {
    this.#varint()
    const value = this.#high * HIGH_UNIT + this.#low
    if (!Number.isSafeInteger(value)) {
      throw this.#refused('a number past 2^53 - 1')
    }
    return value
  }

  /** A view of the message's bytes, not a copy. */
  bytes(): Uint8Array<ArrayBuffer> {
    const length = this.uint32()
    this.#skip(length)
    return this.buf.subarray(this.pos - length, this.pos)
  }

  string(): string {
    const bytes = this.bytes()
    try {
      return utf8.decode(bytes)
    } catch {
      throw this.#refused('text that is not UTF-8')
    }
  }

  /** Passes over a field that the schema does not have. */
  skipType(wireType: number): void {
    if (wireType === WIRE.varint) {
      this.#varint()
    } else if (wireType === WIRE.fixed64) {
      this.#skip(8)
    } else if (wireType === WIRE.bytes) {
      this.#skip(this.uint32())
    } else if (wireType === WIRE.fixed32) {
      this.#skip(4)
    } else {
      throw this.#refused(`wire type ${wireType}`)
    }
  }

  /** Reads a nested message of `length` bytes, all of them and none past them. */
  within<T>(length: number, read: () => T): T {
    const outer = this.#end
    const end = this.pos + length
    if (end > outer) {
      throw this.#refused(`a message of ${length} bytes`, 'where fewer are left')
    }
    this.#end = end
    const value = read()
    this.#end = outer
    return value
  }

  #skip(count: number): void {
    if (this.pos + count > this.#end) {
      throw this.#refused(`a field of ${count} bytes`, 'where fewer are left')
    }
    this.pos += count
  }

  #varint(): void {
    this.#low = 0
    this.#high = 0
    for (let at = 0; at < VARINT_BYTES; at++) {
      if (this.pos >= this.#end) {
        throw this.#refused('a number that is cut short')
      }
      const byte = this.buf[this.pos++]!
      if (at < LOW_BYTES) {
        this.#low += (byte & 127) * 2 ** (7 * at)
      } else {
        this.#high += (byte & 127) * 2 ** (7 * (at - LOW_BYTES))
      }
      if (byte < 128) {
        if (byte === 0 && at > 0) {
          throw this.#refused('a number of more bytes than it needs')
        }
        if (this.#high >= 2 ** 15) {
          throw this.#refused('a number past 2^64 - 1')
        }
        return
      }
    }
    throw this.#refused('a number past 2^64 - 1')
  }

  #refused(what: string, where = ''): MalformedMessageError {
    return new MalformedMessageError(`${what} before byte ${this.pos}${where === '' ? '' : `, ${where}`}`)
  }
}

/** Makes a codec of the two functions that the generator writes for a message; the third, for streams, is left. */
export function message<T>(encode: Codec<T>['encode'], decode: Codec<T>['decode']): Codec<T> {
  return {
    encode,
    decode: (reader, length, options) =>
      length == null ? decode(reader, undefined, options) : reader.within(length, () => decode(reader, length, options))
  }
}

/** @throws MalformedMessageError when a value does not fit its field */
export function encodeMessage<T>(value: Partial<T>, codec: Codec<T>): Uint8Array<ArrayBuffer> {
  const writer = new Writer()
  codec.encode(value, writer, { lengthDelimited: false })
  return writer.finish()
}

/** @throws MalformedMessageError when the bytes are not those that `encodeMessage` gives for what they say */
export function decodeMessage<T>(bytes: Uint8Array | Uint8ArrayList, codec: Codec<T>, options?: DecodeOptions<T>): T {
  const reader = new Reader(bytes instanceof Uint8Array ? bytes : bytes.subarray())
  const value = codec.decode(reader, undefined, options)
  if (Buffer.compare(encodeMessage(value, codec), reader.buf) !== 0) {
    throw new MalformedMessageError('it is not encoded the one canonical way (unknown, repeated or misordered fields)')
  }
  return value
}

/** The generator writes a caller for this as well; messages are small and are decoded whole. */
export function streamMessage(): never {
  throw new Error('messages are not decoded as streams: use decode')
}
