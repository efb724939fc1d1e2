/** How a vote is given to K2: in which transaction, on which blockhash, and for what price. */
import type { Logger } from '../observe/index.ts'
import type { K2Client } from './client.ts'
import { bidOf, largestPrice, nextPrice } from './compute-price.ts'
import { K2ContradictionError, K2TransactionError, messageOf } from './errors.ts'
import type { Attempt, Entry, FinalVote } from './outbox-entry.ts'
import type { Broadcast } from './pool.ts'
import { stakeAddress, vote as voteInstruction } from './settlement/index.ts'
import type { Sent } from './transactions.ts'

/** Blockhashes live for 150 blocks; whatever an endpoint says, after so many slots one is dead. */
const BLOCKHASH_SLOTS = 600
/** Older ones are long dead, and matter only for telling which one landed. */
const KEPT_ATTEMPTS = 8
/** A transaction that has not landed after so many slots bids for its place. */
const BID_SLOTS = 6

/** What the outbox asks of who holds the staking key (src/signer). */
export interface VoteSigner {
  /** base58 */
  address: string
  /** Writes down that no other vote of this cycle is ever signed. @throws where another one is */
  reserveVote(task: string, vote: FinalVote): Promise<void>
  signTransaction(message: Uint8Array): Promise<Uint8Array>
}

/** What an outbox did since it was made, for metrics. */
export interface OutboxCounters {
  /** Transactions that were signed, each on a blockhash of its own. */
  signed: number
  /** Times that a transaction was given to the endpoints. */
  sent: number
  /** Votes that were seen and vanished again. */
  rolledBack: number
  /** Transactions that landed for a vote that was there already: harmless, and each costs a fee. */
  landedTwice: number
  handedOver: number
  voted: number
  lost: number
  /** Transactions that bid a price, as those before had not landed. */
  bids: number
}

export interface SenderInit {
  k2: Pick<K2Client, 'programId' | 'prepare' | 'broadcast' | 'blockhashValid' | 'statuses'> &
    Partial<Pick<K2Client, 'watchSignature' | 'marketPrice'>>
  signer: VoteSigner
  task: string
  slot: () => number | undefined
  /** The most, in ROE, that one transaction may bid; default: nothing. */
  maxFeeRoe?: bigint
  staker: () => string
  counters: OutboxCounters
  log: Logger
  /** Puts an entry on the disk. */
  save(entry: Entry): Promise<void>
  isStopping(): boolean
}

export interface Sender {
  /** @param absent - whether K2 was seen not to have the vote: then it may bid */
  send(entry: Entry, absent: boolean): Promise<Broadcast>
}

