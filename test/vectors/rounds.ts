import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import {
  type CycleSchedule,
  cycleAt,
  liveCycles,
  type SlotRange,
  type Stage,
  scheduleFor,
  type Timing,
  windowOf,
  within
} from '../../src/clock/index.ts'

const STAGES: readonly Stage[] = ['work', 'submission', 'audit', 'distribution']

export type RoundsVector = { description: string; timing: Timing } & (
  | {
      kind: 'slots'
      /** What each slot is: the round that it lies in, the cycles whose messages are live, and who is in which stage. */
      slots: Array<{ slot: number; round: number; live: number[]; stages: Partial<Record<Stage, number>> }>
    }
  | { kind: 'schedule'; cycle: number; schedule: Record<keyof CycleSchedule, number | SlotRange> }
)

/** The cycle that is in `stage` at `slot`, if any is. */
export function cycleIn(timing: Timing, slot: number, stage: Stage): number | undefined {
  const round = cycleAt(timing, slot)
  return [round, round - 1, round - 2].find((cycle) => cycle >= 0 && within(windowOf(timing, cycle, stage), slot))
}

export function slotFacts(timing: Timing, slot: number) {
  const stages: Partial<Record<Stage, number>> = {}
  for (const stage of STAGES) {
    const cycle = cycleIn(timing, slot, stage)
    if (cycle !== undefined) {
      stages[stage] = cycle
    }
  }
  return { slot, round: cycleAt(timing, slot), live: liveCycles(timing, slot), stages }
}

export function walk(file: string): void {
  const vector = JSON.parse(readFileSync(file, 'utf8')) as RoundsVector
  switch (vector.kind) {
    case 'slots':
      expect(vector.slots.length).to.be.greaterThan(0)
      expect(vector.slots.map(({ slot }) => slotFacts(vector.timing, slot))).to.deep.equal(vector.slots)
      return
    case 'schedule':
      expect(scheduleFor(vector.timing, vector.cycle)).to.deep.equal(vector.schedule)
      return
    default:
      throw new Error(`${file}: a vector of unknown kind`)
  }
}
