/** How a node is, as people read it. */
import { commandLine } from '../command/index.ts'
import { roeToKoii } from '../config/index.ts'
import type { Status, TaskStatus } from '../control/schemas.ts'
import type { Shown } from '../observe/output.ts'
import { shownText } from '../observe/shown-text.ts'
import { counted } from '../observe/words.ts'
import { nextSteps } from './next.ts'
import { tableOf } from './table.ts'

type Endpoint = Status['k2'][number]
type Entry = Status['cycles'][number]['entry']
type Terms = Pick<TaskStatus, 'task' | 'minStake' | 'bundleNotice' | 'keyFile' | 'signer'>
type Staked = Terms & Pick<TaskStatus, 'staked' | 'stake' | 'keyReplaced'>

export interface StatusTextInit {
  /** As the command was given it, for the commands that are printed. */
  dataDir?: string | undefined
  /** Of the terminal, for tables. */
  columns?: number | undefined
}

/** Columns of a reason: the whole one is in --json. */
const MAX_REASON = 160
const MAX_WHY = 400

function submissionOf({ outcome, reason, missed, skipped, proofs }: Entry): string {
  if (skipped != null && outcome == null) {
    return shownText(`skipped: ${skipped}`, MAX_REASON)
  }
  if (missed != null && (outcome == null || outcome === 'no submission')) {
    return shownText(`missed: ${missed}`, MAX_REASON)
  }
  const soFar = proofs == null ? '-' : 'submitted'
  return shownText(`${outcome ?? soFar}${reason == null ? '' : `: ${reason}`}`, MAX_REASON)
}

function endpointInWords({ state, slot, lagSlots, away, silentMs, webSocket }: Endpoint): string {
  if (state === 'of another network') {
    return 'is of another network, and not asked: take it out of --k2'
  }
  if (away === true) {
    return `has not answered since ${slot == null ? 'the start' : `slot ${slot}`}, for ${Math.round((silentMs ?? 0) / 1000)} s`
  }
  const how = webSocket === false ? ', only when it is asked: its WebSocket tells no slots' : ''
  switch (state) {
    case 'good':
      return `answers${slot == null ? '' : `, slot ${slot}`}${how}`
    case 'behind':
      return `answers, ${counted(lagSlots, 'slot')} behind the others${how}`
    case 'paused':
      return `failed, and is left alone for a moment${how}`
    case 'suspect':
      return `contradicts the others, and is believed last${how}`
  }
}

function recordsInWords({ from, to, bytes, maxBytes, gaps }: Status['records']): string {
  const mib = (of: number) => (of / 1024 / 1024).toFixed(1)
  const lacks = gaps.length === 0 ? '' : `, without those right before ${gaps.length > 1 ? 'cycles' : 'cycle'} ${gaps.join(', ')}`
  return `of cycles ${from} to ${to}${lacks}; ${mib(bytes)} of ${mib(maxBytes)} MiB`
}

const recordLines = (records: Status['records'] | null) => (records?.from == null ? [] : [`records ${recordsInWords(records)}`])

/** Proofs of earlier cycles are not kept. */
const CIDS_CYCLES = 3

/** By these anybody gets a proof or a record (`proof get`); each on a line of its own, to be copied whole. */
function cidLines(cycles: Status['cycles']): string[] {
  return cycles
    .slice(0, CIDS_CYCLES)
    .flatMap(({ cycle, entry: { proofs = [], record } }) => [
      ...proofs.map((cid) => `proof   of cycle ${cycle}: ${cid}`),
      ...(record == null ? [] : [`record  of cycle ${cycle}: ${record}`])
    ])
}

function cycleLines(cycles: Status['cycles'], columns: number | undefined): Array<string | Shown> {
  if (cycles.length === 0) {
    return ['No cycle has been settled yet.']
  }
  const table = tableOf(
    ['cycle', 'submission', 'vote', 'paid', 'in all'],
    cycles.map(({ cycle, entry }) => [
      cycle,
      submissionOf(entry),
      entry.voted == null ? (entry.voteLost ?? '-') : 'on K2',
      entry.paid == null ? '-' : `${roeToKoii(BigInt(entry.paid))} KOII`,
      entry.total == null ? '-' : `${roeToKoii(BigInt(entry.total))} KOII`
    ]),
    { prose: 1, ...(columns == null ? {} : { columns }) }
  )
  return [table, ...cidLines(cycles)]
}

function firstStake(
  { k2, program }: Status,
  { task, minStake, bundleNotice, keyFile, signer }: Terms,
  dataDir: string | undefined
): string {
  const urls = k2.map(({ name }) => name)
  // what follows on the host of a provider's URL is its customer's secret, and not told
  if (urls.length === 0 || urls.some((url) => url.endsWith('/...')) || minStake == null || bundleNotice == null) {
    return commandLine(['stake'], { help: true })
  }
  const next = nextSteps({ k2: urls, program, task, key: keyFile ?? undefined, signer: signer ?? undefined, dataDir: dataDir ?? '' })
  return next.stake({ minStake: BigInt(minStake), bundleNotice }, undefined)
}

