import cliProgress from 'cli-progress'
import Table from 'cli-table3'
import { createLogUpdate } from 'log-update'
import { commandLine } from '../command/index.ts'
import { roeToKoii } from '../config/index.ts'
import { counted, shownText } from '../observe/index.ts'
import { isColourful, isLive, printable, rawStream, showsUtf8 } from '../observe/output.ts'
import { cutAtWord, shownLines, splitAt, widthOf, wrapped } from '../observe/shown-text.ts'
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

export interface ViewState extends SetupView {
  url: string
  task: string
  taskName: string
  /** What the task is given beside its code, in words. */
  gets: string[]
  slot: number
  cycle: number
  /** Slots into the round, and its length. */
  at: number
  roundSlots: number
  phase: string
  finalized: number
  wanted: number | null
  /** What a slot was asked to take and what it takes, in ms, and whom slots waited for longest; null where they wait for nobody. */
  slotMs: { asked: number; median: number; longest: number; waitedFor: { name: string; ms: number } | null } | null
  rows: NodeRow[]
  messages: string[]
  /** The run has ended: this is what it left, and nobody can join it. */
  isOver?: boolean
}

export interface View {
  show(state: ViewState | SetupView): void
  /** Leaves the last picture on the screen. */
  done(): void
}

const NARROW = 80
const SHORT = 24
/** Lines of news where there is room. */
const NEWS = 6
const CLEAR = '\x1b[2J\x1b[H'

/** Redrawn in place on a terminal that can; one line a cycle elsewhere. */
export function createView(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): View {
  return isLive(stream, env) ? livePicture(stream, env) : lines(stream)
}

function lines(stream: NodeJS.WriteStream): View {
  let last = ''
  let seen: number | null = null
  return {
    show(state) {
      // a run that is refused prints nothing but why
      if (!('rows' in state)) {
        return
      }
      if (seen == null) {
        stream.write(`${shownText(`task ${state.taskName} ${state.task}: ${state.gets.join('; ')}`, 400)}\n`)
      }
      // the last one stands in the line of the cycle; those that came with it would never be seen
      for (const message of state.setup.length > 0 ? [] : state.messages.slice(seen ?? state.messages.length, -1)) {
        stream.write(`${shownText(message, 400)}\n`)
      }
      seen = state.messages.length
      const line = oneLine(state)
      if (line !== last) {
        last = line
        stream.write(`${line}\n`)
      }
    },
    done() {}
  }
}

function livePicture(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): View {
  const screen = rawStream(stream)
  const update = createLogUpdate(screen, { showCursor: false })
  let last: ViewState | SetupView | undefined
  const draw = () => {
    if (last != null) {
      // the last thing before the screen: whoever wrote a part of it, only our colours act
      // `…` takes three columns where it is three points
      const columns = (stream.columns || NARROW) - (showsUtf8(env) ? 0 : 2)
      const safe = printable(shownLines(picture(last, columns, stream.rows || SHORT)), env)
      update(isColourful(stream, env) ? coloured(safe) : safe)
    }
  }
  // the terminal has wrapped the old picture anew, so nobody knows how many lines it takes now
  const onResize = () => {
    update.done()
    screen.write(CLEAR)
    draw()
  }
  stream.on('resize', onResize)
  return {
    show(state) {
      last = state
      draw()
    },
    done() {
      stream.off('resize', onResize)
      update.done()
    }
  }
}

const GREY = ['\x1b[90m', '\x1b[39m'] as const
const CYAN = ['\x1b[36m', '\x1b[39m'] as const

/** Borders in grey, the table's head in cyan. */
function coloured(text: string): string {
  let borders = 0
  return text
    .split('\n')
    .map((line) => {
      if (/^[┌├└+][─┬┼┴┐┤┘+-]+$/.test(line)) {
        borders++
        return `${GREY[0]}${line}${GREY[1]}`
      }
      return /^[│|].*[│|]$/.test(line)
        ? line.replace(/[│|]|[^│|]+/g, (part) => {
            const colour = /[│|]/.test(part) ? GREY : borders === 1 ? CYAN : undefined
            return colour == null ? part : `${colour[0]}${part}${colour[1]}`
          })
        : line
    })
    .join('\n')
}

