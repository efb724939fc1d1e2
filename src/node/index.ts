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
import { commandLine } from '../command/index.ts'
import type { Config } from '../config/index.ts'
import type { Status } from '../control/index.ts'
import { createGossip } from '../gossip/index.ts'
import { K2NetworkError } from '../k2/index.ts'
import { pastHintNotice } from '../network/index.ts'
import type { Logger, NodeEvents } from '../observe/index.ts'
import { createSync } from '../sync/index.ts'
import { openBase } from './base.ts'
import { openChain } from './chain.ts'
import { createControlled } from './control.ts'
import { openKeeping } from './keeping.ts'
import { createLife, STATUS_CYCLES } from './life.ts'
import { createMeeting } from './meeting.ts'
import { openMesh } from './mesh.ts'
import type { NodeParts } from './parts.ts'
import type { Base, Rooms } from './rooms.ts'
import { createRunning } from './running.ts'
import { createNodeStatus } from './status.ts'
import { createVotes } from './votes.ts'
import { openWork } from './work.ts'

export type { TaskHost } from '../participant/index.ts'
export { type Auditor, askInTurn, createAuditor } from './auditor.ts'
export { blocksFrom } from './blocks.ts'
export { BUNDLE_LIMITS, bundleAt, describeBundle } from './bundle.ts'
export { ClaimError, claimFor, claimLatest, ledgerOf, slashFor, slashLatest } from './claims.ts'
export { distributionOf } from './distribution.ts'
export { type FetchedHistory, type FetchedRecord, fetchHistoryTo, fetchRecordTo } from './fetch-record.ts'
export { AddressError, aboutBadHints, type BadHint, hintsOf, providerAt } from './hints.ts'
export { BUNDLE_FILE, BundleError, PARAMS_FILE, ParamsDifferError, paramsCid, paramsIn } from './params.ts'
export type { NodeParts, PublishTools } from './parts.ts'
export { checkRunnable, UnfitTaskError } from './runnable.ts'
export { type CycleRange, type Verified, type VerifyProgress, verifyCar } from './verify-car.ts'

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
  events: NodeEvents
  start(): Promise<void>
  stop(): Promise<void>
  status(): Promise<Status>
  /** Resolves, with the reason, when somebody else signs with the staking key: the node signs nothing more and is to be stopped. */
  failed: Promise<Error>
}

export async function createNode({ config, log, parts = {}, keyIsIdle = false }: NodeInit): Promise<MeshNode> {
  const base = await openBase({ config, log, parts, keyIsIdle })
  try {
    const rooms = await openRooms(base)
    const { chain, participant, work, status } = rooms
    const lost = Promise.withResolvers<Error>()
    // of another chain in the place of ours, nothing that we know is true
    chain.k2.watchNetwork((reason) => lost.resolve(new K2NetworkError(reason)))
    return {
      staker: base.self,
      events: chain.nodeEvents,
      status: status.status,
      failed: Promise.race([participant.stopped, lost.promise, work.unfit]),
      ...createRunning(rooms)
    }
  } catch (err) {
    await base.close()
    throw err
  }
}

/** Each room is handed those that it needs; of those that are made later it asks when it needs them (`Base.late`). */
async function openRooms(base: Base): Promise<Rooms> {
  const { config, log, self, store, signing, late, own } = base
  const chain = await openChain(base)
  const mesh = await openMesh(base, chain)
  const keeping = await openKeeping(base, chain, mesh)
  late.keeping = keeping
  const work = await openWork(base, chain, mesh, keeping)
  const participant = createLife(base, chain, mesh, keeping, work)
  late.participant = participant
  const votes = createVotes(base, chain)
  late.votes = votes

  // the two ways to the participant's door
  const { network, account, timing, k2, outage, slots, stakes, ownStake } = chain
  const { host, traffic, peers, presence, hello, announcer, discovery, bootstrapNotice, hints } = mesh
  const { libp2p, meter } = host
  const { door, pool, guard, replaced, follow } = participant
  const gossip = createGossip({ pubsub: libp2p.services.pubsub, network, peers, traffic, meter, door, log })
  late.gossip = gossip
  const sync = createSync({
    libp2p,
    network,
    alsoBare: true,
    pool,
    peers,
    timing,
    slot: slots.now,
    receive: (bytes, from) => gossip.receive(bytes, from, 'sync'),
    log
  })
  const meeting = createMeeting({
    ...{ self, stakes, peers, hello, announcer, guard, hints, log, send: participant.send },
    onNewHint: () => discovery.hasten()
  })
  late.meeting = meeting

  const hintNotice = () =>
    pastHintNotice(ownStake()?.addressHint, libp2p.services.addresses, (address) =>
      address == null ? commandLine(['hint'], { help: true }) : commandLine(['hint', address], { ...own, dataDir: config.dataDir })
    )
  const status = createNodeStatus({
    ...{ config, account, timing, self, ownStake, host, presence, gossip, sync, k2, outage, slots, stakes, store, log, hintNotice },
    ...{ follow, guard, signing, replaced, bootstrapNotice, cyclesShown: STATUS_CYCLES, cycle: participant.cycle },
    ...{ proofs: keeping.proofs, history: keeping.history, disk: keeping.disk },
    ...{ versions: work.versions, pause: work.pause, outbox: votes.outbox }
  })
  late.stats = status.stats
  const controlled = createControlled({
    ...{ task: config.task, account, timing, self, slot: slots.now, ownStake, stakes, follow, cycles: store.cycles, status },
    ...{ libp2p, peers, gossip, versions: work.versions, pause: work.pause }
  })
  return { base, chain, mesh, keeping, work, votes, participant, gossip, sync, meeting, status, controlled, hintNotice }
}
