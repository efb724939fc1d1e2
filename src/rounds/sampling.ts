/**
 * Chooses `count` distinct candidates, all of them when there are fewer, each as likely as the other
 * (the first steps of a Fisher-Yates shuffle). `random` gives numbers in [0, 1).
 */
export function sampleSubmissions({
  candidates,
  count,
  random
}: {
  candidates: readonly string[]
  count: number
  random: () => number
}): string[] {
  const pool = [...candidates]
  const chosen = Math.min(count, pool.length)
  for (let i = 0; i < chosen; i++) {
    const j = i + Math.floor(random() * (pool.length - i))
    const swap = pool[i]!
    pool[i] = pool[j]!
    pool[j] = swap
  }
  return pool.slice(0, chosen)
}
