/** What the picture of a run is made of. */
import cliProgress from 'cli-progress'
import { commandLine } from '../command/index.ts'
import { shownText } from '../observe/index.ts'
import { printable } from '../observe/output.ts'
import { splitAt, wrapped } from '../observe/shown-text.ts'
import type { NodeRow } from './table.ts'

/** One thing that has to be there before the first round, and how far it is. */
export interface SetupStep {
  name: string
  done: boolean
  text: string
}

/** Before there is a mesh to look at. */
export interface SetupView {
  setup: SetupStep[]
}

/** One task of a run. */
export interface TaskView {
  task: string
  taskName: string
  /** What the task is given beside its code, in words. */
  gets: string[]
  finalized: number
  rows: NodeRow[]
}

/** A run, with the first of its tasks. */
export interface ViewState extends SetupView, TaskView {
  /** Its other tasks, with the same rounds. */
  beside?: TaskView[]
  url: string
  slot: number
  cycle: number
  /** Slots into the round, and its length. */
  at: number
  roundSlots: number
  phase: string
  /** Cycles of each task. */
  wanted: number | null
  /** What a slot was asked to take and what it takes, in ms, and whom slots waited for longest; null where they wait for nobody. */
  slotMs: { asked: number; median: number; longest: number; waitedFor: { name: string; ms: number } | null } | null
  messages: string[]
  /** The run has ended: this is what it left, and nobody can join it. */
  isOver?: boolean
}

/** Lines of news where there is room. */
const NEWS = 6

export function finalizedOf({ finalized }: TaskView, wanted: number | null): string {
  return wanted == null ? `${finalized} finalized` : `${finalized} of ${wanted} finalized`
}

/** Asked and real length of a slot, on one line. */
export function slotTimes({ asked, median, longest, waitedFor }: NonNullable<ViewState['slotMs']>): string {
  const whom = waitedFor == null ? '' : `; longest waited for: ${shownText(waitedFor.name)}, ${(waitedFor.ms / 1000).toFixed(1)} s in all`
  const [asks, takes, most] = [asked, median, longest].map(Math.round)
  return `slots take ${takes} ms (${asks} asked, the longest took ${most}${whom})`
}

/** @param room - lines; where they are fewer than it takes, what is done is named in one */
export function setupLines(setup: SetupStep[], columns: number, room = Number.POSITIVE_INFINITY): string[] {
  const width = Math.max(...setup.map(({ name }) => name.length))
  const linesOf = (some: SetupStep[]) =>
    some.flatMap(({ name, done, text }) => {
      const label = `  ${done ? '✔' : '…'} ${name.padEnd(width)}  `
      return fitted(`${label}${shownText(text, 400)}`, columns, label)
    })
  const all = linesOf(setup)
  const done = setup.filter((step) => step.done).map(({ name }) => name)
  return all.length <= room || done.length === 0
    ? all
    : [...fitted(`  ✔ ${done.join(', ')}`, columns, '  ✔ '), ...linesOf(setup.filter((step) => !step.done))]
}

/** Over as many lines as it takes: nothing of it is cut. */
export function fitted(line: string, columns: number, label?: string): string[] {
  return wrapped(printable(line), columns, label)
    .split('\n')
    .flatMap((part) => splitAt(part, columns))
}

/** What nodes tell holds what their peers wrote. The newest last, and whole where there is room for no other. */
export function news(messages: readonly string[], columns: number, room: number): string[] {
  const shown: string[] = []
  for (const message of messages.slice(-NEWS).reverse()) {
    const lines = fitted(shownText(message, 400), columns, '')
    if (shown.length > 0 && shown.length + lines.length > room) {
      break
    }
    shown.unshift(...lines)
  }
  return shown.slice(0, Math.max(0, room))
}

export function progressBar({ at, roundSlots }: ViewState, columns: number): string {
  return cliProgress.Format.BarFormat(roundSlots === 0 ? 0 : Math.max(0, Math.min(1, at / roundSlots)), {
    barsize: Math.max(10, Math.min(40, columns - 60)),
    barCompleteString: '█'.repeat(40),
    barIncompleteString: '░'.repeat(40),
    barGlue: ''
  } as never)
}

/** Whole wherever it is pasted: a terminal that breaks a long line breaks the command. */
export function joinLines({ url, task, taskName, beside = [] }: ViewState, columns: number): string[] {
  const settings = { k2: url, task, dataDir: 'bob', allowPrivate: true, stake: '10', acceptShortNotice: true, airdrop: true }
  const command = commandLine(['start'], settings, { columns, indent: '  ' })
  const what = beside.length === 0 ? 'it' : shownText(taskName, 24)
  return [`Join ${what} from another terminal:`, ...`  ${command}`.split('\n')]
}
