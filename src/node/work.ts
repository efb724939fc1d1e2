import { messageOf } from '../k2/index.ts'
import { createMadeBook, MADE_BLOCKS, MADE_ROOTS } from '../proofs/index.ts'
import { distributionOf } from './distribution.ts'
import { ParamsDifferError } from './params.ts'
import { createPause } from './pause.ts'
import type { Base, ChainSide, Keeping, MeshSide, Work } from './rooms.ts'
import { createTaskMaker } from './task-maker.ts'
import { createTaskVersions } from './task-versions.ts'

export async function openWork(base: Base, chain: ChainSide, mesh: MeshSide, keeping: Keeping): Promise<Work> {
  const { config, log, parts, self, sizes, store, stopping, late } = base
  const { account, timing, k2, slots, paced, stakes, events } = chain
  const { proofs, disk } = keeping
  const unfit = Promise.withResolvers<Error>()
  const cycle = () => late.participant.cycle()
  const pause = await createPause({
    ...{ task: config.task, dataDir: config.dataDir, store: store.keyValue('pause', undefined, true), events },
    cycle: () => (slots.now() == null ? undefined : cycle())
  })
  const maker = createTaskMaker({
    ...{ config, account, timing, self, proofs, store, k2, slots, paced, events, log, cycle },
    providers: mesh.providers,
    madeBook: createMadeBook({
      limits: { bytes: sizes.quota / 2, blocks: MADE_BLOCKS, roots: MADE_ROOTS },
      pins: () => proofs.pins(config.task),
      liveFrom: () => cycle() - 2
    }),
    stakers: () => stakes.accounts().length,
    random: Math.random,
    wrap: parts.taskHost,
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
      late.participant.handle({ type: 'arrived' })
    },
    onFailed: (cid, err) => {
      log.error({ event: 'task-failed', bundle: cid, reason: messageOf(err) }, 'the task cannot run')
      events.emit('task-failed', { bundle: cid, reason: messageOf(err) })
      if (err instanceof ParamsDifferError) {
        unfit.resolve(err)
      }
    }
  })
  return {
    versions,
    pause,
    unfit: unfit.promise,
    runtime: {
      host: (of) => pause.host(of, versions.of(of)?.host),
      distribution: (input) => distributionOf(versions.of(input.cycle)?.runner, input),
      follow: versions.follow
    }
  }
}
