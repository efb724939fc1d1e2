/** K2 as a model: the stakes of the task, one vote for each staker and cycle, and the quorum that finalizes. */
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { type Timing, windowOf, within } from '../../src/clock/index.ts'
import { weightOrZero } from '../../src/k2/settlement/index.ts'
import { hasQuorum } from '../../src/record/index.ts'
import type { StakeSet } from '../../src/rounds/index.ts'
import { createStakes, type SimStakes } from './stakes.ts'

export interface FinalizedCycle {
  cycle: number
  cid: string
  /** Time of the vote that made it final. */
  at: number
}

/** As the task's account names it. */
export interface NewestResult {
  cycle: number
  root: Uint8Array
  recordDigest: Uint8Array
}

interface Vote {
  cid: string
  at: number
  weight: bigint
}

export interface SimChain {
  /** What counts in a cycle. Where stakes change, that of one that has not begun is what would count now. */
  stakesOf(cycle: number): StakeSet
  readonly stakes: SimStakes
  /** In ROE, the same for every cycle. */
  readonly bounty: bigint
  /** Takes a vote when the cycle's window is open, the key signs for a stake, and no vote was given for that. */
  vote(key: string, cycle: number, cid: string, at: number): boolean
  /** By staker. */
  votes(cycle: number): ReadonlyMap<string, string>
  finalized(cycle: number): FinalizedCycle | undefined
  /** The last finalized before `cycle`. */
  before(cycle: number): FinalizedCycle | null
  /** Hash of the first block at or after a slot, 32 bytes. Some slots have no block. */
  blockAfter(slot: number): Uint8Array
  /** @param at - as it was at the end of that slot; now when left out */
  newest(at?: number): NewestResult | undefined
  /** What a staker has voted for. @param at - as it was at the end of that slot */
  votesOf(staker: string, at?: number): Array<{ cycle: number; cid: string }>
  /** What a key's stake has voted for in a cycle. */
  voteBy(key: string, cycle: number): { cid: string; at: number } | undefined
  /** Another branch takes the place of the last blocks: votes that came at or after `from` were never given. @returns how many */
  fork(from: number): number
  /** Cycles that were finalized twice: must stay empty. */
  readonly twice: number[]
}

export const resultOf = ({ cycle, cid }: { cycle: number; cid: string }): NewestResult => ({
  cycle,
  root: new Uint8Array(32),
  recordDigest: new Uint8Array(CID.parse(cid).multihash.digest)
})

const newestOf = (list: Iterable<FinalizedCycle>) =>
  [...list].reduce<FinalizedCycle | undefined>((newest, one) => (newest == null || one.cycle > newest.cycle ? one : newest), undefined)

export function createChain({
  seed,
  timing,
  first,
  changes,
  bounty,
  now
}: {
  seed: number
  timing: Timing
  /** By staker, in ROE: what is there from the beginning. */
  first: ReadonlyMap<string, bigint>
  /** Whether stakes come and go. */
  changes: boolean
  bounty: bigint
  now: () => number
}): SimChain {
  const votes = new Map<number, Map<string, Vote>>()
  const tallies = new Map<string, bigint>()
  const finalized = new Map<number, FinalizedCycle>()
  const twice: number[] = []
  const stakes = createStakes(timing, first)
  const constant = { weights: first, total: [...first.values()].reduce((sum, stake) => sum + stake, 0n) }
  const stakesOf = (cycle: number) => (changes ? stakes.setOf(cycle, now()) : constant)

  /** The account that a key votes with, and what that weighs in a cycle. */
  const voterOf = (key: string, cycle: number): { staker: string; weight: bigint } | undefined => {
    if (!changes) {
      return { staker: key, weight: first.get(key) ?? 0n }
    }
    const account = stakes.accountOf(key)
    return account == null ? undefined : { staker: account.staker, weight: weightOrZero(account, cycle) }
  }

  const count = (cycle: number, { cid, at, weight }: Vote) => {
    const tally = (tallies.get(`${cycle}/${cid}`) ?? 0n) + weight
    tallies.set(`${cycle}/${cid}`, tally)
    if (hasQuorum(tally, stakesOf(cycle).total)) {
      const before = finalized.get(cycle)
      if (before == null) {
        finalized.set(cycle, { cycle, cid, at })
      } else if (before.cid !== cid) {
        twice.push(cycle)
      }
    }
  }

  return {
    stakesOf,
    stakes,
    bounty,
    twice,
    vote(key, cycle, cid, at) {
      const cast = votes.get(cycle) ?? new Map<string, Vote>()
      const voter = voterOf(key, cycle)
      if (
        voter == null ||
        !within(windowOf(timing, cycle, 'distribution'), Math.floor(at)) ||
        cast.has(voter.staker) ||
        voter.weight === 0n
      ) {
        return false
      }
      const vote = { cid, at, weight: voter.weight }
      votes.set(cycle, cast.set(voter.staker, vote))
      count(cycle, vote)
      return true
    },
    votes: (cycle) => new Map([...(votes.get(cycle) ?? [])].map(([staker, { cid }]) => [staker, cid])),
    finalized: (cycle) => finalized.get(cycle),
    before: (cycle) => newestOf([...finalized.values()].filter((one) => one.cycle < cycle)) ?? null,
    newest(slot = Number.POSITIVE_INFINITY) {
      const last = newestOf([...finalized.values()].filter(({ at }) => Math.floor(at) <= slot))
      return last == null ? undefined : resultOf(last)
    },
    votesOf: (staker, slot = Number.POSITIVE_INFINITY) =>
      [...votes].flatMap(([cycle, cast]) => {
        const vote = cast.get(staker)
        return vote != null && Math.floor(vote.at) <= slot ? [{ cycle, cid: vote.cid }] : []
      }),
    voteBy(key, cycle) {
      const voter = voterOf(key, cycle)
      return voter == null ? undefined : votes.get(cycle)?.get(voter.staker)
    },
    fork(from) {
      let gone = 0
      for (const [cycle, cast] of votes) {
        const kept = [...cast].filter(([, { at }]) => at < from)
        if (kept.length === cast.size) {
          continue
        }
        gone += cast.size - kept.length
        votes.set(cycle, new Map(kept))
        finalized.delete(cycle)
        for (const { cid } of cast.values()) {
          tallies.delete(`${cycle}/${cid}`)
        }
        for (const [, vote] of kept) {
          count(cycle, vote)
        }
      }
      return gone
    },
    blockAfter(slot) {
      for (let at = slot; ; at++) {
        const block = createHash('sha256').update(`block ${seed}/${at}`).digest()
        if (block[0]! >= 16) {
          return block
        }
      }
    }
  }
}
