import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Slots } from '../k2/index.ts'
import type { Clock } from '../participant/index.ts'

/** K2's slots, and this machine's timers. */
export function nodeClock(slots: Pick<Slots, 'now' | 'slotMs' | 'on'>): Clock {
  return {
    now: slots.now,
    slotMs: slots.slotMs,
    on: slots.on,
    nowMs: () => performance.now(),
    sleep: (ms, signal) => setTimeout(ms, undefined, signal == null ? {} : { signal }).catch(() => {}),
    breathe: () => setImmediate()
  }
}
