/** What a command costs, for whoever cannot pay it. */
import { roeToKoii } from '../config/index.ts'
import type { K2Client } from '../k2/index.ts'
import { K2TransactionError } from '../k2/index.ts'
import { REFUSALS, STAKE_BYTES } from '../k2/settlement/index.ts'

/** K2's fee for each signature of a transaction. */
export const SIGNATURE_ROE = 5_000n

export interface Cost {
  /** In words that follow on the amount: `for the stake`. */
  what: string
  roe: bigint
}

/** The account has too little for what was asked. */
export class PoorError extends Error {
  override name = 'PoorError'
}

/** What a first stake, or more of one, takes from who pays it. */
export async function stakeCosts(k2: K2Client, roe: bigint, isFirst: boolean, signatures: number): Promise<Cost[]> {
  const rent = isFirst ? [{ what: 'for the rent of its account', roe: BigInt(await k2.rentExemption(STAKE_BYTES)) }] : []
  return [{ what: 'for the stake', roe }, ...rent, fees(signatures)]
}

export const fees = (signatures: number): Cost => ({ what: 'in fees', roe: SIGNATURE_ROE * BigInt(signatures) })

/**
 * Sends, and where the payer cannot pay, says who that is, what it has and what it needs.
 *
 * @param mayAirdrop - whether the command has an --airdrop
 * @throws PoorError, and whatever `send` throws
 */
export async function payFor<T>(
  k2: Pick<K2Client, 'balance'>,
  { payer, costs, mayAirdrop }: { payer: string; costs: () => Promise<Cost[]>; mayAirdrop: boolean },
  send: () => Promise<T>
): Promise<T> {
  try {
    return await send()
  } catch (err) {
    if (!(err instanceof K2TransactionError && err.unpayable) && !(err instanceof REFUSALS.InsufficientFundsError)) {
      throw err
    }
    const parts = await costs()
    const has = await k2.balance(payer)
    const needs = parts.reduce((sum, { roe }) => sum + roe, 0n)
    throw new PoorError(
      `not enough KOII: ${payer}, which pays, has ${roeToKoii(has)} KOII and needs ${roeToKoii(needs)} KOII (${parts.map(({ what, roe }) => `${roeToKoii(roe)} ${what}`).join(', ')}): fund it first${mayAirdrop ? ', or on a local K2 take it from the faucet with --airdrop' : ''}`,
      { cause: err }
    )
  }
}
