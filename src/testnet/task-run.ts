/** One task of a run: its account on K2, every node's seat in it, and the cycles that it has come to. */
import type { Timing } from '../clock/index.ts'
import { stakeAddress } from '../k2/settlement/index.ts'
import type { RecordFacts } from './facts.ts'
import type { Member } from './member.ts'
import { newSeat, type Seat } from './seat.ts'
import type { ChosenTask } from './task.ts'

export interface TaskRun {
  /** Address of the task's account. */
  task: string
  /** What it is called: its name, with a number where others have the same. */
  label: string
  chosen: ChosenTask
  timing: Timing
  /** One for each node, in their order. */
  seats: readonly Seat[]
  /** The finalized cycles of the run, ascending, as they were checked. */
  records: RecordFacts[]
  /** A line about this task: it names it where there are others. */
  about(text: string): string
}

export interface TaskRunInit {
  task: string
  /** Null for the only one. */
  label: string | null
  chosen: ChosenTask
  timing: Timing
  members: readonly Member[]
}

export function createTaskRun({ task, label, chosen, timing, members }: TaskRunInit): TaskRun {
  return {
    task,
    label: label ?? chosen.manifest.name,
    chosen,
    timing,
    seats: members.map((member) => newSeat(member, stakeAddress({ task, staker: member.pair.address }))),
    records: [],
    about: (text) => (label == null ? text : `${label}: ${text}`)
  }
}

/** Names that nobody takes for each other: `k2-index`, and where there are two of them `k2-index 1` and `k2-index 2`. */
export function labelsOf(names: readonly string[]): string[] {
  const isOnly = (name: string) => names.filter((other) => other === name).length === 1
  const taken = new Set(names.filter(isOnly))
  return names.map((name) => {
    let label = name
    for (let number = 1; !isOnly(name) && (label === name || taken.has(label)); number++) {
      label = `${name} ${number}`
    }
    taken.add(label)
    return label
  })
}

/** Which task an event of a node is about; undefined for one about the node. Where there is one task alone, an event need not say so. */
export function runOf(runs: readonly TaskRun[], event: object): TaskRun | undefined {
  const { task } = event as { task?: unknown }
  return typeof task === 'string' ? runs.find((run) => run.task === task) : runs.length === 1 ? runs[0] : undefined
}

/** What a node is in each of the tasks. */
export function seatsOf(runs: readonly TaskRun[], member: Member): Seat[] {
  return runs.flatMap(({ seats }) => seats.filter((seat) => seat.member === member))
}
