/**
 * # node
 *
 * Builds every room and runs the rounds: the one place that knows them all. What tasks share is in `host/`; the rest is one task.
 *
 *     settings ──> host: database, K2, libp2p, blocks ──> for each task: key, stakes, participant, processes, votes
 *
 *     K2 slots ──> rounds ──> effects ──> tasks, proofs, records ──> rounds
 *     gossip, sync ──> judge ──> message log ──> rounds ──> publish ──> signer ──> message log ──> gossip
 *     rounds ──> vote ──> signer's log ──> outbox ──> K2
 *
 * Shutting down goes the other way: no more slots, then the tasks' processes, the outboxes, gossip and sync, libp2p,
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
import { type Config, type TaskConfig, taskConfigOf } from '../config/index.ts'
import type { AskedTask, Status } from '../control/index.ts'
import { K2NetworkError, messageOf } from '../k2/index.ts'
import type { Logger, NodeEvents } from '../observe/index.ts'
import { openHostBase } from './host/base.ts'
import { createHostControlled } from './host/control.ts'
import { openShared } from './host/index.ts'
import { createAddedTasks } from './host/kept.ts'
import { createLeftovers } from './host/leftovers.ts'
import { createHostRunning } from './host/running.ts'
import { createHostStatus } from './host/status.ts'
import { createTasks, type Tasks } from './host/tasks.ts'
import type { NodeParts } from './parts.ts'

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
  /** Made for each task: what one remembers is no other's. */
  parts?: () => NodeParts
  /**
   * The operator says that no other node has used the staking key for three rounds: it signs at once, even with an empty log.
   * Where that is not so, it contradicts what the key signed elsewhere.
   */
  keyIsIdle?: boolean
}

export interface MeshNode {
  /** The staking key of its first task. */
  staker: string
  events: NodeEvents
  start(): Promise<void>
  stop(): Promise<void>
  status(): Promise<Status>
  /**
   * Resolves, with the reason, when the node cannot go on and is to be stopped: somebody else signs with the staking key of its last
   * task, or that task can no longer be done here; or K2 is another chain than before.
   */
  failed: Promise<Error>
}

export async function createNode({ config, log, parts = () => ({}), keyIsIdle = false }: NodeInit): Promise<MeshNode> {
  const base = await openHostBase({ config, log, parts, keyIsIdle })
  let tasks: Tasks | undefined
  try {
    const added = createAddedTasks(base.store)
    const all = createTasks(base, [...config.tasks, ...addedTo(config, await added.list(), log)])
    tasks = all
    const shared = await openShared(base, tasks)
    const { chain, keeping } = shared
    const lost = Promise.withResolvers<Error>()
    // of another chain in the place of ours, nothing that we know is true
    chain.k2.watchNetwork((reason) => lost.resolve(new K2NetworkError(reason)))
    const status = createHostStatus(shared, tasks)
    const leftovers = createLeftovers({ store: base.store, proofs: keeping.proofs, isHere: (task) => all.get(task) != null, log })
    // one that was left and is named by the settings is here again
    await Promise.all(all.all().map((entry) => leftovers.back(entry.config.task)))
    const controlled = createHostControlled({ shared, tasks, status, added, leftovers })
    return {
      staker: chain.node,
      events: chain.events,
      status: status.status,
      failed: Promise.race([tasks.lost, lost.promise]),
      ...createHostRunning({ shared, tasks, controlled, status, leftovers })
    }
  } catch (err) {
    await tasks?.leaveAll()
    await base.close()
    throw err
  }
}

/** Those that were added while the node ran, and that its configuration does not name by now. What is wrong with one costs the others nothing. */
function addedTo(config: Config, added: AskedTask[], log: Logger): TaskConfig[] {
  return added
    .filter(({ task }) => config.tasks.every((one) => one.task !== task))
    .flatMap((asked) => {
      try {
        return [taskConfigOf(config, asked)]
      } catch (err) {
        log.error({ task: asked.task, reason: messageOf(err) }, 'a task that was added cannot be done with these settings: add it again')
        return []
      }
    })
}
