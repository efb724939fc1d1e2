/** The benchmarks' arithmetic, pure and seeded. Rule: TARGETS "Performance". */

/** Too few or unusable measurements. */
export class StatisticsError extends Error {
  override name = 'StatisticsError'
}

export interface Interval {
  value: number
  low: number
  high: number
}

const RESAMPLES = 10_000

/** The middle value, or the mean of the two in the middle. @throws StatisticsError on none, or on what is no finite number */
export function median(values: readonly number[]): number {
  if (values.length === 0 || values.some((value) => !Number.isFinite(value))) {
    throw new StatisticsError(`no median of [${values.join(', ')}]: at least one finite number is needed`)
  }
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/**
 * ours / anchor of each pair, without the first `dropped` pairs, in which code is compiled and caches fill.
 *
 * @throws StatisticsError when the halves differ in number, too few pairs are left, or a figure is not above 0
 */
export function pairedRatios(ours: readonly number[], anchor: readonly number[], dropped = 1): number[] {
  if (ours.length !== anchor.length || ours.length <= dropped) {
    throw new StatisticsError(`${ours.length} and ${anchor.length} runs make no pairs after the first ${dropped}: run more pairs`)
  }
  const ratios = ours.map((value, pair) => value / anchor[pair]!)
  if ([...ours, ...anchor].some((value) => !(value > 0) || !Number.isFinite(value))) {
    throw new StatisticsError(`a run measured nothing: ${ours.join(', ')} beside ${anchor.join(', ')}`)
  }
  return ratios.slice(dropped)
}

/** The median of `values` with its 95% percentile bootstrap interval. The same seed gives the same interval. */
export function bootstrapMedian(values: readonly number[], seed = 1): Interval {
  const value = median(values)
  const random = seededRandom(seed)
  const medians = Array.from({ length: RESAMPLES }, () =>
    median(Array.from(values, () => values[Math.floor(random() * values.length)]!))
  ).sort((a, b) => a - b)
  return { value, low: medians[Math.floor(0.025 * RESAMPLES)]!, high: medians[Math.ceil(0.975 * RESAMPLES) - 1]! }
}

/** Numbers in [0, 1) that the seed decides (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
