/** What the commands that talk to K2 share: reading keys, asking for money, wording amounts. */
import bs58 from 'bs58'
import { readKeyFile } from '../identity/index.ts'
import { type K2Client, signerOf, type TransactionSigner } from '../k2/index.ts'
import { UsageError } from './common.ts'

export async function signerFrom(path: string): Promise<TransactionSigner> {
  return signerOf(await readKeyFile(path))
}

/** Each signer once, the payer first. */
export function distinct(signers: TransactionSigner[]): TransactionSigner[] {
  return [...new Map(signers.map((signer) => [signer.address, signer])).values()]
}

/** A vote costs one signature's fee: enough for a year of them at a round an hour. */
export const VOTE_FEES_ROE = 50_000_000n

/** Brings an account to `roe` with the faucet of a local K2. */
export async function ensureMoney(k2: K2Client, address: string, roe: bigint): Promise<void> {
  const balance = await k2.balance(address)
  if (balance < roe) {
    await k2.airdrop(address, roe - balance)
  }
}

/** Checks an address on the command line. @throws UsageError */
export function addressOf(text: string, name: string): string {
  let length = 0
  try {
    length = bs58.decode(text).length
  } catch {
    // told as one that is not 32 bytes
  }
  if (length !== 32) {
    throw new UsageError(`${name} is "${text}", which is not an address: an address is 32 bytes in base58`)
  }
  return text
}
