/** Tables that fit the terminal: what must not be cut is kept whole, and what cannot be one is a record of one line a field. */
import Table from 'cli-table3'
import { printable, type Shown } from '../observe/output.ts'
import { shownText, splitAt, widthOf, wrapped } from '../observe/shown-text.ts'

const MAX_CELL = 400
/** Of a word in a column of prose: what is longer is no word, and is broken. */
const MIN_PROSE = 20

export interface TableInit {
  /** Of the terminal; without one nothing is wrapped, for what reads lines. */
  columns?: number | undefined
  /** The column whose words may be broken where the terminal is too narrow for them: reasons, and no addresses. */
  prose?: number
}

/** A table whose cells others may have written, without colours. */
export function tableOf(
  head: string[],
  rows: unknown[][],
  { columns = process.stdout.isTTY ? process.stdout.columns : undefined, prose }: TableInit = {}
): Shown {
  // as it is shown in the end, or it would be as wide as it is not
  const cells = rows.map((row) => row.map((cell) => printable(shownText(cell, MAX_CELL))))
  const colWidths = columns == null ? undefined : fitted([head, ...cells], columns, prose)
  if (columns != null && colWidths == null) {
    return { lines: recordsOf(head, cells, columns) }
  }
  const table = new Table({
    head,
    style: { compact: true, head: [], border: [] },
    ...(colWidths == null ? {} : { colWidths, wordWrap: true })
  })
  table.push(...cells.map((row) => row.map((cell, at) => (at === prose && colWidths != null ? broken(cell, colWidths[at]! - 2) : cell))))
  return { lines: table.toString() }
}

/** What is too wide for a table whose words are kept whole: an address that is cut cannot be copied. */
function recordsOf(head: string[], cells: string[][], columns: number): string {
  const width = Math.max(...head.map(widthOf))
  const field = (name = '', cell: string) => {
    const label = `${name.padEnd(width)}  `
    return wrapped(label + cell, columns, label)
  }
  return cells.map((row) => row.map((cell, at) => field(head[at], cell)).join('\n')).join('\n\n')
}

/** Of each column, its spaces included: the widest ones give way, as far as their words can be kept whole. Undefined where that is not enough. */
function fitted(rows: string[][], columns: number, prose: number | undefined): number[] | undefined {
  const longest = (column: number, of: (cell: string) => number) => Math.max(...rows.map((row) => of(row[column] ?? '')))
  const wordOf = (cell: string) => Math.max(...cell.split(' ').map(widthOf))
  const widths = rows[0]!.map((_, column) => longest(column, widthOf) + 2)
  const least = rows[0]!.map((_, column) => Math.min(longest(column, wordOf), column === prose ? MIN_PROSE : Number.POSITIVE_INFINITY) + 2)
  const borders = widths.length + 1
  for (let over = widths.reduce((sum, width) => sum + width, borders) - columns; over > 0; over--) {
    const widest = widths.reduce((best, width, at) => (width > least[at]! && (best < 0 || width > widths[best]!) ? at : best), -1)
    if (widest < 0) {
      return undefined
    }
    widths[widest]!--
  }
  return widths
}

/** Words that do not fit, in parts that do. */
function broken(cell: string, width: number): string {
  return cell
    .split(' ')
    .flatMap((word) => (widthOf(word) > width ? splitAt(word, width) : word))
    .join(' ')
}
