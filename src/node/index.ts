/**
 * # node
 *
 * Builds every room and runs the rounds: the one place that knows them all.
 *
 *     K2 slots ──> rounds ──> effects ──> tasks, proofs, records ──> rounds
 *     gossip, sync ──> judge ──> message log ──> rounds ──> publish ──> signer ──> message log ──> gossip
 *     rounds ──> vote ──> signer's log ──> outbox ──> K2
 *
 * Shutting down goes the other way: no more slots, then the task's processes, the outbox, gossip and sync, the host,
 * and last the store, which everything before may still write to.
 *
 * @example
 * ```ts
 * const node = await createNode({ config, log })
 * node.events.on((event) => console.log(toLine(event)))
 * await node.start()
 * await node.stop()
 * ```
 */
import { randomInt } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import bs58 from 'bs58'
import { type CycleSchedule, cycleAt, liveCycles, scheduleFor, type Timing, windowOf } from '../clock/index.ts'
import { commandLine } from '../command/index.ts'
import { bytesOf, type Config, keyPathOf } from '../config/index.ts'
import { createDiskWatch } from '../disk/index.ts'
import { createGossip, createPool } from '../gossip/index.ts'
import {
  createSigner,
  generateKeyPair,
  type KeyPair,
  lockKeyFile,
  readKeyFile,
  type Signer,
  verifyEd25519,
  writeKeyFile
} from '../identity/index.ts'
import {
  createK2Client,
  createOutage,
  createOutbox,
  createSlots,
  createStakeFollow,
  createStakeView,
  createVoteBatcher,
  type FinalVote,
  K2NetworkError,
  messageOf,
  readFirst,
  type StakeFollow
} from '../k2/index.ts'
import { bundleOf, type StakeAccount, type TaskAccount, voteMessage } from '../k2/settlement/index.ts'
import {
  createAnnouncer,
  createDiscovery,
  createHello,
  createHost,
  createPeers,
  createPresence,
  type DiscoveryEvent,
  type HelloOutcome,
  keepPorts,
  pastHintNotice,
  REPROVIDE_MS,
  readOrMakeNodeKey,
  recordLifetimeMs,
  unreachableNotice,
  watchNetworks,
  withKeptPorts
} from '../network/index.ts'
import { createEvents, type Events, type Logger, logTrouble } from '../observe/index.ts'
import { createMadeBook, createProofs, createTaskProofs, MADE_BLOCKS, MADE_ROOTS, type ProviderHint } from '../proofs/index.ts'
import { proposerFor } from '../record/index.ts'
import { createRounds, type StakeSet } from '../rounds/index.ts'
import { openStore } from '../store/index.ts'
import { createSync } from '../sync/index.ts'
import { createK2Reader, createTaskRunner, ENDINGS, type TaskK2Reader, whyFailed } from '../tasks/index.ts'
import { AUDITS_PER_CYCLE, type Body, type Message, networkOf, onceKey, open, seal, signedBytes } from '../wire/index.ts'
import { startApi } from './api.ts'
import { createBootstrapNotice } from './bootstrap-notice.ts'
import { obtainBundle } from './bundle.ts'
import { slashFor } from './claims.ts'
import { createDiskCare } from './disk-care.ts'
import { distributionOf } from './distribution.ts'
import { createEffects } from './effects.ts'
import { endingProofs } from './ending-proofs.ts'
import { createHistory, openArchive } from './history.ts'
import { createKeyGuard } from './key-guard.ts'
import { createLifeSigns } from './life-signs.ts'
import { createPaced, type Paced } from './paced.ts'
import { aboutParams, BundleError, ParamsDifferError, paramsCid } from './params.ts'
import { createRecords, type Records, recordCid } from './records.ts'
import { createReplacedKey } from './replaced.ts'
import { checkRunnable } from './runnable.ts'
import { type Kept, reopened, unsaid } from './say-again.ts'
import { createSettled } from './settled.ts'
import { createSlasher } from './slasher.ts'
import { createTaskHost, type TaskHost } from './task-host.ts'
import { createTaskVersions, type TaskVersion } from './task-versions.ts'

export { API_FILE, ApiError } from './api.ts'
export { type Auditor, askInTurn, createAuditor } from './auditor.ts'
export { BUNDLE_LIMITS, bundleAt, describeBundle } from './bundle.ts'
export { ClaimError, claimFor, claimLatest, ledgerOf, slashFor, slashLatest } from './claims.ts'
export { distributionOf } from './distribution.ts'
export { type FetchedHistory, type FetchedRecord, fetchHistoryTo, fetchRecordTo } from './fetch-record.ts'
export { AddressError, aboutBadHints, type BadHint, hintsOf, providerAt } from './hints.ts'
export { BUNDLE_FILE, BundleError, PARAMS_FILE, ParamsDifferError, paramsCid, paramsIn } from './params.ts'
export { blocksFrom, recordCid } from './records.ts'
export { checkRunnable, UnfitTaskError } from './runnable.ts'
export type { TaskHost } from './task-host.ts'
export { type Verified, type VerifyProgress, verifyCar } from './verify-car.ts'

/** What a wrapper of the way out of messages may use. */
export interface PublishTools {
  keyPair: KeyPair
  signedBytes(body: Uint8Array): Uint8Array
  open(bytes: Uint8Array): Message
  /** Gossips what is signed already. */
  send(message: Message): Promise<void>
  /** Gives it to those connected peers whose stakers are chosen, and to nobody else. */
  sendTo(message: Message, chosen: (staker: string) => boolean): Promise<void>
  slot(): number
  slotMs(): number
  schedule(cycle: number): CycleSchedule
  stakes(cycle: number): Promise<StakeSet>
}

