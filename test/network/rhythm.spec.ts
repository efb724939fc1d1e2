import { expect } from 'chai'
import { createRhythm } from '../../src/network/rhythm.ts'
import { clockwork } from './clockwork.ts'

describe('network: rhythm', () => {
  function setUp() {
    const clock = clockwork()
    let runs = 0
    let under = 0
    let most = 0
    let hold: Promise<void> | undefined
    const rhythm = createRhythm({
      run: async () => {
        runs++
        most = Math.max(most, ++under)
        await hold
        under--
      },
      pauseMs: () => 10_000,
      timer: clock.timer,
      now: clock.now
    })
    return { clock, rhythm, runs: () => runs, most: () => most, holdUntil: (promise: Promise<void> | undefined) => (hold = promise) }
  }

  it('runs at once, and then again after each pause', async () => {
    const { clock, rhythm, runs } = setUp()
    rhythm.start()
    await clock.settle()
    expect(runs()).to.equal(1)
    await clock.pass(30_000)
    expect(runs()).to.equal(4)
  })

  it('is never put off by who wants it sooner, however often', async () => {
    const { clock, rhythm, runs } = setUp()
    rhythm.start()
    await clock.settle()
    for (let at = 0; at < 100; at++) {
      rhythm.within(1_000)
      await clock.pass(500)
    }
    expect(runs()).to.be.within(45, 55)
    expect(clock.live()).to.equal(1)
  })

  it('has one run and one timer, whatever is asked for during a run', async () => {
    const { clock, rhythm, runs, most, holdUntil } = setUp()
    rhythm.start()
    await clock.settle()
    for (let at = 0; at < 5; at++) {
      const { promise, resolve } = Promise.withResolvers<void>()
      holdUntil(promise)
      await clock.next()
      const asked = rhythm.now()
      rhythm.within(100)
      rhythm.within(50)
      expect(clock.live()).to.equal(1)
      // what was asked for falls into the run that is still under way
      await clock.next()
      expect(clock.live()).to.equal(0)
      holdUntil(undefined)
      resolve()
      await asked
      await clock.settle()
      expect(clock.live()).to.equal(1)
      // and is made good right after it
      const before = runs()
      await clock.pass(1)
      expect(runs()).to.equal(before + 1)
    }
    expect(most()).to.equal(1)
    const before = runs()
    await clock.pass(100_000)
    expect(runs() - before).to.equal(10)
  })

  it('leaves no timer when it is stopped, in a run or between two, and begins anew', async () => {
    const { clock, rhythm, runs, holdUntil } = setUp()
    rhythm.start()
    await clock.settle()
    rhythm.stop()
    expect(clock.live()).to.equal(0)
    const { promise, resolve } = Promise.withResolvers<void>()
    holdUntil(promise)
    rhythm.start()
    rhythm.stop()
    rhythm.within(10)
    resolve()
    await rhythm.idle()
    await clock.settle()
    expect([clock.live(), runs()]).to.deep.equal([0, 2])
    rhythm.start()
    await clock.settle()
    expect([clock.live(), runs()]).to.deep.equal([1, 3])
  })
})
