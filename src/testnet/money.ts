/** The money of a testnet: what everybody has at the start, and how much there is on K2. */
import { ROE_PER_KOII } from '../config/index.ts'
import type { K2Client } from '../k2/index.ts'
import { type Fault, SMALL_STAKES } from './faults.ts'

export const BOUNTY_ROE = 10n * ROE_PER_KOII
export const STAKE_ROE = 10n * ROE_PER_KOII
const SMALL_STAKE_ROE = ROE_PER_KOII
export const stakeOf = (fault: Fault | null) => (fault != null && SMALL_STAKES.has(fault) ? SMALL_STAKE_ROE : STAKE_ROE)
export const WALLET_ROE = 1_000_000n * ROE_PER_KOII
/** Fees of a staking key: 5,000 lamports a vote. */
export const KEY_ROE = ROE_PER_KOII
export const FUND_ROE = 100_000n * ROE_PER_KOII

/** Lamports of all `addresses` together. */
export async function balances(client: K2Client, addresses: string[]): Promise<bigint> {
  let sum = 0n
  for (let at = 0; at < addresses.length; at += 100) {
    const found = (await client.connection.requestExact('getMultipleAccounts', [
      addresses.slice(at, at + 100),
      { commitment: 'processed', encoding: 'base64', dataSlice: { offset: 0, length: 0 } }
    ])) as { value: Array<{ lamports: number | bigint } | null> }
    for (const account of found.value) {
      sum += BigInt(account?.lamports ?? 0)
    }
  }
  return sum
}
