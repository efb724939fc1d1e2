/**
 * The tasks of a node: which there are, and how each of them is. One that fails is told and left, and costs the others nothing.
 *
 *     settings ──> key ──> account on K2 ──> rooms ──> among the others ──> rounds
 *     openBase     beginTask                 furnish   join                 begin
 */
import { setTimeout } from 'node:timers/promises'
import type { TaskConfig } from '../../config/index.ts'
import { messageOf } from '../../k2/index.ts'
import type { NodeEvents } from '../../observe/index.ts'
import { openBase } from '../base.ts'
import { inTurn } from '../closers.ts'
import { type Begun, beginTask, furnish } from '../furnish.ts'
import type { Base, HostBase, HostChain, Rooms, Shared } from '../rooms.ts'
import { UnfitTaskError } from '../runnable.ts'
import { createRunning, type Running } from '../running.ts'

export interface TaskEntry {
  config: TaskConfig
  state: 'starting' | 'running' | 'failed' | 'stopping'
  /** Why it failed. */
  reason: string | null
  base?: Base
  begun?: Begun
  rooms?: Rooms
  running?: Running
  /** All that it had is being let go, or is. */
  isLeft?: boolean
  /** Resolves when it is. */
  leaving?: Promise<void>
  /** That it failed has been told. */
  isTold?: boolean
  /** It is not tried again by itself: somebody else has the key, or the task is none that can be done here. */
  isOver?: boolean
}

export interface Tasks {
  all(): TaskEntry[]
  get(task: string): TaskEntry | undefined
  /** The keys. @throws, as do the next ones, what ended the last task; what ends another is told */
  open(): Promise<void>
  /** @param chain - made when a key has said who the node is */
  beginAll(chain: HostChain): Promise<void>
  furnishAll(shared: Shared): Promise<void>
  /**
   * Where there are several, one that takes long is not waited for.
   *
   * @param events - told of those that fail, and of those that have
   * @param onJoined - called when they are among the others, and before their rounds
   */
  runAll(events: NodeEvents, onJoined: () => void): Promise<void>
  /** Slots wait for this node now, where they do: the news of K2 that were missed are asked for. */
  catchUp(): void
  /**
   * One more, from its settings to its rounds. One that takes long to begin is not waited for, and does so by itself.
   *
   * @throws what it failed by: it is as if it had not been
   */
  add(config: TaskConfig, shared: Shared): Promise<TaskEntry>
  remove(task: string): Promise<void>
  /** Whether the tasks of the start are on their way: until then none may be added. */
  areRunning(): boolean
  endAll(): Promise<void>
  leaveAll(): Promise<void>
  /** Resolves with what ended the last task. */
  lost: Promise<Error>
}

/** A task beside others that has not begun by then (K2's list of its stakes is not whole) does so by itself. */
const START_MS = 20_000

