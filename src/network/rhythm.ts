import type { Timer } from './seams.ts'

/** Runs one thing again and again: one run at a time, and one timer at most, whatever is asked for meanwhile. */
export interface Rhythm {
  start(): void
  stop(): void
  /** Runs at once, or joins the run that is under way. */
  now(): Promise<void>
  /** Sees to it that the next run begins within so many ms. It never puts one off. */
  within(ms: number): void
  /** Resolves when what is under way is done. */
  idle(): Promise<void>
}

export interface RhythmInit {
  /** Must not reject. */
  run: () => Promise<void>
  /** From the end of a run to the next. */
  pauseMs: () => number
  timer: Timer
  now: () => number
}

export function createRhythm({ run, pauseMs, timer, now }: RhythmInit): Rhythm {
  let isOn = false
  let running: Promise<void> | undefined
  let armed: { cancel: () => void; dueMs: number } | undefined
  /** Asked for while a run was under way, which may have looked already at what changed. */
  let againMs: number | undefined

  const arm = (ms: number) => {
    armed?.cancel()
    const cancel = timer(() => {
      armed = undefined
      if (running != null) {
        againMs = 0
      }
      void turn()
    }, ms)
    armed = { cancel, dueMs: now() + ms }
  }

  const disarm = () => {
    armed?.cancel()
    armed = undefined
    againMs = undefined
  }

  const turn = (): Promise<void> => {
    running ??= run().finally(() => {
      running = undefined
      if (isOn) {
        const wanted = armed == null ? (againMs ?? Number.POSITIVE_INFINITY) : armed.dueMs - now()
        againMs = undefined
        arm(Math.max(0, Math.min(pauseMs(), wanted)))
      }
    })
    return running
  }

  return {
    start() {
      if (!isOn) {
        isOn = true
        void turn()
      }
    },
    stop() {
      isOn = false
      disarm()
    },
    now: turn,
    within(ms) {
      if (isOn && (armed == null || armed.dueMs > now() + ms)) {
        arm(ms)
      }
    },
    idle: async () => running
  }
}
