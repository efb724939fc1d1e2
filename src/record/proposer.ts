import { createHash } from 'node:crypto'
import { lengthPrefixed } from '../wire/index.ts'
import { byStaker } from './stakers.ts'

const TAG = Buffer.from('koii-mesh/proposer/1')

/**
 * Who proposes the record of (`cycle`, `attempt`): drawn by stake, the same for everyone who knows the seed. Nobody has
 * a second turn before everybody had the first. Null when nobody has stake.
 *
 * @param stakes - by base58 staking key, as fixed for the cycle
 * @param seed - the digest of the previous record, or the task id before there is one
 */
export function proposerFor({
  stakes,
  seed,
  cycle,
  attempt
}: {
  stakes: ReadonlyMap<string, bigint>
  seed: Uint8Array
  cycle: number
  attempt: number
}): string | null {
  const waiting = byStaker(
    [...stakes].filter(([, stake]) => stake > 0n),
    ([staker]) => staker
  )
  if (waiting.length === 0) {
    return null
  }
  const lap = Math.floor(attempt / waiting.length)
  const turns = attempt % waiting.length
  let total = waiting.reduce((sum, [, stake]) => sum + stake, 0n)
  for (let turn = 0; ; turn++) {
    // 256 bits over a total of at most 80 or so: what the remainder favours is far below anything measurable
    let at = draw(seed, cycle, lap, turn) % total
    const index = waiting.findIndex(([, stake]) => {
      if (at < stake) {
        return true
      }
      at -= stake
      return false
    })
    const [staker, stake] = waiting[index]!
    if (turn === turns) {
      return staker
    }
    waiting.splice(index, 1)
    total -= stake
  }
}

function draw(seed: Uint8Array, cycle: number, lap: number, turn: number): bigint {
  const numbers = Buffer.alloc(24)
  numbers.writeBigUInt64BE(BigInt(cycle), 0)
  numbers.writeBigUInt64BE(BigInt(lap), 8)
  numbers.writeBigUInt64BE(BigInt(turn), 16)
  return BigInt(
    `0x${createHash('sha256')
      .update(lengthPrefixed(TAG, seed, numbers))
      .digest('hex')}`
  )
}
