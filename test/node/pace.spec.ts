import { expect } from 'chai'
import { createPace } from '../../src/node/pace.ts'
import { createPaceWork, type PaceWork } from '../../src/node/pace-work.ts'
import type { RoundsEffect } from '../../src/rounds/index.ts'
import { manualClock } from '../local-k2/support.ts'

/** A node's side of the pace whose clock, event loop and rooms are moved by hand. */
function stage() {
  const clock = manualClock(0)
  const listeners = new Set<(slot: number, back: boolean) => void>()
  let slot: number | undefined = 10
  let turns: Array<() => void> = []
  const said: Array<{ slot: number; turn: number; moves: number }> = []
  const room = { moves: 0, busyWith: null as number | null, believed: [] as number[], leaps: 0, alive: 0 }
  const pace = createPace({
    slots: {
      now: () => slot,
      on: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      believe: (at) => {
        room.believed.push(at)
        return at > 1000
      }
    },
    onLeap: () => {
      room.leaps++
    },
    holds: (at) => room.busyWith != null && at >= room.busyWith,
    moves: () => room.moves,
    done: (question, moves) => void said.push({ ...question, moves }),
    busy: () => {
      room.alive++
    },
    soon: (run) => void turns.push(run),
    after: clock.after,
    nowMs: clock.nowMs
  })
  return {
    pace,
    room,
    said,
    clock,
    /** The node's clock comes to a slot. */
    comeTo(at: number) {
      slot = at
      for (const listener of [...listeners]) {
        listener(at, false)
      }
    },
    /** The event loop turns so often, or until it has nothing more to do. */
    turn(times = 100) {
      for (let i = 0; i < times && turns.length > 0; i++) {
        const due = turns
        turns = []
        for (const run of due) {
          run()
        }
      }
    }
  }
}

describe('a node whose K2 waits for it', () => {
  it('says that it is done with a slot once its clock has come to it and the event loop has turned', () => {
    const { pace, said, comeTo, turn } = stage()
    pace.asked({ slot: 11, turn: 1 })
    turn()
    expect(said).to.deep.equal([])
    comeTo(11)
    expect(said, 'what has arrived is not handled yet').to.deep.equal([])
    turn(1)
    expect(said).to.deep.equal([])
    turn()
    expect(said).to.deep.equal([{ slot: 11, turn: 1, moves: 0 }])
  })

  it('begins to count its turns anew when something moves', () => {
    const { pace, room, said, turn } = stage()
    pace.asked({ slot: 10, turn: 1 })
    for (let i = 0; i < 20; i++) {
      room.moves++
      turn(1)
    }
    expect(said).to.deep.equal([])
    turn(3)
    expect(said, 'what came last may yet be answered').to.deep.equal([])
    turn()
    expect(said).to.deep.equal([{ slot: 10, turn: 1, moves: 20 }])
  })

  it('does not say so while something is under way that the slot has to wait for, and tells that it is alive', () => {
    const { pace, room, said, clock, turn } = stage()
    room.busyWith = 10
    pace.asked({ slot: 10, turn: 1 })
    for (let ms = 0; ms < 5000; ms += 10) {
      clock.advance(10)
      turn()
    }
    expect(said).to.deep.equal([])
    expect(room.alive).to.be.within(4, 5)
    room.busyWith = null
    clock.advance(10)
    turn()
    expect(said).to.have.length(1)
  })

  it('tells that it is alive while things keep moving, too', () => {
    const { pace, room, said, clock, turn } = stage()
    pace.asked({ slot: 10, turn: 1 })
    for (let i = 0; i < 50; i++) {
      room.moves++
      clock.advance(100)
      turn(1)
    }
    expect(said).to.deep.equal([])
    expect(room.alive).to.be.within(4, 5)
  })

  it('what begins while it is about to say so is waited for, too', () => {
    const { pace, room, said, clock, turn } = stage()
    pace.asked({ slot: 10, turn: 1 })
    turn(2)
    room.busyWith = 10
    turn()
    clock.advance(100)
    turn()
    expect(said).to.deep.equal([])
    room.busyWith = null
    clock.advance(10)
    turn()
    expect(said).to.have.length(1)
  })

  it('answers the newest question only, and none after it is stopped', () => {
    const { pace, room, said, clock, turn } = stage()
    room.busyWith = 10
    pace.asked({ slot: 10, turn: 1 })
    pace.asked({ slot: 10, turn: 2 })
    room.busyWith = null
    clock.advance(10)
    turn()
    expect(said.map((one) => one.turn)).to.deep.equal([2])
    pace.asked({ slot: 10, turn: 3 })
    pace.stop()
    turn()
    expect(said).to.have.length(1)
  })

  it('believes its K2 where that has leapt', () => {
    const { pace, room } = stage()
    pace.asked({ slot: 5000, turn: 1 })
    expect(room).to.include({ leaps: 1 })
    pace.asked({ slot: 12, turn: 1 })
    expect(room).to.include({ leaps: 1 })
    expect(room.believed).to.deep.equal([5000, 12])
  })
})

