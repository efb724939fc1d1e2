/** A stake that is there already, and the keys that it answers to: what unstaking, withdrawing, replacing a key and hints share. */
import { Command } from 'commander'
import { commandLine } from '../command/index.ts'
import type { K2Client, TransactionSigner } from '../k2/index.ts'
import type { OwnStake, StakeAccount } from '../k2/settlement/index.ts'
import { type K2Options, k2Flags, k2Of, signerFrom, stakeOfKey, withK2 } from './chain.ts'
import { addressOf, UsageError } from './common.ts'

export interface StakeOptions extends K2Options {
  task: string
  staker?: string
  key?: string
}

export interface OwnerOptions extends StakeOptions {
  wallet?: string
}

/** A command about one stake. */
export const onStake = (name: string): Command =>
  withK2(new Command(name))
    .requiredOption('--task <id>', 'address of the task')
    .option('--key <file>', 'the staking key')
    .option('--staker <address>', 'instead of --key: whose stake; the key that staked first, where it was replaced since')

/** A command of whom the stake belongs to. */
export const byOwner = (name: string): Command =>
  onStake(name).option('--wallet <file>', 'the withdraw authority; without it the staking key itself')

/** The keys as they were given, for a command that is printed. */
export const whoseOf = ({ key, staker, wallet }: OwnerOptions) => ({ key, staker, wallet })

/** The stake as its owner's instructions name it. */
export const ownOf = (options: StakeOptions, stake: StakeAccount): OwnStake => ({
  task: options.task,
  staker: stake.staker,
  withdrawAuthority: stake.withdrawAuthority,
  programId: options.program
})

/** The stake that is meant, and who owns it. @throws UsageError */
export async function openStake(options: OwnerOptions): Promise<{ k2: K2Client; stake: StakeAccount; wallet: TransactionSigner }> {
  const file = options.wallet ?? options.key
  if (file == null || (options.key == null && options.staker == null)) {
    throw new UsageError('whose stake, and who owns it? Give --key FILE, or --staker ADDRESS with --wallet FILE')
  }
  const k2 = k2Of(options)
  await k2.task(options.task)
  const wallet = await signerFrom(file)
  const key = options.staker == null ? (await signerFrom(options.key!)).address : addressOf(options.staker, '--staker')
  const stake = await stakeOfKey(k2, options.task, key)
  if (stake == null) {
    throw new UsageError(
      `${key} has no stake in the task ${options.task}: look with ${commandLine(['task', 'show', options.task], k2Flags(options))}`
    )
  }
  return { k2, stake, wallet }
}

/** The stake, and its withdraw authority's key. @throws UsageError */
export async function openAsOwner(options: OwnerOptions): ReturnType<typeof openStake> {
  const opened = await openStake(options)
  if (opened.wallet.address !== opened.stake.withdrawAuthority) {
    throw new UsageError(
      `${opened.wallet.address} does not own the stake of ${opened.stake.staker}, its withdraw authority is ${opened.stake.withdrawAuthority}: give that key with --wallet FILE`
    )
  }
  return opened
}