/** What a testnet puts in the place of an honest part, to see how the others take it. */
export interface NodeParts {
  /** Wraps the one who works and audits. */
  taskHost?: (honest: TaskHost) => TaskHost
  /** Whether blocks are served at all. */
  serve?: boolean
  /** Wraps the one who builds and checks records. */
  records?: (honest: Records) => Records
  /** Wraps the way out of messages. */
  publish?: (honest: (body: Body) => Promise<void>, tools: PublishTools) => (body: Body) => Promise<void>
  /** Wraps the way out of final votes. */
  vote?: (honest: (vote: FinalVote) => Promise<void>) => (vote: FinalVote) => Promise<void>
}

export interface NodeInit {
  config: Config
  log: Logger
  parts?: NodeParts
  /**
   * The operator says that no other node has used the staking key for three rounds: it signs at once, even with an empty log.
   * Where that is not so, it contradicts what the key signed elsewhere.
   */
  keyIsIdle?: boolean
}

export interface MeshNode {
  staker: string
  events: Events
  start(): Promise<void>
  stop(): Promise<void>
  status(): Promise<object>
  /** Resolves, with the reason, when somebody else signs with the staking key: the node signs nothing more and is to be stopped. */
  failed: Promise<Error>
}

/** Cycles of K2's news that a status shows. */
const STATUS_CYCLES = 10
/** Refusals that do not depend on what was said: a message of our own key that we did not sign is news all the same. */
const MAY_BE_OURS = new Set<string>(['over-quota', 'unknown-subject', 'wrong-window', 'future', 'stake-unknown', 'unstaked', 'meaningless'])
/** A bundle that is on the disk is given this long to load before the first slot is heard; what comes later is waited for. */
const BUNDLE_START_MS = 5_000
/** The disk of a node that writes little is looked at this often. */
const DISK_CHECK_SLOTS = 25
/** Whether an announcement is due is asked this often: addresses change, and slots can jump. */
const ANNOUNCE_CHECK_SLOTS = 4

