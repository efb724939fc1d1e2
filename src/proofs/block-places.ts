/**
 * Where the blocks of a file lie, by their digests: in typed arrays, 52 bytes for each, as a file chooses how many it has. A Map takes
 * hundreds for each.
 */
const DIGEST_BYTES = 32
const FIRST_ROOM = 1024

export interface Place {
  /** From 0, in the order in which they were added. */
  index: number
  /** Bytes from the beginning of the file. */
  offset: number
  /** Bytes. */
  length: number
}

export class BlockPlaces {
  size = 0
  #digests = new Uint8Array(FIRST_ROOM * DIGEST_BYTES)
  #offsets = new Float64Array(FIRST_ROOM)
  #lengths = new Uint32Array(FIRST_ROOM)
  /** One more than the index of a block, at the first free slot from that of its digest; 0 is free. At most half of them are taken. */
  #slots = new Uint32Array(FIRST_ROOM * 2)

  /** @param digest - 32 bytes, of bytes that have this hash: what a file merely claims could all fall on one slot @returns false when it is there already */
  add(digest: Uint8Array, offset: number, length: number): boolean {
    if (this.#slots[this.#slotOf(digest)] !== 0) {
      return false
    }
    if (this.size === this.#offsets.length) {
      this.#grow()
    }
    const index = this.size++
    this.#digests.set(digest, index * DIGEST_BYTES)
    this.#offsets[index] = offset
    this.#lengths[index] = length
    this.#slots[this.#slotOf(digest)] = index + 1
    return true
  }

  find(digest: Uint8Array): Place | undefined {
    const index = this.#slots[this.#slotOf(digest)]! - 1
    return index < 0 ? undefined : { index, offset: this.#offsets[index]!, length: this.#lengths[index]! }
  }

  /** The slot of a digest, or the free one where it belongs. */
  #slotOf(digest: Uint8Array): number {
    const mask = this.#slots.length - 1
    let slot = ((digest[0]! | (digest[1]! << 8) | (digest[2]! << 16) | (digest[3]! << 24)) >>> 0) & mask
    for (let taken = this.#slots[slot]!; taken !== 0 && !this.#isAt(taken - 1, digest); taken = this.#slots[slot]!) {
      slot = (slot + 1) & mask
    }
    return slot
  }

  #isAt(index: number, digest: Uint8Array): boolean {
    const start = index * DIGEST_BYTES
    for (let at = 0; at < DIGEST_BYTES; at++) {
      if (this.#digests[start + at] !== digest[at]) {
        return false
      }
    }
    return true
  }

  #grow(): void {
    const room = this.#offsets.length * 2
    this.#digests = larger(this.#digests, new Uint8Array(room * DIGEST_BYTES))
    this.#offsets = larger(this.#offsets, new Float64Array(room))
    this.#lengths = larger(this.#lengths, new Uint32Array(room))
    this.#slots = new Uint32Array(room * 2)
    for (let index = 0; index < this.size; index++) {
      this.#slots[this.#slotOf(this.#digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES))] = index + 1
    }
  }
}

function larger<T extends Uint8Array | Float64Array | Uint32Array>(from: T, to: T): T {
  to.set(from)
  return to
}
