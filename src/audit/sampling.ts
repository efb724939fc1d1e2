import { AUDITS_PER_CYCLE } from '../wire/index.ts'

/**
 * Chooses which submissions to audit: `count` distinct ones of others, all of them when there are fewer, each as likely
 * as the other (the first steps of a Fisher-Yates shuffle). Spec: protocols/audit/README.md "Sampling".
 *
 * @param candidates - message ids, in an order that does not depend on their arrival
 * @param self - the id of our own submission, which we do not audit
 * @param random - numbers in [0, 1), private and unpredictable: who could foresee its auditors could serve only them
 */
export function sampleSubmissions({
  candidates,
  self = null,
  count = AUDITS_PER_CYCLE,
  random
}: {
  candidates: readonly string[]
  self?: string | null
  count?: number
  random: () => number
}): string[] {
  const pool = [...new Set(candidates)].filter((id) => id !== self)
  const chosen = Math.min(count, pool.length)
  for (let i = 0; i < chosen; i++) {
    const j = i + Math.floor(random() * (pool.length - i))
    const other = pool[j]!
    pool[j] = pool[i]!
    pool[i] = other
  }
  return pool.slice(0, chosen)
}
