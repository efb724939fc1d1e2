/**
 * What is decided about endpoints, pure: which is asked next, who is behind, what the majority says, how long to wait.
 * Slots are K2's; times are milliseconds of one monotonic clock.
 */

/** What is known of an endpoint when one is to be chosen. */
export interface EndpointFacts {
  name: string
  /** It belongs to another network. */
  dropped: boolean
  /** The newest slot that it told, and when. */
  slot: number | undefined
  heardMs: number
  /** Not to be asked before this. */
  pausedUntilMs: number
  /** It contradicted the others: asked last until this. */
  suspectUntilMs: number
  /** Requests that wait or are under way. */
  load: number
  latencyMs: number
}

/** Behind the best by more than this is unhealthy: Solana's own nodes call themselves so later, at 128. */
export const LAG_SLOTS = 16

/**
 * The slot that the chain has reached as far as these endpoints tell: of three or more, what two of them claim, so that one which
 * runs ahead moves nobody.
 */
export function reachedSlot(facts: readonly EndpointFacts[]): number | undefined {
  const counted = facts.filter(({ dropped }) => !dropped)
  const told = counted.flatMap(({ slot }) => slot ?? []).sort((a, b) => b - a)
  return counted.length >= 3 && told.length >= 2 ? told[1] : told[0]
}

/** How many slots an endpoint is behind what the chain has reached; what it told a while ago is counted on from there. */
export function lagOf(facts: EndpointFacts, all: readonly EndpointFacts[], nowMs: number, slotMs: number): number {
  const counted = all.map((one) => ({
    ...one,
    slot: one.slot == null ? undefined : one.slot + Math.max(0, Math.floor((nowMs - one.heardMs) / slotMs))
  }))
  const reached = reachedSlot(counted)
  const own = counted.find(({ name }) => name === facts.name)?.slot
  return reached == null || own == null ? 0 : Math.max(0, reached - own)
}

/** The endpoints to ask, the healthiest first; those of another network are not among them. */
export function askingOrder(all: readonly EndpointFacts[], nowMs: number, slotMs: number, lagSlots = LAG_SLOTS): string[] {
  const rank = (facts: EndpointFacts): number[] => [
    facts.suspectUntilMs > nowMs ? 1 : 0,
    facts.pausedUntilMs > nowMs ? 1 : 0,
    lagOf(facts, all, nowMs, slotMs) > lagSlots ? 1 : 0,
    // of the healthy ones the least busy; a fifth of a second more or less is noise
    facts.load,
    Math.floor(facts.latencyMs / 200)
  ]
  return all
    .filter(({ dropped }) => !dropped)
    .map((facts) => ({ name: facts.name, rank: rank(facts) }))
    .sort((a, b) => {
      const at = a.rank.findIndex((value, i) => value !== b.rank[i])
      return at < 0 ? 0 : a.rank[at]! - b.rank[at]!
    })
    .map(({ name }) => name)
}

/** How long an endpoint that fails is left alone. */
export interface Pauses {
  /** The first one; doubled with each failure in a row. */
  firstPauseMs: number
  longestPauseMs: number
}

export const PAUSES: Pauses = { firstPauseMs: 200, longestPauseMs: 10_000 }
/** An endpoint that asks for more is left alone for this long and then tried. */
const LONGEST_RETRY_AFTER_MS = 120_000

/**
 * How long an endpoint is left alone after its `failures`-th failure in a row.
 *
 * @param retryAfterMs - what it asked for itself: never less than that
 * @param random - 0 to 1: the pauses of many nodes must not end together
 */
export function pauseMs(failures: number, retryAfterMs: number | undefined, random: number, pauses = PAUSES): number {
  const full = Math.min(pauses.firstPauseMs * 2 ** Math.min(failures - 1, 20), pauses.longestPauseMs)
  const own = full * (0.5 + random / 2)
  return retryAfterMs == null ? own : Math.max(own, Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS))
}

/** The Retry-After header of HTTP, seconds or a date, in milliseconds from `nowMs` (of the wall clock). */
export function retryAfterMs(header: string | null, nowMs: number): number | undefined {
  if (header == null) {
    return undefined
  }
  const value = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs
  return Number.isFinite(value) ? Math.max(0, value) : undefined
}

/** What one endpoint answered: two answers are the same when their digests are. */
export interface Answer {
  name: string
  slot: number
  digest: string
  /** It contradicted the others lately: counts only where nobody else answers. */
  suspect: boolean
}

/** What comes of several answers to one question. */
export interface Majority {
  /** What more than half say; undefined while nobody has that many. */
  digest: string | undefined
  /** Who said it. */
  witnesses: string[]
  /** Who said something else. */
  odd: string[]
}

/**
 * The majority of `of` endpoints, not all of which may have answered yet.
 *
 * @param of - how many were asked, or, when all have answered or failed, how many answered
 */
export function majority(answers: readonly Answer[], of: number): Majority {
  const trusted = answers.filter(({ suspect }) => !suspect)
  const counted = trusted.length > 0 ? trusted : answers
  const excluded = answers.length - counted.length
  const byDigest = Map.groupBy(counted, ({ digest }) => digest)
  for (const [digest, group] of byDigest) {
    if (group.length * 2 > of - excluded) {
      return {
        digest,
        witnesses: answers.filter((answer) => answer.digest === digest).map(({ name }) => name),
        odd: answers.filter((answer) => answer.digest !== digest).map(({ name }) => name)
      }
    }
  }
  return { digest: undefined, witnesses: [], odd: [] }
}
