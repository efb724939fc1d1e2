/**
 * # testnet
 *
 * A whole mesh on one machine: a local K2 in this process, and real nodes in processes of their own.
 *
 *     K2, task, traffic ──> nodes start ──> stakes ──> all peers found ──> slots jump to the task's first
 *     rounds ... each finalized record is fetched and recomputed by an outsider
 *     claims ──> invariants ──> summary ──> everything stops
 *
 * @example
 * ```ts
 * const result = await runTestnet({ nodes: 5, rounds: 3, slotMs: 100, onEvent: console.log, ... })
 * process.exitCode = result.ok ? 0 : 1
 * ```
 */

import { resolve } from 'node:path'
import type { Timing } from '../clock/index.ts'
import type { Params } from '../config/index.ts'
import { makeFolder, temporaryFolder } from '../disk/index.ts'
import { PROGRAM_ID } from '../k2/settlement/index.ts'
import type { Pace } from '../local-k2/index.ts'
import { counted } from '../observe/words.ts'
import { type Chain, paceNow, startChain } from './chain.ts'
import { collectFacts } from './collect.ts'
import { TestnetError } from './errors.ts'
import type { TestnetEvent } from './events.ts'
import type { Payout } from './facts.ts'
import { createFailure, type Failure } from './failure.ts'
import { type Fault, FaultError } from './faults.ts'
import { checkInvariants } from './invariants.ts'
import { limitsOf } from './limits.ts'
import { makeTasks } from './make-tasks.ts'
import { createMeeting } from './meeting.ts'
import { type Member, newMember } from './member.ts'
import { createMesh } from './mesh.ts'
import { BOUNTY_ROE } from './money.ts'
import { createNews, type News } from './news.ts'
import { createOutsider, type LedgerChecks } from './outsider.ts'
import { payOut } from './payout.ts'
import { createRounds } from './rounds.ts'
import { createSetupSteps, nodeSteps, type SetupSteps } from './setup-steps.ts'
import { type PlayedTask, summarize, type TestnetSummary } from './summary.ts'
import type { TaskRun } from './task-run.ts'
import type { SetupView, ViewState } from './view.ts'
import { viewState } from './view-state.ts'
import { windowsOf } from './windows.ts'

export { TestnetError } from './errors.ts'
export type { TestnetEvent } from './events.ts'
export { FAULTS, type Fault, FaultError, parseFaults } from './faults.ts'
export type { TestnetSummary } from './summary.ts'
export { createView, picture, type View } from './view.ts'
export { MIN_ROUND_SLOTS, RoundTooShortError, windowsOf } from './windows.ts'

export interface AskedTask {
  /** A built-in task, the path of a bundle, or a bundle's CID; one may be there several times. */
  task: string
  params?: Params | null
}

export interface TestnetInit {
  nodes: number
  /** Cycles to finalize; null runs until `signal`. */
  rounds: number | null
  slotMs: number
  /** Whether slots wait until every node is through with them (`auto`, the default), or take `slotMs` whatever the machine does. */
  pace?: Pace
  roundSlots: number
  /** What a cycle pays, in ROE; 10 KOII by default. */
  bounty?: bigint
  /** A built-in task, the path of a bundle, or a bundle's CID. */
  task: string
  /** Peers that have the bundles that are named by a CID: multiaddrs with their PeerIds. */
  from?: string[]
  /** The task's parameters; without them, a bundle fetched by its CID has its own, and another none. */
  params?: Params | null
  /** More tasks, which every node does beside it. Each has its own account, bounty, pot and stakes. */
  beside?: AskedTask[]
  faults: Fault[]
  dataDir?: string | undefined
  port?: number | undefined
  /** More flags of `koii-mesh start`, for each node. */
  nodeArgs?: string[]
  settlementProgram: URL
  signal: AbortSignal
  onEvent: (event: TestnetEvent) => void
  onView: (view: ViewState | SetupView) => void
}

const VIEW_MS = 250

/** @throws TestnetError */
function folderFor(dir: string): string {
  try {
    makeFolder(dir)
    return dir
  } catch (err) {
    throw new TestnetError(`cannot use ${dir} (${(err as Error).message}): give another --data-dir`)
  }
}

