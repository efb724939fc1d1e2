import { MIN_AUDIT_WINDOW } from '../clock/index.ts'
import { commandLine } from '../command/index.ts'
import { counted } from '../observe/words.ts'

/** A task on K2 that no node can do: the message says why. */
export class UnfitTaskError extends Error {
  override name = 'UnfitTaskError'
}

/**
 * K2 takes tasks that cannot be audited; whoever worked for one could be accused and had no time to answer.
 *
 * @param k2 - URL of its K2, where others can be looked for
 * @throws UnfitTaskError on an audit window that is too short, in slots
 */
export function checkRunnable({ address, auditWindow }: { address: string; auditWindow: number }, k2?: string): void {
  if (auditWindow < MIN_AUDIT_WINDOW) {
    throw new UnfitTaskError(
      `the task ${address} has an audit window of ${counted(auditWindow, 'slot')}, and with fewer than ${MIN_AUDIT_WINDOW} nothing can be audited or answered: no node does it. The window cannot be changed, so choose another task (${commandLine(['task', 'list'], { k2 })}), and take out what is staked on this one (${commandLine(['unstake'], { k2, task: address, amount: 'all' })} with --key or --wallet, then withdraw)`
    )
  }
}
