/**
 * What a transaction bids for a compute unit when it does not land: pure. Nothing at first; then what others have paid lately, and twice
 * as much with each try, never past what the operator allows for one transaction.
 */
import { ComputeBudgetProgram, type TransactionInstruction } from '@solana/web3.js'

/** More than any vote, batch or slash takes (protocols/settlement/README.md, "Costs"): what is asked for is what is paid for. */
export const BID_UNITS = 30_000
const MICRO = 1_000_000n
/** The least that is worth a try: a hundredth of a lamport a unit, 300 ROE a transaction. */
const LEAST_PRICE = 10_000n
/** Of what endpoints tell of the last blocks, this many count. */
const RECENT_BLOCKS = 20

/** The most that may be bid for a unit, in micro-lamports, when a transaction may pay `maxFeeRoe` on top of its signatures. */
export function largestPrice(maxFeeRoe: bigint): bigint {
  return (maxFeeRoe * MICRO) / BigInt(BID_UNITS)
}

/** What a price comes to for one transaction, in ROE, rounded up as K2 does. */
export function bidOf(price: bigint): bigint {
  return (price * BigInt(BID_UNITS) + MICRO - 1n) / MICRO
}

/**
 * The price of the next try, in micro-lamports a unit.
 *
 * @param former - that of the try before; 0 when it bid nothing
 * @param recent - the price of the market, as far as K2 tells
 * @param maxFeeRoe - never more than this for one transaction
 */
export function nextPrice({ former, recent, maxFeeRoe }: { former: bigint; recent: bigint; maxFeeRoe: bigint }): bigint {
  const step = former === 0n ? LEAST_PRICE : former * 2n
  const wanted = recent > step ? recent : step
  const most = largestPrice(maxFeeRoe)
  return wanted < most ? wanted : most
}

/** What had to be paid in the last blocks, by what `getRecentPrioritizationFees` answers; whatever that is, a price comes of it. */
export function recentPrice(answer: unknown): bigint {
  const blocks = Array.isArray(answer) ? answer : []
  const prices = blocks
    .map((block: { slot?: unknown; prioritizationFee?: unknown } | null) => ({ slot: Number(block?.slot), fee: block?.prioritizationFee }))
    .filter(({ slot }) => Number.isSafeInteger(slot))
    .sort((a, b) => b.slot - a.slot)
    .slice(0, RECENT_BLOCKS)
    .map(({ fee }) => (typeof fee === 'bigint' || Number.isSafeInteger(fee) ? BigInt(fee as bigint | number) : 0n))
  return prices.sort((a, b) => (a > b ? -1 : a < b ? 1 : 0))[0] ?? 0n
}

/** The instructions that go after the others. */
export function bidInstructions(price: bigint): TransactionInstruction[] {
  return price === 0n
    ? []
    : [ComputeBudgetProgram.setComputeUnitLimit({ units: BID_UNITS }), ComputeBudgetProgram.setComputeUnitPrice({ microLamports: price })]
}