/** Runs a testnet to its end. @throws TestnetError when it cannot begin */
export async function runTestnet(init: TestnetInit): Promise<TestnetSummary> {
  if (init.faults.length > init.nodes) {
    throw new FaultError(`${counted(init.faults.length, 'fault')} for ${counted(init.nodes, 'node')}: give fewer faults or more --nodes`)
  }
  const windows = windowsOf(init.roundSlots)
  const started = performance.now()
  const cleanup: Array<() => Promise<unknown>> = []
  const temporary = init.dataDir == null ? await temporaryFolder('koii-mesh-testnet-') : undefined
  const dir = temporary?.dir ?? folderFor(resolve(init.dataDir!))
  if (temporary != null) {
    cleanup.push(temporary.remove)
  }
  try {
    return await run(init, windows, dir, started, cleanup)
  } finally {
    for (const undo of cleanup.reverse()) {
      await undo().catch(() => {})
    }
  }
}

/** What is there before any node runs: K2 with the tasks on it, and everybody's keys. */
interface Stage {
  members: Member[]
  chain: Chain
  /** Lamports of the faucet at genesis. */
  faucetBefore: bigint
  runs: TaskRun[]
  /** Of all tasks. */
  timing: Timing
  setup: SetupSteps
  news: News
}

async function prepare(
  init: TestnetInit,
  windows: { submissionWindow: number; auditWindow: number },
  dir: string,
  cleanup: Array<() => Promise<unknown>>
): Promise<Stage> {
  const { slotMs, pace = 'auto', roundSlots, from = [] } = init
  const paramsFlag = (init.beside ?? []).length === 0 ? '--params' : '--config'
  const asked = [init, ...(init.beside ?? [])].map(({ task, params }) => ({ task, params, from, paramsFlag }))
  const setup = createSetupSteps(init.onView)
  const { step } = setup
  const members: Member[] = Array.from({ length: init.nodes }, (_, index) =>
    newMember(index, init.faults[index - (init.nodes - init.faults.length)] ?? null)
  )
  step('K2', 'starting, in this process')
  const chain = await startChain({
    ...{ slotMs, pace, port: init.port ?? 0, settlementProgram: init.settlementProgram },
    ...{ tasks: asked.length, members }
  })
  const { k2, client } = chain
  cleanup.push(() => k2.stop())
  const news = createNews({ onEvent: init.onEvent, slot: () => k2.slot() })
  step('K2', `${k2.url}, a slot every ${slotMs} ms${pace === 'auto' ? ', or when all nodes are through with it' : ''}`, true)
  step('program', `${PROGRAM_ID}, there at genesis`, true)
  news.tell('k2', { url: k2.url, program: PROGRAM_ID, slotMs, pace }, `K2 runs on ${k2.url}`)
  const faucetBefore = await client.balance(k2.faucetAddress)

  const bootSlots = Math.ceil(limitsOf(pace).bootMs / slotMs)
  const timing = (): Timing => ({ startingSlot: k2.slot() + bootSlots, roundSlots, ...windows })
  const runs = await makeTasks({ asked, chain, members, timing, bounty: init.bounty ?? BOUNTY_ROE, dir, setup, news, cleanup })
  return { members, chain, faucetBefore, runs, timing: runs[0]!.timing, setup, news }
}

