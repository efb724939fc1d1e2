/** The table of nodes: as many columns and lines as there is room for. */
import Table from 'cli-table3'
import { roeToKoii } from '../config/index.ts'
import { counted, shownText } from '../observe/index.ts'
import { widthOf } from '../observe/shown-text.ts'
import type { Fault } from './faults.ts'

/** One row of the live table. */
export interface NodeRow {
  name: string
  staker: string
  fault: Fault | null
  state: string
  peers: number
  /** The cycle whose work runs now, what was submitted last, and so on: short texts. */
  work: string
  submitted: string
  audits: string
  challenged: string
  voted: string
  rewards: bigint
}

/** Four digits behind the point are enough to look at. */
export function koiiShown(roe: bigint): string {
  const [whole, fraction = ''] = roeToKoii(roe).split('.')
  const digits = fraction.slice(0, 4).replace(/0+$/, '')
  return digits === '' ? whole! : `${whole}.${digits}`
}

interface Column {
  head: string
  of: (row: NodeRow) => string
  /** The last to go where the terminal is too narrow is the one without a number, and the first is 1. */
  goes?: number
  /** It may grow to so much later: columns should not come and go. */
  least?: number
}

const cycleless = (text: string) => text.replace(/\bcycle (\d)/, '$1')

const NAME: Column = { head: 'node', of: ({ name, fault }) => (fault == null ? name : `${name} (${fault})`) }
const STAKER: Column = { head: 'staker', of: ({ staker }) => `${staker.slice(0, 4)}..${staker.slice(-4)}` }
const COLUMNS: Column[] = [
  NAME,
  STAKER,
  { head: 'state', of: ({ state }) => state },
  { head: 'peers', of: ({ peers }) => String(peers) },
  { head: 'work', of: ({ work }) => work, least: 8 },
  { head: 'submitted', of: ({ submitted }) => submitted },
  { head: 'audited', of: ({ audits }) => audits, least: 14 },
  { head: 'challenged', of: ({ challenged }) => challenged, least: 15 },
  { head: 'voted', of: ({ voted }) => voted, least: 8 },
  { head: 'rewards', of: ({ rewards }) => (rewards === 0n ? '-' : `${koiiShown(rewards)} KOII`), least: 12 }
]
/** With the cycle as a number alone. */
const FEW_COLUMNS: Column[] = [
  NAME,
  { head: 'state', of: ({ state }) => state, goes: 5 },
  { head: 'peers', of: ({ peers }) => String(peers), goes: 6 },
  { head: 'work', of: ({ work }) => cycleless(work), goes: 1 },
  { head: 'submitted', of: ({ submitted }) => cycleless(submitted) },
  { head: 'audited', of: ({ audits }) => cycleless(audits), least: 8, goes: 4 },
  { head: 'challenged', of: ({ challenged }) => cycleless(challenged), goes: 2 },
  { head: 'voted', of: ({ voted }) => cycleless(voted), goes: 3 },
  { head: 'KOII', of: ({ rewards }) => (rewards === 0n ? '-' : koiiShown(rewards)), least: 8 }
]

export function tableLines(rows: NodeRow[], columns: number, room: number): string[] {
  // four lines are its borders and its head
  const shown = rows.length + 4 <= room ? rows : rows.slice(0, Math.max(0, room - 5))
  const cells = (some: Column[]) => shown.map((row) => some.map(({ of }) => shownText(of(row), 40)))
  const widthIn = (some: Column[]) =>
    some.reduce(
      (sum, { head, of, least = 0 }) => sum + 3 + Math.max(least, widthOf(head), ...shown.map((row) => widthOf(shownText(of(row), 40)))),
      1
    )
  let some = COLUMNS
  if (widthIn(some) > columns) {
    some = FEW_COLUMNS
    for (let goes = 1; widthIn(some) > columns && goes <= 6; goes++) {
      some = some.filter((column) => column.goes !== goes)
    }
  }
  const table = drawn(
    some.map(({ head }) => head),
    cells(some)
  )
  return [...table, ...noRoomFor(rows.length - shown.length)].map((line) => shownText(line, columns)).slice(0, Math.max(0, room))
}

function drawn(head: string[], cells: string[][]): string[] {
  const table = new Table({ head, style: { head: [], border: [], compact: true } })
  table.push(...cells)
  return table.toString().split('\n')
}

function noRoomFor(nodes: number): string[] {
  return nodes > 0 ? [`and ${counted(nodes, 'node')} more, for which there is no room here`] : []
}

/** What a node is in one task, in as few words as it takes. */
function inShort({ state, peers, submitted, voted, rewards }: NodeRow): string {
  if (state !== 'meshed') {
    return state
  }
  return submitted === '-'
    ? `meshed ${peers}`
    : `${cycleless(submitted)}  ${cycleless(voted)}  ${rewards === 0n ? '-' : koiiShown(rewards)}`
}

/** Cycles of two digits, and tens of KOII. */
const LEAST_SHORT = 12

/** One row a node, one column a task: as many of both as there is room for, and how many more there are. */
export function tasksTable(tasks: ReadonlyArray<{ head: string; rows: NodeRow[] }>, columns: number, room: number): string[] {
  const all = tasks[0]?.rows ?? []
  const widest = (texts: string[], least = 0) => 3 + Math.max(least, ...texts.map(widthOf))
  const widths = tasks.map(({ head, rows }) => widest([head, ...rows.map(inShort)], LEAST_SHORT))
  const fitBeside = (names: string[]) => {
    let width = 1 + widest(names)
    const fit = widths.findIndex((more) => {
      width += more
      return width > columns
    })
    return fit < 0 ? tasks.length : fit
  }
  const whole = ['node', ...all.map((row) => shownText(NAME.of(row), 40))]
  const bare = ['node', ...all.map(({ name, fault }) => (fault == null ? name : `${name} *`))]
  const names = fitBeside(bare) > fitBeside(whole) ? bare : whole
  const some = tasks.slice(0, fitBeside(names))
  const without = tasks.length - some.length
  const note = [
    ...(names === bare && all.some(({ fault }) => fault != null) ? ['* misbehaves, as it was told to'] : []),
    ...(without > 0 ? [`and ${counted(without, 'task')} more, for which the terminal is too narrow`] : [])
  ]
  // four lines are its borders and its head
  const shown = all.length + 4 + note.length <= room ? all : all.slice(0, Math.max(0, room - 5 - note.length))
  const table = drawn(
    ['node', ...some.map(({ head }) => head)],
    shown.map((_row, at) => [names[at + 1]!, ...some.map(({ rows }) => shownText(inShort(rows[at]!), 40))])
  )
  return [...table, ...noRoomFor(all.length - shown.length), ...note].slice(0, Math.max(0, room))
}
