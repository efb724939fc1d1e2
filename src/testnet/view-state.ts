/** What the live view shows of a run, at one moment. */
import { cycleAt, type Timing, windowOf, within } from '../clock/index.ts'
import { type Chain, paceNow } from './chain.ts'
import type { Member } from './member.ts'
import type { SetupStep, TaskView, ViewState } from './picture-parts.ts'
import type { TaskRun } from './task-run.ts'

export interface ViewStateInit {
  chain: Chain
  /** At least one, and all with the same rounds. */
  runs: readonly TaskRun[]
  /** How many cycles; null for any number. */
  wanted: number | null
  members: readonly Member[]
  messages: string[]
  /** What is not there yet; empty once there are rounds. */
  setup: SetupStep[]
  isOver: boolean
}

export function viewState({ chain, runs, wanted, members, messages, setup, isOver }: ViewStateInit): ViewState {
  const [first, ...beside] = runs.map(taskView)
  const { timing } = runs[0]!
  const { k2 } = chain
  const { startingSlot, roundSlots } = timing
  const slot = k2.slot()
  const cycle = cycleAt(timing, slot)
  return {
    ...first!,
    ...(beside.length === 0 ? {} : { beside }),
    setup,
    url: k2.url,
    slot,
    cycle,
    at: slot < startingSlot ? 0 : (slot - startingSlot) % roundSlots,
    roundSlots,
    phase: phaseAt(timing, slot),
    wanted,
    slotMs: paceNow(k2, members),
    messages,
    isOver
  }
}

function taskView({ task, label, chosen, records, seats }: TaskRun): TaskView {
  return { task, taskName: label, gets: chosen.gets, finalized: records.length, rows: seats.map(({ row }) => row) }
}

/** What the cycle that submits and audits in this slot does; the others work and distribute beside it. */
function phaseAt(timing: Timing, slot: number): string {
  const cycle = cycleAt(timing, slot) - 1
  if (slot < timing.startingSlot) {
    return 'starting'
  }
  if (cycle < 0) {
    return 'work'
  }
  return within(windowOf(timing, cycle, 'submission'), slot)
    ? 'submissions'
    : within(windowOf(timing, cycle, 'audit'), slot)
      ? 'audits'
      : 'distribution'
}
