import { shownText } from '../observe/index.ts'
import { printable } from '../observe/output.ts'
import { cutAtWord } from '../observe/shown-text.ts'
import {
  finalizedOf,
  fitted,
  joinLines,
  news,
  progressBar,
  type SetupView,
  setupLines,
  slotTimes,
  type ViewState
} from './picture-parts.ts'
import { pictureOfSeveral } from './picture-several.ts'
import { tableLines } from './table.ts'

/**
 * What there is to see, as lines that fit: the head always, then as much of the table, the news and the rest as there is room for.
 *
 * @param columns - of the terminal
 * @param rows - of the terminal
 */
export function picture(state: ViewState | SetupView, columns: number, rows = Number.POSITIVE_INFINITY): string {
  // the cursor stands in the line below
  const room = rows - 1
  const stop = 'Ctrl+C stops everything.'
  const fitting = (some: string[]) => some.flatMap((line) => fitted(line, columns))
  if (!('rows' in state)) {
    return ['koii-mesh testnet, setting up', ...setupLines(state.setup, columns, room - 2), stop].slice(0, room).join('\n')
  }
  if ((state.beside ?? []).length > 0) {
    return pictureOfSeveral(state, columns, rows)
  }
  if (state.setup.length > 0) {
    const head = ['koii-mesh testnet, setting up', ...setupLines(state.setup, columns)]
    const table = tableLines(state.rows, columns, room - head.length - 1)
    const left = room - head.length - table.length - 1
    return [...head, ...table, ...news(state.messages, columns, left), stop].slice(0, room).join('\n')
  }
  // a fixed number of lines, so that the rest does not jump
  const head = [
    `koii-mesh testnet  task ${shownText(state.taskName, 32)} ${state.task}`,
    `K2 ${state.url}  slot ${state.slot}${state.slotMs == null ? '' : `  ${slotTimes(state.slotMs)}`}`,
    `cycle ${Math.max(0, state.cycle)}  ${progressBar(state, columns)}  slot ${Math.max(0, state.at)} of ${state.roundSlots}  ${state.phase}  ${finalizedOf(state, state.wanted)}`
  ].map((line) => cutAtWord(printable(line), columns))
  const join = state.isOver === true ? [] : joinLines(state, columns)
  const last = state.isOver === true ? 'The run is over: the table is as of its last slot.' : stop
  const table = tableLines(state.rows, columns, room - head.length - 2)
  let left = room - head.length - table.length - 1
  // what happens now is worth more than how to join
  const newest = news(state.messages.slice(-1), columns, left).length
  const joining = left >= join.length + Math.max(1, newest) ? join : []
  left -= joining.length
  const all = fitting(state.gets)
  const gets = left >= all.length + Math.max(1, newest) ? all : []
  left -= gets.length
  return [...head, ...gets, ...table, ...news(state.messages, columns, left), ...joining, last].slice(0, room).join('\n')
}
