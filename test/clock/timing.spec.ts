import { expect } from 'chai'
import fc from 'fast-check'
import { cycleAt, liveCycles, type Stage, type Timing, windowOf, within } from '../../src/clock/index.ts'

const TIMING: Timing = { startingSlot: 1000, roundSlots: 30, submissionWindow: 12, auditWindow: 15 }

const timing = fc
  .record({
    startingSlot: fc.nat(10 ** 9),
    submissionWindow: fc.integer({ min: 1, max: 500 }),
    auditWindow: fc.integer({ min: 1, max: 500 }),
    rest: fc.nat(500)
  })
  .map(({ rest, ...windows }): Timing => ({ ...windows, roundSlots: windows.submissionWindow + windows.auditWindow + rest }))

describe('clock', () => {
  const windows: Array<[Stage, number, number]> = [
    ['work', 1060, 1090],
    ['submission', 1090, 1102],
    ['audit', 1102, 1117],
    ['distribution', 1120, 1150]
  ]
  for (const [stage, from, to] of windows) {
    it(`has ${stage} of cycle 2 in slots ${from} to ${to - 1}`, () => {
      expect(windowOf(TIMING, 2, stage)).to.deep.equal({ from, to })
      for (const [slot, inside] of [
        [from - 1, false],
        [from, true],
        [to - 1, true],
        [to, false]
      ] as const) {
        expect(within(windowOf(TIMING, 2, stage), slot), `slot ${slot}`).to.equal(inside)
      }
    })
  }

  it('counts cycles from the starting slot, and below 0 before it', () => {
    const rows = [
      [1000, 0],
      [1029, 0],
      [1030, 1],
      [999, -1],
      [970, -1],
      [969, -2]
    ] as const
    for (const [slot, cycle] of rows) {
      expect(cycleAt(TIMING, slot), `slot ${slot}`).to.equal(cycle)
    }
  })

  it('has two live cycles, fewer at the start', () => {
    expect([999, 1000, 1030, 1060, 1090].map((slot) => liveCycles(TIMING, slot))).to.deep.equal([[], [], [0], [0, 1], [1, 2]])
  })

  it('puts every slot in exactly one work window, one stage a cycle, stages in order', () => {
    fc.assert(
      fc.property(timing, fc.nat(10 ** 6), (t, offset) => {
        const slot = t.startingSlot + offset
        const cycle = cycleAt(t, slot)
        expect(within(windowOf(t, cycle, 'work'), slot)).to.equal(true)
        expect(within(windowOf(t, cycle + 1, 'work'), slot)).to.equal(false)
        const stages = (['work', 'submission', 'audit', 'distribution'] as const).map((stage) => windowOf(t, cycle, stage))
        for (let i = 1; i < stages.length; i++) {
          expect(stages[i]!.from >= stages[i - 1]!.to).to.equal(true)
        }
        expect(stages.filter((range) => within(range, slot)).length).to.equal(1)
        // the pipeline: while this cycle works, the one before submits or audits and the one before that distributes
        expect(within(windowOf(t, cycle - 2, 'distribution'), slot)).to.equal(true)
        expect(liveCycles(t, slot)).to.deep.equal([cycle - 2, cycle - 1].filter((c) => c >= 0))
      })
    )
  })
})