export async function createNode({ config, log, parts = {}, keyIsIdle = false }: NodeInit): Promise<MeshNode> {
  const sizes = bytesOf(config)

  // what outlives a kill; its lock keeps a second process away from this data directory
  const watch = createDiskWatch({ dir: config.dataDir })
  const store = openStore({ dir: config.dataDir, watch })
  let unlockKey = () => {}
  let closeArchive = () => {}
  try {
    return await build()
  } catch (err) {
    unlockKey()
    watch.stop()
    closeArchive()
    store.close()
    throw err
  }

  async function build(): Promise<MeshNode> {
    // who we are: the staking key behind the signer, and the node key of libp2p
    const keyPair = await stakingKey(config)
    const lock = lockKeyFile(keyPathOf(config), { dataDir: config.dataDir, task: config.task })
    unlockKey = lock.release
    if (lock.unlocked != null) {
      log.warn({ reason: lock.unlocked }, 'the staking key could not be locked: see that no other node of this machine uses it')
    }
    const signer: Signer = createSigner(keyPair, store.signerLog)
    const privateKey = await readOrMakeNodeKey(join(config.dataDir, 'node-key'))
    const self = signer.address

    // the chain: who has stake, what the task is, what slot it is
    const follower = { k2: () => k2, slots: () => slots, gossip: () => gossip, proofs: () => proofs }
    const paced = await createPaced({ urls: config.k2, name: self, ...follower, onLeap: meetAgain, log })
    const k2 = createK2Client({
      url: config.k2,
      programId: config.program,
      log,
      timeoutMs: paced?.answerMs,
      maxFeeRoe: config.maxFee,
      onDoubt: (doubt) => events.emit('k2-doubt', { ...doubt })
    })
    const genesisHash = await k2.genesisHash()
    const account = await k2.task(config.task)
    checkRunnable(account, config.k2.join(','))
    const network = networkOf(genesisHash, config.task)
    const timing: Timing = {
      startingSlot: account.startingSlot,
      roundSlots: account.roundSlots,
      submissionWindow: account.submissionWindow,
      auditWindow: account.auditWindow
    }
    const slots = createSlots({ k2, log, onTick: () => outage.tick() })
    const outage = createOutage({ slots, log, emit: (event, detail) => onOutage(event, detail) })
    const stakes = createStakeView({ k2, task: config.task, timing, slot: slots.now, log })
    const events = createEvents({ slot: slots.now, node: self })
    events.on(({ event, cycle, reason, proofs }) => {
      if ((event === 'missed' || event === 'skipped') && cycle != null) {
        store.cycles.merge(config.task, cycle, { [event]: String(reason) })
      }
      if (event === 'submitted' && cycle != null) {
        store.cycles.merge(config.task, cycle, { proofs })
      }
    })

    const replaced = createReplacedKey({ self, accounts: stakes.accounts, events, log })

    // whoever else signs with our key is noticed here
    const guard = createKeyGuard({
      self,
      network,
      task: config.task,
      timing,
      signer,
      log: store.signerLog,
      store,
      state: store.keyValue('key-guard', undefined, true),
      k2,
      accounts: stakes.accounts,
      verify: verifyEd25519,
      idle: keyIsIdle,
      events,
      logger: log,
      onListen: (slot) => effects.handle({ type: 'silent-until', slot })
    })

    // the network: one libp2p, lent to every room below
    const hints = () =>
      stakes
        .accounts()
        .filter(({ stakingKey, addressHint }) => stakingKey !== self && addressHint != null)
        .map(({ stakingKey, addressHint }) => ({ staker: stakingKey, address: addressHint! }))
    const peers = createPeers({ stakes, timing, slot: slots.now, hints })
    const ports = store.keyValue('ports')
    const { listen, taken } = await withKeptPorts(config.listen, ports)
    if (taken.length > 0) {
      log.warn(
        { ports: taken },
        'another program has a port that this node had before: it listens on another, and its address on K2 may be old'
      )
    }
    const recordsMs = recordLifetimeMs(timing.roundSlots)
    const host = await createHost({
      privateKey,
      network,
      peers,
      recordLifetimeMs: recordsMs,
      listen,
      announce: config.announce,
      local: config.allowPrivate,
      answerMs: paced?.answerMs,
      allowed: config.bootstrap.map((text) => multiaddr(text)),
      limits: { maxConnections: config.maxConnections },
      dht: config.dhtServer ? (config.allowPrivate ? 'server' : 'auto') : 'client'
    })
    const { libp2p } = host
    const addresses = libp2p.services.addresses
    const presence = createPresence({ libp2p, peers })
    const announcer = createAnnouncer({
      network,
      timing,
      slot: slots.now,
      peerId: libp2p.peerId,
      multiaddrs: addresses.told,
      signer: { publicKey: signer.publicKey, sign: (bytes, cycle) => signer.sign(bytes, { task: config.task, cycle, key: null }) }
    })
    const hello = createHello({
      libp2p,
      network,
      peers,
      slots: host.slots,
      verify: verifyEd25519,
      announcement: announcer.current,
      log,
      ...(paced == null ? {} : { timeoutMs: paced.answerMs }),
      onOutcome: onHello
    })
    const bootstrapNotice = createBootstrapNotice({ log })
    const discovery = createDiscovery({
      libp2p,
      network,
      peers,
      hello,
      staker: self,
      hints: async () => hints(),
      bootstrap: config.bootstrap,
      cache: store.keyValue('peers'),
      local: config.allowPrivate,
      reprovideMs: Math.min(REPROVIDE_MS, recordsMs / 2),
      // no more than there are: looking for peers that do not exist never ends
      minPeers: () => Math.max(1, Math.min(config.minPeers, stakes.accounts().filter(({ stakingKey }) => stakingKey !== self).length)),
      log,
      onEvent: onDiscovery
    })

    // proofs and records: blocks on disk, served to whoever asks
    const archive = openArchive({ config, watch, log })
    closeArchive = archive.close
    const ownProofs = await createProofs(
      { libp2p, store: store.keyValue('pins'), archive, onWriteFailed: (err) => watch.failed('proofs', err) },
      {
        blocksDir: join(config.dataDir, 'blocks'),
        isStaked: peers.isStaked,
        reprovideIntervalMs: recordsMs / 2,
        dialOncePerCycle: true,
        unstakedBytesPerS: sizes.serveUnstaked,
        ...(parts.serve === false ? { mayServe: () => false } : {})
      }
    )
    // who waits for a proof must not keep the node from stopping
    const stopping = new AbortController()
    const ending = endingProofs(ownProofs, stopping.signal)
    const proofs = paced?.proofs(ending) ?? ending

    const history = createHistory({
      archive,
      proofs: ownProofs,
      network: genesisHash,
      task: config.task,
      keepRecords: config.keepRecords,
      providers,
      log,
      onWriteFailed: (err) => watch.failed('records', err)
    })

    const disk = createDiskCare({ watch, events, log, hasReserve: store.hasReserve, clearAway })

    // gossip and sync: one judge at the door, and the log of what it let in
    const pool = createPool()
    const gossip = createGossip({
      pubsub: libp2p.services.pubsub,
      network,
      timing,
      slot: slots.now,
      stakes,
      peers,
      pool,
      traffic: host.traffic,
      meter: host.meter,
      verify: verifyEd25519,
      onMessage: (message, { via }) => take(message, via === 'own'),
      onRefusal: ({ message, reason }) => {
        if (message != null && MAY_BE_OURS.has(reason)) {
          guard.heardRefused(message)
        }
      },
      log
    })
    const sync = createSync({
      libp2p,
      pool,
      peers,
      timing,
      slot: slots.now,
      receive: (bytes, from) => gossip.receive(bytes, from, 'sync'),
      log
    })

    // the task: its bundle comes from peers once we have some
    let workingCycle = 0
    const madeBook = createMadeBook({
      limits: { bytes: sizes.quota / 2, blocks: MADE_BLOCKS, roots: MADE_ROOTS },
      pins: () => proofs.pins(config.task),
      liveFrom: () => workingCycle - 2
    })
    const versions = createTaskVersions({
      make: (cid, others, needless, onAbsent) =>
        disk.patiently('the bundle', () => makeTask(cid, others, needless, onAbsent), AbortSignal.any([stopping.signal, needless])),
      drop: (cid) =>
        dropTask(cid).catch((err) =>
          log.warn({ bundle: cid, reason: messageOf(err) }, 'a bundle that is no longer used stays on the disk')
        ),
      onReady(cid, { params, broken }) {
        if (broken == null) {
          events.emit('task', { taskName: account.name, bundle: cid, params })
        } else {
          log.error({ event: 'task-failed', bundle: cid, reason: broken }, 'the task cannot run')
          events.emit('task-failed', { bundle: cid, reason: broken })
        }
        effects.handle({ type: 'arrived' })
      },
      onFailed: (cid, err) => {
        log.error({ event: 'task-failed', bundle: cid, reason: messageOf(err) }, 'the task cannot run')
        events.emit('task-failed', { bundle: cid, reason: messageOf(err) })
        if (err instanceof ParamsDifferError) {
          unfit.resolve(err)
        }
      }
    })
    const honestRecords = createRecords({
      proofs,
      taskId: config.task,
      genesisHash,
      timing,
      largestSlash: account.largestSlash,
      verify: verifyEd25519,
      distribution: (input) => distributionOf(versions.of(input.cycle)?.runner, input),
      providers,
      ...(paced == null ? {} : { graceMs: paced.answerMs, shared: paced.work.shared })
    })
    const records = parts.records?.(honestRecords) ?? honestRecords

    // the rounds, and the way of a final vote
    const outbox = createOutbox({
      k2: paced?.votes(k2) ?? k2,
      signer,
      staker: () => ownStake()?.staker ?? self,
      task: config.task,
      timing,
      store: store.keyValue('outbox', undefined, true),
      slot: slots.now,
      slotMs: slots.slotMs,
      log,
      maxFeeRoe: config.maxFee,
      onVoted: ({ cycle, root }, sent) => {
        votedCycle = cycle
        store.cycles.merge(config.task, cycle, { voted: hex(root) })
        events.emit('voted', { cycle, root: hex(root), signature: sent?.signature ?? null, bytes: sent?.bytes ?? null })
      },
      onLost: ({ cycle }, reason) => {
        store.cycles.merge(config.task, cycle, { voteLost: reason })
        events.emit('vote-lost', { cycle, reason })
      },
      handOver: tellVote
    })
    // the votes of those who cannot pay K2's fee
    const batcher = createVoteBatcher({
      k2,
      task: config.task,
      timing,
      self,
      payer: { address: signer.address, sign: (message) => signer.signTransaction(message) },
      stakers: () => stakes.accounts().map(({ stakingKey }) => stakingKey),
      verify: verifyEd25519,
      log,
      onSent: (cycle, stakers, { signature, bytes }) => events.emit('batched', { cycle, stakers, signature, bytes })
    })
    // what others have lost, and nobody is paid for having taken
    const payer = { address: signer.address, sign: (message: Uint8Array) => signer.signTransaction(message) }
    const slasher = createSlasher({
      k2,
      task: config.task,
      self,
      payer: payer.address,
      stakers: () => stakes.accounts().map(({ stakingKey }) => stakingKey),
      apply: (staker, ledger) => slashFor(k2, config.task, staker, ledger, payer),
      log,
      onApplied: (cycle, staker, { amount, signature }) => events.emit('slash-applied', { cycle, staker, amount, signature })
    })
    const settled = createSettled({
      task: config.task,
      self,
      staker: () => (ownStake() ?? { staker: self }).staker,
      records,
      stakesAt: (cycle) => stakes.at(cycle),
      proofs,
      cycles: store.cycles,
      slasher: () => (config.applySlashes && stakes.isStaked(self) === true ? slasher : undefined),
      slot: () => slots.now() ?? 0,
      most: STATUS_CYCLES,
      signal: stopping.signal,
      log,
      onSettled: (cycle) => events.emit('settled', { ...cycle })
    })
    const rounds = createRounds({
      self,
      network,
      timing,
      random: () => randomInt(2 ** 47) / 2 ** 47,
      proposer: ({ stakes: { weights }, base, cycle, attempt }) =>
        proposerFor({ taskId: config.task, stakes: weights, beacon: base.beacon, cycle, attempt })
    })
    const slotNow = paced?.asking(() => slots.now() ?? 0) ?? (() => slots.now() ?? 0)
    const publish =
      parts.publish?.(honestPublish, {
        keyPair,
        signedBytes: (body) => signedBytes(network, body),
        open: (bytes) => open(bytes, network),
        send: (message) => {
          guard.said(message)
          return sendMessage(message)
        },
        sendTo: async (message, chosen) => {
          guard.said(message)
          gossip.sendTo(
            message,
            peers.staked().flatMap(({ peerId, staker }) => (chosen(staker) ? [peerId] : []))
          )
        },
        slot: slotNow,
        slotMs: slots.slotMs,
        schedule: (cycle) => scheduleFor(timing, cycle),
        stakes: stakes.at
      }) ?? honestPublish
    const cast = parts.vote?.(outbox.cast) ?? outbox.cast
    const unfit = Promise.withResolvers<Error>()
    const lifeSigns = createLifeSigns({
      staked: peers.staked,
      stakeOf: (staker) => stakes.weight(staker, Math.max(0, cycleAt(timing, slots.now() ?? timing.startingSlot))) ?? 0n,
      ping: (peerId, signal) => libp2p.services.ping.ping(peerIdFromString(peerId), { signal })
    })
    const effects = createEffects({
      rounds,
      timing,
      slots,
      stakes,
      records,
      task: (cycle) => versions.of(cycle)?.host,
      async vote(vote) {
        batcher.decided(vote)
        // a restart takes the cycle up again, and finds what has landed before
        if (store.cycles.get(config.task, vote.cycle)?.voted !== hex(vote.root)) {
          await cast(vote)
        }
      },
      publish,
      taskAccount: (minSlot) => k2.task(config.task, minSlot),
      blockhashAt: async (slot) => bs58.decode((await k2.blockAtOrAfter(slot)).blockhash),
      lifeSigns,
      providers,
      providerOf: (staker) => hintOfStaker(staker),
      events,
      log,
      ...(paced == null ? {} : { pace: paced.work, graceMs: paced.graceMs }),
      stopping: stopping.signal
    })

    let api: Awaited<ReturnType<typeof startApi>> | undefined
    const lost = Promise.withResolvers<Error>()
    // of another chain in the place of ours, nothing that we know is true
    k2.watchNetwork((reason) => lost.resolve(new K2NetworkError(reason)))
    let pastHint: string | null = null
    let finalizedCycle = account.finalized?.cycle ?? -1
    let { bundle } = account
    let closedFrom: number | undefined
    let started = false
    let seenCycle = -1
    let clearedCycle = -1
    let leaveNetworks = () => {}
    let stakeFollow: StakeFollow | undefined
    let votedCycle = -1
    let strangers = false
    let knownStakers = 0
    let knownHints = new Set<string>()

    // -- the ways in and out

    function take(message: Message, own = false): void {
      if (!own && !guard.heard(message)) {
        return
      }
      const slot = slots.now() ?? 0
      store.messages.put(config.task, { id: message.id, cycle: message.body.cycle, slot, bytes: message.bytes })
      if (message.body.vote != null) {
        hearVote(message)
        return
      }
      // the machine first hears of it when gossip has it in its pool
      queueMicrotask(() => effects.handle({ type: 'message', message, slot }))
    }

    async function sendMessage(message: Message): Promise<void> {
      await gossip.publish(message)
      try {
        store.messages.flush()
      } catch {
        // it is said, and in the Signer's log; what the disk does not take now is told by the watch, and written later
      }
    }

    async function honestPublish(body: Body): Promise<void> {
      const promised = { task: config.task, cycle: body.cycle, key: onceKey(body) }
      await sendMessage(await seal(body, network, { publicKey: signer.publicKey, sign: (bytes) => signer.sign(bytes, promised) }))
    }

    /** Our own vote, for others to bring to K2. Its signature says no more than the vote that the Signer has promised. */
    async function tellVote(vote: FinalVote): Promise<void> {
      const promised = { task: config.task, cycle: vote.cycle, key: 'vote-message' }
      const signature = await signer.sign(voteMessage({ task: config.task, ...vote }), promised)
      const { cycle, root, recordDigest, totalRewards } = vote
      const bytes = (of: Uint8Array) => new Uint8Array(of)
      await publish({
        cycle,
        slot: slots.now() ?? windowOf(timing, cycle, 'distribution').from,
        vote: { root: bytes(root), recordDigest: bytes(recordDigest), totalRewards, signature: bytes(signature) }
      })
      events.emit('vote-handed-over', { cycle })
    }

    function hearVote({ signer: stakingKey, body: { cycle, vote } }: Message): void {
      if (stakingKey !== self && vote != null && !batcher.add({ cycle, stakingKey, ...vote })) {
        log.warn({ cycle, staker: stakingKey }, 'a vote to be sent on is not signed by its staker')
      }
    }

    /** The stake that our key speaks for: another's from before, where it took over. */
    function ownStake(): StakeAccount | undefined {
      return stakes.accounts().find(({ stakingKey }) => stakingKey === self)
    }

    /** What a command takes that is about this node's stake, from wherever it is run. */
    const own = { k2: config.k2.join(','), program: config.program, task: config.task, key: resolve(keyPathOf(config)) }
    const hintNotice = () =>
      pastHintNotice(ownStake()?.addressHint, addresses, (address) =>
        address == null ? commandLine(['hint'], { help: true }) : commandLine(['hint', address], { ...own, dataDir: config.dataDir })
      )

    /** Where newcomers look for us in vain, once for each way in which they do. */
    function tellPastHint(): void {
      const past = hintNotice()
      if (past != null && past !== pastHint) {
        events.emit('address-past', { reason: past })
      }
      pastHint = past
    }

    function hintOfStaker(staker: string): ProviderHint | undefined {
      const binding = peers.bindingOf(staker)
      return binding == null ? undefined : { peerId: binding.peerId, multiaddrs: binding.multiaddrs }
    }

    function providers(): ProviderHint[] {
      return peers.staked().map(({ peerId, staker }) => hintOfStaker(staker) ?? { peerId })
    }

    function onOutage(event: 'k2-away' | 'k2-back', detail: Record<string, unknown>): void {
      events.emit(event, detail)
      if (event === 'k2-back') {
        k2.doubtNetwork()
      }
    }

    function onDiscovery(event: DiscoveryEvent): void {
      bootstrapNotice.on(event)
      if (event.type === 'peers') {
        events.emit('peers', { staked: event.staked, wanted: event.wanted })
      } else {
        log.debug(event, 'discovery')
      }
    }

    // -- time

    function onSlot(slot: number, back = false): void {
      guard.onSlot(slot, back)
      if (slot % DISK_CHECK_SLOTS === 0) {
        tellPastHint()
        watch.look()
      }
      effects.handle({ type: 'slot', slot, back, connected: presence.staked().length > 0 })
      batcher.onSlot(slot)
      slasher.onSlot(slot)
      const cycle = Math.max(0, cycleAt(timing, slot))
      workingCycle = cycle
      if (cycle !== seenCycle) {
        seenCycle = cycle
        onCycle(cycle)
      }
      // the middle of a round, when the submissions are in and nothing is voted on yet
      if (clearedCycle !== cycle && slot >= windowOf(timing, cycle, 'work').from + Math.floor(timing.roundSlots / 2)) {
        clearedCycle = cycle
        clearAway()
        // K2's last vote is known where it has just been found to be ours
        if (votedCycle !== cycle - 2) {
          guard.checkVote().catch((err) => log.debug({ reason: messageOf(err) }, 'K2 did not tell our last vote'))
        }
      }
      if (slot % ANNOUNCE_CHECK_SLOTS === 0) {
        announce().catch((err) => log.warn({ reason: messageOf(err) }, 'could not announce ourselves'))
      }
      stakeFollow?.onSlot(slot, strangers || stakes.isStaked(self) !== true)
    }

    /** Someone says that it has stake, and K2 did not say so when we read it last: its stake may be new. */
    function onHello(outcome: HelloOutcome): void {
      if ('staker' in outcome && outcome.staker === self) {
        guard.heardTwin(outcome.peerId)
      }
      strangers ||= 'fault' in outcome && outcome.fault === 'unstaked'
    }

    /** New stakers are let in as soon as K2 shows them: who said hello too early says it again. */
    function onStakes(): void {
      peers.refresh()
      replaced.look()
      hello.judgeAgain()
      const stakers = stakes.accounts().length
      if (stakers > knownStakers && strangers) {
        strangers = false
        hello.greetAll().catch((err) => log.debug({ reason: messageOf(err) }, 'hello failed'))
      }
      knownStakers = stakers
      const addresses = new Set(hints().map(({ address }) => address))
      if ([...addresses].some((address) => !knownHints.has(address))) {
        discovery.hasten()
      }
      knownHints = addresses
      announce().catch((err) => log.warn({ reason: messageOf(err) }, 'could not announce ourselves'))
    }

    function clearAway(): void {
      proofs
        .collect({
          task: config.task,
          finalizedCycle: Math.max(0, finalizedCycle),
          keepCycles: config.keepCycles,
          quotaBytes: sizes.quota - history.status().bytes
        })
        .catch((err) => log.warn({ reason: messageOf(err) }, 'could not clear old proofs away'))
    }

    function onCycle(cycle: number): void {
      proofs.beginCycle()
      try {
        store.messages.prune(config.task, cycle - 2)
        guard.forget(cycle - 2)
      } catch (err) {
        log.error({ cycle, reason: messageOf(err) }, 'the node could not forget what is old')
      }
      events.emit('stats', { cycle, ...stats() })
      // the subscription may have missed the news
      const from = windowOf(timing, cycle, 'work').from
      k2.task(config.task, from).then(onTaskAccount, (err) => log.warn({ reason: messageOf(err) }, 'K2 did not tell how the task stands'))
    }

    /** Tells the others who we are and where, once we have stake, and again when that changes or runs out. */
    async function announce(force = false): Promise<void> {
      if (stakes.isStaked(self) !== true || !guard.mayAnnounce()) {
        return
      }
      const message = await announcer.renew(force)
      if (message != null) {
        await hello.greetAll()
        await gossip.publish(message)
      }
    }

    /** What was said long ago has run out. */
    function meetAgain(): void {
      peers.refresh()
      announce(true).catch((err) => log.warn({ reason: messageOf(err) }, 'could not announce ourselves'))
    }

    function onTaskAccount(task: TaskAccount): void {
      followTask(task)
      const { finalized } = task
      if (finalized == null || finalized.cycle <= finalizedCycle) {
        return
      }
      finalizedCycle = finalized.cycle
      effects.handle({ type: 'finalized', cycle: finalizedCycle })
      const cid = recordCid(finalized.recordDigest)
      events.emit('finalized', {
        cycle: finalized.cycle,
        record: cid.toString(),
        root: hex(finalized.root),
        totalRewards: task.totalRewards
      })
      settled.follow(finalized.cycle, cid).finally(() => history.follow(finalized.cycle, cid))
    }

    /** What the manager of the task has changed. */
    function followTask(task: TaskAccount): void {
      const slot = slots.now()
      versions.follow(task, slot == null ? workingCycle : cycleAt(timing, slot))
      // one that was given may give up its place to another, in the same round too
      if (task.bundle.from >= bundle.from && task.bundle.cid !== bundle.cid) {
        bundle = task.bundle
        log.warn(
          { event: 'bundle-changed', bundle: bundle.cid, cycle: bundle.from },
          config.followBundle
            ? 'the manager has given the task another bundle: it is fetched now, and runs from that cycle on'
            : 'the manager has given the task another bundle: read it, and start this node again before that cycle'
        )
        events.emit('bundle-changed', { bundle: bundle.cid, from: bundle.from })
      }
      // nobody opens a task again: an endpoint that does not know that it is closed is behind
      if (task.closedFrom != null && task.closedFrom !== closedFrom) {
        closedFrom = task.closedFrom
        effects.handle({ type: 'closed-from', cycle: closedFrom })
        log.warn({ event: 'task-closed', task: config.task, cycle: closedFrom }, whatNow(closedFrom))
        events.emit('task-closed', { from: closedFrom, settledFromSlot: settledFrom(closedFrom), reason: whatNow(closedFrom) })
      }
    }

    /** The last cycle's window is over: what is left is the operator's to take. */
    function settledFrom(cycle: number): number {
      return cycle === 0 ? timing.startingSlot : windowOf(timing, cycle - 1, 'distribution').to
    }

    function whatNow(cycle: number): string {
      return `the task is closed: no work and no votes from cycle ${cycle} on. The node stays up and serves its proofs. From slot ${settledFrom(cycle)} on, claim what is owed and take the stake out: ${commandLine(['claim'], own)}, ${commandLine(['unstake'], { ...own, amount: 'all' })}, then ${commandLine(['withdraw'], own)}`
    }

    // -- starting and stopping

    /** The rounds where a former process left them: what it had heard and said of the live cycles. */
    function recall(slot: number): void {
      const from = Math.max(0, liveCycles(timing, slot)[0] ?? 0)
      const { read, skipped } = reopened(store.messages.load(config.task, from), network)
      tellSkipped(skipped, 'heard')
      for (const { message, slot: heard } of read) {
        guard.said(message)
        pool.add(message)
        if (message.body.vote != null) {
          hearVote(message)
        } else {
          effects.handle({ type: 'message', message, slot: heard })
        }
      }
    }

    function tellSkipped(skipped: Kept<unknown>['skipped'], what: 'heard' | 'signed'): void {
      if (skipped != null) {
        log.warn(
          { ...skipped, dataDir: config.dataDir },
          `messages that this node had ${what} before cannot be read, and are left out: another version wrote them, or the disk lost something. Other nodes have what they had heard`
        )
      }
    }

    /** What a kill took between the Signer's log and ours. */
    async function sayAgain(slot: number): Promise<void> {
      const fromCycle = Math.max(0, liveCycles(timing, slot)[0] ?? 0)
      const { read, skipped } = await unsaid({ signer, log: store.signerLog, task: config.task, fromCycle, network, isKnown: pool.has })
      tellSkipped(skipped, 'signed')
      for (const message of read) {
        const { kind, body } = message
        await sendMessage(message).then(
          () => events.emit('said-again', { cycle: body.cycle, kind }),
          (err) => log.debug({ cycle: body.cycle, kind, reason: messageOf(err) }, 'what was signed before the stop is of no use any more')
        )
      }
    }

    /** The contents of final votes that were promised, and of which nothing more is known. */
    function openVotes(slot: number): Uint8Array[] {
      return store.signerLog
        .list(config.task, Math.max(0, cycleAt(timing, slot) - 2))
        .filter(({ cycle, key }) => {
          const { voted, voteLost } = store.cycles.get(config.task, cycle) ?? {}
          return key === 'vote' && voted == null && voteLost == null
        })
        .map(({ bytes }) => bytes)
    }

    function taskFolder(cid: string): string {
      return join(config.dataDir, 'task', cid.slice(-16))
    }

    async function dropTask(cid: string): Promise<void> {
      await proofs.unpin(cid, { task: 'bundles', cycle: 0 })
      await rm(taskFolder(cid), { recursive: true, force: true })
    }

    async function makeTask(cid: string, others: string[], needless: AbortSignal, onAbsent: () => void): Promise<TaskVersion> {
      if (!config.followBundle && cid !== account.bundle.cid && cid !== account.formerBundle?.cid) {
        throw new BundleError(
          `the task has a new bundle, ${cid}, and this node was told to run none unread (--no-follow-bundle): read it, then start the node again`
        )
      }
      const { content, params } = await obtainBundle({
        proofs,
        cid,
        path: config.bundle,
        params: config.params,
        overrule: cid !== bundleOf(account, Math.max(0, cycleAt(timing, slots.now() ?? 0))).cid,
        others,
        providers,
        signal: AbortSignal.any([stopping.signal, needless]),
        log,
        onWaiting: (reason) => events.emit('waiting', { for: 'bundle', reason }),
        onAbsent
      })
      const { warning, note } = await aboutParams(params, config.params, content)
      if (warning != null) {
        // who gave none has done nothing wrong
        log[config.params == null ? 'info' : 'warn']({ bundle: cid }, warning)
      }
      const made = await createTaskRunner({
        taskId: config.task,
        staker: self,
        bundle: content,
        params: (params ?? config.params)?.value ?? {},
        // two bundles may run at a time
        folder: taskFolder(cid),
        store: store.keyValue(`task/${config.task}`, sizes.taskStore),
        proofs: createTaskProofs(proofs, { keep: () => ({ task: config.task, cycle: workingCycle }), book: madeBook }),
        k2: pacedBySlots(createK2Reader(k2.connection, { timeoutMs: paced?.answerMs }), slots.now, paced?.asking),
        ...(paced == null ? {} : { startTimeoutMs: paced.answerMs }),
        allowNetwork: config.allowNetwork,
        maxMemoryMb: config.taskMemoryMiB,
        log: ({ source, text }) =>
          log[source === 'error' ? 'warn' : 'info']({ source, text }, source === 'error' ? 'the task failed' : 'task')
      })
      // a stop in the middle of the start ends it
      const stop = () => void made.stop()
      stopping.signal.addEventListener('abort', stop, { once: true })
      let manifest = await made.manifest()
      // what is this machine's fault passes: without the manifest no submission can be judged
      while (!manifest.ok && manifest.ending != null && ENDINGS[manifest.ending].whose === 'ours' && !stopping.signal.aborted) {
        log.warn({ cid, reason: whyFailed(manifest) }, 'the task’s manifest could not be read; trying again')
        await new Promise((resolve) => setTimeout(resolve, 1000))
        manifest = await made.manifest()
      }
      stopping.signal.throwIfAborted()
      stopping.signal.removeEventListener('abort', stop)
      if (manifest.ok && manifest.value.network === true && !config.allowNetwork) {
        log.warn(
          { task: manifest.value.name },
          'the task asks for the network, and is not given it: read its bundle, then start with --allow-network'
        )
      }
      // what is kept of the bundle stays as long as the task does: cycle numbers beyond any retention
      await proofs.pin(cid, { task: 'bundles', cycle: 0 })
      const honest = createTaskHost({
        taskId: config.task,
        runner: made,
        proofs,
        bounds: manifest.ok ? manifest.value : {},
        limits: { maxBytes: sizes.quota / 16 },
        alsoProvide,
        note
      })
      return {
        params: params == null ? null : await paramsCid(params),
        broken: manifest.ok ? null : whyFailed(manifest),
        runner: made,
        host: parts.taskHost == null ? honest : parts.taskHost(honest)
      }
    }

    /**
     * A proof that auditors have read survives its author when some of them tell the DHT. All of them doing so was a
     * quarter of a node's work in short rounds, so about two of each proof's auditors do.
     */
    function alsoProvide(): boolean {
      return Math.random() < 2 / Math.max(1, Math.min(AUDITS_PER_CYCLE, stakes.accounts().length - 1))
    }

    function stats(): object {
      const { delivered, duplicates, signatureChecks, published, synced, refused } = gossip.counters()
      const { fetched, fetchedBytes, unavailable, invalid, servedBlocks, servedBytes, dhtQueries } = proofs.stats()
      return {
        gossip: {
          delivered,
          duplicates,
          signatureChecks,
          published,
          synced,
          refused: Object.fromEntries(Object.entries(refused).filter(([, count]) => count > 0))
        },
        proofs: { fetched, bytes: fetchedBytes, unavailable, invalid, servedBlocks, servedBytes, dhtQueries },
        peers: { staked: presence.staked().length, connected: libp2p.getPeers().length, mesh: gossip.meshPeers().length },
        door: { ...host.slots.counts(), dropped: { ...host.doorstep.dropped(), ...host.slots.dropped() }, cut: host.meter.cuts() },
        rssBytes: process.memoryUsage().rss
      }
    }

    async function status(): Promise<object> {
      const slot = slots.now() ?? null
      return {
        node: self,
        peerId: libp2p.peerId.toString(),
        multiaddrs: addresses.told().map(String),
        listens: addresses.listens().map(String),
        task: config.task,
        taskName: account.name,
        program: k2.programId,
        minStake: account.minStake,
        bundleNotice: account.bundleNotice,
        keyFile: resolve(keyPathOf(config)),
        k2: k2.endpoints().map((endpoint) => ({ ...endpoint, ...outage.of(endpoint.name) })),
        slot,
        cycle: slot == null ? null : cycleAt(timing, slot),
        staked: stakes.isStaked(self) ?? null,
        keyReplaced: replaced.notice() != null,
        stake: ownStake()?.amount[0]?.value ?? 0n,
        finalizedCycle: finalizedCycle < 0 ? null : finalizedCycle,
        bundles: versions.list(),
        closedFrom: closedFrom ?? null,
        signing: guard.status(),
        notices: [
          guard.notice(),
          replaced.notice(),
          disk.notice(),
          logTrouble(log),
          unreachableNotice(addresses),
          presence.staked().length > 0 ? null : bootstrapNotice.notice(),
          hintNotice(),
          closedFrom == null ? null : whatNow(closedFrom)
        ].filter((notice) => notice != null),
        taskProcess: versions.of(workingCycle)?.runner.status() ?? null,
        ...stats(),
        sync: sync.counters(),
        outbox: outbox.counters(),
        records: history.status(),
        cycles: store.cycles.list(config.task, STATUS_CYCLES)
      }
    }

    function healthy(): { ok: boolean; reason: string } {
      if (slots.now() == null) {
        return { ok: false, reason: 'K2 has not answered' }
      }
      const away = outage.reason()
      if (away != null) {
        return { ok: false, reason: away }
      }
      if (stakes.isStaked(self) !== true) {
        return { ok: false, reason: replaced.notice() ?? 'no stake in the task' }
      }
      if (guard.notice() != null) {
        return { ok: false, reason: guard.notice()! }
      }
      if (!disk.works()) {
        return { ok: false, reason: disk.notice()! }
      }
      if (presence.staked().length === 0) {
        return { ok: false, reason: 'no staked peer is connected' }
      }
      const dialled = unreachableNotice(addresses) == null
      return {
        ok: true,
        reason: disk.notice() ?? (dialled ? 'working' : 'working, but nobody can dial this node: it has no public address to tell')
      }
    }

    return {
      staker: self,
      events,
      status,
      failed: Promise.race([guard.stopped, lost.promise, unfit.promise]),
      async start() {
        // first, as a port in use is the operator's to mend, and nothing has to be undone yet
        api = await startApi({ host: config.apiHost, port: config.apiPort, dataDir: config.dataDir, status, healthy })
        started = true
        await slots.start()
        await readFirst(stakes, log, stopping.signal)
        await guard.begin(slots.now() ?? 0)
        peers.refresh()
        await proofs.start()
        await keepPorts(config.listen, addresses.listeners(), ports).catch((err) =>
          log.warn({ reason: messageOf(err) }, 'the ports of this start are not kept: the next one may listen on others')
        )
        // a bundle that is on the disk is loaded while the rest starts, so that nothing is asked for in vain
        versions.follow(account, Math.max(0, cycleAt(timing, slots.now() ?? 0)))
        await hello.start()
        gossip.start()
        await sync.start()
        recall(slots.now() ?? 0)
        if (!guard.isListening()) {
          await sayAgain(slots.now() ?? 0)
        }
        replaced.look()
        stakes.onRefresh(onStakes)
        stakes.onCorrected((cycle, set) => effects.handle({ type: 'stakes', cycle, stakes: set }))
        await announce(true)
        events.emit('listening', {
          peerId: libp2p.peerId.toString(),
          multiaddrs: addresses.told().map(String),
          listens: addresses.listens().map(String),
          api: api.url,
          staked: stakes.isStaked(self) ?? null
        })
        tellPastHint()
        leaveNetworks = watchNetworks({
          onLeft(gone) {
            log.warn({ gone }, 'this machine has left a network: what went over its connections is asked for again')
            k2.renew('this machine has left a network')
            paced?.renew()
            announce().catch((err) => log.warn({ reason: messageOf(err) }, 'could not announce ourselves'))
          }
        })
        const unreachable = unreachableNotice(addresses)
        if (unreachable != null) {
          log.warn(unreachable)
        }
        discovery.start()
        peers.onBan((peerId, reason) => events.emit('peer-cut', { peerId, staker: peers.stakerOf(peerId) ?? null, reason }))
        presence.onChange(({ peerId, staker, present }) => {
          events.emit(present ? 'peer' : 'peer-left', { peerId, staker, staked: presence.staked().length })
          if (present && presence.staked().length <= 3) {
            sync.now(1).catch(() => {})
            effects.handle({ type: 'arrived' })
          }
        })
        // whoever starts while another bundle waits is told of it, too
        const startedIn = slots.now()
        bundle = startedIn == null ? bundle : bundleOf(account, Math.max(0, cycleAt(timing, startedIn)))
        k2.watchTask(config.task, onTaskAccount)
        stakeFollow = createStakeFollow({ k2, task: config.task, stakes, log })
        await outbox.resume(openVotes(slots.now() ?? 0))
        followTask(account)
        await versions.atHand(BUNDLE_START_MS)
        slots.on(onSlot)
        paced?.start()
        if (finalizedCycle >= 0 && account.finalized != null) {
          // the ledger so far, for the records to come
          const last = recordCid(account.finalized.recordDigest)
          settled.catchUp(finalizedCycle, last).finally(() => history.follow(finalizedCycle, last))
        }
      },
      async stop() {
        stopping.abort()
        leaveNetworks()
        paced?.stop()
        lifeSigns.stop()
        presence.stop()
        await slots.stop()
        k2.close()
        await versions.stop()
        await outbox.stop()
        await batcher.stop()
        await slasher.stop()
        await discovery.stop()
        await sync.stop()
        await hello.stop()
        gossip.stop()
        if (started) {
          events.emit('stats', stats() as Record<string, unknown>)
        }
        await effects.settled()
        await history.stop()
        await proofs.stop()
        await libp2p.stop()
        archive.close()
        await api?.stop()
        try {
          store.messages.flush()
        } catch (err) {
          log.error({ reason: messageOf(err) }, 'what was heard last is not on the disk; other nodes have it')
        }
        watch.stop()
        store.close()
        unlockKey()
        if (started) {
          events.emit('stopped')
        }
      }
    }
  }
}

/** A task that waits for a slot asks again and again: K2 is asked once for each slot that we hear of. */
function pacedBySlots(reader: TaskK2Reader, now: () => number | undefined, asking: Paced['asking'] = (ask) => ask): TaskK2Reader {
  let heard: number | undefined
  let answer: Promise<number> | undefined
  return {
    ...reader,
    slot: asking((options) => {
      if (answer == null || heard == null || heard !== now()) {
        heard = now()
        answer = reader.slot(options)
        answer.catch(() => {
          answer = undefined
        })
      }
      return answer
    })
  }
}

/** The operator's key, or one made on the first start. */
async function stakingKey(config: Config): Promise<KeyPair> {
  if (config.key != null) {
    return readKeyFile(config.key)
  }
  const path = keyPathOf(config)
  try {
    return await readKeyFile(path)
  } catch (err) {
    if (!/ENOENT/.test(messageOf(err))) {
      throw err
    }
  }
  const pair = generateKeyPair()
  await writeKeyFile(path, pair)
  return pair
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
