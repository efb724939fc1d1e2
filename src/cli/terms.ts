/** What a task was created with and no manager can change, in words: who stakes reads it before. */
import { DEFAULT_BUNDLE_NOTICE, type TaskAccount } from '../k2/settlement/index.ts'

type Terms = Pick<TaskAccount, 'largestSlash' | 'bundleNotice'>

/** Of 1/10,000: 1000 is "10 %". */
export function percentOf(share: number): string {
  return `${share / 100} %`
}

/** Whether a new bundle may run before whoever leaves at its news has its stake out. */
export function isShort({ bundleNotice }: Terms): boolean {
  return bundleNotice < DEFAULT_BUNDLE_NOTICE
}

export function termsLines(task: Terms): string[] {
  return [
    `slashes   one cycle takes at most ${percentOf(task.largestSlash)} of what a stake holds; nobody gets it`,
    `notice    ${task.bundleNotice} rounds from the news of another bundle to its first cycle${isShort(task) ? ': too short to leave in before it' : ''}`
  ]
}
