/** Whether `stake` of `total` settles a cycle, between peers and on K2 alike: more than two thirds. Amounts are in ROE. */
export function hasQuorum(stake: bigint, total: bigint): boolean {
  return stake * 3n > total * 2n
}
