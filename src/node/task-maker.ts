import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cycleAt, type Timing } from '../clock/index.ts'
import { bytesOf, type TaskConfig } from '../config/index.ts'
import type { K2Client, Slots } from '../k2/index.ts'
import { bundleOf, type TaskAccount } from '../k2/settlement/index.ts'
import type { Events, Logger } from '../observe/index.ts'
import type { TaskHost } from '../participant/index.ts'
import { createTaskProofs, type MadeBook, type Proofs, type ProviderHint } from '../proofs/index.ts'
import type { Store } from '../store/index.ts'
import { createK2Reader, createTaskRunner, ENDINGS, type TaskK2Reader, whyFailed } from '../tasks/index.ts'
import { AUDITS_PER_CYCLE } from '../wire/index.ts'
import { obtainBundle } from './bundle.ts'
import type { Paced } from './paced.ts'
import { aboutParams, BundleError, paramsCid } from './params.ts'
import { createTaskHost } from './task-host.ts'
import type { TaskVersion } from './task-versions.ts'

export interface TaskMakerInit {
  config: TaskConfig
  /** As it was when the node was built. */
  account: TaskAccount
  timing: Timing
  /** Our staking key. */
  self: string
  proofs: Proofs
  store: Pick<Store, 'keyValue'>
  k2: Pick<K2Client, 'connection'>
  slots: Pick<Slots, 'now'>
  paced?: Paced | undefined
  /** Who may have the bundle. */
  providers: () => ProviderHint[]
  madeBook: MadeBook
  /** The cycle whose work is under way. */
  cycle: () => number
  /** How many have stake in the task. */
  stakers: () => number
  random: () => number
  /** What a testnet puts around the one who works and audits. */
  wrap?: ((honest: TaskHost) => TaskHost) | undefined
  events: Events
  log: Logger
  /** Aborted when the node stops. */
  stopping: AbortSignal
}

/** Makes a task that runs here of a bundle's CID, and clears away what is kept of one. */
export interface TaskMaker {
  /** @throws BundleError, ParamsDifferError, ProofUnavailableError */
  make(cid: string, others: string[], needless: AbortSignal, onAbsent: () => void): Promise<TaskVersion>
  drop(cid: string): Promise<void>
}

export function createTaskMaker(init: TaskMakerInit): TaskMaker {
  const { config, account, timing, self, proofs, store, k2, slots, paced, providers, madeBook, cycle, events, log, stopping } = init
  const sizes = bytesOf(config)
  // two tasks may have one bundle, and a task two
  const folderOf = (cid: string) => join(config.dataDir, 'task', `${config.task.slice(0, 8)}-${cid.slice(-16)}`)
  // what is kept of the bundle stays as long as the task does: cycle numbers beyond any retention
  const keptAs = { task: `bundles-${config.task}`, cycle: 0 }

  /**
   * A proof that auditors have read survives its author when some of them tell the DHT. All of them doing so was a
   * quarter of a node's work in short rounds, so about two of each proof's auditors do.
   */
  function alsoProvide(): boolean {
    return init.random() < 2 / Math.max(1, Math.min(AUDITS_PER_CYCLE, init.stakers() - 1))
  }

  async function dropTask(cid: string): Promise<void> {
    await proofs.unpin(cid, keptAs)
    await rm(folderOf(cid), { recursive: true, force: true })
  }

  /** What a node of one task kept of it, under other names. */
  async function dropFormer(cid: string): Promise<void> {
    await proofs.unpin(cid, { task: 'bundles', cycle: 0 })
    await rm(join(config.dataDir, 'task', cid.slice(-16)), { recursive: true, force: true })
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
      signal: AbortSignal.any([stopping, needless]),
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
      folder: folderOf(cid),
      store: store.keyValue(`task/${config.task}`, sizes.taskStore),
      proofs: createTaskProofs(proofs, { keep: () => ({ task: config.task, cycle: cycle() }), book: madeBook }),
      k2: pacedBySlots(createK2Reader(k2.connection, { timeoutMs: paced?.answerMs }), slots.now, paced?.asking),
      ...(paced == null ? {} : { startTimeoutMs: paced.answerMs }),
      allowNetwork: config.allowNetwork,
      maxMemoryMb: config.taskMemoryMiB,
      log: ({ source, text }) =>
        log[source === 'error' ? 'warn' : 'info']({ source, text }, source === 'error' ? 'the task failed' : 'task')
    })
    // a stop in the middle of the start ends it
    const stop = () => void made.stop()
    stopping.addEventListener('abort', stop, { once: true })
    let manifest = await made.manifest()
    // what is this machine's fault passes: without the manifest no submission can be judged
    while (!manifest.ok && manifest.ending != null && ENDINGS[manifest.ending].whose === 'ours' && !stopping.aborted) {
      log.warn({ cid, reason: whyFailed(manifest) }, 'the task’s manifest could not be read; trying again')
      await new Promise((resolve) => setTimeout(resolve, 1000))
      manifest = await made.manifest()
    }
    stopping.throwIfAborted()
    stopping.removeEventListener('abort', stop)
    if (manifest.ok && manifest.value.network === true && !config.allowNetwork) {
      log.warn(
        { task: manifest.value.name },
        'the task asks for the network, and is not given it: read its bundle, then start with --allow-network'
      )
    }
    await proofs.pin(cid, keptAs)
    await dropFormer(cid)
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
      host: init.wrap == null ? honest : init.wrap(honest)
    }
  }

  return { make: makeTask, drop: dropTask }
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
