/** How a final vote stands on K2, as most endpoints tell it. */
import { type Timing, windowOf } from '../clock/index.ts'
import type { K2Client } from './client.ts'
import { isBehind } from './faults.ts'
import { type Entry, hex } from './outbox-entry.ts'

export interface LookInit {
  k2: Pick<K2Client, 'lastVote' | 'statuses'>
  task: string
  timing: Timing
  /** Whose stake it is. */
  staker: () => string
  slot: () => number | undefined
  nowMs: () => number
}

/** 'unknown': too few endpoints say something, or they contradict each other. Sending is harmless, and waiting is not. */
export type View = { is: 'absent' } | { is: 'unknown' } | { is: 'seen' } | { is: 'over' } | { is: 'voted' } | { is: 'lost'; reason: string }

/** K2's slot time: in a test with shorter slots nobody gives up sooner. */
const UNHURRIED_SLOT_MS = 400

/** What is called final here is finalized on K2. */
export function createLook({ k2, task, timing, staker, slot: slotNow, nowMs }: LookInit): (entry: Entry) => Promise<View> {
  const finalized = () => k2.lastVote({ task, staker: staker(), commitment: 'finalized' })

  /**
   * What is confirmed. Once the window is over by our clock, what is asked for is how it ended; where most endpoints have not got so
   * far, the clock is wrong.
   */
  const confirmed = async (closes: number, slot: number) => {
    const wanted = { task, staker: staker(), commitment: 'confirmed' } as const
    const now = await k2.lastVote(wanted)
    if (slot <= closes || now.slot >= closes) {
      return now
    }
    try {
      const end = await k2.lastVote({ ...wanted, minSlot: closes })
      return end.sure ? end : now
    } catch (err) {
      if (isBehind(err)) {
        return now
      }
      throw err
    }
  }

  return async (entry) => {
    const { vote, attempts } = entry
    const isOurs = (value: { cycle: number; recordDigest: Uint8Array } | undefined) =>
      value?.cycle === vote.cycle && hex(value.recordDigest) === hex(vote.recordDigest)
    if (entry.told?.final === true) {
      // most endpoints told so: one question is enough where the answer is the same
      const { value, sure } = await finalized()
      if (sure && isOurs(value)) {
        return { is: 'voted' }
      }
    }
    const closes = windowOf(timing, vote.cycle, 'distribution').to
    const near = await confirmed(closes, slotNow() ?? 0)
    const there = near.value != null && near.value.cycle >= vote.cycle
    const over = near.slot >= closes
    entry.overSinceMs = over ? (entry.overSinceMs ?? nowMs()) : undefined
    // what one of three says is not enough, as long as there is time for the others to come back; by our own clock, not by its
    const waited = entry.overSinceMs != null && nowMs() - entry.overSinceMs > timing.roundSlots * UNHURRIED_SLOT_MS
    if (!near.sure && !waited) {
      return { is: 'unknown' }
    }
    if (!there && !over) {
      return { is: 'absent' }
    }
    const far = await finalized()
    const sure = far.sure || waited
    if (far.value == null || far.value.cycle < vote.cycle) {
      return over && far.slot >= closes && sure
        ? { is: 'lost', reason: 'its window closed before K2 had taken it' }
        : { is: over ? 'over' : 'seen' }
    }
    if (!sure) {
      return { is: over ? 'over' : 'seen' }
    }
    if (far.value.cycle === vote.cycle) {
      return isOurs(far.value)
        ? { is: 'voted' }
        : {
            is: 'lost',
            reason: `K2 has a vote of this key for another record, ${hex(far.value.recordDigest)}: look for a second node with it`
          }
    }
    // votes rise from cycle to cycle, so the later one has covered ours; its transaction tells whether it landed
    const statuses = await k2.statuses(attempts.map(({ signature }) => signature))
    return statuses.some((status) => status?.failed === false)
      ? { is: 'voted' }
      : { is: 'lost', reason: 'K2 has a later vote of this key and no trace of this one' }
  }
}
