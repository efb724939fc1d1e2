import { homedir } from 'node:os'
import { join } from 'node:path'
import bs58 from 'bs58'
import Table from 'cli-table3'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { calledAs } from '../command/index.ts'
// by its file, as the commands that need nothing else start at once
import { httpOn, loopbackHost } from '../config/loopback.ts'
import type { Pace } from '../k2/local/index.ts'
import { shownText, toLine } from '../observe/index.ts'

/** Where the Koii and Solana CLIs keep the wallet (KOII.md, Money). */
export const DEFAULT_WALLET = join(homedir(), '.config', 'koii', 'id.json')
export const DEFAULT_K2 = httpOn(loopbackHost(), 8899)

/** The settlement program as the repo builds it. */
export const SETTLEMENT_SO = new URL('../../protocols/settlement/settlement.so', import.meta.url)

/** The command was given too little, or what contradicts itself. */
export class UsageError extends Error {
  override name = 'UsageError'
}

export const collect = (value: string, before: string[] = []): string[] => [...before, value]

/** Parses a whole number within bounds, for commander's option arguments. */
export function whole(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It should be a whole number from ${min} to ${max}.`)
    }
    return value
  }
}

export function withJson(command: Command): Command {
  return command.option('--json', 'print JSON, for machines')
}

/** How the slots of a local K2 end. */
export function paceOption(otherwise: Pace): Option {
  return new Option(
    '--pace <how>',
    'auto: a slot waits until every node that follows it has done what is due, so a busy machine costs time and no round; strict: it takes --slot-ms'
  )
    .choices(['auto', 'strict'])
    .default(otherwise)
}

/** @param lines - beginning with `koii-mesh` */
export function example(...lines: string[]): string {
  const shown = lines.map((line) => `  ${line.replace(/^koii-mesh/, calledAs)}`)
  return `\nExample${lines.length > 1 ? 's' : ''}:\n${shown.join('\n')}\n`
}

const said = new Set<string>()

/** One line on standard error about what was left out; the same one again says nothing new. */
export function sayOnce(text: string | undefined): void {
  if (text != null && !said.has(text)) {
    said.add(text)
    process.stderr.write(`koii-mesh: ${shownText(text, MAX_LINE)}\n`)
  }
}

/** Of a line that is shown, others' text in it and all. */
export const MAX_LINE = 4000
const MAX_CELL = 400

/** Lines that belong together, each safe to show as it is. */
export interface Shown {
  lines: string
}

/**
 * A table whose cells others may have written, without colours.
 *
 * @param columns - of the terminal; without one nothing is wrapped, for what reads lines
 */
export function tableOf(head: string[], rows: unknown[][], columns = process.stdout.isTTY ? process.stdout.columns : undefined): Shown {
  const cells = rows.map((row) => row.map((cell) => shownText(cell, MAX_CELL)))
  const colWidths = columns == null ? undefined : fitted([head, ...cells], columns)
  if (columns != null && colWidths == null) {
    return { lines: recordsOf(head, cells) }
  }
  const table = new Table({
    head,
    style: { compact: true, head: [], border: [] },
    ...(colWidths == null ? {} : { colWidths, wordWrap: true })
  })
  table.push(...cells)
  return { lines: table.toString() }
}

/** What is too wide for a table whose words are kept whole: an address that is cut cannot be copied. */
function recordsOf(head: string[], cells: string[][]): string {
  const width = Math.max(...head.map(({ length }) => length))
  return cells.map((row) => row.map((cell, at) => `${(head[at] ?? '').padEnd(width)}  ${cell}`).join('\n')).join('\n\n')
}

/** Of each column, its spaces included: the widest ones give way, as far as their words can be kept whole. Undefined where that is not enough. */
function fitted(rows: string[][], columns: number): number[] | undefined {
  const lengths = (column: number, of: (cell: string) => number) => Math.max(...rows.map((row) => of(row[column] ?? '')))
  const widths = rows[0]!.map((_, column) => lengths(column, (cell) => cell.length) + 2)
  const least = rows[0]!.map((_, column) => lengths(column, (cell) => Math.max(...cell.split(' ').map(({ length }) => length))) + 2)
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

/** Prints one answer: JSON on request, else the lines for people, in which nothing that others wrote acts on the terminal. */
export function answer(json: boolean | undefined, value: object, lines: Array<string | Shown>): void {
  const shown = () => lines.map((line) => (typeof line === 'string' ? shownText(line, MAX_LINE) : line.lines))
  process.stdout.write(json === true ? `${toLine(value)}\n` : `${shown().join('\n')}\n`)
}

/** Checks an address on the command line. @throws UsageError */
export function addressOf(text: string, name: string): string {
  let length = 0
  try {
    length = bs58.decode(text).length
  } catch {
    // told as one that is not 32 bytes
  }
  if (length !== 32) {
    throw new UsageError(`${name} is "${text}", which is not an address: an address is 32 bytes in base58`)
  }
  return text
}