function stakeInWords(status: Status, own: Staked, dataDir: string | undefined): string {
  if (own.staked === true) {
    return `${roeToKoii(BigInt(own.stake ?? 0))} KOII`
  }
  if (own.staked == null) {
    return 'not known yet: K2 has not answered'
  }
  return own.keyReplaced ? 'none: another key signs for it' : `none: ${firstStake(status, own, dataDir)}`
}

const k2Lines = ({ k2 }: Status) => k2.map((endpoint, i) => `${i === 0 ? 'k2' : '  '}      ${endpoint.name} ${endpointInWords(endpoint)}`)
const memoryLine = ({ rssBytes }: Status) => `memory  ${(rssBytes / 1024 / 1024).toFixed(0)} MiB`
const noticeLine = (notice: string) => `NOTICE  ${notice}`

const bundleLines = (bundles: Status['bundles']) =>
  bundles
    .filter(({ state }) => state !== 'here')
    .map(({ cid, from, state }) =>
      state === 'failed'
        ? `bundle  ${cid}, from cycle ${from} on, cannot run: see the log`
        : `bundle  ${cid}, from cycle ${from} on, is being fetched from peers`
    )

/** Of a node with one task. */
function linesOfOne(status: Status, { dataDir, columns }: StatusTextInit): Array<string | Shown> {
  return [
    `node    ${status.node}`,
    `task    ${status.taskName} ${status.task}`,
    `stake   ${stakeInWords(status, status, dataDir)}`,
    `time    slot ${status.slot ?? 'unknown'}, cycle ${status.cycle ?? 'unknown'}, last finalized ${status.finalizedCycle ?? 'none'}`,
    ...k2Lines(status),
    `peers   ${status.peers.staked} staked, ${status.peers.mesh} in the mesh, ${status.peers.connected} connected`,
    ...recordLines(status.records),
    ...(status.signer == null ? [] : [`signer  ${status.signer}`]),
    memoryLine(status),
    ...bundleLines(status.bundles),
    ...status.notices.map(noticeLine),
    ...cycleLines(status.cycles, columns)
  ]
}

/** What is done about a task that failed. */
function mending(task: string, dataDir: string | undefined): string {
  const remove = commandLine(['task', 'remove', task], dataDir == null ? {} : { dataDir })
  return `mend that, and start the node again; or remove the task, and add it again if it is to go on: ${remove}`
}

const STATES: Record<TaskStatus['state'], string> = {
  starting: ', is being started',
  running: '',
  failed: ', cannot go on',
  stopping: ', is being left'
}

function linesOfTask(status: Status, one: TaskStatus, hasOwnKey: boolean, { dataDir, columns }: StatusTextInit): Array<string | Shown> {
  const isFailed = one.state === 'failed'
  return [
    '',
    `task    ${one.taskName == null ? '' : `${one.taskName} `}${one.task}${STATES[one.state]}`,
    ...(isFailed ? [`reason  ${shownText(one.reason ?? 'not told', MAX_WHY)}`, `next    ${mending(one.task, dataDir)}`] : []),
    ...(hasOwnKey ? [`key     ${one.node ?? 'could not be read'}`] : []),
    ...(isFailed && one.staked == null ? [] : [`stake   ${stakeInWords(status, one, dataDir)}`]),
    ...(isFailed ? [] : [`time    cycle ${one.cycle ?? 'unknown'}, last finalized ${one.finalizedCycle ?? 'none'}`]),
    ...(one.peers == null ? [] : [`peers   ${one.peers.staked} staked, ${one.peers.mesh} in the mesh`]),
    ...recordLines(one.records),
    ...(one.signer == null ? [] : [`signer  ${one.signer}`]),
    ...(isFailed ? [] : bundleLines(one.bundles)),
    ...one.notices.map(noticeLine),
    ...(isFailed && one.cycles.length === 0 ? [] : cycleLines(one.cycles, columns))
  ]
}

/**
 * The node once, and then each of its tasks. What others wrote may be in it: it is shown by `sayLines`.
 */
export function statusLines(status: Status, init: StatusTextInit = {}): Array<string | Shown> {
  const { tasks } = status
  // one that failed is told as one of several would be: what a node with one task shows has no place for that
  if (tasks.length < 2 && tasks[0]?.state !== 'failed') {
    return linesOfOne(status, init)
  }
  // that of one that failed may not be known
  const keys = new Set(tasks.flatMap(({ node }) => node ?? []))
  const ofTasks = new Set(tasks.flatMap(({ notices }) => notices))
  const failed = tasks.filter(({ state }) => state === 'failed').length
  return [
    keys.size > 1 ? `peer id ${status.peerId}` : `node    ${[...keys][0] ?? status.node}`,
    `tasks   ${tasks.length}${failed === 0 ? '' : `, of which ${failed} cannot go on`}`,
    `time    slot ${status.slot ?? 'unknown'}`,
    ...k2Lines(status),
    `peers   ${status.peers.connected} connected`,
    memoryLine(status),
    ...status.notices.filter((notice) => !ofTasks.has(notice)).map(noticeLine),
    ...tasks.flatMap((one) => linesOfTask(status, one, keys.size > 1, init))
  ]
}
