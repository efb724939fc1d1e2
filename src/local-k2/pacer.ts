import type { LocalK2Clock } from './slot-ticker.ts'

/** How the slots of a local K2 end: `strict` after so many milliseconds, `auto` once its followers have done what is due as well. */
export type Pace = 'auto' | 'strict'

/** What a follower is asked: whether it has taken the slot in, and is quiet. Turns of a slot are counted from 1. */
export interface PaceQuestion {
  slot: number
  turn: number
}

/** A follower's own side of the pacer. */
export interface PaceSeat {
  /** It has taken the slot in and nothing that is due is under way; `moves` counts what it has done and heard since it began. */
  done(question: PaceQuestion, moves: number): void
  /** It is alive and still at it. */
  busy(): void
  /** It is gone, and nobody waits for it. */
  leave(): void
}

/** What slots have come to, in ms; `waitedFor`: whom it was that held them up longest, over all slots. */
export interface PaceFacts {
  asked: number
  median: number
  longest: number
  waitedFor: { name: string; ms: number } | null
}

/** A slot is longer than it was to be, for those who have not said that they are done with it. */
export interface HeldUp {
  followers: string[]
  slot: number
  waitedMs: number
}

/** Nobody waits for it any longer, until it speaks again. */
export interface PassedOver {
  follower: string
  slot: number
  waitedMs: number
}

export interface PacerInit {
  clock: LocalK2Clock
  /** A slot takes at least this. */
  slotMs: number
  /** The slot in progress. */
  slot: () => number
  /** Ends it. */
  tick: () => void
  onPassedOver: (passed: PassedOver) => void
  onHeldUp?: (held: HeldUp) => void
  silenceMs?: number
  longestMs?: number
}

/** More than a testnet has nodes. */
export const MAX_FOLLOWERS = 128
/** Whoever says nothing for so long is hung, and nobody waits for it until it speaks again. */
const SILENCE_MS = 10_000
/** Nor for one that says for so long, in one slot, that it is still at it. */
const LONGEST_MS = 180_000
/** A node that is seen to hold a slot for so long is told of, while it does. */
const TOLD_MS = 5_000
/** Passed over once, a follower is waited for again from its next answer on; each further time, only twice as many slots later. */
const MAX_BENCHED_SLOTS = 256
/** So many slots that it was through with take one of those times back. */
const GOOD_SLOTS = 16
/** A K2 that had no CPU itself has signs of life yet to read: it looks so often more, so long apart, before it believes in silence. */
const LOOKS = 3
const LOOK_MS = 1000
/** A message that is heard in one turn may be answered in the next: by then even a chatty mesh has said all that a slot is for. */
const MAX_TURNS = 24
/** Of so many slots the median is told. */
const KEPT_SLOTS = 1000
const KEPT_NAMES = 1000

interface Follower {
  name: string
  ask: (question: PaceQuestion) => void
  /** Whether slots wait for it: from when it has first said that it is done with the one in progress. */
  waited: boolean
  /** The turn of this slot that it answered last. */
  answered: number
  moves: number
  /** Whether it had nothing new to tell in the last turn. */
  still: boolean
  heardMs: number
  /** How often it was found silent for too long, and when it was last. */
  missed: number
  missedMs: number
  /** How often it was passed over, less what it has made good since; the first slot that may wait for it again; slots that it was through with. */
  strikes: number
  benchedTo: number
  good: number
}

/**
 * Ends each slot when its followers are through with it: after at least `slotMs`, and once they have told in two turns running that
 * nothing is left to do and nothing has moved. The second turn is for what is on its way from one to another when all say that they
 * are done: it is heard in the slot in which it was said. Nobody is waited for without bound.
 */
export class Pacer {
  readonly #init: Required<Omit<PacerInit, 'onHeldUp'>> & Pick<PacerInit, 'onHeldUp'>
  readonly #followers = new Set<Follower>()
  readonly #lengthsMs: number[] = []
  readonly #heldMs = new Map<string, number>()
  #longestMs = 0
  #running = false
  #held = false
  #waiting = true
  #slot = 0
  #turn = 0
  #beganMs = 0
  #askedMs = 0
  /** The last slot that was told of for being held up. */
  #toldSlot = -1
  #cancel: (() => void) | undefined
  /** Guards against a follower that answers while it is being asked. */
  #looking = false

