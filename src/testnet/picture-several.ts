/** The picture of a run of several tasks: a table for each where there is room for all of them, else one with a column for each. */

import { shownText } from '../observe/index.ts'
import { printable } from '../observe/output.ts'
import { cutAtWord } from '../observe/shown-text.ts'
import { counted } from '../observe/words.ts'
import { finalizedOf, fitted, joinLines, news, progressBar, setupLines, slotTimes, type TaskView, type ViewState } from './picture-parts.ts'
import { tableLines, tasksTable } from './table.ts'

/** So many lines are left to what happens, where each task has its table. */
const LEAST_NEWS = 4
/** Of the table with a column for each task: its borders, its head, what it leaves out, and what its cells say. */
const BORDERS_AND_NOTES = 8
const LEGEND = 'In each task: cycles handed in, voted on, and KOII; or how the node stands.'

/** As lines that fit, fewer than `rows`; what there is no room for is counted. */
export function pictureOfSeveral(state: ViewState, columns: number, rows: number): string {
  const room = rows - 1
  const isSetup = state.setup.length > 0
  const tasks = [state, ...(state.beside ?? [])]
  const last = state.isOver === true ? 'The run is over: the tables are as of its last slot.' : 'Ctrl+C stops everything.'
  const head = isSetup ? setupHead(state, columns, room) : runHead(state, columns)
  const tables = tablesOf(tasks, state.wanted, columns, room - head.length - 1)
  let left = room - head.length - tables.length - 1
  // what happens now is worth more than how to join
  const newest = Math.max(1, news(state.messages.slice(-1), columns, left).length)
  const take = (some: string[]) => {
    const fits = left >= some.length + newest
    left -= fits ? some.length : 0
    return fits ? some : []
  }
  const joining = take(state.isOver === true || isSetup ? [] : joinLines(state, columns))
  const gets = take(isSetup ? [] : tasks.flatMap((task) => fitted(`${labelOf(task)}: ${task.gets.join('; ')}`, columns)))
  return [...head, ...gets, ...tables, ...news(state.messages, columns, left), ...joining, last].slice(0, Math.max(0, room)).join('\n')
}

/** What is done takes one line where all of it would leave too little for the rest. */
function setupHead({ setup }: ViewState, columns: number, room: number): string[] {
  return ['koii-mesh testnet, setting up', ...setupLines(setup, columns, room / 2)]
}

/** A fixed number of lines, so that the rest does not jump. */
function runHead(state: ViewState, columns: number): string[] {
  const { url, slot, slotMs, cycle, at, roundSlots, phase, beside = [] } = state
  return [
    `koii-mesh testnet  ${counted(beside.length + 1, 'task')}`,
    `K2 ${url}  slot ${slot}${slotMs == null ? '' : `  ${slotTimes(slotMs)}`}`,
    `cycle ${Math.max(0, cycle)}  ${progressBar(state, columns)}  slot ${Math.max(0, at)} of ${roundSlots}  ${phase}`
  ].map((line) => cutAtWord(printable(line), columns))
}

const labelOf = ({ taskName }: TaskView) => shownText(taskName, 24)

function taskLine(task: TaskView, wanted: number | null, columns: number): string {
  return cutAtWord(printable(`${labelOf(task)}  ${finalizedOf(task, wanted)}  ${task.task}`), columns)
}

function tablesOf(tasks: readonly TaskView[], wanted: number | null, columns: number, room: number): string[] {
  const each = tasks.flatMap((task) => [taskLine(task, wanted, columns), ...tableLines(task.rows, columns, Number.POSITIVE_INFINITY)])
  if (each.length + LEAST_NEWS <= room) {
    return each
  }
  // the table is worth more than the addresses, where a row of it can be seen
  const nodes = tasks[0]!.rows.length
  const least = room > BORDERS_AND_NOTES + 2 ? Math.min(nodes, 3) + BORDERS_AND_NOTES : 1
  const shown = tasks.slice(0, tasks.length <= room - least ? tasks.length : Math.max(0, room - least - 1))
  const left = tasks.length - shown.length
  const lines = [
    ...shown.map((task) => taskLine(task, wanted, columns)),
    ...(left > 0 ? [`and ${counted(left, 'task')} more, for which there is no room here`] : [])
  ]
  const columnsOf = tasks.map((task) => ({ head: labelOf(task), rows: task.rows }))
  const table =
    least === 1
      ? [`and ${counted(nodes, 'node')}, for which there is no room here`]
      : [...tasksTable(columnsOf, columns, room - lines.length - 1), LEGEND]
  return [...lines, ...table].map((line) => shownText(line, columns))
}
