/** Looks that others ask for, as often as they like. */
export interface Looks {
  /** Looks now, or when the pause after the last look is over. */
  ask(): void
  end(): void
  ended(): boolean
}

/** Runs `look` when asked, never twice at a time, and after each run only `pauseMs` later again. */
export function oneAtATime(look: () => Promise<void>, pauseMs: number): Looks {
  let running = false
  let again = false
  let ended = false
  const run = async () => {
    running = true
    again = false
    await look()
    setTimeout(() => {
      running = false
      if (again && !ended) {
        run()
      }
    }, pauseMs).unref()
  }
  return {
    ask() {
      if (running) {
        again = true
      } else if (!ended) {
        run()
      }
    },
    end: () => {
      ended = true
    },
    ended: () => ended
  }
}
