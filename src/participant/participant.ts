import { cycleAt, type Timing, windowOf } from '../clock/index.ts'
import type { LineOptions } from '../command/line.ts'
import type { KeyInUseError } from '../identity/errors.ts'
import type { SignerLog } from '../identity/index.ts'
import { createDoor, createPool, type Door, type DoorInit, type Pool } from '../judge/index.ts'
import { messageOf } from '../k2/errors.ts'
import type { FinalVote } from '../k2/index.ts'
import type { TaskAccount } from '../k2/settlement/index.ts'
import type { Events, Logger } from '../observe/index.ts'
import { type Ledger, proposerFor } from '../record/index.ts'
import { createRounds, type Rounds, type RoundsEvent } from '../rounds/index.ts'
import type { Signer } from '../signer/index.ts'
import type { KeyValue, LogTrust, Store } from '../store/index.ts'
import { type Body, type Message, type Network, networkOf, type Verify } from '../wire/index.ts'
import { type CycleNotes, createCycleNotes } from './cycle-log.ts'
import { createEffects, type Pace } from './effects.ts'
import { createKeyGuard, type KeyGuard } from './key-guard.ts'
import type { Archive, Blocks, Chain, Clock, Random, Runtime, Transport } from './ports.ts'
import { createRecall } from './recall.ts'
import { createRecords, type Records, type RecordsInit } from './records.ts'
import { createReplacedKey, type ReplacedKey } from './replaced.ts'
import { createSettled } from './settled.ts'
import { createTaskFollow, type TaskFollow } from './task-follow.ts'
import { createWays } from './ways.ts'

/** What may be put in the place of an honest part, to see how the others take it. */
export interface ParticipantParts {
  records?: (honest: Records) => Records
  /** `said`: what this key has said by another way than the Signer. */
  publish?: (
    honest: (body: Body) => Promise<Message>,
    tools: { said(message: Message): void; send(message: Message): Promise<void> }
  ) => (body: Body) => Promise<unknown>
}

export interface ParticipantInit {
  /** base58 */
  task: string
  /** base58: of K2's chain. */
  genesisHash: string
  /** The task as K2 had it when this was built. */
  account: TaskAccount
  timing: Timing
  clock: Clock
  random: Random
  transport: Transport
  chain: Chain
  blocks: Blocks
  runtime: Runtime
  archive: Archive
  signer: Signer
  store: Pick<Store, 'messages' | 'cycles'> & LogTrust & { signerLog: SignerLog }
  /** How the key stands; durable. */
  keyState: KeyValue
  verify: Verify
  /** @see JudgeInit.open */
  open?: DoorInit['open']
  /** Who is at the door. */
  peers: DoorInit['peers']
  contactFault: DoorInit['contactFault']
  events: Events
  log: Logger
  /** Whether another bundle is fetched and run unread. */
  followBundle: boolean
  /** The operator says that no other node has used the key for three rounds. */
  keyIsIdle: boolean
  /** Where this node's data are, and what a command takes that is about its stake: for what the operator is told. */
  dataDir: string
  own: LineOptions
  /** The most cycles that are told again after an absence. */
  cyclesTold: number
  /** The newest ledger: what it says that stakers have lost is K2's to take. */
  onLedger: (cycle: number, ledger: Ledger) => void
  /** A cycle's round has begun. */
  onCycle?: (cycle: number) => void
  /** The middle of a round, when the submissions are in and nothing is voted on yet. */
  onMiddle?: (cycle: number) => void
  pace?: Pace & Required<Pick<RecordsInit, 'shared'>>
  /** What a limit that slots set gets on top in ms, where slots wait for nodes. */
  graceMs?: number
  /** What fetching a finalized record may take in ms beyond the usual. */
  fetchGraceMs?: number
  /** Aborted when the node stops. */
  stopping: AbortSignal
  parts?: ParticipantParts
}