export function createTasks(base: HostBase, configs: readonly TaskConfig[]): Tasks {
  const { log, rooms, stopping } = base
  const entries = new Map<string, TaskEntry>()
  const lost = Promise.withResolvers<Error>()
  const caughtUp = Promise.withResolvers<void>()
  let runs = false
  for (const config of configs) {
    entries.set(config.task, { config, state: 'starting', reason: null })
  }
  const all = () => [...entries.values()]
  const living = () => all().filter(({ state }) => state !== 'failed' && state !== 'stopping')
  const end = async ({ running, isLeft }: TaskEntry) => running == null || isLeft === true || inTurn(log, running.end)
  /** Once, whoever asks for it: what comes after it may take up the same task again. */
  const leave = (entry: TaskEntry): Promise<void> => {
    const letGo = async () => {
      const { config, base: own, running } = entry
      entry.isLeft = true
      await inTurn(log, () => (running == null ? own?.close() : running.leave()))
      if (rooms.get(config.task) === entry.rooms) {
        rooms.delete(config.task)
      }
    }
    entry.leaving ??= letGo()
    return entry.leaving
  }
  /** Whatever it does just now. */
  const quit = async (entry: TaskEntry) => {
    await end(entry)
    await leave(entry)
  }

  const told = createTelling(() => all().find(({ base: own }) => own != null)!.base!.self)

  /** @throws the reason itself where no other task is left */
  const fail = async (entry: TaskEntry, err: unknown): Promise<void> => {
    if (entry.state === 'failed' || entry.state === 'stopping' || stopping.signal.aborted) {
      return
    }
    entry.reason = messageOf(err)
    entry.state = 'failed'
    entry.isOver ??= err instanceof UnfitTaskError
    if (living().length === 0) {
      throw err
    }
    const { task } = entry.config
    log.error({ event: 'task-stopped', task, reason: entry.reason }, 'a task cannot go on: the others do')
    told.of(entry)
    await quit(entry)
  }

  const attempt = async (entry: TaskEntry, run: (entry: TaskEntry) => unknown) => {
    if (entry.state === 'failed' || entry.state === 'stopping') {
      return
    }
    try {
      await run(entry)
    } catch (err) {
      await fail(entry, err)
    }
  }
  const step = async (run: (entry: TaskEntry) => unknown) => void (await Promise.all(living().map((entry) => attempt(entry, run))))

  /** All of it where there is one task; of several no longer than that. */
  const patiently = async (each: Promise<unknown>) => {
    if (living().length === 1) {
      await each
      return
    }
    each.catch(lost.resolve)
    await forAWhile(each.catch(() => {}))
  }

  const furnishOne = async (entry: TaskEntry, shared: Shared) => {
    entry.rooms = await furnish(shared, entry.begun!)
    entry.running = createRunning(entry.rooms)
    rooms.set(entry.config.task, entry.rooms)
    const { participant, work } = entry.rooms
    void Promise.race([participant.stopped, work.unfit]).then((err) => {
      entry.isOver = true
      return fail(entry, err).catch(lost.resolve)
    })
  }

  const begin = async (entry: TaskEntry) => {
    await entry.running!.begin()
    if (entry.state === 'starting') {
      entry.state = 'running'
    }
    void caughtUp.promise.then(() => entry.state === 'running' && entry.running!.catchUp())
  }

  return {
    lost: lost.promise,
    all,
    get: (task) => entries.get(task),
    open: () =>
      step(async (entry) => {
        entry.base = await openBase(base, entry.config)
      }),
    beginAll: (chain) =>
      step(async (entry) => {
        entry.begun = await beginTask(entry.base!, chain)
      }),
    furnishAll: (shared) => step((entry) => furnishOne(entry, shared)),
    async runAll(heard, onJoined) {
      const starting = living()
      runs = true
      const joins = starting.map((entry) => attempt(entry, ({ running }) => running!.join()))
      await patiently(Promise.all(joins))
      onJoined()
      told.begin(heard, all())
      await patiently(Promise.all(starting.map((entry, i) => joins[i]!.then(() => attempt(entry, begin)))))
    },
    catchUp: () => caughtUp.resolve(),
    async add(config, shared) {
      const entry: TaskEntry = { config, state: 'starting', reason: null }
      const before = entries.get(config.task)
      if (before != null) {
        // one that failed a moment ago may have something of the task still
        await quit(before)
      }
      entries.set(config.task, entry)
      let isAdded = false
      try {
        entry.base = await openBase(base, config)
        entry.begun = await beginTask(entry.base, shared.chain)
        await furnishOne(entry, shared)
        const beginning = entry.running!.join().then(() => begin(entry))
        beginning.catch((err) => (isAdded ? fail(entry, err) : undefined)?.catch(lost.resolve))
        await forAWhile(beginning)
        if (entry.reason != null) {
          throw new Error(entry.reason)
        }
        isAdded = true
        return entry
      } catch (err) {
        const reason = entry.reason == null ? err : new Error(entry.reason)
        entry.state = 'stopping'
        await quit(entry)
        before == null ? entries.delete(config.task) : entries.set(config.task, before)
        if (living().length === 0) {
          // the last of the others failed meanwhile
          lost.resolve(new Error(all().find((one) => one.state === 'failed')?.reason ?? messageOf(reason)))
        }
        throw reason
      }
    },
    async remove(task) {
      const entry = entries.get(task)
      if (entry != null) {
        entry.state = 'stopping'
        await quit(entry)
        entries.delete(task)
      }
    },
    areRunning: () => runs,
    endAll: async () => void (await Promise.all(all().map(end))),
    leaveAll: async () => void (await Promise.all(all().map(leave)))
  }
}

/** Tells of tasks that failed; of those that did before the node had begun when it has, as nobody hears it before. */
function createTelling(first: () => string) {
  let events: NodeEvents | undefined
  const of = (entry: TaskEntry) => {
    if (events != null && entry.reason != null && entry.isTold !== true) {
      entry.isTold = true
      events.of({ task: entry.config.task, node: entry.base?.self ?? first() }).emit('task-stopped', { reason: entry.reason })
    }
  }
  return {
    of,
    begin(heard: NodeEvents, all: TaskEntry[]) {
      events = heard
      all.forEach(of)
    }
  }
}

/** @throws what it fails by until then */
async function forAWhile(each: Promise<unknown>): Promise<void> {
  const over = new AbortController()
  try {
    await Promise.race([each, setTimeout(START_MS, undefined, { signal: over.signal }).catch(() => {})])
  } finally {
    over.abort()
  }
}
