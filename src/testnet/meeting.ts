/** When all nodes have found each other and have the task, and the jump to the first round that follows. */
import type { LocalK2, Pace } from '../local-k2/index.ts'
import { counted, duration } from '../observe/words.ts'
import { TestnetError } from './errors.ts'
import type { TestnetLimits } from './limits.ts'
import type { Seat } from './seat.ts'
import type { TaskRun } from './task-run.ts'

/** So long before the first cycle nodes greet each other again. */
const MEETING_SLOTS = 12

export interface MeetingInit {
  runs: readonly TaskRun[]
  k2: LocalK2
  slotMs: number
  pace: Pace
  limits: TestnetLimits
  /** First slot of cycle 0. */
  startingSlot: number
  /** Where the nodes' logs are. */
  dir: string
  signal: AbortSignal
  /** Resolves when somebody stops the run. */
  stopped: Promise<void>
}

export interface Meeting {
  /** Something has changed by which all may have met. */
  checkReady(): void
  /** They will not meet. */
  giveUp(error: TestnetError): void
  /** Resolves when all have met, or when the run is stopped. @throws TestnetError when they have not in time */
  ready(): Promise<void>
  leap(): Promise<void>
}

export function createMeeting({ runs, k2, slotMs, pace, limits, startingSlot, dir, signal, stopped }: MeetingInit): Meeting {
  const met = Promise.withResolvers<void>()
  let metAgain = () => {}

  function checkReady(): void {
    if (runs.every(({ seats }) => seats.every((seat) => isThere(seat, seats)))) {
      met.resolve()
      metAgain()
    }
  }

  async function ready(): Promise<void> {
    const bootTimer = setTimeout(() => met.reject(new TestnetError(notReady())), limits.bootMs - 5 * slotMs)
    try {
      await Promise.race([met.promise, stopped])
    } finally {
      clearTimeout(bootTimer)
    }
  }

  /** To just before the first cycle. What nodes had said to each other has run out by then, so they say it again, and rounds wait for that. */
  async function leap(): Promise<void> {
    if (pace === 'strict') {
      if (k2.slot() < startingSlot - 1) {
        k2.warpTo(startingSlot - 1)
      }
      return
    }
    if (k2.slot() < startingSlot - MEETING_SLOTS) {
      k2.warpTo(startingSlot - MEETING_SLOTS)
    }
    while (k2.slot() < startingSlot - 2 && !signal.aborted) {
      await new Promise((done) => k2.events.once('slot', done))
    }
    k2.hold()
    const limit = setTimeout(() => metAgain(), limits.bootMs / 4)
    await Promise.race([
      stopped,
      new Promise<void>((done) => {
        metAgain = done
        checkReady()
      })
    ])
    clearTimeout(limit)
    k2.release()
  }

  function notReady(): string {
    const late = runs.flatMap((run) => run.seats.filter((seat) => !isThere(seat, run.seats)).map((seat) => run.about(lacksOf(seat))))
    return `the nodes did not find each other within ${duration(limits.bootMs)}: ${late.join(', ')}. Logs: ${dir}`
  }

  return { checkReady, giveUp: met.reject, ready, leap }
}

/** It has the code, and all others as peers. */
function isThere({ hasTask, row }: Seat, seats: readonly Seat[]): boolean {
  return hasTask && row.peers >= seats.length - 1
}

function lacksOf({ member, row, hasTask }: Seat): string {
  return `${member.name} has ${counted(row.peers, 'peer')}${hasTask ? '' : ' and no task'}`
}
