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

import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Ed25519Program, PublicKey } from '@solana/web3.js'
import { CID } from 'multiformats/cid'
import { cycleAt, type Timing, windowOf, within } from '../clock/index.ts'
import { loopbackHost, type Params, paramsOf, ROE_PER_KOII, roeToKoii, tcpOn } from '../config/index.ts'
import { makeFolder, temporaryFolder } from '../disk/index.ts'
import { generateKeyPair, type KeyPair, writeKeyFile } from '../identity/index.ts'
import { createK2Client, type K2Client, messageOf, signerOf } from '../k2/index.ts'
import {
  createLocalK2,
  createTraffic,
  type LocalK2,
  type LocalTransaction,
  type Pace,
  type PaceFacts,
  type PassedOver
} from '../k2/local/index.ts'
import {
  createTask,
  createTaskAccount,
  fundTask,
  instructionName,
  PROGRAM_ID,
  SLASH_UNITS,
  stakeAddress,
  stake as stakeInstruction,
  TASK_BYTES,
  type TaskAccount,
  voteCycle
} from '../k2/settlement/index.ts'
import { BUNDLE_FILE, bundleAt, claimFor, createAuditor, describeBundle, distributionOf, providerAt, slashFor } from '../node/index.ts'
import type { NodeEvent } from '../observe/index.ts'
import { counted, duration } from '../observe/words.ts'
import { builtInBundles, bundlePath, createTaskRunner } from '../tasks/index.ts'
import type { NodeFacts, RecordFacts, RunFacts, TransactionFacts } from './facts.ts'
import { type Fault, FaultError, SMALL_STAKES } from './faults.ts'
import { createFinish } from './finish.ts'
import { checkInvariants, type Invariant, nothingChecked } from './invariants.ts'
import { createLedgerCheck } from './ledger-check.ts'
import { limitsOf } from './limits.ts'
import { createNodeProcess, type NodeProcess } from './node-process.ts'
import { paramsBeside, whatItGets } from './params.ts'
import { stateOf } from './states.ts'
import { startStaticSite } from './static-site.ts'
import type { NodeRow, SetupStep, SetupView, ViewState } from './view.ts'
import { windowsOf } from './windows.ts'

export { FAULTS, type Fault, FaultError, parseFaults } from './faults.ts'
export { createView, picture, type View } from './view.ts'
export { MIN_ROUND_SLOTS, RoundTooShortError, windowsOf } from './windows.ts'

export class TestnetError extends Error {
  override name = 'TestnetError'
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
  /** Peers that have the bundle, for a CID: multiaddrs with their PeerIds. */
  from?: string[]
  /** The task's parameters; without them, a bundle fetched by its CID has its own, and another none. */
  params?: Params | null
  faults: Fault[]
  dataDir?: string | undefined
  port?: number | undefined
  /** More flags of `koii-mesh start`, for each node. */
  nodeArgs?: string[]
  settlementProgram: URL
  signal: AbortSignal
  onEvent: (event: Record<string, unknown>) => void
  onView: (view: ViewState | SetupView) => void
}

export interface TestnetSummary {
  event: 'summary'
  ok: boolean
  reason: string | null
  /** Why nothing was checked, where no cycle was finalized; null where something was. */
  unchecked: string | null
  nodes: number
  cycles: number
  finalized: number
  skipped: number[]
  records: Array<{ cycle: number; root: string; record: string; accepted: string[]; rejected: Array<{ staker: string; reason: string }> }>
  rewards: Record<string, string>
  paid: Record<string, string>
  /** What was taken out of stakes on K2 by the ledger, ROE. */
  slashed: Record<string, string>
  k2: { transactions: number; bytes: number; votes: number; byKind: Record<string, number> }
  gossip: { delivered: number; duplicates: number; signatureChecks: number }
  proofs: { fetched: number; bytes: number }
  invariants: Invariant[]
  seconds: number
  /** What a slot was asked to take and what it took, in ms, and which node slots waited for longest; null with `strict`. */
  slotMs: { asked: number; median: number; longest: number; waitedFor: { name: string; ms: number } | null } | null
}

const BOUNTY_ROE = 10n * ROE_PER_KOII
const STAKE_ROE = 10n * ROE_PER_KOII
const SMALL_STAKE_ROE = ROE_PER_KOII
const stakeOf = (fault: Fault | null) => (fault != null && SMALL_STAKES.has(fault) ? SMALL_STAKE_ROE : STAKE_ROE)
const WALLET_ROE = 1_000_000n * ROE_PER_KOII
/** Fees of a staking key: 5,000 lamports a vote. */
const KEY_ROE = ROE_PER_KOII
const FUND_ROE = 100_000n * ROE_PER_KOII
/** A killed node comes back after this. */
const RESTART_MS = 1_000
const VIEW_MS = 250
/** So long before the first cycle nodes greet each other again. */
const MEETING_SLOTS = 12

