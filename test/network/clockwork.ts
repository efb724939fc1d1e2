import type { Timer } from '../../src/network/index.ts'

/** Time that passes when a test says so: timers in their order, and what they start is let run. */
export function clockwork() {
  let nowMs = 0
  const timers = new Set<{ run: () => void; atMs: number }>()
  const timer: Timer = (run, ms) => {
    const one = { run, atMs: nowMs + ms }
    timers.add(one)
    return () => timers.delete(one)
  }
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return {
    timer,
    now: () => nowMs,
    live: () => timers.size,
    settle,
    /** Lets the next timer run. */
    async next() {
      const [due] = [...timers].sort((a, b) => a.atMs - b.atMs)
      if (due == null) {
        throw new Error('nothing is set')
      }
      timers.delete(due)
      nowMs = Math.max(nowMs, due.atMs)
      due.run()
      for (let turns = 0; turns < 4; turns++) {
        await settle()
      }
    },
    async pass(ms: number) {
      const endMs = nowMs + ms
      for (;;) {
        const [due] = [...timers].sort((a, b) => a.atMs - b.atMs)
        if (due == null || due.atMs > endMs) {
          nowMs = endMs
          return
        }
        await this.next()
      }
    }
  }
}