export interface Participant {
  network: Network
  pool: Pool
  door: Door
  rounds: Pick<Rounds, 'cycles'>
  guard: KeyGuard
  replaced: ReplacedKey
  follow: TaskFollow
  notes: CycleNotes
  /** Decides whether the key may sign. To be called when slot and stakes are known, and before anything is heard. */
  open(slot: number): Promise<void>
  /** Takes up the rounds where a former process left them. To be called when messages can be sent. */
  join(slot: number): Promise<void>
  /** Final votes that were promised, and of which nothing more is known. */
  openVotes(slot: number): Uint8Array[]
  /** What K2 said of the task while nobody listened. */
  start(slot: number | undefined): void
  /** `isBack`: the clock had followed a lie, and goes back. `isConnected`: there is a staked peer. */
  onSlot(slot: number, how: { isBack: boolean; isConnected: boolean }): void
  handle(event: RoundsEvent): void
  /** Lets a message of our own in, and sends it. @throws PublishRefusedError */
  send(message: Message): Promise<void>
  /** Tells the others of our vote, as the key cannot pay for a transaction. */
  handOver(vote: FinalVote): Promise<void>
  /** The cycle whose work is under way. */
  cycle(): number
  /** Resolves when the key must not be used any more. */
  stopped: Promise<KeyInUseError>
  /** Waits for what is under way. */
  settled(): Promise<void>
}

/** Refusals that do not depend on what was said: a message of our own key that we did not sign is news all the same. */
const MAY_BE_OURS = new Set<string>(['over-quota', 'unknown-subject', 'wrong-window', 'future', 'stake-unknown', 'unstaked', 'meaningless'])

export function createParticipant(init: ParticipantInit): Participant {
  const {
    task,
    genesisHash,
    account,
    timing,
    clock,
    random,
    transport,
    chain,
    blocks,
    runtime,
    signer,
    store,
    events,
    log,
    parts = {}
  } = init
  const network = networkOf(genesisHash, task)
  const self = signer.address
  const { stakes } = chain
  const now = () => clock.now() ?? 0
  let workingCycle = 0
  const cycle = () => (clock.now() == null ? workingCycle : cycleAt(timing, now()))

  const notes = createCycleNotes({ task, cycles: store.cycles, events })
  const replaced = createReplacedKey({ self, accounts: stakes.accounts, events, log })
  const guard = createKeyGuard({
    self,
    network,
    task,
    timing,
    signer,
    log: store.signerLog,
    store,
    state: init.keyState,
    chain,
    accounts: stakes.accounts,
    verify: init.verify,
    idle: init.keyIsIdle,
    events,
    logger: log,
    onListen: (slot) => effects.handle({ type: 'silent-until', slot })
  })

  const ways = createWays({
    ...{ task, self, network, timing, clock, signer, store, transport, chain, guard, events, log },
    door: () => door,
    handle: (event) => effects.handle(event),
    publish: () => publish
  })
  const pool = createPool()
  const door = createDoor({
    ...{ network, timing, stakes, pool, log },
    peers: init.peers,
    contactFault: init.contactFault,
    verify: init.verify,
    open: init.open,
    slot: clock.now,
    keep: (message, { via }) => ways.keep(message, via === 'own'),
    onMessage: (message) => ways.hear(message, now()),
    onRefusal: ({ message, reason }) => void (message != null && MAY_BE_OURS.has(reason) && guard.heardRefused(message))
  })
  const say = { said: guard.said, send: ways.send }
  const publish = parts.publish?.(ways.publish, say) ?? ways.publish

  const records = recordsOf(init)
  const settled = createSettled({
    ...{ task, self, records, blocks, log },
    staker: () => stakes.accounts().find(({ stakingKey }) => stakingKey === self)?.staker ?? self,
    stakesAt: stakes.at,
    cycles: store.cycles,
    onLedger: init.onLedger,
    most: init.cyclesTold,
    signal: init.stopping,
    onSettled: (one) => events.emit('settled', { ...one }),
    onSkipped: notes.skipped
  })
  const rounds = createRounds({
    ...{ self, network, timing, random },
    proposer: ({ stakes: { weights }, base: { beacon }, cycle, attempt }) =>
      proposerFor({ taskId: task, stakes: weights, beacon, cycle, attempt })
  })
  const effects = createEffects({
    ...{ rounds, timing, clock, chain, transport, records, publish, events, log },
    host: runtime.host,
    onSkipped: notes.skipped,
    async vote(vote) {
      chain.decided(vote)
      // a restart takes the cycle up again, and finds what has landed before
      if (!notes.hasVoted(vote)) {
        await chain.cast(vote)
      }
    },
    pace: init.pace,
    graceMs: init.graceMs ?? 0,
    stopping: init.stopping
  })
  const follow = createTaskFollow({
    ...{ task, account, timing, runtime, cycle, settled, events, log },
    slot: clock.now,
    followBundle: init.followBundle,
    own: init.own,
    archive: init.archive,
    handle: effects.handle
  })
  const recall = createRecall({
    ...{ task, timing, network, store, signer, events, log },
    dataDir: init.dataDir,
    take(message, slot) {
      guard.said(message)
      pool.add(message)
      ways.hear(message, slot)
    },
    isKnown: pool.has,
    send: ways.send
  })
  const rhythm = createRhythm({
    ...{ init, guard, follow, notes, handle: effects.handle },
    onWork: (of) => {
      workingCycle = of
    }
  })

  return {
    ...{ network, pool, door, rounds, guard, replaced, follow, notes, cycle },
    open: guard.begin,
    async join(slot) {
      recall.messages(slot)
      if (!guard.isListening()) {
        await recall.sayAgain(slot)
      }
      replaced.look()
    },
    openVotes: recall.openVotes,
    start: follow.begin,
    onSlot: rhythm,
    handle: effects.handle,
    send: ways.send,
    handOver: ways.handOver,
    stopped: guard.stopped,
    settled: effects.settled
  }
}

