/**
 * Cuts the bytes of a stream into pieces that may be decoded one by one: pure. A message of 4 MiB, as Helia and boxo send them, is
 * taken field by field, so that no more than a frame of our own size is in memory; since fields follow each other, each piece is a
 * message of its own. A field that is longer than any block may be is not kept either: it is hashed as it passes, so that what
 * comes of it is known all the same.
 */
import { createHash, type Hash } from 'node:crypto'
import { Uint8ArrayList } from 'uint8arraylist'
import { MalformedFrameError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

export type Piece =
  /** Whole fields of a message, or all of it. */
  | { fields: Uint8Array }
  /** A large block, in the pieces in which it came: it is copied nowhere. */
  | { block: { prefix: Uint8Array; data: Uint8ArrayList } }
  /** A block that is larger than a proof may have, known by its hash. */
  | { oversize: { key: string; bytes: number } }

/**
 * What a sender cuts into more parts than these is joined: every look into a list walks over its parts, and who sends four bytes at a time
 * would have the event loop walk for many seconds. A block in frames of 16 KiB, the smallest that anybody sends, has half as many.
 */
const MAX_PARTS = 128
/** Of a long message this much is collected before it is handed on. */
const PIECE_BYTES = 256 * 1024
/** A block from here on is handed on by itself. */
const LARGE_BYTES = 64 * 1024
/** Tag and length of a field of a message, at most. */
const HEAD_BYTES = 10
const BLOCKS_FIELD = 3
const BYTES = 2
/** A CID's prefix has four varints. */
const MAX_PREFIX_BYTES = 40

/** Where a field has its content, and its end. */
interface Field {
  number: number
  wire: number
  content: number
  end: number
}

interface Passing {
  hash: Hash
  left: number
  bytes: number
}

export class PieceReader {
  #buffer = new Uint8ArrayList()
  /** Chunks since the buffer's parts were counted. */
  #chunks = 0
  /** Of the message under way; undefined between two. */
  #left: number | undefined
  /** Of the buffer's start: whole fields. */
  #whole = 0
  #fields = 0
  #passing: Passing | undefined

  push(bytes: Uint8Array | Uint8ArrayList): void {
    this.#buffer.append(bytes)
    this.#chunks += bytes instanceof Uint8Array ? 1 : [...bytes].length
    if (this.#chunks >= MAX_PARTS) {
      this.#chunks = 0
      if ([...this.#buffer].length >= MAX_PARTS) {
        this.#buffer = new Uint8ArrayList(this.#buffer.subarray())
      }
    }
  }

  /** Whether a message has begun and has not ended. */
  get isInside(): boolean {
    return this.#left != null || this.#buffer.byteLength > 0
  }

  clear(): void {
    this.#buffer.consume(this.#buffer.byteLength)
  }

  /** The next piece, or undefined until more bytes come. @throws MalformedFrameError */
  next(): Piece | undefined {
    if (this.#left == null && !this.#begin()) {
      return undefined
    }
    if (this.#passing != null) {
      return this.#pass(this.#passing)
    }
    while (this.#whole < PIECE_BYTES && this.#whole < this.#left!) {
      const field = this.#fieldAt(this.#whole)
      if (field == null) {
        return undefined
      }
      if (field.end > LIMITS.frameBytes) {
        if (this.#whole > 0) {
          break // what came before it goes first, so that no piece is longer than a frame
        }
        return this.#beginPassing(field)
      }
      if (field.end > this.#buffer.byteLength) {
        return undefined
      }
      const block = field.number === BLOCKS_FIELD && field.end - field.content >= LARGE_BYTES ? this.#blockIn(field) : undefined
      if (block != null && this.#whole > 0) {
        break
      }
      if (++this.#fields > LIMITS.frameElements) {
        throw new MalformedFrameError(`a Bitswap message of more than ${LIMITS.frameElements} elements`)
      }
      if (block != null) {
        const { prefix, data } = block
        const piece = {
          block: { prefix: this.#buffer.slice(prefix.content, prefix.end), data: this.#buffer.sublist(data.content, data.end) }
        }
        this.#drop(field.end)
        return piece
      }
      this.#whole = field.end
    }
    return { fields: this.#take(this.#whole) }
  }

  #begin(): boolean {
    const head = this.#varint(
      0,
      LIMITS.messageBytes,
      (length) => `a Bitswap message of ${length} bytes: ${LIMITS.messageBytes} are allowed`
    )
    if (head == null) {
      return false
    }
    this.#buffer.consume(head.bytes)
    this.#left = head.value
    this.#fields = 0
    return true
  }

  /** Takes `count` bytes of the message off the buffer. */
  #take(count: number): Uint8Array {
    const bytes = this.#buffer.slice(0, count)
    this.#drop(count)
    return bytes
  }

  #drop(count: number): void {
    this.#buffer.consume(count)
    this.#whole = 0
    this.#left! -= count
    if (this.#left === 0) {
      this.#left = undefined
    }
  }

  /** The parts of a block that is written as everybody does: its prefix, then its data, and no more. */
  #blockIn({ content, end }: Field): { prefix: Field; data: Field } | undefined {
    const prefix = this.#fieldAt(content)
    if (prefix?.number !== 1 || prefix.wire !== BYTES || prefix.end - prefix.content > MAX_PREFIX_BYTES) {
      return undefined
    }
    const data = this.#fieldAt(prefix.end)
    return data?.number === 2 && data.wire === BYTES && data.end === end ? { prefix, data } : undefined
  }

  /** Where the field that begins at `from` has its content, and its end; undefined while that is not here yet. */
  #fieldAt(from: number): Field | undefined {
    const left = this.#left!
    const isHere = this.#buffer.byteLength >= Math.min(left, from + HEAD_BYTES)
    const tag = this.#varint(from, 2 ** 32 - 1, () => 'a field number past 2^29 in a Bitswap message')
    if (tag == null) {
      return this.#cut(isHere)
    }
    const [number, wire] = [Math.floor(tag.value / 8), tag.value % 8]
    if (wire !== 0 && wire !== BYTES) {
      throw new MalformedFrameError(`wire type ${wire} in a Bitswap message`)
    }
    const at = from + tag.bytes
    const next = this.#varint(at, wire === 0 ? Number.POSITIVE_INFINITY : left, () => 'a field of a Bitswap message passes its end')
    if (next == null) {
      return this.#cut(isHere)
    }
    const content = at + next.bytes
    const end = wire === 0 ? content : content + next.value
    if (end > left) {
      throw new MalformedFrameError(`field ${number} of a Bitswap message passes its end`)
    }
    return { number, wire, content, end }
  }

  #cut(isHere: boolean): undefined {
    if (isHere) {
      throw new MalformedFrameError('a Bitswap message ends in the middle of a field')
    }
  }

  /** Only a block may be as long: its content is a prefix, then the data up to the end. */
  #beginPassing(field: Field): Piece | undefined {
    if (field.number !== BLOCKS_FIELD) {
      throw new MalformedFrameError(`field ${field.number} of a Bitswap message has ${field.end} bytes: ${LIMITS.frameBytes} are allowed`)
    }
    const notABlock = () => new MalformedFrameError(`a block of ${field.end - field.content} bytes in a Bitswap message, which is not one`)
    if (this.#buffer.byteLength < field.content + MAX_PREFIX_BYTES + 2 * HEAD_BYTES) {
      return undefined
    }
    const prefix = this.#fieldAt(field.content)!
    const data = this.#fieldAt(prefix.end > field.content + MAX_PREFIX_BYTES + HEAD_BYTES ? field.content : prefix.end)
    if (prefix.number !== 1 || data?.number !== 2 || data.wire !== BYTES || data.end !== field.end) {
      throw notABlock()
    }
    this.#take(data.content)
    this.#passing = { hash: createHash('sha256'), left: field.end - data.content, bytes: field.end - data.content }
    return this.next()
  }

  #pass(passing: Passing): Piece | undefined {
    while (passing.left > 0 && this.#buffer.byteLength > 0) {
      const count = Math.min(passing.left, this.#buffer.byteLength, PIECE_BYTES)
      passing.left -= count
      passing.hash.update(this.#take(count))
    }
    if (passing.left > 0) {
      return undefined
    }
    this.#passing = undefined
    return { oversize: { key: passing.hash.digest('hex'), bytes: passing.bytes } }
  }

  /** @returns undefined while its end is not here */
  #varint(from: number, max: number, tooLarge: (value: number) => string): { value: number; bytes: number } | undefined {
    let value = 0
    for (let count = 0; from + count < this.#buffer.byteLength; count++) {
      const byte = this.#buffer.get(from + count)
      value += (byte & 127) * 128 ** count
      if (value > max) {
        throw new MalformedFrameError(tooLarge(value))
      }
      if (count >= HEAD_BYTES) {
        throw new MalformedFrameError('a number of a Bitswap message has more bytes than 64 bits need')
      }
      if (byte < 128) {
        if (byte === 0 && count > 0) {
          throw new MalformedFrameError('a number of a Bitswap message is written in more bytes than it needs')
        }
        return { value, bytes: count + 1 }
      }
    }
    return undefined
  }
}
