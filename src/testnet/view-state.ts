/** What the live view shows of a run, at one moment. */
import { cycleAt, type Timing, windowOf, within } from '../clock/index.ts'
import { type Chain, paceNow } from './chain.ts'
import type { RecordFacts } from './facts.ts'
import type { Member } from './member.ts'
import type { ChosenTask } from './task.ts'
import type { SetupStep, ViewState } from './view.ts'

export interface ViewStateInit {
  chain: Chain
  /** Address of the task's account. */
  task: string
  chosen: ChosenTask
  timing: Timing
  /** How many cycles; null for any number. */
  wanted: number | null
  members: readonly Member[]
  records: readonly RecordFacts[]
  messages: string[]
  /** What is not there yet; empty once there are rounds. */
  setup: SetupStep[]
  isOver: boolean
}

export function viewState({ chain, task, chosen, timing, wanted, members, records, messages, setup, isOver }: ViewStateInit): ViewState {
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
    rows: members.map(({ row }) => row),
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
