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
import { join } from 'node:path'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import bs58 from 'bs58'
import { type CycleSchedule, cycleAt, firstLive, scheduleFor, type Timing } from '../clock/index.ts'
import { commandLine } from '../command/index.ts'
import { bytesOf, type Config, keyFileOf } from '../config/index.ts'
import { type Control, type Status, startControl } from '../control/index.ts'
import { createDiskWatch } from '../disk/index.ts'
import { createGossip } from '../gossip/index.ts'
import { type KeyPair, verifyEd25519 } from '../identity/index.ts'
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
  type OutageEvent,
  readFirst,
  type StakeFollow
} from '../k2/index.ts'
import type { StakeAccount } from '../k2/settlement/index.ts'
import {
  contactFault,
  createAnnouncer,
  createDiscovery,
  createHello,
  createHost,
  createPeers,
  createPresence,
  type DiscoveryEvent,
  keepPorts,
  pastHintNotice,
  REPROVIDE_MS,
  readOrMakeNodeKey,
  recordLifetimeMs,
  unreachableNotice,
  watchNetworks,
  withKeptPorts
} from '../network/index.ts'
import { createEvents, type Events, type Logger } from '../observe/index.ts'
import { createParticipant, type Records, type TaskHost } from '../participant/index.ts'
import { createMadeBook, createProofs, MADE_BLOCKS, MADE_ROOTS, type ProviderHint } from '../proofs/index.ts'
import type { StakeSet } from '../rounds/index.ts'
import { openStore } from '../store/index.ts'
import { createSync } from '../sync/index.ts'
import { type Body, type Message, networkOf, open, signedBytes } from '../wire/index.ts'
import { recordBlocks } from './blocks.ts'
import { createBootstrapNotice } from './bootstrap-notice.ts'
import { slashFor } from './claims.ts'
import { nodeClock } from './clock.ts'
import { createControlled } from './control.ts'
import { createDiskCare } from './disk-care.ts'
import { distributionOf } from './distribution.ts'
import { endingProofs } from './ending-proofs.ts'
import { createHistory, openArchive } from './history.ts'
import { createLifeSigns } from './life-signs.ts'
import { createMeeting } from './meeting.ts'
import { createPaced } from './paced.ts'
import { ParamsDifferError } from './params.ts'
import { createPause } from './pause.ts'
import { checkRunnable } from './runnable.ts'
import { openSigning } from './signing.ts'
import { createSlasher } from './slasher.ts'
import { createNodeStatus } from './status.ts'
import { createTaskMaker } from './task-maker.ts'
import { createTaskVersions } from './task-versions.ts'

export type { TaskHost } from '../participant/index.ts'
export { type Auditor, askInTurn, createAuditor } from './auditor.ts'
export { blocksFrom } from './blocks.ts'
export { BUNDLE_LIMITS, bundleAt, describeBundle } from './bundle.ts'
export { ClaimError, claimFor, claimLatest, ledgerOf, slashFor, slashLatest } from './claims.ts'
export { distributionOf } from './distribution.ts'
export { type FetchedHistory, type FetchedRecord, fetchHistoryTo, fetchRecordTo } from './fetch-record.ts'
export { AddressError, aboutBadHints, type BadHint, hintsOf, providerAt } from './hints.ts'
export { BUNDLE_FILE, BundleError, PARAMS_FILE, ParamsDifferError, paramsCid, paramsIn } from './params.ts'
export { checkRunnable, UnfitTaskError } from './runnable.ts'
export { type CycleRange, type Verified, type VerifyProgress, verifyCar } from './verify-car.ts'

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
  status(): Promise<Status>
  /** Resolves, with the reason, when somebody else signs with the staking key: the node signs nothing more and is to be stopped. */
  failed: Promise<Error>
}

