import { cycleAt, type Timing } from '../clock/index.ts'
import type { SignerLog } from '../identity/index.ts'
import { decodeVote, type K2Client } from '../k2/index.ts'
import { type StakeAccount, speakerOf, weightOrZero } from '../k2/settlement/index.ts'

export interface OwnVotesInit {
  self: string
  task: string
  timing: Timing
  log: SignerLog
  k2: Pick<K2Client, 'lastVote'>
  accounts: () => readonly StakeAccount[]
}

/** What K2 tells of our key. */
export interface OwnVotes {
  /** The last vote that this very key gave, as most endpoints tell it; undefined when there is none, or they do not agree. */
  last(): Promise<{ cycle: number; isOurs: boolean } | undefined>
  /** Whether the key speaks for stake in a cycle that is open at `slot`. */
  counts(slot: number): boolean
}

export function createOwnVotes({ self, task, timing, log, k2, accounts }: OwnVotesInit): OwnVotes {
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
      const { value, sure } = await k2.lastVote({ task, staker: stake.staker, commitment: 'confirmed' })
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