interface Member {
  name: string
  pair: KeyPair
  /** Where its rewards go: no node has this key. */
  owner: KeyPair
  /** Address of its stake account. */
  stake: string
  fault: Fault | null
  process: NodeProcess
  row: NodeRow
  records: Map<number, string>
  /** Cycles of which it has told what became of its vote. */
  told: Set<number>
  interrupted: boolean
  crashed: string | null
  hint: string | null
  listens: boolean
  /** Its task does not run. */
  failed: boolean
  staked: boolean
  hasTask: boolean
  /** Counters of former processes of this node, and of the one that runs. */
  past: Stats[]
  stats: Stats | null
}

interface Stats {
  gossip: { delivered: number; duplicates: number; signatureChecks: number }
  proofs: { fetched: number; bytes: number }
}

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

async function run(
  init: TestnetInit,
  windows: { submissionWindow: number; auditWindow: number },
  dir: string,
  started: number,
  cleanup: Array<() => Promise<unknown>>
): Promise<TestnetSummary> {
  const { slotMs, pace = 'auto', roundSlots, signal } = init
  const limits = limitsOf(pace)
  const messages: string[] = []
  const records: RecordFacts[] = []
  let voteLanded = false
  let lastAbstained = ''
  let reading: Promise<void> = Promise.resolve()
  let checking: Promise<void> = Promise.resolve()
  let failure: string | null = null
  let paidOut = false
  let ending = false
  let isReady = false
  let met = () => {}
  let stakedCount = 0
  let stoppedAt: number | null = null
  const enough = Promise.withResolvers<void>()
  const tell = (event: string, detail: Record<string, unknown> = {}, text?: string) => {
    init.onEvent({ event, slot: k2?.slot() ?? null, cycle: null, node: null, ...detail })
    if (text != null) {
      messages.push(text)
    }
  }

  // -- what is set up, as it happens
  const steps: SetupStep[] = []
  const step = (name: string, text: string, done = false) => {
    const before = steps.find((one) => one.name === name)
    before == null ? steps.push({ name, text, done }) : Object.assign(before, { text, done })
    init.onView({ setup: steps })
  }

  // -- the chain: everybody's money is there at genesis, so that it can be counted at the end
  const wallet = generateKeyPair()
  const members: Member[] = Array.from({ length: init.nodes }, (_, index) =>
    newMember(index, init.faults[index - (init.nodes - init.faults.length)] ?? null)
  )
  const traffic = createTraffic({ seed: 'koii-mesh testnet', transfersPerSlot: 3 })
  const funded = [
    { address: wallet.address, lamports: WALLET_ROE },
    ...members.filter(({ fault }) => fault !== 'no-fees').map(({ pair }) => ({ address: pair.address, lamports: KEY_ROE })),
    ...traffic.funded
  ]
  step('K2', 'starting, in this process')
  const k2: LocalK2 = await createLocalK2({
    slotMs,
    pace,
    host: loopbackHost(),
    port: init.port ?? 0,
    genesis: { programs: [{ programId: PROGRAM_ID, bytes: await readFile(init.settlementProgram) }], funded }
  })
  // until there are rounds, a slot that takes long only makes the start take long
  k2.waitForFollowers(false)
  await k2.start()
  cleanup.push(() => k2.stop())
  const client = createK2Client({ url: k2.url })
  step('K2', `${k2.url}, a slot every ${slotMs} ms${pace === 'auto' ? ', or when all nodes are through with it' : ''}`, true)
  step('program', `${PROGRAM_ID}, there at genesis`, true)
  tell('k2', { url: k2.url, program: PROGRAM_ID, slotMs, pace }, `K2 runs on ${k2.url}`)

  // -- what happens on it, as seen by the chain itself
  const transactions: TransactionFacts[] = []
  let fees = 0n
  const trafficKeys = new Set(traffic.funded.map(({ address }) => address))
  k2.events.on('transaction', (transaction) => {
    fees += transaction.fee
    if (!trafficKeys.has(transaction.feePayer)) {
      const facts = factsOf(transaction, countedVotes(transaction))
      transactions.push(facts)
      if (facts.votes.length > 0 && !facts.failed) {
        voteLanded = true
      }
    }
  })
  k2.events.on('passedOver', onPassedOver)
  const faucetBefore = await client.balance(k2.faucetAddress)

  // -- the task
  step('task', `reading the bundle ${init.task}`)
  const { path, params: fetched } = await bundleOf(init, dir)
  const given = init.params ?? fetched
  const { cid, manifest } = await describeBundle(path, given)
  const site = manifest.name === 'site-archive' && given == null ? await startStaticSite({ seed: 'koii-mesh testnet' }) : null
  if (site != null) {
    cleanup.push(() => site.stop())
  }
  const params = site == null ? given : paramsOf({ urls: site.urls })
  const bundle = site == null ? cid : (await describeBundle(path, params)).cid
  const gets = whatItGets(params, manifest)
  const task = generateKeyPair()
  step('task', `${manifest.name}: creating and funding it on K2`)
  const startingSlot = k2.slot() + Math.ceil(limits.bootMs / slotMs)
  const timing: Timing = { startingSlot, roundSlots, ...windows }
  await client.send(
    [
      createTaskAccount({ payer: wallet.address, task: task.address, lamports: await client.rentExemption(TASK_BYTES) }),
      createTask({
        task: task.address,
        manager: wallet.address,
        name: manifest.name,
        ...timing,
        bountyPerRound: init.bounty ?? BOUNTY_ROE,
        minStake: ROE_PER_KOII,
        // slashes are applied once, at the end, and nobody's stake is at anybody's mercy
        largestSlash: SLASH_UNITS,
        bundleNotice: 1,
        bundle
      }),
      fundTask({ task: task.address, payer: wallet.address, amount: FUND_ROE })
    ],
    [signerOf(wallet), signerOf(task)]
  )
  step('task', `${manifest.name} ${task.address}, with ${roeToKoii(FUND_ROE)} KOII in its pot; ${gets.join('; ')}`, true)
  tell(
    'task',
    { task: task.address, name: manifest.name, bundle, params: params?.value ?? null, network: manifest.network === true },
    `task ${manifest.name} is ${task.address}; ${gets.join('; ')}`
  )

  for (const member of members) {
    member.stake = stakeAddress({ task: task.address, staker: member.pair.address })
  }

  // -- the nodes
  for (const member of members) {
    const nodeDir = join(dir, member.name)
    const key = join(nodeDir, 'key.json')
    await writeKeyFile(key, member.pair)
    member.process = createNodeProcess({
      name: member.name,
      dir: nodeDir,
      fault: member.fault,
      args: [
        ...['--k2', k2.url, '--task', task.address, '--key', key, '--data-dir', join(nodeDir, 'data'), '--allow-private'],
        ...['--listen', tcpOn(loopbackHost()), '--log-level', 'info'],
        ...(manifest.network === true ? ['--allow-network'] : []),
        ...(init.nodeArgs ?? []),
        // one of them has the bundle and its params; the others fetch both from their peers
        ...(member === members[0] ? ['--bundle', path, ...(params == null ? [] : ['--params', params.text])] : [])
      ],
      onEvent: (event) => onNodeEvent(member, event),
      onExit: (how) => onNodeExit(member, how)
    })
  }
  cleanup.push(() => Promise.all(members.map((member) => member.process.stop())))
  const ready = Promise.withResolvers<void>()
  for (const member of members) {
    startMember(member)
  }

  init.onView(viewState())
  const view = setInterval(() => init.onView(viewState()), VIEW_MS)
  cleanup.push(async () => clearInterval(view))

  // -- an outsider that checks every record
  const auditor = await createAuditor()
  cleanup.push(() => auditor.stop())
  const unused = () => Promise.reject(new Error('a distribution reads nothing'))
  const runner = await createTaskRunner({
    taskId: task.address,
    staker: wallet.address,
    bundle: { path },
    folder: join(dir, 'checker'),
    store: { get: unused, put: unused, delete: unused, list: unused },
    proofs: { putNode: unused, putFiles: unused, getNode: unused, listFiles: unused, readFile: unused },
    k2: { slot: unused, block: unused, blocks: unused },
    startTimeoutMs: limits.fetchMs,
    log: () => {}
  })
  cleanup.push(() => runner.stop())
  const genesisHash = await client.genesisHash()
  const finish = createFinish(init.rounds, timing)
  const ledgerCheck = createLedgerCheck({
    k2: client,
    task: task.address,
    genesisHash,
    timing,
    auditor,
    providers: () => members.flatMap(({ hint }) => (hint == null ? [] : [providerAt(hint)])),
    distribution: (input) => distributionOf(runner, input),
    fetchMs: limits.fetchMs
  })

  // -- from here on it runs by itself until enough cycles are there, or somebody stops it
  const aborted = new Promise<void>((done) => {
    const stop = () => {
      stoppedAt = k2.slot()
      done()
    }
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) {
      stop()
    }
  })
  const bootTimer = setTimeout(() => ready.reject(new TestnetError(notReady())), limits.bootMs - 5 * slotMs)
  try {
    await Promise.race([ready.promise, aborted])
  } finally {
    clearTimeout(bootTimer)
  }
  if (!signal.aborted) {
    isReady = true
    tell('ready', { nodes: init.nodes }, init.nodes === 1 ? 'the only node has started' : `all ${init.nodes} nodes have found each other`)
    traffic.follow(k2)
    k2.waitForFollowers(true)
    await leap()
    k2.events.on('slot', onSlot)
    const watch = setInterval(onTick, slotMs)
    cleanup.push(async () => clearInterval(watch))
    await Promise.race([enough.promise, aborted])
    clearInterval(watch)
  }
  if (signal.aborted) {
    // nothing is finalized any more while the nodes are stopped
    k2.hold()
  }
  await reading
  await checking

  // -- the rest of the last voting window: votes that come after the quorum are votes, too
  const paid = new Map<string, bigint>()
  const slashed = new Map<string, bigint>()
  if (!signal.aborted && failure == null && records.length > 0) {
    await settleLast()
  }
  // time stands still while the nodes stop, so that they vote on no further cycle
  ending = true
  k2.hold()
  await Promise.all(members.map((member) => member.process.stop()))
  await reading
  await checking
  k2.events.off('slot', onSlot)
  if (failure == null && records.length > 0) {
    k2.release()
    await payOut()
    k2.hold()
  }
  const facts = await collectFacts()
  const invariants = checkInvariants(facts, init.rounds)
  const broken = [failure, ...invariants.map(({ name, broken: found }) => (found == null ? null : `${name}: ${found}`))].filter(
    (reason) => reason != null
  )
  clearInterval(view)
  init.onView(viewState())
  const summary = summarize(facts, invariants, broken)
  init.onEvent(summary as unknown as Record<string, unknown>)
  return summary

  // ---------------------------------------------------------------------------------------------------------------

  function newMember(index: number, fault: Fault | null): Member {
    const pair = generateKeyPair()
    const name = `node-${index + 1}`
    return {
      name,
      pair,
      owner: generateKeyPair(),
      stake: '',
      fault,
      process: undefined as never,
      row: {
        name,
        staker: pair.address,
        fault,
        state: 'starting',
        peers: 0,
        work: '-',
        submitted: '-',
        audits: '-',
        challenged: '-',
        voted: '-',
        rewards: 0n
      },
      records: new Map(),
      told: new Set(),
      interrupted: false,
      crashed: null,
      hint: null,
      listens: false,
      failed: false,
      staked: false,
      hasTask: false,
      past: [],
      stats: null
    }
  }

  function startMember(member: Member): void {
    Object.assign(member, { listens: false, failed: false })
    Object.assign(member.row, { peers: 0, state: 'starting' })
    member.process.start()
    tell('node-started', { name: member.name, node: member.pair.address, pid: member.process.pid() ?? null, fault: member.fault })
  }

  function onNodeEvent(member: Member, event: NodeEvent): void {
    const { row } = member
    init.onEvent({ ...event, name: member.name })
    const cycle = event.cycle ?? 0
    switch (event.event) {
      case 'listening': {
        member.listens = true
        const hint = (event.multiaddrs as string[])[0]
        if (hint != null && !member.staked) {
          member.hint = hint
          member.staked = true
          stakeFor(member).catch((err) => {
            failure ??= `cannot stake for ${member.name}: ${messageOf(err)}`
            ready.reject(new TestnetError(failure))
          })
        } else {
          member.hint = hint ?? member.hint
        }
        break
      }
      case 'peer':
      case 'peer-left':
        row.peers = event.staked as number
        checkReady()
        break
      case 'task':
        Object.assign(member, { hasTask: true, failed: false })
        checkReady()
        break
      case 'task-failed':
        member.failed = true
        messages.push(`${member.name}: ${event.reason}`)
        break
      case 'work-started':
        row.work = `cycle ${cycle}`
        break
      case 'submitted':
        row.submitted = `cycle ${cycle}`
        break
      case 'missed':
        row.submitted = `missed ${cycle}`
        messages.push(`${member.name} missed cycle ${cycle}: ${event.reason}`)
        break
      case 'audited':
        row.audits = `cycle ${cycle}: ${event.finding}`
        // one bug of the task shows at every node, in each of its audits
        if (event.finding === 'abstained' && lastAbstained !== `${cycle} ${event.reason}`) {
          lastAbstained = `${cycle} ${event.reason}`
          messages.push(`${member.name} abstained in cycle ${cycle}: ${event.reason}`)
        }
        break
      case 'challenged':
        if (event.by === member.pair.address) {
          row.challenged = `cycle ${cycle}: ${nameOf(event.subject as string)}`
          messages.push(`${member.name} challenges ${nameOf(event.subject as string)}, cycle ${cycle}: ${event.finding}`)
        }
        break
      case 'voted':
        member.told.add(cycle)
        row.voted = `cycle ${cycle}`
        break
      case 'vote-lost':
        member.told.add(cycle)
        row.voted = `lost ${cycle}`
        messages.push(`${member.name} lost its vote for cycle ${cycle}: ${event.reason}`)
        break
      case 'settled':
        member.records.set(cycle, event.record as string)
        row.rewards = BigInt(event.total as string)
        break
      case 'stats':
        member.stats = event as unknown as Stats
        break
      case 'unhandled':
        member.crashed ??= `unhandled: ${event.reason}`
        break
    }
    row.state = member.failed ? 'no task' : stateOf({ ...member, peers: row.peers })
  }

  /** It hangs, as far as can be told from outside: what it misses meanwhile is not the others' doing, nor the machine's. */
  function onPassedOver({ follower, waitedMs }: PassedOver): void {
    const member = members.find(({ pair }) => pair.address === follower)
    if (member != null) {
      member.interrupted = true
    }
    const text = `${nameOf(follower)} has not said for ${Math.round(waitedMs / 1000)} s that it is done with a slot: slots no longer wait for it`
    tell('passed-over', { node: follower, name: nameOf(follower), waitedMs }, text)
  }

  function onNodeExit(member: Member, { signal: by, reason }: { signal: string | null; reason: string }): void {
    if (member.stats != null) {
      member.past.push(member.stats)
      member.stats = null
    }
    if (by === 'SIGKILL') {
      // somebody tries us: the node comes back, as a service manager would bring it
      member.interrupted = true
      member.row.state = 'killed'
      messages.push(`${member.name} was killed and comes back`)
      tell('node-killed', { name: member.name, node: member.pair.address })
      setTimeout(() => {
        if (!signal.aborted && !ending) {
          startMember(member)
        }
      }, RESTART_MS)
      return
    }
    if (signal.aborted) {
      // Ctrl+C in a terminal reaches the nodes, too
      member.row.state = 'ended'
      return
    }
    member.crashed = reason
    member.row.state = 'ended'
    messages.push(`${member.name} ${reason}`)
    tell('node-ended', { name: member.name, node: member.pair.address, reason })
    ready.reject(new TestnetError(`${member.name} ${reason}`))
  }

  async function stakeFor(member: Member): Promise<void> {
    await client.send(
      [
        stakeInstruction({
          task: task.address,
          stakingKey: member.pair.address,
          payer: wallet.address,
          amount: stakeOf(member.fault),
          withdrawAuthority: member.owner.address,
          addressHint: member.hint!
        })
      ],
      [signerOf(wallet), signerOf(member.pair)]
    )
    stakedCount++
    tell('staked', { node: member.pair.address, name: member.name, roe: stakeOf(member.fault) })
  }

  function checkReady(): void {
    if (members.every((member) => member.hasTask && member.row.peers >= init.nodes - 1)) {
      ready.resolve()
      met()
    }
  }

  /** To just before the first cycle. What nodes had said to each other has run out by then, so they say it again, and rounds wait for that. */
  async function leap(): Promise<void> {
    if (pace === 'strict') {
      if (k2.slot() < startingSlot - 1) {
        k2.warpTo(startingSlot - 1)
      }
      return
    }
    if (k2.slot() < startingSlot - MEETING_SLOTS) {
      k2.warpTo(startingSlot - MEETING_SLOTS)
    }
    while (k2.slot() < startingSlot - 2 && !signal.aborted) {
      await new Promise((done) => k2.events.once('slot', done))
    }
    k2.hold()
    const limit = setTimeout(() => met(), limits.bootMs / 4)
    await Promise.race([
      aborted,
      new Promise<void>((done) => {
        met = done
        checkReady()
      })
    ])
    clearTimeout(limit)
    k2.release()
  }

  function notReady(): string {
    const late = members.filter((member) => !member.hasTask || member.row.peers < init.nodes - 1)
    return `the nodes did not find each other within ${duration(limits.bootMs)}: ${late.map(({ name, row, hasTask }) => `${name} has ${counted(row.peers, 'peer')}${hasTask ? '' : ' and no task'}`).join(', ')}. Logs: ${dir}`
  }

  /** How far the nodes are, until the first round begins. */
  function nodeSteps(): SetupStep[] {
    const all = init.nodes
    const howMany = (name: string, count: number, text: string) => ({ name, done: count === all, text: `${count} of ${all} ${text}` })
    return [
      howMany('nodes', members.filter(({ hint }) => hint != null).length, 'listen, each in a process of its own'),
      howMany('stakes', stakedCount, `are on K2, ${roeToKoii(STAKE_ROE)} KOII each`),
      howMany('bundle', members.filter(({ hasTask }) => hasTask).length, 'have it, the first from disk, others from nodes that K2 names'),
      howMany('mesh', members.filter(({ row }) => row.peers >= all - 1).length, 'have all others as peers: with stake, and greeted')
    ]
  }

  /** What landed in the slot before is confirmed: has a vote among it finalized a cycle? */
  function onSlot(): void {
    holdAtEnd()
    if (voteLanded) {
      voteLanded = false
      reading = reading.then(look).catch((err) => fail(`K2 did not tell how the task stands: ${messageOf(err)}`))
    }
  }

  async function look(): Promise<void> {
    const account = await client.task(task.address)
    if (finish.saw(account) === 'counts') {
      holdAtEnd()
      // one at a time: the record of a cycle is checked against the one before it
      checking = checking
        .then(() => (failure == null ? onFinalized(account) : undefined))
        .catch((err) => fail(`the record of cycle ${account.finalized?.cycle} could not be checked: ${messageOf(err)}`))
    }
  }

  /** Once the nodes stop there may be nobody to fetch from, and that is nobody's fault. */
  function fail(reason: string): void {
    if (!signal.aborted) {
      failure ??= reason
    }
    enough.resolve()
  }

  async function onFinalized(account: TaskAccount): Promise<void> {
    const record = await ledgerCheck.check(account)
    records.push(record)
    tell('finalized', {
      cycle: record.cycle,
      record: record.cid,
      root: record.root,
      accepted: record.accepted,
      rejected: record.rejected,
      recomputed: record.recomputed.ok
    })
    messages.push(
      `cycle ${record.cycle} is finalized: ${record.accepted.length} accepted${record.rejected.map(({ staker, reason }) => `, ${nameOf(staker)} rejected (${reason})`).join('')}`
    )
    if (init.rounds != null && records.length >= init.rounds) {
      enough.resolve()
    }
  }

  /** Gives up on a run that gets nowhere: as many skipped cycles as wanted ones, and some. */
  function onTick(): void {
    const cycle = cycleAt(timing, k2.slot())
    if (init.rounds != null && cycle - 3 >= init.rounds * 2 + 3) {
      failure ??= `${records.length} of ${init.rounds} cycles were finalized in ${counted(cycle, 'round')}`
      enough.resolve()
    }
  }

  /** Waits for the votes and records of the last cycle: as long as its window is open, and then for those who are late to hear of it. */
  async function settleLast(): Promise<void> {
    const last = records.at(-1)!.cycle
    const honest = members.filter(({ fault }) => fault == null)
    let sinceEndMs = 0
    while (sinceEndMs < limits.lateMs && !signal.aborted) {
      const voted = honest.every(({ pair }) =>
        transactions.some(({ votes, failed }) => !failed && votes.some((vote) => vote.cycle === last && vote.staker === pair.address))
      )
      if (voted && honest.every(({ records: held, told }) => held.has(last) && told.has(last))) {
        return
      }
      await new Promise((done) => setTimeout(done, slotMs))
      sinceEndMs += holdAtEnd() ? slotMs : 0
    }
  }

  /** Stops the slots when the last cycle's window is over. */
  function holdAtEnd(): boolean {
    const end = finish.endSlot()
    if (end == null || k2.slot() < end) {
      return false
    }
    k2.hold()
    return true
  }

  /** What the ledger of the last cycle owes. K2 pays by the newest root alone, whose ledger nobody serves any more when it is a later one. */
  async function payOut(): Promise<void> {
    const ledger = ledgerCheck.ledger()
    const { finalized } = await client.task(task.address)
    if (finalized?.cycle !== records.at(-1)!.cycle) {
      tell(
        'unclaimed',
        { cycle: finalized?.cycle },
        `cycle ${finalized?.cycle} was finalized while the nodes stopped: rewards stay in the pot`
      )
      return
    }
    for (const staker of ledger.keys()) {
      const { amount, to } = await claimFor(client, task.address, staker, ledger, signerOf(wallet))
      if (amount > 0n) {
        paid.set(staker, amount)
        tell('paid', { node: staker, to, roe: amount })
      }
    }
    for (const [staker, { slash }] of ledger) {
      if (slash === 0n) {
        continue
      }
      await slashFor(client, task.address, staker, ledger, signerOf(wallet))
      // what the nodes had taken during the rounds, too
      const amount = (await client.stake(task.address, staker))?.appliedSlash ?? 0n
      if (amount > 0n) {
        slashed.set(staker, amount)
        tell('slashed', { node: staker, roe: amount }, `${nameOf(staker)} lost ${roeToKoii(amount)} KOII of its stake, which nobody gets`)
      }
    }
    paidOut = true
  }

  async function collectFacts(): Promise<RunFacts> {
    const stakes = await client.stakes(task.address)
    // whoever joined may have made tasks of their own on this K2, and staked on them
    const others = (await client.tasks()).filter(({ address }) => address !== task.address)
    const stakedOnOthers = (await Promise.all(others.map(({ address }) => client.stakes(address)))).flat()
    const addresses = new Set([
      ...funded.map(({ address }) => address),
      k2.faucetAddress,
      task.address,
      ...members.map(({ owner }) => owner.address),
      ...others.flatMap(({ address, manager }) => [address, manager]),
      ...[...stakes, ...stakedOnOthers].flatMap(({ address, staker, withdrawAuthority }) => [address, staker, withdrawAuthority])
    ])
    const genesis = funded.reduce((sum, { lamports }) => sum + lamports, 0n) + faucetBefore
    const now = await balances(client, [...addresses])
    const account = await client.task(task.address)
    const pot = {
      funded: FUND_ROE,
      claimed: account.claimedTotal,
      slashed: account.slashedTotal,
      lamports: await client.balance(task.address),
      rentReserve: account.rentReserve
    }
    const nodes: NodeFacts[] = members.map(({ name, pair, fault, records: held, interrupted, crashed }) => ({
      name,
      staker: pair.address,
      fault,
      records: held,
      interrupted,
      firstCycle: 0,
      crashed
    }))
    const last = records.at(-1)
    const openCycle = last != null && stoppedAt != null && stoppedAt < windowOf(timing, last.cycle, 'distribution').to ? last.cycle : null
    const onK2 = account.finalized == null ? null : { cycle: account.finalized.cycle, totalRewards: account.totalRewards }
    const slashes = paidOut
      ? new Map(
          stakes.map(({ staker, appliedSlash, amount, unstaking }) => [
            staker,
            { ledger: ledgerCheck.ledger().get(staker)?.slash ?? 0n, applied: appliedSlash, left: (amount[0]?.value ?? 0n) + unstaking }
          ])
        )
      : null
    return { nodes, transactions, records, startingSlot, roundSlots, openCycle, onK2, money: { genesis, now, fees }, slashes, pot }
  }

  function summarize(facts: RunFacts, invariants: Invariant[], broken: string[]): TestnetSummary {
    const stats = members.flatMap(({ past, stats: current }) => (current == null ? past : [...past, current]))
    const sum = (pick: (one: Stats) => number) => stats.reduce((all, one) => all + pick(one), 0)
    const last = records.at(-1)
    const cycles = last == null ? 0 : last.cycle + 1
    return {
      event: 'summary',
      ok: broken.length === 0,
      reason: broken[0] ?? null,
      unchecked: nothingChecked(invariants, signal.aborted),
      nodes: init.nodes,
      cycles,
      finalized: records.length,
      skipped: Array.from({ length: cycles }, (_, cycle) => cycle).filter((cycle) => !records.some((record) => record.cycle === cycle)),
      records: records.map(({ cycle, root, cid, accepted, rejected }) => ({ cycle, root, record: cid, accepted, rejected })),
      rewards: Object.fromEntries([...(last?.rewards ?? [])].map(([staker, roe]) => [staker, roe.toString()])),
      paid: amounts(paid),
      slashed: amounts(slashed),
      k2: {
        transactions: facts.transactions.length,
        bytes: facts.transactions.reduce((all, { bytes }) => all + bytes, 0),
        votes: facts.transactions.filter(({ failed }) => !failed).reduce((all, { votes }) => all + votes.length, 0),
        byKind: countBy(facts.transactions.flatMap(({ kinds }) => kinds))
      },
      gossip: {
        delivered: sum(({ gossip }) => gossip.delivered),
        duplicates: sum(({ gossip }) => gossip.duplicates),
        signatureChecks: sum(({ gossip }) => gossip.signatureChecks)
      },
      proofs: { fetched: sum(({ proofs }) => proofs.fetched), bytes: sum(({ proofs }) => proofs.bytes) },
      invariants,
      seconds: Math.round((performance.now() - started) / 100) / 10,
      slotMs: paceNow()
    }
  }

  /** The votes that a transaction brings: a batch passes over those that are in. */
  function countedVotes({ err, instructions }: LocalTransaction): TransactionFacts['votes'] {
    return instructions.flatMap(({ programId, data, accounts }) => {
      const name = programId === PROGRAM_ID ? instructionName(data) : undefined
      if (name === 'vote') {
        return [{ staker: accounts[0]!, cycle: voteCycle(name, data) }]
      }
      if (name !== 'voteBatch') {
        return []
      }
      const cycle = voteCycle(name, data)
      const known = (staker: string) =>
        err == null &&
        transactions.some(({ failed, votes }) => !failed && votes.some((vote) => vote.staker === staker && vote.cycle === cycle))
      return members
        .filter(({ stake, pair }) => accounts.slice(2).includes(stake) && !known(pair.address))
        .map(({ pair }) => ({ staker: pair.address, cycle }))
    })
  }

  function paceNow(): PaceFacts | null {
    const facts = k2.pace()
    return facts == null ? null : { ...facts, waitedFor: facts.waitedFor && { ...facts.waitedFor, name: nameOf(facts.waitedFor.name) } }
  }

  function nameOf(staker: string): string {
    return members.find(({ pair }) => pair.address === staker)?.name ?? staker
  }

  function viewState(): ViewState {
    const slot = k2.slot()
    const cycle = cycleAt(timing, slot)
    return {
      setup: isReady || signal.aborted ? [] : [...steps, ...nodeSteps()],
      url: k2.url,
      task: task.address,
      taskName: manifest.name,
      gets,
      slot,
      cycle,
      at: slot < startingSlot ? 0 : (slot - startingSlot) % roundSlots,
      roundSlots,
      phase: phaseAt(timing, slot),
      finalized: records.length,
      wanted: init.rounds,
      slotMs: paceNow(),
      rows: members.map(({ row }) => row),
      messages
    }
  }
}

