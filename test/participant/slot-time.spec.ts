/** What of its time something had, where K2 was away: it is told as that, and not as the task's own slowness. */
import { expect } from 'chai'
import { endsAt, whyLate } from '../../src/participant/slot-time.ts'

/** A clock and slots by hand: 100 ms each. */
function time() {
  const listeners = new Set<(slot: number, back: boolean) => void>()
  let [ms, slot] = [0, 100]
  return {
    init: {
      clock: {
        now: () => slot,
        slotMs: () => 100,
        nowMs: () => ms,
        on(listener: (slot: number, back: boolean) => void) {
          listeners.add(listener)
          return () => listeners.delete(listener)
        }
      }
    },
    listeners,
    /** Time goes on, and K2 shows each slot of it. */
    shows(slots: number) {
      for (let left = slots; left > 0; left--) {
        ms += 100
        slot++
        for (const listener of listeners) listener(slot, false)
      }
    },
    /** Time goes on, and K2 shows nothing; then, it may be, the slot that it has come to. */
    away(awayMs: number, jumps = 0) {
      ms += awayMs
      if (jumps > 0) {
        slot += jumps
        for (const listener of listeners) listener(slot, false)
      }
    }
  }
}

const late = 'the task timeout: task took longer than the 3 s that it had'
const told = (turn: (clock: ReturnType<typeof time>) => void) => {
  const clock = time()
  return endsAt(clock.init, 130, 'the submission window', async (_, spent) => {
    turn(clock)
    return whyLate(spent(), late, 100)
  })
}

describe('participant: time that ends with a slot', () => {
  it('is the task’s own where K2 was there', async () => {
    expect(await told(({ shows }) => shows(29))).to.equal(null)
    expect(await told(({ shows }) => shows(30))).to.equal(null)
    // a hiccup is no outage
    expect(await told(({ shows, away }) => [shows(10), away(900), shows(11)])).to.equal(null)
  })

  it('was K2’s where that was away for most of it, with its window open or closed', async () => {
    expect(await told(({ shows, away }) => [shows(14), away(1600)])).to.deep.equal({
      reason: 'K2 was away for 1.6 s of the 3 s that there were',
      notYet: true
    })
    // K2 went on without us
    expect(await told(({ shows, away }) => [shows(10), away(2000, 20)])).to.deep.equal({
      reason: 'K2 was away for 2 s of the 3 s that there were',
      notYet: false
    })
  })

  it('was both’s where it was away for the smaller part', async () => {
    expect(await told(({ shows, away }) => [shows(10), away(1100), shows(9)])).to.deep.equal({
      reason: `${late}; K2 was away for 1.2 s of it`,
      notYet: true
    })
  })

  it('was no time where K2 showed few slots, one by one', async () => {
    const slow = ({ shows, away }: ReturnType<typeof time>) => {
      for (let i = 0; i < 5; i++) [away(800), shows(1)]
    }
    expect(await told(slow)).to.deep.equal({ reason: 'K2 was slow: it showed 5 slots in 4.5 s', notYet: true })
  })

  it('ends with words that say what has ended, and leaves nobody listening', async () => {
    const clock = time()
    const reason = await endsAt(clock.init, 130, 'the audit window', async (ends) => {
      clock.shows(29)
      expect(ends.aborted).to.equal(false)
      clock.shows(1)
      return ends.reason as Error
    })
    expect([reason.name, reason.message]).to.deep.equal(['AbortError', 'the audit window closed with slot 130'])
    expect(clock.listeners.size).to.equal(0)
  })
})
