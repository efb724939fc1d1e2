/** One figure of a benchmark: a line of `--json`, a line of the table. */
export interface Result {
  bench: 'gossip' | 'k2' | 'memory' | 'compute' | 'load' | 'distribution' | 'requests' | 'proofs' | 'busy-testnets'
  name: string
  value: number
  unit: string
  /** 95% bootstrap interval. */
  low?: number
  high?: number
  goal?: number
  /** Which way the goal bounds; at most, unless said otherwise. */
  bound?: 'at least'
  /** Whether the bad end (the interval's, where there is one) is within the goal. */
  met?: boolean
  /** In words: what was measured how, what is beside it. */
  note?: string
  [more: string]: unknown
}

/** What a part is given. */
export interface BenchContext {
  pairs: number
  /** Testnets of `busy-testnets`. */
  runs: number
  /** The kubo program that `proofs` is to run beside. */
  kubo?: string | undefined
  /** One line of progress, for people. */
  progress: (text: string) => void
}

/** A part could not be measured, or what it measured did not do its work. */
export class BenchError extends Error {
  override name = 'BenchError'
}

/** Adds the verdict on a goal that is an upper bound; it is judged on the bad end. */
export function within(goal: number, result: Result): Result {
  return { ...result, goal, met: (result.high ?? result.value) <= goal }
}

/** Adds the verdict on a goal that is a lower bound. */
export function atLeast(goal: number, result: Result): Result {
  return { ...result, goal, bound: 'at least', met: (result.low ?? result.value) >= goal }
}
