import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { MIN_AUDIT_WINDOW, scheduleFor, signedWindowOf, type Timing, windowOf, within } from '../../src/clock/index.ts'

const LONGEST = 3_352
/** Audit windows that a task may have, each with the submission window and the rest of the round that make it hardest. */
const timings = function* (): Generator<Timing> {
  for (let auditWindow = MIN_AUDIT_WINDOW; auditWindow <= LONGEST; auditWindow++) {
    yield { startingSlot: 100, roundSlots: auditWindow + 1, submissionWindow: 1, auditWindow }
    if (auditWindow % 13 === 0) {
      yield { startingSlot: 0, roundSlots: 4 * auditWindow, submissionWindow: 2 * auditWindow, auditWindow }
    }
  }
}

/** The cells of the rows of the spec's table after a line. */
function tableAfter(line: string): string[][] {
  const text = readFileSync(join(import.meta.dirname, '../../protocols/rounds/README.md'), 'utf8')
  const rows = text
    .slice(text.indexOf(line) + line.length)
    .trimStart()
    .split('\n\n')[0]!
    .split('\n')
  return rows.map((row) =>
    row
      .slice(2, -2)
      .split('|')
      .map((cell) => cell.trim())
  )
}

describe('clock: deadlines', () => {
  it('come in their order, in every audit window that a task may have', () => {
    for (const timing of timings()) {
      const s = scheduleFor(timing, 3)
      const d = s.deliverySlots
      const at = `W = ${timing.auditWindow}`
      const order = [
        s.audit.from,
        s.submissionMustSlot,
        s.sampleSlot,
        s.lateSlot,
        s.challengeSlot,
        s.finalSlot,
        s.verdictsEndSlot,
        s.verdictsMustSlot
      ]
      expect(
        [...order].sort((a, b) => a - b),
        at
      ).to.deep.equal(order)
      expect(new Set(order).size, at).to.equal(order.length)
      expect(s.verdictsEndSlot, at).to.be.below(s.audit.to)
      expect(s.distribution.from, at).to.be.at.least(s.audit.to)
      expect(s.proposalSlot, at).to.be.within(s.distribution.from, s.distribution.to - 1)
      expect(d, at).to.be.within(1, 8)
    }
  })

  it('leave each message the time to reach everybody before what depends on it', () => {
    for (const timing of timings()) {
      const s = scheduleFor(timing, 3)
      const d = s.deliverySlots
      const at = `W = ${timing.auditWindow}`
      // what one must have heard, all have when the proposer takes what it has; what that took, all have before it is late
      expect(s.sampleSlot - s.submissionMustSlot, at).to.be.at.least(d)
      expect(s.lateSlot - s.sampleSlot, at).to.be.at.least(d)
      // what an honest approver heard in time, all have while it can be challenged
      expect(s.challengeSlot - s.lateSlot, at).to.be.at.least(d)
      // a challenge of the last slot is heard with a delivery to spare for the look that it asks for
      expect(s.challengeSlot + d, at).to.be.at.most(s.finalSlot)
      // who looks before the last challenge has as much time as who looks after it
      expect(Math.abs(s.challengeSlot - s.lateSlot - (s.finalSlot - s.challengeSlot)), at).to.be.at.most(1)
      // verdicts of the last slot are heard by all who must have them, and those by the first proposer
      expect(s.verdictsEndSlot - s.finalSlot, at).to.be.at.least(d)
      expect(s.verdictsMustSlot - s.verdictsEndSlot, at).to.be.at.least(d)
      expect(s.verdictsMustSlot + d, at).to.be.at.most(s.proposalSlot)
      // no word that can still be chosen is signed after the block that decides who proposes, but for d - 1 slots of verdicts that count
      // by their stake alone
      expect(s.beaconSlot, at).to.be.at.least(s.finalSlot + 1)
      expect(s.beaconSlot, at).to.be.at.least(s.verdictsEndSlot - 1 + d - 1)
    }
  })

  it('give six proposers their turn in every round of 24 slots and more, and a last call within the window', () => {
    for (const timing of timings()) {
      const s = scheduleFor(timing, 3)
      const at = `round of ${timing.roundSlots}`
      if (timing.roundSlots >= 31) {
        const turns = (s.distribution.to - s.proposalSlot) / s.attemptSlots
        expect(Math.round(turns), at).to.be.at.least(6)
      }
      expect(s.attemptSlots, at).to.be.at.least(4)
      expect(s.marginSlots, at).to.be.at.least(1)
      // in an attempt a proposal is heard, approved and the approvals heard before its margin
      expect(2 * s.marginSlots, at).to.be.below(s.attemptSlots)
      expect(s.marginSlots, at).to.be.at.most(Math.max(1, Math.min(s.deliverySlots, s.attemptSlots / 5)))
      expect(s.lastCallSlot, at).to.be.within(s.proposalSlot, s.distribution.to - 2)
    }
  })

  it('are those that the spec tabulates', () => {
    const [head, , ...rows] = tableAfter('For some windows, in slots from A0:')
    expect(head).to.deep.equal(['W', 'd', 'must', 'sample', 'late', 'challenge', 'final', 'V', 'verdicts must'])
    expect(rows.map(([window]) => window)).to.deep.equal(['8', '16', '18', '64', '300', '3,352'])
    for (const row of rows) {
      const [auditWindow, ...told] = row.map((cell) => Number(cell.replaceAll(',', '')))
      const timing = { startingSlot: 1_000, roundSlots: 2 * auditWindow!, submissionWindow: 5, auditWindow: auditWindow! }
      const s = scheduleFor(timing, 7)
      const deadlines = [
        s.submissionMustSlot,
        s.sampleSlot,
        s.lateSlot,
        s.challengeSlot,
        s.finalSlot,
        s.verdictsEndSlot,
        s.verdictsMustSlot
      ]
      expect([s.deliverySlots, ...deadlines.map((slot) => slot - s.audit.from)], `W = ${auditWindow}`).to.deep.equal(told)
    }
  })

  it('move with the cycle, and with nothing else', () => {
    const timing: Timing = { startingSlot: 100, roundSlots: 30, submissionWindow: 12, auditWindow: 16 }
    const shifted = (value: unknown): unknown =>
      typeof value === 'number' ? value + 30 : Object.fromEntries(Object.entries(value as object).map(([name, slot]) => [name, slot + 30]))
    const lengths = ['deliverySlots', 'attemptSlots', 'marginSlots']
    const before = scheduleFor(timing, 4)
    const expected = Object.entries(before).map(([name, value]) => [name, lengths.includes(name) ? value : shifted(value)])
    expect(scheduleFor(timing, 5)).to.deep.equal(Object.fromEntries(expected))
  })
})

