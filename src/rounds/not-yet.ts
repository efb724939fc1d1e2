/**
 * The third answer beside done and failed: what is needed is not here yet (the bundle, a record, its ledger, K2). It is asked for again,
 * when something has arrived or after some slots, while the window lasts.
 */
import type { CycleState, Retry } from './cycle.ts'

/** Slots between two tries, at most. */
const LONGEST_WAIT_SLOTS = 8

/** After one more try in vain. */
export function tryAgain(before: Retry | null | undefined, slot: number, reason: string): Retry {
  const tries = (before?.tries ?? 0) + 1
  return { tries, slot: slot + Math.min(2 ** (tries - 1), LONGEST_WAIT_SLOTS), reason }
}

/** Something has arrived: all that waits may be tried at once. */
export function arrived(state: CycleState, slot: number): void {
  const waiting = [
    state.workRetry,
    state.build?.state === 'waiting' ? state.build.retry : null,
    ...[...state.audits.values()].map(({ retry }) => retry),
    ...[...state.checks.values()].map((check) => (check.state === 'waiting' ? check.retry : null))
  ]
  for (const retry of waiting) {
    if (retry != null && Number.isFinite(retry.slot)) {
      retry.slot = Math.min(retry.slot, slot)
    }
  }
}

/** For the operator: why, and how often it was tried. */
export function triedInVain({ reason, tries }: Retry): string {
  return tries === 1 ? reason : `${reason} (tried ${tries} times)`
}
