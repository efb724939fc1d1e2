/** When K2 is away, and which of its endpoints: what the operator is told, once when it begins and once when it is over. */
import type { EventInit, Logger } from '../observe/index.ts'
import { SHORTEST_SLOT_MS } from './slot-clock.ts'
import type { Hearing, Slots } from './slots.ts'

/** As it is told. */
export type OutageEvent = Extract<EventInit, { event: 'k2-away' | 'k2-back' }>

export interface OutageInit {
  slots: Pick<Slots, 'now' | 'slotMs' | 'hearings'>
  log: Logger
  emit: (told: OutageEvent) => void
}

/** How an endpoint is heard, in words and figures. */
export interface EndpointHearing {
  away: boolean
  /** Since it told a slot last, by whatever way. */
  silentMs: number
  /** Whether its WebSocket tells slots; else it is asked for them. */
  webSocket: boolean
}

export interface Outage {
  /** To be called some times a second. */
  tick(): void
  /** Why nothing can be had of K2; null while something can. */
  reason(): string | null
  of(endpoint: string): EndpointHearing | undefined
}

/** Silence that is longer is an outage: the slot was asked for several times by then. */
const AWAY_SLOTS = 16
const SHORTEST_AWAY_MS = 3000
/** A chain that stands still for so long is of no more use than one that does not answer. */
const STILL_SLOTS = 64
const SHORTEST_STILL_MS = 20_000

export function createOutage({ slots, log, emit }: OutageInit): Outage {
  let began: { reason: string; sinceSlot: number | undefined } | undefined
  let longestMs = 0
  const gone = new Map<string, number>()

  const awayMs = () => Math.max(SHORTEST_AWAY_MS, AWAY_SLOTS * Math.max(slots.slotMs(), SHORTEST_SLOT_MS))
  const stillMs = () => Math.max(SHORTEST_STILL_MS, STILL_SLOTS * slots.slotMs())
  const isAway = ({ silentMs }: Hearing) => silentMs > awayMs()
  const live = () => slots.hearings().filter(({ dropped }) => !dropped)

  /** What is wrong with all of them together, and for how long it has been. */
  const judge = (): { text: (forMs: number) => string; forMs: number } | undefined => {
    const all = live()
    const silentMs = Math.min(...all.map((one) => one.silentMs))
    const still = Math.min(...all.map((one) => one.stillMs))
    const since = slots.now() ?? 'its start'
    if (all.length > 0 && all.every(isAway)) {
      return { text: (ms) => `K2 has not answered since slot ${since}, for ${seconds(ms)} s`, forMs: silentMs }
    }
    return all.length > 0 && still > stillMs()
      ? { text: (ms) => `K2 answers, and its slot has stood at ${since} for ${seconds(ms)} s`, forMs: still }
      : undefined
  }

  return {
    tick() {
      const found = judge()
      const several = live().length > 1
      if (found != null) {
        longestMs = found.forMs
        if (began == null) {
          began = { reason: found.text(found.forMs), sinceSlot: slots.now() }
          log.warn({ event: 'k2-away', slot: began.sinceSlot }, `${began.reason}: it is asked on, and work and votes wait for it`)
          emit({ event: 'k2-away', reason: began.reason, endpoints: live().map(({ name }) => name) })
        }
      } else if (began != null) {
        began = undefined
        log.info({ event: 'k2-back', slot: slots.now() }, `K2 answers again, after ${seconds(longestMs)} s`)
        emit({ event: 'k2-back', seconds: seconds(longestMs) })
      }
      for (const one of slots.hearings()) {
        const former = gone.get(one.name)
        if (isAway(one) && !one.dropped) {
          gone.set(one.name, one.silentMs)
          if (former == null && several && began == null) {
            log.warn({ endpoint: one.name }, 'a K2 endpoint does not answer any more: the others are asked')
          }
        } else if (former != null) {
          gone.delete(one.name)
          if (several) {
            log.info({ endpoint: one.name }, `a K2 endpoint answers again, after ${seconds(former)} s`)
          }
        }
      }
    },
    reason() {
      const found = judge()
      return found == null ? null : found.text(found.forMs)
    },
    of(endpoint) {
      const one = slots.hearings().find(({ name }) => name === endpoint)
      return one && { away: isAway(one), silentMs: Math.round(one.silentMs), webSocket: one.bySubscription }
    }
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 1000)
}