describe('what a slot waits for', () => {
  const effect = (type: RoundsEffect['type'], rest: object = {}) => ({ type, cycle: 3, ...rest }) as RoundsEffect
  /** Something under way, until it is ended. */
  function begin(work: PaceWork, one: RoundsEffect, slot = 10, inside: (ended: Promise<void>) => Promise<void> = (ended) => ended) {
    const { promise, resolve } = Promise.withResolvers<void>()
    const running = work.run(one, slot, () => inside(promise))
    return async () => {
      resolve()
      await running
    }
  }

  it('what is quick: signing and saying, building, checking and voting', async () => {
    for (const type of ['publish', 'build', 'check', 'vote'] as const) {
      const work = createPaceWork()
      const end = begin(work, effect(type, { deadlineSlot: 99 }))
      expect(work.holds(10), type).to.equal(true)
      await end()
      expect(work.holds(10), type).to.equal(false)
    }
  })

  it('what has a deadline, when that is near: work in the last slots in which it can be submitted, a drawn audit when it can be challenged', async () => {
    const work = createPaceWork()
    const ends = [begin(work, effect('work', { deadlineSlot: 52 }))]
    expect(work.holds(49)).to.equal(false)
    expect(work.holds(50)).to.equal(true)
    expect(work.holds(51)).to.equal(true)
    await ends[0]!()
    ends.push(begin(work, effect('audit', { purpose: 'sample', fetchBySlot: 60, deadlineSlot: 66 })))
    expect(work.holds(59)).to.equal(false)
    expect(work.holds(60)).to.equal(true)
    await ends[1]!()
    ends.push(begin(work, effect('audit', { purpose: 'challenge', fetchBySlot: 66, deadlineSlot: 67 })))
    expect(work.holds(65)).to.equal(false)
    expect(work.holds(66)).to.equal(true)
    await ends[2]!()
  })

  it('what is read from K2, once K2 can show it', async () => {
    const work = createPaceWork()
    const end = begin(work, effect('need-base'), 70)
    expect(work.holds(71), 'K2 shows a slot one later: to wait for it would be to wait for ever').to.equal(false)
    expect(work.holds(72)).to.equal(true)
    await end()
  })

  it('not what waits for a peer, or for time', async () => {
    const work = createPaceWork()
    const fetched = Promise.withResolvers<void>()
    const end = begin(work, effect('check', { deadlineSlot: 80 }), 70, async (ended) => {
      await work.away(() => fetched.promise)
      await ended
    })
    expect(work.holds(70)).to.equal(false)
    const before = work.moves()
    fetched.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    expect(work.holds(70), 'what came is to be looked at now').to.equal(true)
    expect(work.moves()).to.be.greaterThan(before)
    await end()
  })

  it('not those who wait for the same as another: that is a job of its own, which holds a slot while it is not away', async () => {
    const work = createPaceWork()
    const fetched = Promise.withResolvers<void>()
    const read = Promise.withResolvers<void>()
    let job: (() => Promise<void>) | undefined
    const waits = async (ended: Promise<void>) => {
      job ??= work.shared('a record', async () => {
        await work.away(() => fetched.promise)
        await read.promise
      })
      await job()
      await ended
    }
    const ends = [begin(work, effect('check', { deadlineSlot: 80 }), 70, waits), begin(work, effect('publish'), 70, waits)]
    expect(work.heldBy(70)).to.deep.equal([])
    fetched.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    expect(work.heldBy(70)).to.deep.equal(['a record'])
    read.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    expect(work.heldBy(70)).to.have.length(2)
    for (const end of ends) {
      await end()
    }
  })

  it('not what asks again and again which slot it is: it waits for one, until that comes', async () => {
    const work = createPaceWork()
    const asked = Promise.withResolvers<void>()
    const end = begin(work, effect('publish'), 70, async (ended) => {
      for (let i = 0; i < 3; i++) {
        work.asked(70)
      }
      asked.resolve()
      await ended
    })
    await asked.promise
    expect(work.holds(70)).to.equal(false)
    expect(work.holds(71), 'in the slot that it waited for it has something to do').to.equal(true)
    await end()
  })

  it('not the task while it asks again and again which slot it is; what the node does beside it is waited for', async () => {
    const work = createPaceWork()
    const end = begin(work, effect('work', { deadlineSlot: 52 }))
    for (let i = 0; i < 3; i++) {
      work.asked(51)
    }
    expect(work.holds(51)).to.equal(false)
    const say = begin(work, effect('publish'), 51)
    expect(work.holds(51)).to.equal(true)
    await say()
    await end()
  })

  it('a call of the task that does not end for a minute of waiting is waited for no longer', async () => {
    const clock = manualClock(0)
    const work = createPaceWork(clock.nowMs)
    const end = begin(work, effect('audit', { purpose: 'sample', fetchBySlot: 60, deadlineSlot: 66 }))
    clock.advance(1_000_000)
    expect(work.holds(59)).to.equal(false)
    expect(work.holds(60), 'the minute begins when slots wait').to.equal(true)
    clock.advance(59_000)
    expect(work.holds(60)).to.equal(true)
    clock.advance(1000)
    expect(work.holds(60)).to.equal(false)
    const check = begin(work, effect('check', { deadlineSlot: 99 }))
    clock.advance(1_000_000)
    expect(work.holds(60), 'what is no call of it is').to.equal(true)
    await check()
    await end()
  })

  it('nothing is left of what failed', async () => {
    const work = createPaceWork()
    const failed = await work
      .run(effect('publish'), 1, async () => {
        throw new Error('refused')
      })
      .catch((err: Error) => err.message)
    expect(failed).to.equal('refused')
    expect(work.holds(1)).to.equal(false)
  })
})
