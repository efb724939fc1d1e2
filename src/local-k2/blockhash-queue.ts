/** How many blocks a blockhash lives: Solana's MAX_PROCESSING_AGE. */
export const BLOCKHASH_LIFE_BLOCKS = 150

/** The blockhashes that a transaction may be built on. */
export class BlockhashQueue {
  readonly #heights = new Map<string, number>()

  /** Adds the newest block's hash and forgets those that no transaction can use any more. */
  push(blockhash: string, height: number): void {
    this.#heights.set(blockhash, height)
    for (const [old, oldHeight] of this.#heights) {
      if (oldHeight + BLOCKHASH_LIFE_BLOCKS > height) {
        break
      }
      this.#heights.delete(old)
    }
  }

  /** Those that a transaction in the block at `height` may be built on, newest first. */
  living(height: number): string[] {
    return [...this.#heights.keys()].filter((blockhash) => this.has(blockhash, height)).reverse()
  }

  /** Whether a transaction in the block at `height` may be built on `blockhash`. */
  has(blockhash: string, height: number): boolean {
    const born = this.#heights.get(blockhash)
    return born !== undefined && height <= born + BLOCKHASH_LIFE_BLOCKS
  }
}
