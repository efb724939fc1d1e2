import { encodeBase58 } from './base58.ts'

/** Reads what a program has written into an account or takes in an instruction, from front to back; integers are little-endian. */
export class ByteReader {
  readonly #bytes: Buffer
  #offset: number

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#offset = offset
  }

  /** How many bytes are left. */
  get left(): number {
    return this.#bytes.length - this.#offset
  }

  /** @throws RangeError here and below, when the bytes end early */
  bytes(length: number): Buffer {
    if (length > this.left) {
      throw new RangeError(`${length} bytes are wanted and ${this.left} are left`)
    }
    return this.#bytes.subarray(this.#offset, (this.#offset += length))
  }

  rest(): Buffer {
    return this.bytes(this.left)
  }

  u8(): number {
    return this.bytes(1).readUInt8()
  }

  flag(): boolean {
    return this.u8() !== 0
  }

  u16(): number {
    return this.bytes(2).readUInt16LE()
  }

  i16(): number {
    return this.bytes(2).readInt16LE()
  }

  u32(): number {
    return this.bytes(4).readUInt32LE()
  }

  u64(): bigint {
    return this.bytes(8).readBigUInt64LE()
  }

  i64(): bigint {
    return this.bytes(8).readBigInt64LE()
  }

  f64(): number {
    return this.bytes(8).readDoubleLE()
  }

  u128(): bigint {
    const low = this.u64()
    return low + (this.u64() << 64n)
  }

  /** base58 */
  pubkey(): string {
    return encodeBase58(this.bytes(32))
  }

  /** A key of which 32 zeros mean that there is none. */
  pubkeyOrNull(): string | null {
    const key = this.bytes(32)
    return key.every((byte) => byte === 0) ? null : encodeBase58(key)
  }

  /** An option as bincode and borsh write it: a byte, then the value where there is one. */
  option<T>(value: () => T): T | undefined {
    return this.flag() ? value() : undefined
  }

  /** An option as C lays it out: four bytes, then room for the value whether there is one or not. */
  fixedOption<T>(value: () => T): T | undefined {
    const exists = this.u32() !== 0
    const held = value()
    return exists ? held : undefined
  }

  /** Text with its length in bytes in front: 8 bytes in bincode, 4 in borsh. */
  text(lengthBytes: 4 | 8): string {
    const length = lengthBytes === 4 ? this.u32() : Number(this.u64())
    return this.bytes(length).toString('utf8')
  }
}
