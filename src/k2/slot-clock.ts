/**
 * What slot it is, by what endpoints tell: pure. Slots are K2's; times are milliseconds of one monotonic clock.
 *
 * Two endpoints that have reached a slot are believed at once. What one alone tells is followed at the pace of time, so that no
 * endpoint can make the clock jump by a lie; as a machine that slept, or a chain that was set forward, must catch up, a jump is
 * believed when it was told for a while and nobody who is alive tells otherwise. And as a liar may have been believed after all, a
 * clock that is contradicted for long goes back: it would else stand still until the chain has come to the lie.
 */

/** What one endpoint tells: a run of slots that fits together. What does not fit begins another. */
export interface Story {
  slot: number
  /** When the slot rose last. */
  roseMs: number
  /** Where and when the story began, and how often the slot rose since. */
  from: number
  sinceMs: number
  rises: number
  /** Where and when it leapt last: only what it rose since then tells how long slots are. */
  pacedFrom: number
  pacedSinceMs: number
}

export interface Clock {
  slot: number
  /** When it came to this slot. */
  sinceMs: number
  /** Whether two endpoints agreed on it, or on what it went on from. */
  supported: boolean
  /** How many slots one endpoint may be ahead of time yet. */
  slack: number
  /** Since when everybody alive tells of slots long past. */
  doubtedSinceMs?: number | undefined
  /** Whether the last step says something about the length of a slot. */
  measured: boolean
  /** How long slots are by the story that it has just jumped to: what was known before may be of another chain's pace. */
  jumpedAtMs?: number
}

/** How much faster than slots are known to go one endpoint alone may turn the clock. */
const PACE = 1.25
/** One endpoint alone may be this much ahead of time: notices come late, and in heaps. Nearer than this, slots are the same story. */
export const SLACK_SLOTS = 32
/** So many slots at once are a leap, or notices that were held up: they say nothing of how long a slot is. */
export const LEAP_SLOTS = 8
/** No chain goes faster than this: what rises by more at once is another story. */
export const SHORTEST_SLOT_MS = 5
/** An endpoint whose slot has not risen for so long says nothing. */
const FRESH_SLOTS = 12
const FRESH_MS = 2000
/** A jump is believed after so long, of one that has nobody to contradict it; later where two once agreed on something else. */
const JUMP_SLOTS = 16
const JUMP_OF_SUPPORTED_SLOTS = 128
const JUMP_RISES = 4
/** A clock that is contradicted for so long goes back. */
const BACK_SLOTS = 128

/** What an endpoint tells, after it told `slot`. */
export function followStory(story: Story | undefined, slot: number, nowMs: number): Story {
  if (story != null) {
    const ahead = slot - story.slot
    if (ahead <= 0 && ahead >= -SLACK_SLOTS) {
      return story // said before, or late
    }
    if (ahead > 0 && ahead <= SLACK_SLOTS + (nowMs - story.roseMs) / SHORTEST_SLOT_MS) {
      const pace = ahead > LEAP_SLOTS ? { pacedFrom: slot, pacedSinceMs: nowMs } : {}
      return { ...story, slot, roseMs: nowMs, rises: story.rises + 1, ...pace }
    }
  }
  return { slot, roseMs: nowMs, from: slot, sinceMs: nowMs, rises: 0, pacedFrom: slot, pacedSinceMs: nowMs }
}

/** The clock after a look at the stories; undefined while there is none. Does nothing where it may not move. */
export function turnClock(clock: Clock | undefined, stories: readonly Story[], nowMs: number, slotMs: number): Clock | undefined {
  const told = stories.toSorted((a, b) => b.slot - a.slot)
  if (clock == null) {
    // of several that tell different things at the start, the second: one that runs ahead does not set the clock
    const first = told[1] ?? told[0]
    return first && { slot: first.slot, sinceMs: nowMs, supported: false, slack: SLACK_SLOTS, measured: true }
  }
  const alive = told.filter(({ roseMs }) => nowMs - roseMs <= Math.max(FRESH_MS, FRESH_SLOTS * slotMs))
  const ahead = alive.filter(({ slot }) => slot + SLACK_SLOTS >= clock.slot)
  const behind = alive.slice(ahead.length)
  if (ahead.length >= 2) {
    return byTwo(clock, ahead, nowMs, slotMs)
  }
  if (ahead.length === 1 && behind.length < 2) {
    return byOne(clock, ahead[0]!, behind.length === 0, nowMs, slotMs)
  }
  // two who agree outvote one; one alone outvotes what only one has ever said
  const past = behind.length >= 2 ? behind[1]! : clock.supported ? undefined : behind[0]
  if (past == null) {
    return clock
  }
  const doubtedSinceMs = clock.doubtedSinceMs ?? nowMs
  if (nowMs - doubtedSinceMs < BACK_SLOTS * slotMs) {
    return { ...still(clock), doubtedSinceMs }
  }
  return { slot: past.slot, sinceMs: nowMs, supported: behind.length >= 2, slack: SLACK_SLOTS, measured: false }
}

/** Two have reached it; until the second tells more, time goes on for it. */
function byTwo(clock: Clock, [first, second]: readonly Story[], nowMs: number, slotMs: number): Clock {
  const known = { ...still(clock), supported: clock.supported || second!.rises > 0 }
  const slot = Math.min(first!.slot, second!.slot + Math.floor((nowMs - second!.roseMs) / slotMs))
  return slot > clock.slot ? { ...known, slot, sinceMs: nowMs, slack: SLACK_SLOTS, measured: true } : known
}

function byOne(
  clock: Clock,
  { slot, pacedFrom, pacedSinceMs, sinceMs, roseMs, rises }: Story,
  unopposed: boolean,
  nowMs: number,
  slotMs: number
): Clock {
  const known = still(clock)
  if (slot <= clock.slot) {
    return known
  }
  const passed = (nowMs - clock.sinceMs) / slotMs
  // what two agreed on goes on without slack
  const slack = clock.supported ? 0 : Math.min(clock.slack, SLACK_SLOTS)
  const left = slack + PACE * passed - (slot - clock.slot)
  if (left >= 0) {
    return { ...known, slot, sinceMs: nowMs, slack: left, measured: !clock.supported }
  }
  const wait = (clock.supported ? JUMP_OF_SUPPORTED_SLOTS : JUMP_SLOTS) * slotMs
  if (unopposed && rises >= JUMP_RISES && nowMs - sinceMs >= wait) {
    const pace = slot > pacedFrom ? { jumpedAtMs: (roseMs - pacedSinceMs) / (slot - pacedFrom) } : {}
    return { slot, sinceMs: nowMs, supported: false, slack: SLACK_SLOTS, measured: false, ...pace }
  }
  const steps = Math.floor((clock.supported ? PACE : 1) * passed)
  return steps > 0 ? { ...known, slot: clock.slot + steps, sinceMs: nowMs, measured: false } : known
}

function still({ doubtedSinceMs: _doubted, jumpedAtMs: _jumped, ...clock }: Clock): Clock {
  return clock
}