/** Cycles of K2's news that a status shows. */
const STATUS_CYCLES = 10
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
  let unlockKey: () => void | Promise<void> = () => {}
  let closeArchive = () => {}
  try {
    return await build()
  } catch (err) {
    await unlockKey()
    watch.stop()
    closeArchive()
    store.close()
    throw err
  }

  async function build(): Promise<MeshNode> {
    // who we are: the staking key behind the signer, and the node key of libp2p
    const signing = await openSigning({ config, store, log })
    unlockKey = signing.close
    const { signer } = signing
    // how the key speaks in the mesh, and how it pays on K2
    const voice = { publicKey: signer.publicKey, sign: signer.signMessage }
    const payer = { address: signer.address, sign: signer.signTransaction }
    const privateKey = await readOrMakeNodeKey(join(config.dataDir, 'node-key'))
    const self = signer.address

    // the chain: who has stake, what the task is, what slot it is
    const follower = { k2: () => k2, slots: () => slots, gossip: () => gossip, proofs: () => proofs }
    const paced = await createPaced({ urls: config.k2, name: self, ...follower, onLeap: () => meeting.again(), log })
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
    const outage = createOutage({ slots, log, emit: (told) => onOutage(told) })
    const stakes = createStakeView({ k2, task: config.task, timing, slot: slots.now, log })
    const events = createEvents({ slot: slots.now, node: self })
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
      signer: voice
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
      onOutcome: (outcome) => meeting.onHello(outcome)
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

    // the staker's life in the task, over what is around it
    const own = { k2: config.k2.join(','), program: config.program, task: config.task, key: keyFileOf(config) }
    const lifeSigns = createLifeSigns({
      staked: peers.staked,
      stakeOf: (staker) => stakes.weight(staker, Math.max(0, cycleAt(timing, slots.now() ?? timing.startingSlot))) ?? 0n,
      ping: (peerId, signal) => libp2p.services.ping.ping(peerIdFromString(peerId), { signal })
    })
    const participant = createParticipant({
      task: config.task,
      genesisHash,
      account,
      timing,
      clock: nodeClock(slots),
      random: () => randomInt(2 ** 47) / 2 ** 47,
      transport: { send: (message) => gossip.send(message), ask: lifeSigns.ask, providers, providerOf: hintOfStaker },
      chain: {
        stakes,
        task: (minSlot) => k2.task(config.task, minSlot),
        lastVote: k2.lastVote,
        blockhashAt: async (slot) => bs58.decode((await k2.blockAtOrAfter(slot)).blockhash),
        decided: (vote) => batcher.decided(vote),
        cast: (vote) => cast(vote),
        bring: (vote) => batcher.add(vote)
      },
      blocks: recordBlocks(proofs, config.task),
      runtime: {
        host: (cycle) => pause.host(cycle, versions.of(cycle)?.host),
        distribution: (input) => distributionOf(versions.of(input.cycle)?.runner, input),
        follow: (task, cycle) => versions.follow(task, cycle)
      },
      archive: history,
      signer,
      // what was signed, and what that log is worth, is where the key is
      store: { ...store, signerLog: signing.log, ...signing.trust },
      keyState: store.keyValue(signing.space, undefined, true),
      verify: verifyEd25519,
      peers,
      contactFault,
      events,
      log,
      followBundle: config.followBundle,
      keyIsIdle,
      dataDir: config.dataDir,
      own,
      cyclesTold: STATUS_CYCLES,
      onLedger(cycle, ledger) {
        if (config.applySlashes && stakes.isStaked(self) === true) {
          slasher
            .finalized(cycle, ledger, slots.now() ?? 0)
            .catch((err) => log.debug({ cycle, reason: messageOf(err) }, 'K2 did not tell which slashes it lacks'))
        }
      },
      onCycle(cycle) {
        proofs.beginCycle()
        events.emit('stats', { cycle, ...stats() })
      },
      onMiddle: clearAway,
      ...(paced == null ? {} : { pace: paced.work, graceMs: paced.graceMs, fetchGraceMs: paced.answerMs }),
      stopping: stopping.signal,
      parts: {
        records: parts.records,
        publish:
          parts.publish == null
            ? undefined
            : (honest, { said, send }) =>
                parts.publish!(async (body) => void (await honest(body)), {
                  keyPair: signing.keyPair(),
                  signedBytes: (body) => signedBytes(network, body),
                  open: (bytes) => open(bytes, network),
                  send(message) {
                    said(message)
                    return send(message)
                  },
                  async sendTo(message, chosen) {
                    said(message)
                    gossip.sendTo(
                      message,
                      peers.staked().flatMap(({ peerId, staker }) => (chosen(staker) ? [peerId] : []))
                    )
                  },
                  slot: paced?.asking(() => slots.now() ?? 0) ?? (() => slots.now() ?? 0),
                  slotMs: slots.slotMs,
                  schedule: (cycle) => scheduleFor(timing, cycle),
                  stakes: stakes.at
                })
      }
    })
    const { door, pool, guard, replaced, follow } = participant
    signing.hook({ events, liveFrom: () => firstLive(timing, slots.now()), mistrust: guard.mistrust })
    const pause = await createPause({
      ...{ task: config.task, dataDir: config.dataDir, store: store.keyValue('pause', undefined, true), events },
      cycle: () => (slots.now() == null ? undefined : participant.cycle())
    })

    // gossip and sync: the two ways to its door
    const gossip = createGossip({ pubsub: libp2p.services.pubsub, network, peers, traffic: host.traffic, meter: host.meter, door, log })
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
    const madeBook = createMadeBook({
      limits: { bytes: sizes.quota / 2, blocks: MADE_BLOCKS, roots: MADE_ROOTS },
      pins: () => proofs.pins(config.task),
      liveFrom: () => participant.cycle() - 2
    })
    const maker = createTaskMaker({
      config,
      account,
      timing,
      self,
      proofs,
      store,
      k2,
      slots,
      paced,
      providers,
      madeBook,
      cycle: participant.cycle,
      stakers: () => stakes.accounts().length,
      random: Math.random,
      wrap: parts.taskHost,
      events,
      log,
      stopping: stopping.signal
    })
    const versions = createTaskVersions({
      make: (cid, others, needless, onAbsent) =>
        disk.patiently('the bundle', () => maker.make(cid, others, needless, onAbsent), AbortSignal.any([stopping.signal, needless])),
      drop: (cid) =>
        maker
          .drop(cid)
          .catch((err) => log.warn({ bundle: cid, reason: messageOf(err) }, 'a bundle that is no longer used stays on the disk')),
      onReady(cid, { params, broken }) {
        if (broken == null) {
          events.emit('task', { taskName: account.name, bundle: cid, params })
        } else {
          log.error({ event: 'task-failed', bundle: cid, reason: broken }, 'the task cannot run')
          events.emit('task-failed', { bundle: cid, reason: broken })
        }
        participant.handle({ type: 'arrived' })
      },
      onFailed: (cid, err) => {
        log.error({ event: 'task-failed', bundle: cid, reason: messageOf(err) }, 'the task cannot run')
        events.emit('task-failed', { bundle: cid, reason: messageOf(err) })
        if (err instanceof ParamsDifferError) {
          unfit.resolve(err)
        }
      }
    })
    // the way of a final vote
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
      onVoted: (vote, sent) => participant.notes.voted(vote, sent),
      onLost: (vote, reason) => participant.notes.voteLost(vote, reason),
      handOver: participant.handOver
    })
    // the votes of those who cannot pay K2's fee
    const batcher = createVoteBatcher({
      k2,
      task: config.task,
      timing,
      self,
      payer,
      stakers: () => stakes.accounts().map(({ stakingKey }) => stakingKey),
      verify: verifyEd25519,
      log,
      onSent: (cycle, stakers, { signature, bytes }) => events.emit('batched', { cycle, stakers, signature, bytes })
    })
    // what others have lost, and nobody is paid for having taken
    const slasher = createSlasher({
      k2,
      task: config.task,
      self,
      payer: payer.address,
      stakers: () => stakes.accounts().map(({ stakingKey }) => stakingKey),
      apply: (staker, ledger) => slashFor(k2, config.task, staker, ledger, payer),
      log,
      onApplied: (cycle, staker, { amount, signature }) =>
        events.emit('slash-applied', { cycle, staker, amount: amount.toString(), signature })
    })
    const cast = parts.vote?.(outbox.cast) ?? outbox.cast
    const unfit = Promise.withResolvers<Error>()
    const meeting = createMeeting({
      self,
      stakes,
      peers,
      hello,
      announcer,
      guard,
      hints,
      send: participant.send,
      onNewHint: () => discovery.hasten(),
      log
    })
    const nodeStatus = createNodeStatus({
      config,
      account,
      timing,
      self,
      ownStake,
      cycle: participant.cycle,
      cyclesShown: STATUS_CYCLES,
      host,
      presence,
      gossip,
      sync,
      proofs,
      k2,
      outage,
      slots,
      stakes,
      outbox,
      store,
      history,
      versions,
      follow,
      pause,
      guard,
      signing,
      replaced,
      disk,
      bootstrapNotice,
      hintNotice: () => hintNotice(),
      log
    })

    const { status, stats } = nodeStatus
    const node = createControlled({
      ...{ task: config.task, account, timing, self, slot: slots.now, ownStake, stakes, follow, versions, cycles: store.cycles },
      ...{ libp2p, peers, gossip, pause, status: nodeStatus }
    })

    let api: Control | undefined
    const lost = Promise.withResolvers<Error>()
    // of another chain in the place of ours, nothing that we know is true
    k2.watchNetwork((reason) => lost.resolve(new K2NetworkError(reason)))
    let pastHint: string | null = null
    let started = false
    let leaveNetworks = () => {}
    let stakeFollow: StakeFollow | undefined

    /** The stake that our key speaks for: another's from before, where it took over. */
    function ownStake(): StakeAccount | undefined {
      return stakes.accounts().find(({ stakingKey }) => stakingKey === self)
    }

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

    function onOutage(told: OutageEvent): void {
      events.tell(told)
      if (told.event === 'k2-back') {
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
      if (slot % DISK_CHECK_SLOTS === 0) {
        tellPastHint()
        watch.look()
      }
      participant.onSlot(slot, { isBack: back, isConnected: presence.staked().length > 0 })
      batcher.onSlot(slot)
      slasher.onSlot(slot)
      if (slot % ANNOUNCE_CHECK_SLOTS === 0) {
        void meeting.announce()
      }
      stakeFollow?.onSlot(slot, meeting.hasStrangers() || stakes.isStaked(self) !== true)
    }

    function clearAway(): void {
      proofs
        .collect({
          task: config.task,
          finalizedCycle: Math.max(0, follow.finalizedCycle()),
          keepCycles: config.keepCycles,
          quotaBytes: sizes.quota - history.status().bytes
        })
        .catch((err) => log.warn({ reason: messageOf(err) }, 'could not clear old proofs away'))
    }

    return {
      staker: self,
      events,
      status,
      failed: Promise.race([guard.stopped, lost.promise, unfit.promise]),
      async start() {
        // first, as a port in use is the operator's to mend, and nothing has to be undone yet
        api = await startControl({ host: config.apiHost, port: config.apiPort, dataDir: config.dataDir, node, events, log })
        started = true
        await slots.start()
        await readFirst(stakes, log, stopping.signal)
        await participant.open(slots.now() ?? 0)
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
        await participant.join(slots.now() ?? 0)
        stakes.onRefresh(() => {
          replaced.look()
          meeting.onStakes()
        })
        stakes.onCorrected((cycle, set) => participant.handle({ type: 'stakes', cycle, stakes: set }))
        await meeting.announce(true)
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
            void meeting.announce()
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
            participant.handle({ type: 'arrived' })
          }
        })
        k2.watchTask(config.task, follow.heard)
        stakeFollow = createStakeFollow({ k2, task: config.task, stakes, log })
        await outbox.resume(participant.openVotes(slots.now() ?? 0))
        participant.start(slots.now())
        await versions.atHand(BUNDLE_START_MS)
        slots.on(onSlot)
        paced?.start()
        follow.catchUp()
      },
      async stop() {
        stopping.abort()
        signing.abandon()
        leaveNetworks()
        paced?.stop()
        lifeSigns.stop()
        presence.stop()
        await slots.stop()
        await versions.stop()
        await outbox.stop()
        // what is owed to K2 is in the outbox: nobody waits for its answers any more
        k2.close()
        await batcher.stop()
        await slasher.stop()
        await discovery.stop()
        await sync.stop()
        await hello.stop()
        gossip.stop()
        if (started) {
          events.emit('stats', stats())
        }
        await participant.settled()
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
        await unlockKey()
        if (started) {
          events.emit('stopped')
        }
      }
    }
  }
}