/** The file of the task's bundle; one that is named by its CID is fetched from who has it, and checked block by block. */
async function bundleOf({ task, from = [] }: TestnetInit, dir: string): Promise<{ path: string; params: Params | null }> {
  if (!isCid(task)) {
    return { path: bundleAt(task), params: null }
  }
  for (const name of builtInBundles) {
    if ((await describeBundle(bundlePath(name))).cid === task) {
      return { path: bundlePath(name), params: null }
    }
  }
  if (from.length === 0) {
    throw new TestnetError(`${task} is not the CID of a built-in task: name a peer that has the bundle with --from, or give its path`)
  }
  const auditor = await createAuditor()
  try {
    const folder = join(dir, 'bundle')
    await auditor.proofs.fetchTo(task, folder, { from: from.map(providerAt) })
    return { path: join(folder, BUNDLE_FILE), params: paramsBeside(folder) }
  } finally {
    await auditor.stop()
  }
}

function isCid(text: string): boolean {
  try {
    CID.parse(text)
    return true
  } catch {
    return false
  }
}

/** What the cycle that submits and audits in this slot does; the others work and distribute beside it. */
function phaseAt(timing: Timing, slot: number): string {
  const cycle = cycleAt(timing, slot) - 1
  if (slot < timing.startingSlot) {
    return 'starting'
  }
  if (cycle < 0) {
    return 'work'
  }
  return within(windowOf(timing, cycle, 'submission'), slot)
    ? 'submissions'
    : within(windowOf(timing, cycle, 'audit'), slot)
      ? 'audits'
      : 'distribution'
}