async function run(
  init: TestnetInit,
  windows: { submissionWindow: number; auditWindow: number },
  dir: string,
  startedMs: number,
  cleanup: Array<() => Promise<unknown>>
): Promise<TestnetSummary> {
  const { slotMs, pace = 'auto', rounds: wanted, signal } = init
  const limits = limitsOf(pace)
  const failure = createFailure()
  const stage = await prepare(init, windows, dir, cleanup)
  const { members, chain, runs, timing, news } = stage
  const { k2 } = chain
  const stopped = stopOf(signal, () => k2.slot())

  // -- the nodes
  const meeting = createMeeting({
    runs,
    k2,
    slotMs,
    pace,
    limits,
    startingSlot: timing.startingSlot,
    dir,
    signal,
    stopped: stopped.promise
  })
  const mesh = await createMesh({ members, dir, chain, runs, nodeArgs: init.nodeArgs ?? [], meeting, news, failure, signal })
  cleanup.push(mesh.stop)
  if (!signal.aborted) {
    mesh.start()
  }

  let isReady = false
  const show = (isOver = false) => {
    const setup = isReady || signal.aborted ? [] : [...stage.setup.steps, ...nodeSteps(members, runs, mesh.stakedCount())]
    init.onView(viewState({ chain, runs, wanted, members, messages: news.messages, setup, isOver }))
  }
  show()
  const view = setInterval(() => show(), VIEW_MS)
  cleanup.push(async () => clearInterval(view))

  const ledgerChecks = await createOutsider({ chain, runs, dir, members, limits, signal, cleanup })
  const rounds = createRounds({ wanted, chain, runs, timing, slotMs, members, ledgerChecks, limits, news, failure, signal })
  cleanup.push(async () => rounds.stop())

  // -- from here on it runs by itself until enough cycles are there, or somebody stops it
  await meeting.ready()
  if (!signal.aborted) {
    isReady = true
    news.tell(
      'ready',
      { nodes: init.nodes },
      init.nodes === 1 ? 'the only node has started' : `all ${init.nodes} nodes have found each other`
    )
    chain.traffic.follow(k2)
    k2.waitForFollowers(true)
    await meeting.leap()
    rounds.start()
    await Promise.race([rounds.enough, stopped.promise])
    rounds.stopTicking()
  }
  if (signal.aborted) {
    // nothing is finalized any more while the nodes are stopped
    k2.hold()
  }
  await rounds.idle()

  // -- the rest of the last voting window: votes that come after the quorum are votes, too
  if (!signal.aborted && failure.reason() == null && runs.some(({ records }) => records.length > 0)) {
    await rounds.settleLast()
  }
  // time stands still while the nodes stop, so that they vote on no further cycle
  k2.hold()
  await mesh.stop()
  await rounds.idle()
  rounds.stop()
  const summary = await conclude({ init, stage, ledgerChecks, failure, stoppedAt: stopped.slot(), startedMs })
  clearInterval(view)
  show(true)
  init.onEvent(summary)
  return summary
}

/** When somebody stops the run. @param now tells the slot */
function stopOf(signal: AbortSignal, now: () => number) {
  let slot: number | null = null
  const promise = new Promise<void>((done) => {
    const stop = () => {
      slot = now()
      done()
    }
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) {
      stop()
    }
  })
  return { promise, slot: () => slot }
}

interface Played {
  init: TestnetInit
  stage: Stage
  ledgerChecks: LedgerChecks
  failure: Failure
  stoppedAt: number | null
  startedMs: number
}

/** Pays out once the nodes have stopped, and looks at what came of it all. */
async function conclude({ init, stage, ledgerChecks, failure, stoppedAt, startedMs }: Played): Promise<TestnetSummary> {
  const { members, chain, runs, faucetBefore, news } = stage
  const { k2 } = chain
  const payouts = new Map<TaskRun, Payout>()
  for (const run of failure.reason() == null ? runs.filter(({ records }) => records.length > 0) : []) {
    k2.release()
    payouts.set(run, await payOut({ chain, run, members, ledger: ledgerChecks.get(run)!.ledger(), news }))
    k2.hold()
  }
  const tasks: PlayedTask[] = []
  for (const run of runs) {
    const payout = payouts.get(run) ?? { paid: new Map(), slashed: new Map(), complete: false }
    const ledger = payout.complete ? ledgerChecks.get(run)!.ledger() : null
    const facts = await collectFacts({ chain, run, members, stoppedAt, faucetBefore, ledger })
    // tasks end together: one may have had to wait for another
    tasks.push({ run, payout, invariants: checkInvariants(facts, init.rounds, { orMore: runs.length > 1 }) })
  }
  return summarize({
    tasks,
    isStopped: init.signal.aborted,
    failure: failure.reason(),
    members,
    transactions: chain.log.transactions,
    startedMs,
    slotMs: paceNow(k2, members)
  })
}
