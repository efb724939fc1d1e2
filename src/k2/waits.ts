/** Why a question to K2 takes long: who waits, as at a command, is told. */
export interface Waits {
  /** Something went wrong that a question may be waiting for. */
  trouble(reason: string): void
  /** Runs a question, and tells of it when it takes long. */
  run<T>(question: () => Promise<T>): Promise<T>
}

export interface WaitsInit {
  /** Told once of each question that takes long, and what went wrong last, as far as that is known. */
  onWait: ((reason: string) => void) | undefined
  /** After how long, default five seconds. */
  toldMs?: number | undefined
}

const TOLD_MS = 5000

export function createWaits({ onWait, toldMs = TOLD_MS }: WaitsInit): Waits {
  let last: string | undefined
  let running = 0
  return {
    trouble(reason) {
      last = reason
    },
    async run(question) {
      if (running++ === 0) {
        last = undefined
      }
      const timer =
        onWait && setTimeout(() => onWait(`K2 is waited for${last == null ? ', and has not answered yet' : ` (${last})`}`), toldMs)
      try {
        return await question()
      } finally {
        running--
        clearTimeout(timer)
      }
    }
  }
}
