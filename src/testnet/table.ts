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
  const table = new Table({ head: some.map(({ head }) => head), style: { head: [], border: [], compact: true } })
  table.push(...cells(some))
  const left = rows.length - shown.length
  const all = [...table.toString().split('\n'), ...(left > 0 ? [`and ${counted(left, 'node')} more, for which there is no room here`] : [])]
  return all.map((line) => shownText(line, columns)).slice(0, Math.max(0, room))
}
