import { createHash } from 'node:crypto'
import { lengthPrefixed } from '../wire/index.ts'
import { keyBytes } from './stakers.ts'

/**
 * A seed of a cycle: 32 bytes that everybody computes alike. They come from K2's chain and from nothing that a staker says, as
 * whoever can vary its words can try them until the seed suits it: signatures, ids and digests of records all can be varied.
 *
 * @param tag - what the seed is for
 * @param facts.beacon - 32 bytes: the hash of the first block of K2 at or after the slot of protocols/record, "Beacon"
 */
export function beaconSeed(tag: string, { taskId, cycle, beacon }: { taskId: string; cycle: number; beacon: Uint8Array }): Uint8Array {
  const number = Buffer.alloc(8)
  number.writeBigUInt64BE(BigInt(cycle))
  return createHash('sha256')
    .update(lengthPrefixed(Buffer.from(tag), keyBytes(taskId)!, number, beacon))
    .digest()
}
