import type { Logger } from '../observe/index.ts'
import type { SlotSource } from './client.ts'
import { messageOf } from './errors.ts'
import { type Clock, followStory, SLACK_SLOTS, type Story, turnClock } from './slot-clock.ts'
import { createSlotPace, DEFAULT_SLOT_MS } from './slot-pace.ts'

/**
 * The slot clock of K2 as this node hears it, from all its endpoints. An endpoint that is behind does not turn time, and one that is
 * ahead moves it no faster than time goes, but for a jump that it tells for a while and nobody contradicts. It goes back when, and
 * only when, it proves to have followed a lie.
 */
export interface Slots {
  /** Undefined until K2 has answered. */
  now(): number | undefined
  /** Measured length of a slot. */
  slotMs(): number
  /** Calls `listener` with each slot that the clock comes to; `back` when it was ahead by a lie, and begins anew. */
  on(listener: (slot: number, back: boolean) => void): () => void
  /**
   * A K2 of our own says that it has come to a slot: a jump there is no lie, and not doubted for a while as another's would be.
   *
   * @returns whether it was one
   */
  believe(slot: number): boolean
  /** How each endpoint is heard. */
  hearings(): Hearing[]
  /** @throws K2UnreachableError when no endpoint answers */
  start(): Promise<void>
  stop(): Promise<void>
}

/** How an endpoint is heard. What time this process itself was away is in none of it. */
export interface Hearing {
  name: string
  /** It is of another network. */
  dropped: boolean
  /** Since it told a slot last, by whatever way. */
  silentMs: number
  /** Since the slot that it tells rose last. */
  stillMs: number
  /** Whether its subscription tells slots. */
  bySubscription: boolean
}

export interface SlotsInit {
  k2: { slotSources: readonly SlotSource[] }
  log: Logger
  nowMs?: () => number
  /** Called some times a second, while the clock runs. */
  onTick?: () => void
}

/** Silence of the subscription after which the slot is asked for. */
const SILENT_SLOTS = 4
/** Silence of the subscription, while slots go on, after which it is taken for dead and dialled again. */
const DEAD_SLOTS = 12
const DEAD_MS = 2000
/** At the start every endpoint gets this long once one has answered. */
const START_WAIT_MS = 1000

/** More than this between two ticks was not K2's doing. */
const MOST_PASSED_MS = 1000

interface Source {
  from: SlotSource
  story: Story | undefined
  /** By whatever way. */
  heardMs: number
  /** By subscription, or when that was dialled last. */
  noticedMs: number
  /** The newest slot that the subscription told: while there is no later one it is silent with reason. */
  noticedSlot: number
  asking: boolean
  silentMs: number
  stillMs: number
  unnoticedMs: number
}

