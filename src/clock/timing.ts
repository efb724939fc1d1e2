/**
 * Slots to cycles and stages, all pure. Source: DESIGN "Time"; the windows are Koii's (KOII.md A3).
 *
 * Slot boundaries are half open: a window [from, to) holds `from` and not `to`.
 */

/** The timing parameters of a task, in slots, as its account on K2 has them. */
export interface Timing {
  startingSlot: number
  roundSlots: number
  submissionWindow: number
  auditWindow: number
}

export interface SlotRange {
  /** First slot of the range. */
  from: number
  /** First slot after the range. */
  to: number
}

export type Stage = 'work' | 'submission' | 'audit' | 'distribution'

/** The round that `slot` lies in; negative before the task starts. */
export function cycleAt(timing: Pick<Timing, 'startingSlot' | 'roundSlots'>, slot: number): number {
  return Math.floor((slot - timing.startingSlot) / timing.roundSlots)
}

/** When cycle `cycle` is in `stage`. */
export function windowOf(timing: Timing, cycle: number, stage: Stage): SlotRange {
  const start = timing.startingSlot + cycle * timing.roundSlots
  switch (stage) {
    case 'work':
      return { from: start, to: start + timing.roundSlots }
    case 'submission':
      return { from: start + timing.roundSlots, to: start + timing.roundSlots + timing.submissionWindow }
    case 'audit': {
      const from = start + timing.roundSlots + timing.submissionWindow
      return { from, to: from + timing.auditWindow }
    }
    case 'distribution':
      return { from: start + 2 * timing.roundSlots, to: start + 3 * timing.roundSlots }
  }
}

export function within(range: SlotRange, slot: number): boolean {
  return slot >= range.from && slot < range.to
}

/** The first cycle whose messages are live at `slot`; undefined while that is not known. */
export function firstLive(timing: Timing, slot: number | undefined): number | undefined {
  return slot == null ? undefined : Math.max(0, liveCycles(timing, slot)[0] ?? 0)
}

/** The cycles whose messages are live at `slot`: the one that submits and audits, and the one that distributes. */
export function liveCycles(timing: Timing, slot: number): number[] {
  const cycle = cycleAt(timing, slot)
  return [cycle - 2, cycle - 1].filter((live) => live >= 0)
}
