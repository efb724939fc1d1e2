import type { CycleState } from './cycle.ts'
import { triedInVain } from './not-yet.ts'

/** Why a cycle ended without a record, as far as this node knows; null when K2 has shown one, or this node had no part in agreeing on it. */
export function whySkipped({ finalized, asked, stakes, base, build, votedFor, quorums }: CycleState): string | null {
  if (finalized || !asked.base) {
    return null
  }
  if (stakes == null || base == null) {
    return 'K2 did not tell what its record would build on'
  }
  if (votedFor != null) {
    return 'a record was agreed on, and K2 had not counted votes of more than two thirds of the stake for it when its window closed'
  }
  const trouble = build?.state === 'failed' ? build.reason : build?.state === 'waiting' ? triedInVain(build.retry) : null
  const ours = trouble == null ? '' : `; this node could not make one: ${trouble}`
  const weight = quorums.most()
  if (weight === 0n) {
    return `nobody whom this node heard approved a record${ours}`
  }
  const percent = Number((100n * weight) / stakes.total)
  return quorums.best() == null
    ? `no record was approved by more than two thirds of the stake, the most was ${percent} %${ours}`
    : `a record that ${percent} % of the stake approved could not be checked here${ours}`
}
