/** What the commands that talk to K2 share: their options, the client, reading keys, asking for money. */
import type { Command } from 'commander'
import { readKeyFile } from '../identity/index.ts'
import { createK2Client, type K2Client, signerOf, type TransactionSigner } from '../k2/index.ts'
import { PROGRAM_ID, type StakeAccount } from '../k2/settlement/index.ts'
import { DEFAULT_K2, sayOnce, withJson } from './common.ts'

export interface K2Options {
  k2: string
  program: string
  json?: boolean
}

/** Gives a command the options of `K2Options`. */
export function withK2(command: Command): Command {
  return withJson(command)
    .option('--k2 <url>', 'JSON-RPC endpoint of K2', DEFAULT_K2)
    .option('--program <address>', 'the settlement program', PROGRAM_ID)
}

/** @throws K2ArgumentError */
export function k2Of({ k2, program }: K2Options): K2Client {
  return createK2Client({
    url: k2.split(','),
    programId: program,
    onLeftOut: (address, reason) => sayOnce(`left out the account ${address} of K2, which cannot be read (${reason})`)
  })
}

export async function signerFrom(path: string): Promise<TransactionSigner> {
  return signerOf(await readKeyFile(path))
}

/** Each signer once, the payer first. */
export function distinct(signers: TransactionSigner[]): TransactionSigner[] {
  return [...new Map(signers.map((signer) => [signer.address, signer])).values()]
}

/** The stake of who staked with a key, or the one that the key took over from another. */
export async function stakeOfKey(k2: K2Client, task: string, key: string): Promise<StakeAccount | undefined> {
  return (await k2.stake(task, key)) ?? (await k2.stakes(task)).find(({ stakingKey }) => stakingKey === key)
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
