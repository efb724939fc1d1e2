/** K2 as a model: the stakes of the task, one vote for each staker and cycle, and the quorum that finalizes. */
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { type Timing, windowOf, within } from '../../src/clock/index.ts'
import { hasQuorum } from '../../src/record/index.ts'
import type { StakeSet } from '../../src/rounds/index.ts'

export interface FinalizedCycle {
  cycle: number
  cid: string
  /** Time of the vote that made it final. */
  at: number
}

export interface SimChain {
  readonly stakes: StakeSet
  /** In ROE, the same for every cycle. */
  readonly bounty: bigint
  /** Takes a vote when the cycle's window is open and the staker has not voted. */
  vote(staker: string, cycle: number, cid: string, at: number): boolean
  votes(cycle: number): ReadonlyMap<string, string>
  finalized(cycle: number): FinalizedCycle | undefined
  /** The last finalized before `cycle`. */
  before(cycle: number): FinalizedCycle | null
  /** Hash of the first block at or after a slot, 32 bytes. Some slots have no block. */
  blockAfter(slot: number): Uint8Array
  /** As the task's account names it. */
  newest(): { cycle: number; root: Uint8Array; recordDigest: Uint8Array } | undefined
  /** What a staker has voted for. */
  votesOf(staker: string): Array<{ cycle: number; cid: string }>
  /** Cycles that were finalized twice: must stay empty. */
  readonly twice: number[]
}

export function createChain({
  seed,
  timing,
  stakes,
  bounty
}: {
  seed: number
  timing: Timing
  stakes: StakeSet
  bounty: bigint
}): SimChain {
  const votes = new Map<number, Map<string, string>>()
  const tallies = new Map<string, bigint>()
  const finalized = new Map<number, FinalizedCycle>()
  const twice: number[] = []
  return {
    stakes,
    bounty,
    twice,
    vote(staker, cycle, cid, at) {
      const cast = votes.get(cycle) ?? new Map<string, string>()
      const weight = stakes.weights.get(staker) ?? 0n
      if (!within(windowOf(timing, cycle, 'distribution'), Math.floor(at)) || cast.has(staker) || weight === 0n) {
        return false
      }
      votes.set(cycle, cast.set(staker, cid))
      const tally = (tallies.get(`${cycle}/${cid}`) ?? 0n) + weight
      tallies.set(`${cycle}/${cid}`, tally)
      if (hasQuorum(tally, stakes.total)) {
        const before = finalized.get(cycle)
        if (before == null) {
          finalized.set(cycle, { cycle, cid, at })
        } else if (before.cid !== cid) {
          twice.push(cycle)
        }
      }
      return true
    },
    votes: (cycle) => votes.get(cycle) ?? new Map(),
    finalized: (cycle) => finalized.get(cycle),
    before: (cycle) => [...finalized.values()].filter((f) => f.cycle < cycle).sort((a, b) => b.cycle - a.cycle)[0] ?? null,
    newest() {
      const last = [...finalized.values()].sort((a, b) => b.cycle - a.cycle)[0]
      return last == null
        ? undefined
        : { cycle: last.cycle, root: new Uint8Array(32), recordDigest: new Uint8Array(CID.parse(last.cid).multihash.digest) }
    },
    votesOf: (staker) => [...votes].flatMap(([cycle, cast]) => (cast.has(staker) ? [{ cycle, cid: cast.get(staker)! }] : [])),
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