export function createSlots({ k2, log, nowMs = () => performance.now(), onTick = () => {} }: SlotsInit): Slots {
  const listeners = new Set<(slot: number, back: boolean) => void>()
  const sources: Source[] = k2.slotSources.map((from) => ({
    from,
    story: undefined,
    heardMs: nowMs(),
    noticedMs: nowMs(),
    noticedSlot: -1,
    asking: false,
    silentMs: 0,
    stillMs: 0,
    unnoticedMs: 0
  }))
  const pace = createSlotPace()
  let tickedMs = nowMs()
  let clock: Clock | undefined
  let timer: NodeJS.Timeout | undefined
  let leaves: Array<() => void> = []
  let stopped = false

  const advance = () => {
    const live = sources.filter(({ from }) => !from.dropped())
    const stories = live.flatMap(({ story }) => story ?? [])
    const at = nowMs()
    turn(turnClock(clock, stories, at, pace.slotMs()), at)
  }

  const turn = (next: Clock | undefined, at: number) => {
    const former = clock
    clock = next
    if (clock == null || clock.slot === former?.slot) {
      return
    }
    const { slot } = clock
    const back = former != null && slot < former.slot
    if (back) {
      log.warn(
        { slot, was: former.slot },
        'K2 has long been telling of earlier slots than our clock showed: it had followed a lie, and goes back'
      )
    }
    pace.turned(former, clock, at)
    for (const listener of listeners) {
      try {
        listener(slot, back)
      } catch (err) {
        log.error({ slot, reason: messageOf(err) }, 'what the node does in this slot failed')
      }
    }
  }

  const hear = (source: Source, slot: number) => {
    if (!Number.isSafeInteger(slot) || slot < 0) {
      return
    }
    source.heardMs = nowMs()
    source.silentMs = 0
    const former = source.story
    source.story = followStory(former, slot, source.heardMs)
    source.stillMs = source.story === former ? source.stillMs : 0
    advance()
  }

  const poll = async (source: Source) => {
    const at = nowMs()
    const missed = (source.story?.slot ?? 0) > source.noticedSlot
    if (missed && at - source.noticedMs > Math.max(DEAD_MS, DEAD_SLOTS * pace.slotMs())) {
      source.noticedMs = at
      source.from.renew('no slot for a while')
    }
    if (source.asking || source.from.dropped() || at - source.heardMs < SILENT_SLOTS * pace.slotMs()) {
      return
    }
    source.asking = true
    try {
      hear(source, await source.from.slot())
    } catch (err) {
      log.debug({ endpoint: source.from.name, reason: messageOf(err) }, 'K2 did not tell the slot')
    } finally {
      source.asking = false
    }
  }

  /** A process that was stopped, or did not get its turn, has missed what was said meanwhile: that is nobody's silence. */
  const grow = () => {
    const passedMs = Math.min(nowMs() - tickedMs, MOST_PASSED_MS)
    tickedMs = nowMs()
    for (const source of sources) {
      source.silentMs += passedMs
      source.stillMs += passedMs
      source.unnoticedMs += passedMs
    }
  }

  return {
    now: () => clock?.slot,
    slotMs: pace.slotMs,
    on(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    believe(slot) {
      if (clock == null || slot <= clock.slot + SLACK_SLOTS) {
        return false
      }
      const at = nowMs()
      for (const source of sources) {
        source.story = followStory(undefined, slot, at)
      }
      turn({ slot, sinceMs: at, supported: false, slack: SLACK_SLOTS, measured: false }, at)
      return true
    },
    hearings: () =>
      sources.map(({ from, silentMs, stillMs, unnoticedMs }) => ({
        ...{ name: from.name, dropped: from.dropped(), silentMs, stillMs },
        bySubscription: unnoticedMs <= Math.max(DEAD_MS, DEAD_SLOTS * pace.slotMs())
      })),
    async start() {
      const failure = await askAll(sources, nowMs)
      if (stopped) {
        return
      }
      advance()
      if (clock == null) {
        throw failure
      }
      leaves = sources.map((source) =>
        source.from.onSlot((slot) => {
          source.noticedMs = nowMs()
          source.noticedSlot = slot
          source.unnoticedMs = 0
          hear(source, slot)
        })
      )
      tickedMs = nowMs()
      timer = setInterval(() => {
        grow()
        for (const source of sources) {
          poll(source)
        }
        // where one endpoint alone keeps time, time itself lets it go on, and it tells whether a jump is to be believed
        advance()
        try {
          onTick()
        } catch (err) {
          log.error({ err }, 'what the node does with the silence of K2 failed')
        }
      }, DEFAULT_SLOT_MS / 2)
    },
    async stop() {
      stopped = true
      clearInterval(timer)
      for (const leave of leaves) {
        leave()
      }
      listeners.clear()
    }
  }
}

/** Asks every endpoint for its slot, until all have answered or one has and the others had their time. @returns why one did not answer */
async function askAll(sources: readonly Source[], nowMs: () => number): Promise<unknown> {
  let failure: unknown
  const first = Promise.withResolvers<void>()
  const asked = sources.map(async (source) => {
    try {
      const slot = await source.from.slot()
      source.heardMs = nowMs()
      if (Number.isSafeInteger(slot) && slot >= 0) {
        source.story = followStory(undefined, slot, source.heardMs)
      }
      setTimeout(first.resolve, START_WAIT_MS).unref()
    } catch (err) {
      failure = err
    }
  })
  await Promise.race([Promise.allSettled(asked), first.promise])
  return failure
}
