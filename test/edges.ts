/** The numbers at which codecs go wrong, with names as they stand in vectors, and whole numbers of every length. */
import fc from 'fast-check'

export const U64_MAX = 2n ** 64n - 1n

export const U64_EDGES: Array<[string, bigint]> = [
  ['0', 0n],
  ...[31n, 32n, 53n, 63n].flatMap(
    (bits): Array<[string, bigint]> => [
      [`2-to-the-${bits}-less-1`, 2n ** bits - 1n],
      [`2-to-the-${bits}`, 2n ** bits]
    ]
  ),
  ['2-to-the-64-less-1', U64_MAX]
]

/** Any u64. fc.bigInt alone tries the ends and the huge: here each length in bits is as likely as the next. */
export const u64 = (): fc.Arbitrary<bigint> =>
  fc.oneof(
    fc.constantFrom(...U64_EDGES.map(([, value]) => value)),
    fc.integer({ min: 1, max: 64 }).chain((bits) => fc.bigInt(2n ** BigInt(bits - 1), 2n ** BigInt(bits) - 1n))
  )

/** Any whole number that fits in 53 bits. */
export const u53 = (): fc.Arbitrary<number> => u64().map((value) => Number(value & (2n ** 53n - 1n)))

export const u32 = (): fc.Arbitrary<number> => u64().map((value) => Number(value & (2n ** 32n - 1n)))
