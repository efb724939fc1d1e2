import { expect } from 'chai'
import fc from 'fast-check'
import { type Clock, followStory, SLACK_SLOTS, type Story, turnClock } from '../../src/k2/slot-clock.ts'

const SLOT_MS = 400
const STEP_MS = 100
const START = 1_000_000

/** What an endpoint says when the chain is at a slot; undefined: nothing. */
type Says = (truth: number, at: { ms: number; step: number }) => number | undefined
const honest: Says = (truth) => truth

/** Endpoints that tell slots to a clock, on a virtual time: `truth` is the chain's slot. */
function world(says: Says[]) {
  const stories: Array<Story | undefined> = says.map(() => undefined)
  let clock: Clock | undefined
  let ms = 0
  let offset = 0
  const truth = () => START + offset + Math.floor(ms / SLOT_MS)
  return {
    truth,
    slot: () => clock!.slot,
    ahead: () => clock!.slot - truth(),
    says,
    /** The chain is `slots` further, in no time by our clock: the machine slept. */
    sleep: (slots: number) => {
      offset += slots
    },
    run(forMs: number, each: () => void = () => {}) {
      for (const until = ms + forMs; ms < until; ms += STEP_MS) {
        says.forEach((one, i) => {
          const slot = one(truth(), { ms, step: ms / STEP_MS })
          if (slot != null) {
            stories[i] = followStory(stories[i], slot, ms)
          }
        })
        const next = turnClock(
          clock,
          stories.flatMap((story) => story ?? []),
          ms,
          SLOT_MS
        )
        if (next != null) {
          clock = next
          each()
        }
      }
    }
  }
}

const jump: Says = (truth) => truth + 1_000_000
const MINUTE = 60_000