function recordsOf(init: ParticipantInit): Records {
  const honest = createRecords({
    blocks: init.blocks,
    breathe: init.clock.breathe,
    taskId: init.task,
    genesisHash: init.genesisHash,
    timing: init.timing,
    largestSlash: init.account.largestSlash,
    verify: init.verify,
    distribution: init.runtime.distribution,
    providers: init.transport.providers,
    ...(init.fetchGraceMs == null ? {} : { graceMs: init.fetchGraceMs }),
    ...(init.pace == null ? {} : { shared: init.pace.shared })
  })
  return init.parts?.records?.(honest) ?? honest
}

interface RhythmInit {
  init: ParticipantInit
  guard: KeyGuard
  follow: TaskFollow
  notes: CycleNotes
  handle: (event: RoundsEvent) => void
  onWork: (cycle: number) => void
}

/** What each slot, each round and the middle of a round bring. */
function createRhythm({ init, guard, follow, notes, handle, onWork }: RhythmInit): Participant['onSlot'] {
  const { task, timing, chain, store, log } = init
  let seenCycle = -1
  let middleCycle = -1

  const begin = (cycle: number) => {
    init.onCycle?.(cycle)
    try {
      store.messages.prune(task, cycle - 2)
      guard.forget(cycle - 2)
    } catch (err) {
      log.error({ cycle, reason: messageOf(err) }, 'the node could not forget what is old')
    }
    // the subscription may have missed the news
    chain
      .task(windowOf(timing, cycle, 'work').from)
      .then(follow.heard, (err) => log.warn({ reason: messageOf(err) }, 'K2 did not tell how the task stands'))
  }

  const middle = (cycle: number) => {
    init.onMiddle?.(cycle)
    // K2's last vote is known where it has just been found to be ours
    if (notes.votedCycle() !== cycle - 2) {
      guard.checkVote().catch((err) => log.debug({ reason: messageOf(err) }, 'K2 did not tell our last vote'))
    }
  }

  return (slot, { isBack, isConnected }) => {
    guard.onSlot(slot, isBack)
    handle({ type: 'slot', slot, back: isBack, connected: isConnected })
    const cycle = Math.max(0, cycleAt(timing, slot))
    onWork(cycle)
    if (cycle !== seenCycle) {
      seenCycle = cycle
      begin(cycle)
    }
    if (middleCycle !== cycle && slot >= windowOf(timing, cycle, 'work').from + Math.floor(timing.roundSlots / 2)) {
      middleCycle = cycle
      middle(cycle)
    }
  }
}
