/** What the commands that talk to K2 share: their options, the client, reading keys, asking for money. */
import { isIP } from 'node:net'
import type { Command } from 'commander'
import { readKeyFile } from '../identity/index.ts'
import { createK2Client, type K2Client, signerOf, type TransactionSigner } from '../k2/index.ts'
import { PROGRAM_ID, type StakeAccount } from '../k2/settlement/index.ts'
// by their files: commands that only ask K2 need no libp2p
import { isPublicIp, nameFault } from '../network/public-ip.ts'
import { providerAt } from '../node/hints.ts'
import type { ProviderHint } from '../proofs/index.ts'
import { collect, DEFAULT_K2, sayOnce, withJson } from './common.ts'
import { ASK_NODE_OPTION, ownNode } from './own-node.ts'

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

/** The options of `K2Options` as a command that is printed has to have them. */
export function k2Flags({ k2, program }: Pick<K2Options, 'k2' | 'program'>): { k2: string; program: string | undefined } {
  return { k2, program: program === PROGRAM_ID ? undefined : program }
}

export interface PeerOptions {
  from?: string[]
  dataDir?: string
  allowPrivate?: boolean
}

/** Gives a command that fetches from peers the options of `PeerOptions`. */
export function withPeers(command: Command, from: string): Command {
  return command
    .option('--from <multiaddr>', from, collect)
    .option(...ASK_NODE_OPTION)
    .option(
      '--allow-private',
      'dial private and loopback addresses that others wrote on K2, too: the default where K2 itself has such a one'
    )
}

/**
 * What an auditor may dial on behalf of a command: stakers' addresses where these are public, and wherever they are on a local testnet,
 * which is told by where its K2 is; and those that the command names.
 */
export async function dialsOf(
  { from = [], dataDir, allowPrivate }: PeerOptions,
  k2?: string
): Promise<{ local: boolean; named: ProviderHint[]; endsWhenRefused: boolean }> {
  return {
    endsWhenRefused: true,
    local: allowPrivate ?? (k2 != null && isOwnNetwork(k2)),
    named: [...(await ownNode(dataDir)), ...from.map(providerAt)]
  }
}

/** Whether a K2 is on this machine or beside it: a local one. */
export function isOwnNetwork(url: string): boolean {
  const first = url.split(',')[0]!
  if (!URL.canParse(first)) {
    return false
  }
  const host = new URL(first).hostname.replace(/^\[(.*)\]$/, '$1')
  return isIP(host) === 0 ? nameFault(host) === 'private' : !isPublicIp(host)
}

/** @throws K2ArgumentError */
export function k2Of({ k2, program }: K2Options): K2Client {
  return createK2Client({
    url: k2.split(','),
    programId: program,
    onLeftOut: (address, reason) => sayOnce(`left out the account ${address} of K2, which cannot be read (${reason})`),
    onWait: sayOnce
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
