/** # clock: slots to cycles, stages and deadlines. Pure; the slots themselves come from src/k2. */
export { type CycleSchedule, MIN_AUDIT_WINDOW, type SignedWindow, scheduleFor, signedWindowOf } from './schedule.ts'
export { cycleAt, firstLive, liveCycles, type SlotRange, type Stage, type Timing, windowOf, within } from './timing.ts'
