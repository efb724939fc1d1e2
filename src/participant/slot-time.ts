/**
 * Work whose end is a slot, and what it had of its time: where K2 was away meanwhile, that is what it lacked, and the task was not
 * slow.
 */
import { counted } from '../observe/words.ts'
import type { Clock } from './ports.ts'

/** What has passed since something began. */
export interface Spent {
  ms: number
  slots: number
  /** Time in which K2 showed no slot, though several were due. */
  awayMs: number
  /** Whether the slot in which it ends has not come. */
  early: boolean
}

export interface SlotTimeInit {
  clock: Pick<Clock, 'now' | 'slotMs' | 'on' | 'nowMs'>
}

/** Without a slot for longer than this, K2 was away: so much later than the next one was due, and no shorter than a hiccup. */
const AWAY_SLOTS = 4
const SHORTEST_AWAY_MS = 1000

/**
 * Runs with a signal that is aborted as soon as the clock shows a slot: in a long window a length of slots that is measured a little
 * wrong is off by many.
 *
 * @param what what is over then, for the operator: `the audit window`
 */
export async function endsAt<T>(
  { clock }: SlotTimeInit,
  slot: number,
  what: string,
  run: (ends: AbortSignal, spent: () => Spent) => Promise<T>
): Promise<T> {
  const ends = new AbortController()
  const [beganMs, beganSlot] = [clock.nowMs(), clock.now() ?? 0]
  let [shownMs, shownSlot, awayMs] = [beganMs, beganSlot, 0]
  const silence = () => {
    const ms = clock.nowMs() - shownMs
    return ms > Math.max(SHORTEST_AWAY_MS, AWAY_SLOTS * clock.slotMs()) ? ms : 0
  }
  const leave = clock.on((now) => {
    awayMs += silence()
    shownMs = clock.nowMs()
    shownSlot = now
    if (now >= slot) {
      // by its name it is nobody's fault (src/proofs/errors.ts)
      ends.abort(new DOMException(`${what} closed with slot ${slot}`, 'AbortError'))
    }
  })
  const spent = (): Spent => {
    const now = Math.max(shownSlot, clock.now() ?? 0)
    return { ms: clock.nowMs() - beganMs, slots: now - beganSlot, awayMs: awayMs + silence(), early: now < slot }
  }
  try {
    return await run(ends.signal, spent)
  } finally {
    leave()
  }
}

/**
 * Why something whose time ran out is not done, as far as it was K2.
 *
 * @param reason what it says of itself
 * @param slotMs of a slot, when it began
 * @returns what to say, and whether it may be tried again while its window lasts; null where K2 was there all the time
 */
export function whyLate({ ms, slots, awayMs, early }: Spent, reason: string, slotMs: number): { reason: string; notYet: boolean } | null {
  if (awayMs * 2 >= ms && awayMs > 0) {
    return { reason: `K2 was away for ${seconds(awayMs)} of the ${seconds(ms)} that there were`, notYet: early }
  }
  if (awayMs > 0) {
    return { reason: `${reason}; K2 was away for ${seconds(awayMs)} of it`, notYet: early }
  }
  // its window is counted in slots: it has had no time
  return early && slots * slotMs * 2 < ms
    ? { reason: `K2 was slow: it showed ${counted(slots, 'slot')} in ${seconds(ms)}`, notYet: true }
    : null
}

const seconds = (ms: number) => `${Math.round(ms / 100) / 10} s`
