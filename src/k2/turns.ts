import { createHash } from 'node:crypto'

/**
 * How many of the stakers act before one, where each does for all what nobody is paid for: from 0. The order is another for each
 * `what`, and the same at every node.
 *
 * @param what - turns are taken for, with its cycle: `slash/7`
 */
export function rankOf(what: string, self: string, stakers: readonly string[]): number {
  const order = (staker: string) => createHash('sha256').update(`${what}/${staker}`).digest('hex')
  const mine = order(self)
  return stakers.filter((staker) => order(staker) < mine).length
}
