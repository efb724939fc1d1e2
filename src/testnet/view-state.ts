/** What the live view shows of a run, at one moment. */
import { cycleAt, type Timing, windowOf, within } from '../clock/index.ts'
import { type Chain, paceNow } from './chain.ts'
import type { Member } from './member.ts'
import type { SetupStep, ViewState } from './picture-parts.ts'
import type { TaskRun } from './task-run.ts'

export interface ViewStateInit {
  chain: Chain
  run: TaskRun
  /** How many cycles; null for any number. */
  wanted: number | null
  members: readonly Member[]
  messages: string[]
  /** What is not there yet; empty once there are rounds. */
  setup: SetupStep[]
  isOver: boolean
}

export function viewState({ chain, run, wanted, members, messages, setup, isOver }: ViewStateInit): ViewState {
  const { task, chosen, timing, seats, records } = run
  const { k2 } = chain
  const { startingSlot, roundSlots } = timing
  const slot = k2.slot()
  const cycle = cycleAt(timing, slot)
  return {
    setup,
    url: k2.url,
    task,
    taskName: chosen.manifest.name,
    gets: chosen.gets,
    slot,
    cycle,
    at: slot < startingSlot ? 0 : (slot - startingSlot) % roundSlots,
    roundSlots,
    phase: phaseAt(timing, slot),
    finalized: records.length,
    wanted,
    slotMs: paceNow(k2, members),
    rows: seats.map(({ row }) => row),
    messages,
    isOver
  }
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
