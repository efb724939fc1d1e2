/**
 * Reads a CAR file from its first byte to its last, section by section, and checks each: its length against its CID's and against what a
 * block may have, its CID, and its hash. The header is `@ipld/car`'s to read, from a reader that hands it no more than a header may
 * have. Its sections are not: of a section that is shorter than its CID it goes back in the file, or takes the file for ended, and it
 * reads a CID of any length.
 */
import { hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { readHeader } from '@ipld/car/decoder'
import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import { commandLine } from '../command/index.ts'
import { counted } from '../observe/words.ts'
import { isCidPrefix, profileFault } from './cid-profile.ts'
import { LIMITS } from './limits.ts'

/** Where a section begins, by its block: its length is in as few bytes as it takes, or it is not read. */
export function sectionStart({ offset, length }: Pick<Section, 'offset' | 'length'>): number {
  return offset - CID_BYTES - varint.encodingLength(CID_BYTES + length)
}

/** The file is no CAR, or not one of a proof or of records: the message says where. */
export class CarError extends Error {
  override name = 'CarError'
}

export interface Section {
  /** 32 bytes of memory that the next section overwrites. */
  digest: Uint8Array
  /** Of the block's bytes, from the beginning of the file. */
  offset: number
  length: number
}

const HEADER_BYTES = 64 * 1024
/** `01 71 12 20` and the digest. */
const CID_PREFIX_BYTES = 4
const CID_BYTES = 36
/** A CID outside the profile is named where it has no more than this. */
const NAMED_CID_BYTES = 128
const VARINT_BYTES = 9
const READ_BYTES = 1024 * 1024

/** What to do about a file that is not what it should be. */
export function carAdvice(root?: CID): string {
  return `Get the file again, or make it anew with ${commandLine(['proof', 'get', root == null ? 'CID' : root.toString()], { car: true })}`
}

/** Reads forward, and never more than it is asked for and what is read ahead. Positions are bytes from the beginning of the file. */
class Forward {
  readonly #file: FileHandle
  readonly #path: string
  readonly #buffer = Buffer.allocUnsafe(READ_BYTES)
  /** Where in the file the buffer begins, and how much of it is filled. */
  #start = 0
  #filled = 0
  pos = 0
  /** Where what is read ends. */
  end: number

  constructor(file: FileHandle, path: string, end: number) {
    this.#file = file
    this.#path = path
    this.end = end
  }

  /** Whether the next bytes are in the buffer. */
  has(length: number): boolean {
    return this.pos >= this.#start && this.pos + length <= this.#start + this.#filled
  }

  /** The next bytes, as far as there are so many. The next call may overwrite them. */
  peek(length: number): Buffer {
    const from = this.pos - this.#start
    return this.#buffer.subarray(from, Math.min(from + length, this.#filled, from + this.end - this.pos))
  }

  /** Reads until the next bytes are in the buffer, as far as there are so many before the end. @param length - at most READ_BYTES */
  async fill(length: number): Promise<void> {
    const wanted = Math.min(length, this.end - this.pos)
    if (this.has(wanted)) {
      return
    }
    const kept = this.pos >= this.#start && this.pos < this.#start + this.#filled ? this.#start + this.#filled - this.pos : 0
    this.#buffer.copyWithin(0, this.#filled - kept, this.#filled)
    this.#start = this.pos
    this.#filled = kept
    while (this.#filled < wanted) {
      const { bytesRead } = await this.#file.read(this.#buffer, this.#filled, READ_BYTES - this.#filled, this.#start + this.#filled)
      if (bytesRead === 0) {
        throw new CarError(`${this.#path} became shorter while it was read: it ends at byte ${this.#start + this.#filled}`)
      }
      this.#filled += bytesRead
    }
  }

  // what `@ipld/car` calls a BytesReader, for the header

  async upTo(length: number): Promise<Uint8Array> {
    await this.fill(length)
    return this.peek(length)
  }

  async exactly(length: number, seek = false): Promise<Uint8Array> {
    if (length > HEADER_BYTES) {
      throw new CarError(`${this.#path} is not a CAR file: its header would have ${length} bytes. ${carAdvice()}`)
    }
    if (length > this.end - this.pos) {
      throw new CarError(`${this.#path} is not a whole CAR file: it ends at byte ${this.end}, within its header. ${carAdvice()}`)
    }
    await this.fill(length)
    const bytes = Uint8Array.from(this.peek(length))
    if (seek) {
      this.pos += length
    }
    return bytes
  }

  seek(length: number): void {
    const to = this.pos + length
    if (length < 0 || to > this.end) {
      throw new CarError(
        `${this.#path} is not a whole CAR file: its header says that its blocks begin at byte ${to}, of ${this.end}. ${carAdvice()}`
      )
    }
    this.pos = to
  }
}

export class CarSections {
  readonly root: CID
  readonly #path: string
  readonly #forward: Forward

  private constructor(root: CID, path: string, forward: Forward) {
    this.root = root
    this.#path = path
    this.#forward = forward
  }

  /** Reads the header. @param fileBytes - the file's size @throws CarError */
  static async open(file: FileHandle, path: string, fileBytes: number): Promise<CarSections> {
    const forward = new Forward(file, path, fileBytes)
    let header: Awaited<ReturnType<typeof readHeader>>
    try {
      header = await readHeader(forward)
    } catch (err) {
      throw err instanceof CarError ? err : new CarError(`${path} is not a CAR file: ${(err as Error).message}. ${carAdvice()}`)
    }
    const { roots } = header
    const [root] = roots
    if (root == null || roots.length > 1) {
      throw new CarError(`${path} names ${roots.length} roots: one is needed, that of the proof or of the newest record`)
    }
    const fault = profileFault(root)
    if (fault != null) {
      throw new CarError(`${path} names a root, in its header, that is no proof's: it has ${fault}`)
    }
    if (header.version === 2) {
      forward.end = endOfData(path, fileBytes, forward.pos, header)
    }
    return new CarSections(root, path, forward)
  }

  /** Bytes of the file that were checked. */
  get checkedBytes(): number {
    return this.#forward.pos
  }

  /** Each section, of which all has been checked. @throws CarError with the byte at which the section begins */
  async *read(): AsyncGenerator<Section> {
    const forward = this.#forward
    while (forward.pos < forward.end) {
      if (!forward.has(VARINT_BYTES)) {
        await forward.fill(VARINT_BYTES)
      }
      const start = forward.pos
      const [length, lengthBytes] = this.#lengthAt(start, forward.peek(VARINT_BYTES))
      forward.pos += lengthBytes
      if (!forward.has(Math.min(length, NAMED_CID_BYTES))) {
        await forward.fill(NAMED_CID_BYTES)
      }
      const prefix = forward.peek(Math.min(length, NAMED_CID_BYTES))
      const left = forward.end - forward.pos
      if (length > CID_BYTES + LIMITS.blockBytes) {
        throw this.#fault(
          start,
          `would have ${length} bytes: a CID of ${CID_BYTES} and a block of ${LIMITS.blockBytes} are allowed at most`
        )
      }
      if (length > left) {
        throw this.#fault(start, `would have ${length} bytes, and the blocks end after ${left} of them, at byte ${forward.end}`)
      }
      if (length < CID_BYTES || !isCidPrefix(prefix)) {
        throw this.#fault(start, cidFault(prefix, length))
      }
      if (!forward.has(length)) {
        await forward.fill(length)
      }
      const section = forward.peek(length)
      const digest = section.subarray(CID_PREFIX_BYTES, CID_BYTES)
      if (Buffer.compare(hash('sha256', section.subarray(CID_BYTES), 'buffer'), digest) !== 0) {
        throw this.#fault(start, `is that of block ${CID.decode(section.subarray(0, CID_BYTES))}, and its bytes have another hash`)
      }
      const offset = forward.pos + CID_BYTES
      forward.pos += length
      yield { digest, offset, length: length - CID_BYTES }
    }
  }

  #lengthAt(start: number, bytes: Uint8Array): [length: number, lengthBytes: number] {
    try {
      const [length, lengthBytes] = varint.decode(bytes)
      if (length === 0) {
        throw new RangeError('it is 0')
      }
      return [length, lengthBytes]
    } catch (err) {
      throw this.#fault(start, `has no length that can be read (${(err as Error).message})`)
    }
  }

  #fault(start: number, what: string): CarError {
    return new CarError(`${this.#path} is not a whole CAR file: the section at byte ${start} ${what}. ${carAdvice(this.root)}`)
  }
}

