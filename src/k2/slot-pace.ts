/** How long the slots of K2 take, measured as the clock turns. */
import { type Clock, LEAP_SLOTS, SHORTEST_SLOT_MS } from './slot-clock.ts'

/** K2's own slot time (KOII.md A3), until we have measured. */
export const DEFAULT_SLOT_MS = 400
const LONGEST_SLOT_MS = 2000

export interface SlotPace {
  slotMs(): number
  /** The clock has come to another slot, at `atMs`. */
  turned(former: Clock | undefined, clock: Clock, atMs: number): void
}

export function createSlotPace(): SlotPace {
  let slotMs = DEFAULT_SLOT_MS
  let anchor: { slot: number; ms: number } | undefined
  return {
    slotMs: () => slotMs,
    turned(former, { slot, measured, jumpedAtMs }, atMs) {
      // a window of some slots smooths jitter; a jump (a warped local K2, a stall of ours) starts a new one, and so does what
      // only one endpoint says: its pace must not become ours
      if (jumpedAtMs != null) {
        slotMs = inBounds(jumpedAtMs)
      }
      const leapt = former != null && slot - former.slot > LEAP_SLOTS
      if (anchor == null || !measured || leapt || slot - anchor.slot > 64) {
        anchor = { slot, ms: atMs }
      } else if (slot - anchor.slot >= 8) {
        slotMs = inBounds((atMs - anchor.ms) / (slot - anchor.slot))
        anchor = { slot, ms: atMs }
      }
    }
  }
}

function inBounds(ms: number): number {
  return Math.min(LONGEST_SLOT_MS, Math.max(SHORTEST_SLOT_MS, ms))
}
