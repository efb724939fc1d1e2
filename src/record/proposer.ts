import { createHash } from 'node:crypto'
import { beaconSeed } from './beacon.ts'
import { byStaker } from './stakers.ts'

const TAG = 'koii-mesh/proposer/2'

/**
 * Who proposes the record of (`cycle`, `attempt`): drawn by stake, the same for everyone who knows the seed. Nobody has
 * a second turn before everybody had the first. Null when nobody has stake.
 *
 * @param stakes - by base58 staking key, as fixed for the cycle
 * @param beacon - the cycle's: nothing that a signer can vary plays a part
 */
export function proposerFor({
  taskId,
  stakes,
  beacon,
  cycle,
  attempt
}: {
  taskId: string
  stakes: ReadonlyMap<string, bigint>
  beacon: Uint8Array
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
  const seed = beaconSeed(TAG, { taskId, cycle, beacon })
  const lap = Math.floor(attempt / waiting.length)
  const turns = attempt % waiting.length
  let total = waiting.reduce((sum, [, stake]) => sum + stake, 0n)
  for (let turn = 0; ; turn++) {
    // 256 bits over a total of at most 80 or so: what the remainder favours is far below anything measurable
    let at = draw(seed, lap, turn) % total
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

function draw(seed: Uint8Array, lap: number, turn: number): bigint {
  const numbers = Buffer.alloc(16)
  numbers.writeBigUInt64BE(BigInt(lap), 0)
  numbers.writeBigUInt64BE(BigInt(turn), 8)
  return BigInt(`0x${createHash('sha256').update(seed).update(numbers).digest('hex')}`)
}
