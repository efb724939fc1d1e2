/** Seeded chance: whatever a run decides by it is replayed by its seed. */

/** mulberry32: small, seeded, good enough for delays and choices. Numbers in [0, 1). */
export function randomFrom(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export interface Dice {
  /** In [0, 1). */
  next(): number
  /** A whole number in [0, below). */
  int(below: number): number
  pick<T>(list: readonly T[]): T
  chance(probability: number): boolean
}

export function diceFrom(seed: number): Dice {
  const next = randomFrom(seed)
  return {
    next,
    int: (below) => Math.floor(next() * below),
    pick: (list) => list[Math.floor(next() * list.length)]!,
    chance: (probability) => next() < probability
  }
}
