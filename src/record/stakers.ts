import bs58 from 'bs58'

/**
 * The place of a base58 staking key in the order of its 32 bytes, as text that compares with `<`.
 *
 * base58's alphabet ascends in ASCII and '1' is its zero, so text padded with ones to the 44 digits that a key may have
 * orders as the number does, and 10,000 keys need no decoding to be sorted.
 */
export function stakerOrder(staker: string): string {
  return staker.padStart(44, '1')
}

/** Sorts by the bytes of the staking key. */
export function byStaker<T>(list: Iterable<T>, stakerOf: (item: T) => string): T[] {
  return [...list]
    .map((item) => ({ item, order: stakerOrder(stakerOf(item)) }))
    .sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0))
    .map(({ item }) => item)
}

/** Everyone with stake, by place: how verdicts name whom they are about. Sorted by the bytes of the staking key. */
export function placesOf(stakes: ReadonlyMap<string, bigint>): string[] {
  return byStaker(
    [...stakes].filter(([, stake]) => stake > 0n),
    ([staker]) => staker
  ).map(([staker]) => staker)
}

/** The 32 bytes of a base58 key, or null when it is none. */
export function keyBytes(base58: string): Uint8Array | null {
  try {
    const bytes = bs58.decode(base58)
    return bytes.length === 32 ? bytes : null
  } catch {
    return null
  }
}

/** Stakers that tell the DHT of one record. Whoever finds one of them asks it for the records before, each of which the next one names. */
const PROVIDERS = 3

/** Whether it is the turn of `self` to tell the DHT of the record of `cycle`: three stakers do, and others in the next cycle. */
export function providesRecord(weights: ReadonlyMap<string, bigint>, self: string, cycle: number): boolean {
  const places = placesOf(weights)
  const at = places.indexOf(self)
  return at >= 0 && (at + places.length - (cycle % places.length)) % places.length < PROVIDERS
}
