/** The slots that one endpoint tells by subscription, for who is about to ask it something that it shows a slot later. */
export interface SlotNotices {
  /** It has told a slot, just now. */
  heard(slot: number): void
  /** The slot that it told last, when it has just done so. */
  told(): number | undefined
  /** Resolves when it has told a slot after this one, or when it is not about to: not long after in any case. */
  past(slot: number): Promise<void>
}

/** An endpoint that told a slot so lately tells the next one soon. */
const FRESH_MS = 1500
const LONGEST_SLOT_WAIT_MS = 1000

export function createSlotNotices(nowMs: () => number): SlotNotices {
  let noticed: { slot: number; ms: number } | undefined
  const waiting = new Set<(slot: number) => void>()

  const told = () => (noticed == null || nowMs() - noticed.ms > FRESH_MS ? undefined : noticed.slot)

  return {
    heard(slot) {
      noticed = { slot, ms: nowMs() }
      for (const look of [...waiting]) {
        look(slot)
      }
    },
    told,
    past(wanted) {
      const now = told()
      // what it shows is a slot behind what it tells, and asked too early it only says so
      if (now == null || now > wanted || now < wanted - 2) {
        return Promise.resolve()
      }
      return new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer)
          waiting.delete(look)
          resolve()
        }
        const look = (said: number) => said > wanted && done()
        const timer = setTimeout(done, LONGEST_SLOT_WAIT_MS)
        waiting.add(look)
      })
    }
  }
}
