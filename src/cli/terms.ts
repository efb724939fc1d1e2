/** What a task was created with and no manager can change, in words: who stakes reads it before. */
import { roeToKoii } from '../config/index.ts'
import { DEFAULT_BUNDLE_NOTICE, type TaskAccount } from '../k2/settlement/index.ts'
import { counted } from '../observe/words.ts'
import { UsageError } from './common.ts'

type Terms = Pick<TaskAccount, 'largestSlash' | 'bundleNotice'>

/** Of 1/10,000: 1000 is "10 %". */
export function percentOf(share: number): string {
  return `${share / 100} %`
}

/** "1 round", "8 rounds". */
export const roundsOf = (notice: number): string => counted(notice, 'round')

/** For who stakes: whether a new bundle may run before whoever leaves at its news has its stake out is not to be found out later. */
export const ACCEPT_SHORT_NOTICE = [
  '--accept-short-notice',
  'stake although a new bundle may run before the stake can be taken out: for testnets'
] as const

/** @throws UsageError on a task with a notice that is too short to leave in, unless that was accepted */
export function checkNotice(task: Terms & { address: string }, accepted: boolean | undefined): void {
  if (isShort(task) && accepted !== true) {
    throw new UsageError(
      `the task ${task.address} gives a new bundle a notice of ${roundsOf(task.bundleNotice)}, and a stake comes out up to seven rounds after the news: its manager may run on your stake what you have not read. Stake on another task, or with --accept-short-notice if you trust the manager`
    )
  }
}

/** @param there - what is staked already, in ROE @throws UsageError where the sum is below what the task asks for */
export function checkMinimum({ minStake }: Pick<TaskAccount, 'minStake'>, amount: bigint, there: bigint): void {
  if (there + amount < minStake) {
    const sum = there === 0n ? '' : ` beside the ${roeToKoii(there)} that are there`
    throw new UsageError(
      `the amount is ${roeToKoii(amount)} KOII${sum}, and the task asks for at least ${roeToKoii(minStake)} KOII: give ${roeToKoii(minStake - there)} or more`
    )
  }
}

/** Whether a stake that leaves at the news of a bundle may still be in when that runs. */
export function isShort({ bundleNotice }: Pick<Terms, 'bundleNotice'>): boolean {
  return bundleNotice < DEFAULT_BUNDLE_NOTICE
}

export function termsLines(task: Terms): string[] {
  return [
    `slashes   one cycle takes at most ${percentOf(task.largestSlash)} of what a stake holds; nobody gets it`,
    `notice    ${roundsOf(task.bundleNotice)} from the news of another bundle to its first cycle${isShort(task) ? ': too short to leave in before it' : ''}`
  ]
}
