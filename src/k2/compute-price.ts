/**
 * What a transaction bids for a compute unit when it does not land: pure. Nothing at first; then what others have paid lately, and twice
 * as much with each try, never past what the operator allows for one transaction.
 */
import { ComputeBudgetInstruction, ComputeBudgetProgram, type TransactionInstruction } from '@solana/web3.js'

/** More than any vote, batch or slash takes (protocols/settlement/README.md, "Costs"): what is asked for is what is paid for. */
export const BID_UNITS = 30_000
const MICRO = 1_000_000n
/** What a transaction that sets no limit may be charged for: Solana's MAX_COMPUTE_UNIT_LIMIT. */
const MAX_UNITS = 1_400_000
/** The least that is worth a try: a hundredth of a lamport a unit, 300 ROE a transaction. */
const LEAST_PRICE = 10_000n
/** Of what endpoints tell of the last blocks, this many count. */
const RECENT_BLOCKS = 20

/** The most that may be bid for a unit, in micro-lamports, when a transaction may pay `maxFeeRoe` on top of its signatures. */
export function largestPrice(maxFeeRoe: bigint): bigint {
  return (maxFeeRoe * MICRO) / BigInt(BID_UNITS)
}

/** What a price comes to for one transaction, in ROE, rounded up as K2 does. */
export function bidOf(price: bigint, units = BID_UNITS): bigint {
  return (price * BigInt(units) + MICRO - 1n) / MICRO
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

export const isBid = ({ programId }: TransactionInstruction): boolean => programId.equals(ComputeBudgetProgram.programId)

/**
 * What such instructions bid, in ROE.
 *
 * @throws Error for what nobody here asks for, and for what is said twice
 */
export function bidIn(instructions: readonly TransactionInstruction[]): bigint {
  const said = new Map(instructions.map((instruction) => [ComputeBudgetInstruction.decodeInstructionType(instruction), instruction]))
  const [limit, price] = [said.get('SetComputeUnitLimit'), said.get('SetComputeUnitPrice')]
  const other = [...said.keys()].find((type) => type !== 'SetComputeUnitLimit' && type !== 'SetComputeUnitPrice')
  if (other != null || said.size !== instructions.length) {
    throw new Error(`${other ?? 'a bid said twice'} is nothing that a node asks for`)
  }
  const units = limit == null ? MAX_UNITS : ComputeBudgetInstruction.decodeSetComputeUnitLimit(limit).units
  return bidOf(price == null ? 0n : BigInt(ComputeBudgetInstruction.decodeSetComputeUnitPrice(price).microLamports), units)
}