export function createSender(init: SenderInit): Sender {
  const { k2, signer, task, staker, counters, log, save, isStopping, maxFeeRoe: most } = init
  const slotNow = () => init.slot()

  /**
   * Gives the vote to K2, in the transaction that may still land, or in a new one when that is dead, or when it has had its time and
   * more may be bid. Of two that land one counts, and the other costs its fee.
   */
  const send = async (entry: Entry, absent: boolean): Promise<Broadcast> => {
    let attempt = entry.attempts.at(-1)
    const slot = slotNow() ?? 0
    const former = BigInt(attempt?.price ?? 0)
    const price = absent ? await priceOf(entry, former, slot) : former
    if (attempt == null || price > former || slot - attempt.slot > BLOCKHASH_SLOTS || !(await alive(entry, attempt))) {
      attempt = await sign(entry, price, slot)
    }
    if (isStopping()) {
      // it may not have been saved
      return { accepted: [], refused: [] }
    }
    listen(entry, attempt)
    counters.sent++
    entry.sentSlot ??= slot
    const outcome = await k2.broadcast(Buffer.from(attempt.wire, 'base64'))
    entry.unknownBlockhash = outcome.refused.some(({ error }) => /blockhash not found/i.test(messageOf(error)))
    if (price > 0n && outcome.accepted.length === 0 && outcome.refused.some(({ error }) => isUnpayable(error))) {
      // what is there for the signature is not there for more
      entry.mayNotBid = true
      entry.attempts = entry.attempts.filter((one) => one !== attempt)
      await save(entry)
      return { accepted: [], refused: [] }
    }
    return outcome
  }

  const sign = async (entry: Entry, price: bigint, slot: number): Promise<Attempt> => {
    const instruction = voteInstruction({ task, stakingKey: signer.address, staker: staker(), programId: k2.programId, ...entry.vote })
    const payer = { address: signer.address, sign: signer.signTransaction }
    const { signature, blockhash, wire } = await k2.prepare([instruction], [payer], price)
    const priced = price === 0n ? {} : { price: `${price}` }
    const attempt = { signature, blockhash, wire: Buffer.from(wire).toString('base64'), slot, ...priced }
    entry.attempts = [...entry.attempts.slice(1 - KEPT_ATTEMPTS), attempt]
    entry.sentSlot = undefined
    counters.signed++
    if (price > 0n) {
      counters.bids++
      log.info({ cycle: entry.vote.cycle, feeRoe: `${bidOf(price)}` }, 'the final vote has not landed: it bids for its place')
    }
    // before it is sent, so that whoever comes after a kill knows what may be under way
    await save(entry)
    return attempt
  }

  /** What a transaction that is sent now should bid. */
  const priceOf = async (entry: Entry, former: bigint, slot: number): Promise<bigint> => {
    const maxFeeRoe = most ?? 0n
    if (entry.mayNotBid === true || entry.sentSlot == null || slot - entry.sentSlot < BID_SLOTS || former >= largestPrice(maxFeeRoe)) {
      return former
    }
    const stake = stakeAddress({ task, staker: staker(), programId: k2.programId })
    const recent = (await k2.marketPrice?.([task, stake]).catch(() => 0n)) ?? 0n
    return nextPrice({ former, recent, maxFeeRoe })
  }

  /** Has K2 say by itself what becomes of a transaction. */
  const listen = (entry: Entry, { signature }: Attempt) => {
    if (k2.watchSignature == null || entry.watches?.has(signature) === true) {
      return
    }
    const told = (final: boolean) => (failed: boolean) => {
      if (!failed) {
        entry.told = { signature, final: final || entry.told?.final === true }
      }
      entry.wake?.()
    }
    const both = (['confirmed', 'finalized'] as const).map((how) => k2.watchSignature!(signature, how, told(how === 'finalized')))
    entry.watches ??= new Map()
    entry.watches.set(signature, both)
  }

  /** Whether a transaction could still land. Where the endpoints contradict each other, what they said when it was sent decides. */
  const alive = async (entry: Entry, { blockhash }: Attempt): Promise<boolean> => {
    try {
      return await k2.blockhashValid(blockhash)
    } catch (err) {
      if (err instanceof K2ContradictionError) {
        return entry.unknownBlockhash !== true
      }
      throw err
    }
  }

  return { send }
}

/** Which of our transactions brought the vote, and how many came too late. */
export async function receiptOf(
  { vote, attempts, told }: Entry,
  { k2, counters, log }: Pick<SenderInit, 'k2' | 'counters' | 'log'>
): Promise<Sent | null> {
  const [only] = attempts
  if (only == null) {
    return null
  }
  if (attempts.length === 1 && told?.final === true && told.signature === only.signature) {
    return sentAs(only)
  }
  try {
    const statuses = await k2.statuses(attempts.map(({ signature }) => signature))
    const first = statuses.findIndex((status) => status?.failed === false)
    counters.landedTwice += statuses.filter((status, i) => status != null && i !== first).length
    const attempt = attempts[first]
    return attempt == null ? null : sentAs(attempt)
  } catch (err) {
    log.debug({ cycle: vote.cycle, reason: messageOf(err) }, 'K2 did not tell which transaction brought the vote')
    return null
  }
}

export const isUnpayable = (error: unknown) => error instanceof K2TransactionError && error.unpayable
const sentAs = ({ signature, wire }: Attempt): Sent => ({ signature, bytes: Buffer.from(wire, 'base64').length })