  constructor(init: PacerInit) {
    this.#init = { silenceMs: SILENCE_MS, longestMs: LONGEST_MS, ...init }
  }

  start(): void {
    this.#running = true
    this.#begin()
  }

  stop(): void {
    this.#running = false
    this.#cancel?.()
  }

  hold(): void {
    this.#held = true
    this.#cancel?.()
  }

  /** Gives the slot in progress its full length again, from now. */
  release(): void {
    this.#held = false
    this.#begin()
  }

  /** Whether slots wait for their followers, as they do from the start; what slots came to is counted from when they do. */
  wait(on: boolean): void {
    if (on && !this.#waiting) {
      this.#lengthsMs.length = 0
      this.#longestMs = 0
      this.#heldMs.clear()
    }
    this.#waiting = on
    this.#look()
  }

  /** The chain has leapt: another slot is in progress, and begins now. */
  leapt(): void {
    this.#begin()
  }

  /** @returns undefined when there are `MAX_FOLLOWERS` already */
  join(name: string, ask: (question: PaceQuestion) => void): PaceSeat | undefined {
    const heardMs = this.#init.clock.nowMs()
    if (this.#followers.size >= MAX_FOLLOWERS && !this.#makeRoom(heardMs)) {
      return undefined
    }
    const follower: Follower = {
      name,
      ask,
      waited: false,
      answered: 0,
      moves: -1,
      still: false,
      heardMs,
      missed: 0,
      missedMs: 0,
      strikes: 0,
      benchedTo: 0,
      good: 0
    }
    this.#followers.add(follower)
    if (this.#running && !this.#held) {
      ask({ slot: this.#slot, turn: this.#turn })
    }
    return {
      done: (question, moves) => this.#done(follower, question, moves),
      busy: () => this.#heard(follower),
      leave: () => {
        this.#followers.delete(follower)
        this.#look()
      }
    }
  }

  /** A seat from which nothing has come for long is somebody else's. */
  #makeRoom(nowMs: number): boolean {
    const silent = [...this.#followers].find(({ waited, heardMs }) => !waited && nowMs - heardMs >= this.#init.silenceMs)
    return silent != null && this.#followers.delete(silent)
  }

  facts(): PaceFacts {
    const sorted = this.#lengthsMs.toSorted((a, b) => a - b)
    const [name, ms] = [...this.#heldMs].reduce<[string, number]>((most, one) => (one[1] > most[1] ? one : most), ['', 0])
    return {
      asked: this.#init.slotMs,
      median: Math.round(sorted[sorted.length >> 1] ?? this.#init.slotMs),
      longest: Math.round(this.#longestMs),
      waitedFor: ms > 0 ? { name, ms: Math.round(ms) } : null
    }
  }

  #begin(): void {
    if (!this.#running || this.#held) {
      return
    }
    this.#slot = this.#init.slot()
    this.#beganMs = this.#init.clock.nowMs()
    this.#turn = 0
    this.#askAll()
    this.#look()
  }

  #askAll(): void {
    this.#turn++
    this.#askedMs = this.#init.clock.nowMs()
    for (const follower of [...this.#followers]) {
      if (this.#turn === 1) {
        follower.answered = 0
        follower.still = false
      }
      // who is not waited for is asked once a slot, to find out whether it is back
      if (follower.waited || this.#turn === 1) {
        follower.ask({ slot: this.#slot, turn: this.#turn })
      }
    }
  }

  #done(follower: Follower, { slot, turn }: PaceQuestion, moves: number): void {
    this.#heard(follower)
    if (slot !== this.#slot || turn > this.#turn || turn <= follower.answered || !this.#followers.has(follower)) {
      return
    }
    const wasWaited = follower.waited
    follower.still = turn === follower.answered + 1 && turn > 1 && moves === follower.moves
    follower.answered = turn
    follower.moves = moves
    follower.waited ||= slot >= follower.benchedTo
    if (!wasWaited && follower.waited && turn < this.#turn) {
      follower.ask({ slot: this.#slot, turn: this.#turn })
    }
    if (wasWaited && this.#late().length === 0) {
      // it was the last of this turn: from when time alone would have ended the slot, the wait was for it
      const heldMs = follower.heardMs - Math.max(this.#askedMs, this.#beganMs + this.#init.slotMs)
      this.#count(follower, heldMs)
    }
    this.#look()
  }

  #heard(follower: Follower): void {
    follower.heardMs = this.#init.clock.nowMs()
    // in one slot nobody is waited for without end, whatever it says
    if (follower.heardMs < this.#beganMs + this.#init.longestMs) {
      follower.missed = 0
    }
  }

  #late(): Follower[] {
    return this.#waiting ? [...this.#followers].filter(({ waited, answered }) => waited && answered < this.#turn) : []
  }

  /** Ends the slot, or puts the next question, when it is time to. */
  #look(): void {
    if (this.#looking || !this.#running || this.#held) {
      return
    }
    this.#looking = true
    try {
      let after = this.#step()
      while (after === 'again') {
        after = this.#step()
      }
      this.#cancel?.()
      this.#cancel = this.#running && !this.#held ? this.#init.clock.after(Math.max(0, after), () => this.#look()) : undefined
    } finally {
      this.#looking = false
    }
  }

  /** @returns in how many ms to look again */
  #step(): number | 'again' {
    if (!this.#running || this.#held) {
      return 0
    }
    const nowMs = this.#init.clock.nowMs()
    const late = this.#late().filter((follower) => !this.#passOver(follower, nowMs))
    if (late.length > 0) {
      const tellMs = Math.max(this.#askedMs, this.#beganMs + this.#init.slotMs) + TOLD_MS
      if (nowMs >= tellMs && this.#toldSlot !== this.#slot) {
        this.#toldSlot = this.#slot
        const waitedMs = Math.round(nowMs - this.#beganMs)
        this.#init.onHeldUp?.({ followers: late.map(({ name }) => name), slot: this.#slot, waitedMs })
      }
      const bounds = late.map((follower) => this.#boundMs(follower))
      return Math.min(...bounds, ...(this.#toldSlot === this.#slot ? [] : [tellMs])) - nowMs
    }
    const leftMs = this.#beganMs + this.#init.slotMs - nowMs
    if (leftMs > 0) {
      return leftMs
    }
    const waited = [...this.#followers].filter((follower) => this.#waiting && follower.waited)
    if (this.#turn < MAX_TURNS && !waited.every(({ still }) => still)) {
      this.#askAll()
      return 'again'
    }
    this.#end(nowMs)
    return 'again'
  }

  #end(nowMs: number): void {
    const lengthMs = nowMs - this.#beganMs
    this.#longestMs = Math.max(this.#longestMs, lengthMs)
    this.#lengthsMs.push(lengthMs)
    if (this.#lengthsMs.length > KEPT_SLOTS) {
      this.#lengthsMs.shift()
    }
    for (const follower of this.#followers) {
      if (follower.waited && follower.strikes > 0 && ++follower.good % GOOD_SLOTS === 0) {
        follower.strikes--
      }
    }
    this.#init.tick()
    if (this.#running && !this.#held) {
      this.#slot = this.#init.slot()
      this.#beganMs = this.#init.clock.nowMs()
      this.#turn = 0
      this.#askAll()
    }
  }

  #count({ name }: Follower, ms: number): void {
    if (ms > 0 && (this.#heldMs.has(name) || this.#heldMs.size < KEPT_NAMES)) {
      this.#heldMs.set(name, (this.#heldMs.get(name) ?? 0) + ms)
    }
  }

  /** When it is to be asked whether anybody waits for it any longer. */
  #boundMs({ heardMs, missed, missedMs }: Follower): number {
    const { silenceMs, longestMs } = this.#init
    const boundMs = Math.min(Math.max(heardMs, this.#askedMs) + silenceMs, this.#beganMs + longestMs)
    return missed > 0 ? Math.max(boundMs, missedMs + LOOK_MS) : boundMs
  }

  #passOver(follower: Follower, nowMs: number): boolean {
    if (nowMs < this.#boundMs(follower)) {
      return false
    }
    follower.missed++
    follower.missedMs = nowMs
    if (follower.missed <= LOOKS) {
      return false
    }
    follower.missed = 0
    follower.waited = false
    // one that answers only to be waited for would stop the chain again and again
    follower.benchedTo = this.#slot + Math.min(MAX_BENCHED_SLOTS, 2 ** follower.strikes++ - 1)
    follower.good = 0
    const waitedMs = Math.round(nowMs - this.#askedMs)
    this.#count(follower, waitedMs)
    this.#init.onPassedOver({ follower: follower.name, slot: this.#slot, waitedMs })
    return true
  }
}