function oneLine(state: ViewState): string {
  if (state.setup.length > 0) {
    const { name, text } = state.setup.find(({ done }) => !done) ?? state.setup.at(-1)!
    return `setting up, ${name}: ${shownText(text)}`
  }
  const { phase, cycle, finalized, wanted, messages } = state
  return `cycle ${cycle}, ${phase}: ${finalized}${wanted == null ? '' : ` of ${wanted}`} finalized${messages.length > 0 ? ` - ${shownText(messages.at(-1), 400)}` : ''}`
}

/** Asked and real length of a slot, on one line. */
export function slotTimes({ asked, median, longest, waitedFor }: NonNullable<ViewState['slotMs']>): string {
  const whom = waitedFor == null ? '' : `; longest waited for: ${shownText(waitedFor.name)}, ${(waitedFor.ms / 1000).toFixed(1)} s in all`
  const [asks, takes, most] = [asked, median, longest].map(Math.round)
  return `slots take ${takes} ms (${asks} asked, the longest took ${most}${whom})`
}

function setupLines(setup: SetupStep[], columns: number): string[] {
  const width = Math.max(...setup.map(({ name }) => name.length))
  return setup.flatMap(({ name, done, text }) => {
    const label = `  ${done ? '✔' : '…'} ${name.padEnd(width)}  `
    return fitted(`${label}${shownText(text, 400)}`, columns, label)
  })
}

/** Over as many lines as it takes: nothing of it is cut. */
function fitted(line: string, columns: number, label?: string): string[] {
  return wrapped(printable(line), columns, label)
    .split('\n')
    .flatMap((part) => splitAt(part, columns))
}

/** What nodes tell holds what their peers wrote. The newest last, and whole where there is room for no other. */
function news(messages: readonly string[], columns: number, room: number): string[] {
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

/** Four digits behind the point are enough to look at. */
function koiiShown(roe: bigint): string {
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

function tableLines(rows: NodeRow[], columns: number, room: number): string[] {
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

function progressBar({ at, roundSlots }: ViewState, columns: number): string {
  return cliProgress.Format.BarFormat(roundSlots === 0 ? 0 : Math.max(0, Math.min(1, at / roundSlots)), {
    barsize: Math.max(10, Math.min(40, columns - 60)),
    barCompleteString: '█'.repeat(40),
    barIncompleteString: '░'.repeat(40),
    barGlue: ''
  } as never)
}

/** Whole wherever it is pasted: a terminal that breaks a long line breaks the command. */
function joinLines({ url, task }: ViewState, columns: number): string[] {
  const settings = { k2: url, task, dataDir: 'bob', allowPrivate: true, stake: '10', acceptShortNotice: true, airdrop: true }
  const command = commandLine(['start'], settings, { columns, indent: '  ' })
  return ['Join it from another terminal:', ...`  ${command}`.split('\n')]
}

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
    return ['koii-mesh testnet, setting up', ...setupLines(state.setup, columns), stop].slice(0, room).join('\n')
  }
  if (state.setup.length > 0) {
    const head = ['koii-mesh testnet, setting up', ...setupLines(state.setup, columns)]
    const table = tableLines(state.rows, columns, room - head.length - 1)
    const left = room - head.length - table.length - 1
    return [...head, ...table, ...news(state.messages, columns, left), stop].slice(0, room).join('\n')
  }
  const goal = state.wanted == null ? `${state.finalized} finalized` : `${state.finalized} of ${state.wanted} finalized`
  // a fixed number of lines, so that the rest does not jump
  const head = [
    `koii-mesh testnet  task ${shownText(state.taskName, 32)} ${state.task}`,
    `K2 ${state.url}  slot ${state.slot}${state.slotMs == null ? '' : `  ${slotTimes(state.slotMs)}`}`,
    `cycle ${Math.max(0, state.cycle)}  ${progressBar(state, columns)}  slot ${Math.max(0, state.at)} of ${state.roundSlots}  ${state.phase}  ${goal}`
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