describe('clock: windows in which messages are signed', () => {
  const timing: Timing = { startingSlot: 100, roundSlots: 30, submissionWindow: 12, auditWindow: 16 }
  // cycle 2: submissions from 190, audits from 202 to 217, distribution from 220
  const windows = [
    ['submission', 190, 202],
    ['challenge', 202, 210],
    ['response', 202, 216],
    ['verdicts', 216, 217],
    ['distribution', 220, 250]
  ] as const
  for (const [window, from, to] of windows) {
    it(`has ${window} of cycle 2 in slots ${from} to ${to - 1}`, () => {
      expect(signedWindowOf(timing, 2, window)).to.deep.equal({ from, to })
    })
  }

  it('lie inside the windows of the cycle, none of them empty', () => {
    for (const one of timings()) {
      const { challengeSlot, finalSlot, verdictsEndSlot } = scheduleFor(one, 1)
      for (const window of ['challenge', 'response', 'verdicts'] as const) {
        const { from, to } = signedWindowOf(one, 1, window)
        const audit = windowOf(one, 1, 'audit')
        expect(within(audit, from) && within(audit, to - 1) && from < to, `${window} of W = ${one.auditWindow}`).to.equal(true)
      }
      // each ends before what it is for: a challenge before the last look, a response before the verdict on it
      expect([challengeSlot, finalSlot, finalSlot, verdictsEndSlot]).to.deep.equal([
        signedWindowOf(one, 1, 'challenge').to,
        signedWindowOf(one, 1, 'response').to,
        signedWindowOf(one, 1, 'verdicts').from,
        signedWindowOf(one, 1, 'verdicts').to
      ])
    }
  })
})
