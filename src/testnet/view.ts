import cliProgress from 'cli-progress'
import Table from 'cli-table3'
import { createLogUpdate } from 'log-update'
import { commandLine } from '../command/index.ts'
import { roeToKoii } from '../config/index.ts'
import { shownText } from '../observe/index.ts'
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
}

export interface View {
  show(state: ViewState | SetupView): void
  /** Leaves the last picture on the screen. */
  done(): void
}

/** Redrawn in place on a terminal; one line a cycle elsewhere. */
export function createView(stream: NodeJS.WriteStream): View {
  if (stream.isTTY !== true) {
    let last = ''
    return {
      show(state) {
        // a run that is refused prints nothing but why
        if (!('rows' in state)) {
          return
        }
        const line = oneLine(state)
        if (line !== last) {
          last = line
          stream.write(`${line}\n`)
        }
      },
      done() {}
    }
  }
  const update = createLogUpdate(stream, { showCursor: false })
  return {
    show: (state) => update(picture(state, stream.columns ?? 120)),
    done: () => update.done()
  }
}

function oneLine(state: ViewState): string {
  if (state.setup.length > 0) {
    const { name, text } = state.setup.find(({ done }) => !done) ?? state.setup.at(-1)!
    return `setting up, ${name}: ${text}`
  }
  const { phase, cycle, finalized, wanted, messages } = state
  return `cycle ${cycle}, ${phase}: ${finalized}${wanted == null ? '' : ` of ${wanted}`} finalized${messages.length > 0 ? ` - ${shownText(messages.at(-1))}` : ''}`
}

/** Asked and real length of a slot, on one line. */
export function slotTimes({ asked, median, longest, waitedFor }: NonNullable<ViewState['slotMs']>): string {
  const whom = waitedFor == null ? '' : `; longest waited for: ${shownText(waitedFor.name)}, ${(waitedFor.ms / 1000).toFixed(1)} s in all`
  return `slots take ${median} ms (${asked} asked, the longest took ${longest}${whom})`
}

function setupLines(setup: SetupStep[]): string[] {
  const width = Math.max(...setup.map(({ name }) => name.length))
  return setup.map(({ name, done, text }) => `  ${done ? '✔' : '…'} ${name.padEnd(width)}  ${text}`)
}

/** What nodes tell holds what their peers wrote. */
function latest(messages: readonly string[]): string[] {
  return messages.slice(-6).map((message) => shownText(message, 400))
}

/** Whole wherever it is pasted: a terminal that breaks a long line breaks the command. */
function joinLine({ url, task }: ViewState, columns: number): string {
  const settings = { k2: url, task, dataDir: 'bob', allowPrivate: true, stake: '10', acceptShortNotice: true, airdrop: true }
  return commandLine(['start'], settings, { columns, indent: '  ' })
}

export function picture(state: ViewState | SetupView, columns: number): string {
  if (!('rows' in state)) {
    return ['koii-mesh testnet, setting up', ...setupLines(state.setup), 'Ctrl+C stops everything.'].join('\n')
  }
  const table = new Table({
    head: ['node', 'staker', 'state', 'peers', 'work', 'submitted', 'audited', 'challenged', 'voted', 'rewards'],
    style: { head: ['cyan'], border: ['grey'], compact: true }
  })
  for (const row of state.rows) {
    table.push([
      row.fault == null ? row.name : `${row.name} (${row.fault})`,
      `${row.staker.slice(0, 4)}..${row.staker.slice(-4)}`,
      row.state,
      row.peers,
      row.work,
      row.submitted,
      row.audits,
      row.challenged,
      row.voted,
      row.rewards === 0n ? '-' : `${roeToKoii(row.rewards)} KOII`
    ])
  }
  const bar = cliProgress.Format.BarFormat(state.roundSlots === 0 ? 0 : Math.max(0, Math.min(1, state.at / state.roundSlots)), {
    barsize: Math.max(10, Math.min(40, columns - 60)),
    barCompleteString: '█'.repeat(40),
    barIncompleteString: '░'.repeat(40),
    barGlue: ''
  } as never)
  const goal = state.wanted == null ? `${state.finalized} finalized` : `${state.finalized} of ${state.wanted} finalized`
  if (state.setup.length > 0) {
    return [
      'koii-mesh testnet, setting up',
      ...setupLines(state.setup),
      table.toString(),
      ...latest(state.messages),
      'Ctrl+C stops everything.'
    ].join('\n')
  }
  return [
    `koii-mesh testnet  task ${state.taskName} ${state.task}`,
    `K2 ${state.url}  slot ${state.slot}${state.slotMs == null ? '' : `  ${slotTimes(state.slotMs)}`}`,
    `cycle ${Math.max(0, state.cycle)}  ${bar}  slot ${Math.max(0, state.at)} of ${state.roundSlots}  ${state.phase}  ${goal}`,
    table.toString(),
    ...latest(state.messages),
    'Join it from another terminal:',
    `  ${joinLine(state, columns)}`,
    'Ctrl+C stops everything.'
  ].join('\n')
}