function factsOf(
  { slot, signature, feePayer, bytes, err, instructions }: LocalTransaction,
  votes: TransactionFacts['votes']
): TransactionFacts {
  return {
    slot,
    signature,
    feePayer,
    bytes,
    failed: err != null,
    kinds: instructions.map(({ programId, data }) =>
      programId === PROGRAM_ID ? (instructionName(data) ?? 'unknown') : nameOfProgram(programId)
    ),
    votes
  }
}

function nameOfProgram(programId: string): string {
  const named = { [PublicKey.default.toBase58()]: 'system', [Ed25519Program.programId.toBase58()]: 'ed25519' }
  return named[programId] ?? programId
}

async function balances(client: K2Client, addresses: string[]): Promise<bigint> {
  let sum = 0n
  for (let at = 0; at < addresses.length; at += 100) {
    const found = (await client.connection.requestExact('getMultipleAccounts', [
      addresses.slice(at, at + 100),
      { commitment: 'processed', encoding: 'base64', dataSlice: { offset: 0, length: 0 } }
    ])) as { value: Array<{ lamports: number | bigint } | null> }
    for (const account of found.value) {
      sum += BigInt(account?.lamports ?? 0)
    }
  }
  return sum
}

function amounts(by: ReadonlyMap<string, bigint>): Record<string, string> {
  return Object.fromEntries([...by].map(([staker, roe]) => [staker, roe.toString()]))
}

function countBy(names: string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) {
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
