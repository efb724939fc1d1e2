/** # clock: slots to cycles and stages. Pure; the slots themselves come from src/k2. */
export { cycleAt, liveCycles, type SlotRange, type Stage, type Timing, windowOf, within } from './timing.ts'
