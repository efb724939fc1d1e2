import { cycleAt, type Timing } from '../clock/index.ts'
import type { SignerLog } from '../identity/index.ts'
import { decodeVote } from '../k2/outbox-entry.ts'
import type { StakeAccount } from '../k2/settlement/index.ts'
import { speakerOf, weightOrZero } from '../k2/settlement/weights.ts'
import type { Chain } from './ports.ts'

export interface OwnVotesInit {
  self: string
  task: string
  timing: Timing
  log: SignerLog
  chain: Pick<Chain, 'lastVote'>
  accounts: () => readonly StakeAccount[]
}

/** What K2 tells of our key. */
export interface OwnVotes {
  /** The last vote that this very key gave, as most endpoints tell it; undefined when there is none, or they do not agree. */
  last(): Promise<{ cycle: number; isOurs: boolean } | undefined>
  /** Whether the key speaks for stake in a cycle that is open at `slot`. */
  counts(slot: number): boolean
}

export function createOwnVotes({ self, task, timing, log, chain, accounts }: OwnVotesInit): OwnVotes {
  const isOurs = (cycle: number, recordDigest: Uint8Array) => {
    if (log.get(task, cycle, 'vote') == null) {
      return false
    }
    const kept = log.list(task, cycle).find((entry) => entry.cycle === cycle && entry.key === 'vote')
    // an old one, of which only the hash is left
    return kept == null || Buffer.from(decodeVote(kept.bytes).recordDigest).equals(recordDigest)
  }
  return {
    async last() {
      const stake = accounts().find(({ stakingKey }) => stakingKey === self)
      if (stake == null) {
        return undefined
      }
      const { value, sure } = await chain.lastVote({ task, staker: stake.staker, commitment: 'confirmed' })
      return sure && value != null && speakerOf(stake, value.cycle) === self
        ? { cycle: value.cycle, isOurs: isOurs(value.cycle, value.recordDigest) }
        : undefined
    },
    counts(slot) {
      const now = cycleAt(timing, slot)
      const open = [now - 2, now - 1, now].filter((cycle) => cycle >= 0)
      return accounts().some((stake) => open.some((cycle) => speakerOf(stake, cycle) === self && weightOrZero(stake, cycle) > 0n))
    }
  }
}
