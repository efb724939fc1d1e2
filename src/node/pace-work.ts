import { AsyncLocalStorage } from 'node:async_hooks'
import type { RoundsEffect } from '../rounds/index.ts'

/**
 * What a node has under way that a slot of K2 should wait for, where K2 waits: what the round wants of it, and nothing that waits for
 * a slot itself, or for somebody else.
 */
export interface PaceWork {
  /** Runs an effect, which began in `slot`. */
  run<T>(effect: RoundsEffect, slot: number, run: () => Promise<T>): Promise<T>
  /** Runs what has to be done at once and is no effect. */
  quick<T>(what: string, run: () => Promise<T>): Promise<T>
  /** What runs inside waits for others, or for time: slots do not wait for it. Outside of an effect it is just run. */
  away<T>(run: () => Promise<T>): Promise<T>
  /** Runs what more than one may wait for, as a job of its own: slots wait for it while it is not away, and for nobody who waits for it. */
  shared<T>(what: string, run: () => Promise<T>): SharedJob<T>
  /** Somebody asked which slot it is, as one does who waits for the next: an effect, or else the task. */
  asked(slot: number): void
  /** Whether `slot` has to wait. */
  holds(slot: number): boolean
  /** For what, for the log: "check of cycle 3". */
  heldBy(slot: number): string[]
  /** Grows with whatever begins and ends. */
  moves(): number
}

/** Waits for a job that others wait for, too. */
export type SharedJob<T> = () => Promise<T>

/** Asked so often within a slot, it waits for another one. */
const POLLS = 3
/** K2 shows a slot one later, and what is read from it may be of that very slot. */
const READING_SLOTS = 2

interface Running {
  what: string
  /** The first slot that waits for it. */
  due: number
  /** Whether the task is called for it, which may wait for slots as it likes. */
  ofTask: boolean
  /** Since when slots have waited for it. */
  heldMs?: number
  away: number
  polls: Polls
}

interface Polls {
  slot: number
  count: number
}

/** So long a slot waits for one call of a task, after which it is not the machine that is slow, but the task that sleeps or never ends. */
const TASK_MS = 60_000

export function createPaceWork(nowMs: () => number = () => performance.now()): PaceWork {
  const running = new Set<Running>()
  const current = new AsyncLocalStorage<Running>()
  const task: Polls = { slot: -1, count: 0 }
  let moves = 0

  const waitsForSlot = ({ slot, count }: Polls, now: number) => slot === now && count >= POLLS

  const isHolding = (one: Running, slot: number) => {
    if (slot < one.due || one.away > 0 || waitsForSlot(one.polls, slot)) {
      return false
    }
    if (!one.ofTask) {
      return true
    }
    one.heldMs ??= nowMs()
    return !waitsForSlot(task, slot) && nowMs() - one.heldMs < TASK_MS
  }

  const track = async <T>(what: string, due: number, ofTask: boolean, run: () => Promise<T>): Promise<T> => {
    const one: Running = { what, due, ofTask, away: 0, polls: { slot: -1, count: 0 } }
    running.add(one)
    moves++
    try {
      return await current.run(one, run)
    } finally {
      running.delete(one)
      moves++
    }
  }

  const away = async <T>(run: () => Promise<T>): Promise<T> => {
    const one = current.getStore()
    if (one == null) {
      return run()
    }
    one.away++
    try {
      return await run()
    } finally {
      one.away--
      moves++
    }
  }

  return {
    run(effect, slot, run) {
      const what = 'cycle' in effect ? `${effect.type} of cycle ${effect.cycle}` : effect.type
      return track(what, dueSlot(effect, slot), effect.type === 'work' || effect.type === 'audit', run)
    },
    quick: (what, run) => track(what, 0, false, run),
    away,
    shared(what, run) {
      const job = track(what, 0, false, run)
      job.catch(() => {})
      return () => away(() => job)
    },
    asked(slot) {
      const polls = current.getStore()?.polls ?? task
      polls.count = polls.slot === slot ? polls.count + 1 : 1
      polls.slot = slot
    },
    holds: (slot) => [...running].some((one) => isHolding(one, slot)),
    heldBy: (slot) => [...running].filter((one) => isHolding(one, slot)).map(({ what }) => what),
    moves: () => moves
  }
}

/** The first slot that waits for an effect: at once for what is quick, and near its deadline for what has a deadline. */
function dueSlot(effect: RoundsEffect, slot: number): number {
  switch (effect.type) {
    case 'need-stakes':
    case 'need-base':
      return slot + READING_SLOTS
    case 'work':
      // then it is submitted in the last slot of the window
      return effect.deadlineSlot - 2
    case 'audit':
      // what is drawn is challenged before that is too late, and what is looked at for others is said in the last slot for it
      return effect.purpose === 'sample' ? effect.fetchBySlot : effect.deadlineSlot - 1
    default:
      return 0
  }
}
