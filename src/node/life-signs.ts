import { setTimeout } from 'node:timers/promises'

export interface LifeSignsInit {
  /** The staked peers that we know, connected or not: who is gone gives no sign, and counts as silent. */
  staked: () => ReadonlyArray<{ peerId: string; staker: string }>
  /** What a staker has at stake now. */
  stakeOf: (staker: string) => bigint
  /** Resolves when the peer has answered, over a connection that is open already. */
  ping: (peerId: string, signal: AbortSignal) => Promise<unknown>
}

/** A sign of life that needs an answer: what only comes in says nothing of whether anything goes out. */
export interface LifeSigns {
  /**
   * Asks those of `first`, and then the other staked peers, those with the most at stake before the others: many small stakes, which cost
   * next to nothing, would otherwise fill the places of those whose silence means something.
   *
   * @param onAnswer - called once for each staker that answers
   * @param timeoutMs - how long an answer may take
   * @returns the stakers that are asked
   */
  ask(first: readonly string[], onAnswer: (staker: string) => void, timeoutMs: number): string[]
  /** Ends what is under way. */
  stop(): void
}

/** Some hold enough of the stake, or of the peers, to tell whether we are cut off. */
const MAX_ASKED = 64
/** A peer answers one ping at a time; what else pings it is soon over. */
const RETRY_MS = 100

export function createLifeSigns({ staked, stakeOf, ping }: LifeSignsInit): LifeSigns {
  const stopping = new AbortController()
  /** Whoever is being asked already is not asked twice. */
  const under = new Map<string, Promise<boolean>>()

  const answers = async (peerId: string, timeoutMs: number): Promise<boolean> => {
    // it takes whole numbers alone
    const signal = AbortSignal.any([AbortSignal.timeout(Math.ceil(timeoutMs)), stopping.signal])
    while (!signal.aborted) {
      try {
        await ping(peerId, signal)
        return true
      } catch {
        await setTimeout(RETRY_MS, undefined, { signal }).catch(() => {})
      }
    }
    return false
  }

  return {
    ask(first, onAnswer, timeoutMs) {
      const wanted = new Set(first)
      const connected = staked()
        .map((peer) => ({ ...peer, wanted: Number(wanted.has(peer.staker)), stake: stakeOf(peer.staker) }))
        .sort((a, b) => b.wanted - a.wanted || Number(b.stake > a.stake) - Number(a.stake > b.stake))
        .slice(0, MAX_ASKED)
      for (const { peerId, staker } of connected) {
        const asking = under.get(peerId) ?? answers(peerId, timeoutMs).finally(() => under.delete(peerId))
        under.set(peerId, asking)
        void asking.then((answered) => (answered ? onAnswer(staker) : undefined))
      }
      return [...new Set([...first, ...connected.map(({ staker }) => staker)])]
    },
    stop: () => stopping.abort()
  }
}
