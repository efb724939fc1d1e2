import type { Connection } from '@solana/web3.js'
import bs58 from 'bs58'
import { LAG_SLOTS } from './choose.ts'
import { K2ArgumentError, K2BehindError, K2LacksBlockError, K2NotYetError } from './errors.ts'
import type { EndpointPool } from './pool.ts'

/** A block, by where it is in the chain and by its hash. */
export interface BlockAt {
  slot: number
  /** base58, 32 bytes */
  blockhash: string
}

export interface BlockReads {
  /**
   * The first block at or after a slot, confirmed or better, as most endpoints tell it. Not every slot has a block, so it may be of
   * a later one. It is the same for everybody who asks, whenever they ask.
   *
   * Does not wait for the chain: who asks too early is told so at once, and asks again some slots later.
   *
   * @param slot - a whole number from 0
   * @throws K2NotYetError while there is no such block; K2LacksBlockError when no endpoint keeps blocks that old; K2ArgumentError,
   *   K2ContradictionError, K2UnreachableError
   */
  blockAtOrAfter(slot: number): Promise<BlockAt>
}

/**
 * Slots that are looked through for one with a block, eight times as many with each request: hardly ever are more than a few empty,
 * but a chain that stood still may have left a gap. Of all together, 775,000, it is believed that they are.
 */
const FIRST_SPAN_SLOTS = 16
const LONGEST_SPAN_SLOTS = 100_000
const MAX_SPANS = 12
const HASH_BYTES = 32
/** Solana's: not kept, not there any more, skipped. */
const LACKING_CODES = new Set([-32001, -32004, -32007, -32009, -32011, -32014])
/** Of a block, what it is and nothing of what is in it. */
const BARE = { commitment: 'confirmed', maxSupportedTransactionVersion: 0, transactionDetails: 'none', rewards: false } as const
const NOT_YET = 'no such block yet'

export function createBlockReads({ pool }: { pool: EndpointPool }): BlockReads {
  return {
    async blockAtOrAfter(slot) {
      if (!Number.isSafeInteger(slot) || slot < 0) {
        throw new K2ArgumentError(`${slot} is not a slot, which is a whole number from 0`)
      }
      const notYet = () => new K2NotYetError(`K2 has no block at slot ${slot} or later yet: ask again when it has come to that slot`)
      // of two, one that is far behind is no witness against the other; of three or more it counts, or one that runs ahead would win
      const pair = pool.endpoints.length === 2
      const agreed = await pool
        .agree<BlockAt | undefined>({
          async request(connection, told) {
            // nearly every slot has a block, and whoever has gone past it and has its block need not be asked more
            const direct = told == null || told < slot + 2 ? null : await connection.getBlock(slot, BARE).catch(unlessLacking)
            if (direct != null && isHash(direct.blockhash) && direct.parentSlot < slot) {
              return { slot, value: { slot, blockhash: direct.blockhash } }
            }
            const reached = await connection.getSlot('confirmed')
            if (pair && reached < slot - LAG_SLOTS) {
              throw new K2BehindError(
                `a K2 endpoint is behind: it has reached slot ${reached}, and a block from slot ${slot} on was asked for`
              )
            }
            return { slot: reached, value: await firstBlock(connection, slot, reached) }
          },
          digest: (block) => (block == null ? NOT_YET : `${block.slot}/${block.blockhash}`),
          // who is a slot ahead of the others contradicts nobody
          open: NOT_YET
        })
        .catch((err) => {
          throw err instanceof K2BehindError ? notYet() : err
        })
      if (agreed.value == null) {
        throw notYet()
      }
      return agreed.value
    }
  }
}

/** One endpoint's answer: undefined while it has no block from `slot` to `reached`. */
async function firstBlock(connection: Connection, slot: number, reached: number): Promise<BlockAt | undefined> {
  let from = slot
  for (let span = FIRST_SPAN_SLOTS, i = 0; from <= reached && i < MAX_SPANS; span = Math.min(span * 8, LONGEST_SPAN_SLOTS), i++) {
    const to = Math.min(from + span - 1, reached)
    const inRange = (await connection.getBlocks(from, to, 'confirmed')).filter((at) => Number.isSafeInteger(at) && at >= from && at <= to)
    if (inRange.length > 0) {
      return blockIn(connection, Math.min(...inRange), slot)
    }
    from = to + 1
  }
  return undefined
}

/** @throws K2LacksBlockError when it does not keep it, or does not keep one before it that is asked for */
async function blockIn(connection: Connection, at: number, slot: number): Promise<BlockAt> {
  let found: { blockhash: string; parentSlot: number } | null
  try {
    found = await connection.getBlock(at, BARE)
  } catch (err) {
    if (LACKING_CODES.has((err as { code?: number }).code ?? 0)) {
      throw new K2LacksBlockError(`a K2 endpoint does not keep the block of slot ${at}: give one with --k2 that does`, { cause: err })
    }
    throw err
  }
  // a block whose parent is at or after the slot is not the first one
  if (found == null || (found.parentSlot >= slot && found.parentSlot < at)) {
    throw new K2LacksBlockError(`a K2 endpoint does not keep all blocks from slot ${slot} on: give one with --k2 that does`)
  }
  if (!isHash(found.blockhash)) {
    throw new K2LacksBlockError(`a K2 endpoint gave no blockhash for slot ${at}: give another with --k2`)
  }
  return { slot: at, blockhash: found.blockhash }
}

function unlessLacking(err: { code?: number }): null {
  if (LACKING_CODES.has(err.code ?? 0)) {
    return null
  }
  throw err
}

function isHash(text: string): boolean {
  try {
    return bs58.decode(text).length === HASH_BYTES
  } catch {
    return false
  }
}