describe('k2: the slot clock', () => {
  it('follows the endpoints, one, two or more, each a little late', () => {
    for (let n = 1; n <= 4; n++) {
      const w = world(Array.from({ length: n }, (_, i) => (truth) => truth - i))
      w.run(5 * MINUTE, () => expect(w.ahead()).to.be.within(-2, 1))
    }
  })

  it('does not jump by a lie: once, again and again, or for good where somebody alive says otherwise', () => {
    const once: Says = (truth, { step }) => (step === 100 ? truth + 1_000_000 : truth)
    const again: Says = (truth, { step }) => (step % 7 === 0 ? truth + 1_000_000 : truth)
    for (const liar of [once, again, jump]) {
      for (let n = liar === jump ? 2 : 1; n <= 4; n++) {
        const w = world([(truth, at) => (at.ms < 10_000 ? truth : liar(truth, at)), ...Array.from({ length: n - 1 }, () => honest)])
        w.run(15 * MINUTE, () => expect(w.ahead(), `${n} endpoints`).to.be.at.most(SLACK_SLOTS))
        expect(w.ahead()).to.be.at.least(-SLACK_SLOTS)
      }
    }
  })

  it('is not turned ever faster by one that runs at the pace which one alone may have', () => {
    for (const n of [2, 3, 4]) {
      const w = world([(truth) => START + Math.floor((truth - START) * 1.24), ...Array.from({ length: n - 1 }, () => honest)])
      w.run(60 * MINUTE)
      expect(w.ahead()).to.be.within(-1, 1)
    }
  })

  it('catches up at once with two that agree, and soon with one, when the machine slept for an hour', () => {
    for (const n of [2, 3]) {
      const w = world(Array.from({ length: n }, () => honest))
      w.run(MINUTE)
      w.sleep(9000)
      w.run(2 * STEP_MS)
      expect(w.ahead()).to.equal(0)
    }
    const alone = world([honest])
    alone.run(MINUTE)
    alone.sleep(9000)
    alone.run(1000)
    expect(alone.ahead()).to.be.below(-8900)
    alone.run(8000)
    expect(alone.ahead()).to.equal(0)
    // one of three is left
    let dead = false
    const mortal: Says = (truth) => (dead ? undefined : truth)
    const last = world([honest, mortal, mortal])
    last.run(MINUTE)
    dead = true
    last.run(MINUTE, () => expect(last.ahead()).to.be.within(-6, 1))
    last.sleep(9000)
    last.run(MINUTE)
    expect(last.ahead()).to.be.within(-1, 1)
  })

  it('follows one that keeps to its lie and has nobody to contradict it, and goes back once it is contradicted for long', () => {
    for (const n of [1, 2, 3]) {
      let lying = true
      // the others come to life when the lie is over, or contradict it
      const late: Says = (truth) => (lying ? undefined : truth)
      const w = world([(truth) => (lying ? truth + 1_000_000 : truth), ...Array.from({ length: n - 1 }, () => late)])
      w.run(MINUTE)
      expect(w.ahead()).to.be.above(999_000)
      lying = false
      w.run(MINUTE)
      expect(w.ahead(), `${n} endpoints`).to.be.within(-1, 1)
    }
    // two outvote one that goes on
    let late = true
    const w = world([jump, (truth) => (late ? undefined : truth), (truth) => (late ? undefined : truth)])
    w.run(MINUTE)
    late = false
    w.run(MINUTE)
    expect(w.ahead()).to.be.within(-1, 1)
  })

  it('follows no second jump of one that is contradicted already', () => {
    let [late, by] = [true, 1_000_000]
    const w = world([(truth) => truth + by, (truth) => (late ? undefined : truth)])
    w.run(MINUTE)
    late = false
    w.run(MINUTE / 6)
    const followed = w.ahead()
    by = 3_000_000
    w.run(10 * MINUTE)
    expect(w.ahead()).to.be.at.most(followed + 10)
  })

  it('does not go back for one that is behind', () => {
    const back: Says = (truth) => truth - 100_000
    for (const says of [
      [back, honest],
      [back, honest, honest],
      [back, honest, () => undefined]
    ] as Says[][]) {
      const w = world(says.map((one) => (truth, at) => (at.ms < 10_000 ? truth : one(truth, at))))
      let before = 0
      w.run(30 * MINUTE, () => {
        expect(w.slot()).to.be.at.least(before)
        before = w.slot()
      })
      expect(w.ahead()).to.be.within(-SLACK_SLOTS, 1)
    }
    // what two agreed on is not undone by the one that is left
    let dead = false
    const w = world([
      (truth) => (dead ? truth - 100_000 : truth),
      (truth) => (dead ? undefined : truth),
      (truth) => (dead ? undefined : truth)
    ])
    w.run(MINUTE)
    const before = w.slot()
    dead = true
    w.run(30 * MINUTE)
    expect(w.slot()).to.be.at.least(before)
  })

  const phase = fc.record({
    forMs: fc.integer({ min: 1, max: 300 }).map((tenths) => tenths * STEP_MS),
    says: fc.oneof(
      fc.constant(honest),
      fc.constant<Says>(() => undefined),
      fc.integer({ min: -2_000_000, max: 2_000_000 }).map(
        (by): Says =>
          (truth) =>
            Math.max(0, truth + by)
      ),
      fc.nat(3_000_000).map(
        (slot): Says =>
          () =>
            slot
      ),
      fc.double({ min: 0, max: 8, noNaN: true }).map(
        (pace): Says =>
          (truth) =>
            START + Math.floor((truth - START) * pace)
      ),
      fc.tuple(fc.integer({ min: 2, max: 9 }), fc.nat(2_000_000)).map(
        ([every, by]): Says =>
          (truth, { step }) =>
            step % every === 0 ? truth + by : truth
      ),
      fc.nat(2 ** 31).map(
        (seed): Says =>
          (_truth, { step }) =>
            ((step * 2_654_435_761 + seed) >>> 0) % 3_000_000
      )
    )
  })

  it('whatever one endpoint says: never far ahead of honest ones that are alive, and right within two minutes after', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(phase, { minLength: 1, maxLength: 8 }), (n, phases) => {
        const w = world([honest, ...Array.from({ length: n - 1 }, () => honest)])
        w.run(10_000)
        for (const { forMs, says } of phases) {
          w.says[0] = says
          w.run(forMs, () => {
            if (n >= 2) {
              expect(w.ahead()).to.be.at.most(SLACK_SLOTS)
            }
            if (n >= 3) {
              expect(w.ahead()).to.be.at.least(-2)
            }
          })
        }
        w.says[0] = honest
        w.run(2 * MINUTE)
        expect(w.ahead()).to.be.within(-SLACK_SLOTS, 1)
      }),
      { numRuns: 300 }
    )
  })
})