/** Why a section does not begin with a CID of the profile. @param bytes - the first of its `length` bytes */
function cidFault(bytes: Uint8Array, length: number): string {
  if (length < CID_BYTES) {
    return `has ${counted(length, 'byte')}: a CID alone has ${CID_BYTES}`
  }
  try {
    const { size, version, codec, multihashCode, digestSize } = CID.inspectBytes(bytes)
    if (size > length) {
      return `has ${length} bytes, and its CID alone would have ${size}`
    }
    return size > bytes.length
      ? `has a CID of ${size} bytes: those of proofs have ${CID_BYTES}`
      : `has a CID of a block that is no proof's: ${profileFault(CID.decodeFirst(bytes)[0]) ?? `version ${version}, codec ${codec}, hash ${multihashCode} of ${digestSize} bytes`}`
  } catch (err) {
    return `does not begin with a CID (${(err as Error).message})`
  }
}

/** Where the blocks of a CAR of version 2 end; only its index, which nothing is read from, may follow. */
function endOfData(
  path: string,
  fileBytes: number,
  pos: number,
  header: { dataOffset: number; dataSize: number; indexOffset: number }
): number {
  const { dataOffset, dataSize, indexOffset } = header
  const end = dataOffset + dataSize
  const wrong = (what: string) => new CarError(`${path} is not a whole CAR file: its header says that ${what}. ${carAdvice()}`)
  if (end < pos || end > fileBytes) {
    throw wrong(`its blocks end at byte ${end}, and it has ${fileBytes} bytes`)
  }
  if (indexOffset !== 0 && (indexOffset < end || indexOffset >= fileBytes)) {
    throw wrong(`its index begins at byte ${indexOffset}, and its blocks end at byte ${end}, of ${fileBytes}`)
  }
  if (indexOffset === 0 && end < fileBytes) {
    throw wrong(`its blocks end at byte ${end} and that it has no index, and ${fileBytes - end} bytes follow`)
  }
  return end
}
