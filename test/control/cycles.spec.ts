/** What events tell of a cycle, kept with it, and how its phases are told from that. */
import { expect } from 'chai'
import { scheduleFor } from '../../src/clock/index.ts'
import { phasesOf } from '../../src/control/index.ts'
import { cycleSchema } from '../../src/control/schemas.ts'
import { createEvents, type Events } from '../../src/observe/index.ts'
import { keepInLog, MAX_AUDITS } from '../../src/participant/journal.ts'
import type { CycleEntry, CycleLog } from '../../src/store/index.ts'
import { TIMING } from './fake-node.ts'

const schedule = scheduleFor(TIMING, 1)
const closed = schedule.distribution.to

describe('control: the phases of a cycle', () => {
  let events: Events
  let slot: number
  let entries: Map<number, CycleEntry>
  beforeEach(() => {
    slot = 0
    entries = new Map()
    const cycles: Pick<CycleLog, 'get' | 'merge'> = {
      get: (_task, cycle) => entries.get(cycle),
      // as through the disk
      merge: (_task, cycle, entry) => void entries.set(cycle, JSON.parse(JSON.stringify({ ...entries.get(cycle), ...entry })))
    }
    events = createEvents({ slot: () => slot, node: 'me', now: () => 0 })
    events.on(keepInLog(cycles as CycleLog, 'T'))
  })

  const at = (now: number | null) => {
    const cycle = phasesOf(1, entries.get(1) ?? {}, TIMING, now)
    expect(cycleSchema.parse(JSON.parse(JSON.stringify(cycle)))).to.deep.equal(cycle)
    return cycle
  }
  const statesAt = (now: number | null) => {
    const { submission, audits, agreement, vote, settlement } = at(now)
    return [submission, audits, agreement, vote, settlement].map(({ state }) => state)
  }
  const audit = (finding: 'valid' | 'abstained', purpose: 'sample' | 'challenge' = 'sample', reason = '') =>
    events.emit('audited', { cycle: 1, subject: 'other', finding, reason, purpose })

  it('wait for their time, are open in it, and of what nothing is known that is said', () => {
    expect(statesAt(schedule.work.from)).to.deep.equal(['waiting', 'waiting', 'waiting', 'waiting', 'waiting'])
    expect(statesAt(schedule.submission.from)).to.deep.equal(['open', 'waiting', 'waiting', 'waiting', 'waiting'])
    expect(statesAt(schedule.sampleSlot)).to.deep.equal(['unknown', 'open', 'waiting', 'waiting', 'waiting'])
    expect(statesAt(schedule.proposalSlot)).to.deep.equal(['unknown', 'unknown', 'open', 'open', 'open'])
    expect(statesAt(closed)).to.deep.equal(['unknown', 'unknown', 'unknown', 'unknown', 'unknown'])
    expect(statesAt(null)).to.deep.equal(['unknown', 'unknown', 'unknown', 'unknown', 'unknown'])
  })

  it('of a cycle that went well are all on time', () => {
    slot = schedule.submission.from
    events.emit('submitted', { cycle: 1, value: 'x', proofs: ['bafy'] })
    slot = schedule.sampleSlot
    audit('valid')
    slot = schedule.proposalSlot
    events.emit('proposed', { cycle: 1, cid: 'r', attempt: 0, by: 'other' })
    events.emit('approved', { cycle: 1, cid: 'r', attempt: 0 })
    events.emit('agreed', { cycle: 1, cid: 'r', approvals: 3 })
    events.emit('voted', { cycle: 1, root: 'aa', signature: 's', bytes: 9 })
    events.emit('finalized', { cycle: 1, record: 'r', root: 'aa', totalRewards: '5' })
    entries.set(1, { ...entries.get(1), outcome: 'accepted', paid: '5', total: '9' })
    events.emit('closed', { cycle: 1 })
    expect(statesAt(closed)).to.deep.equal(['on time', 'on time', 'on time', 'on time', 'on time'])
    const { submission, audits, agreement, vote, settlement } = at(closed)
    expect(submission).to.deep.include({ slot: schedule.submission.from, proofs: ['bafy'], reason: null })
    expect(audits.made).to.deep.equal([
      { slot: schedule.sampleSlot, subject: 'other', finding: 'valid', reason: '', purpose: 'sample', late: false }
    ])
    expect(agreement).to.include({ record: 'r', proposals: 1, approvedSlot: schedule.proposalSlot, slot: schedule.proposalSlot })
    expect(vote).to.include({ root: 'aa', signature: 's', handedOver: false })
    expect(settlement).to.include({ record: 'r', outcome: 'accepted', paid: '5', total: '9' })
  })

  it('that were missed say why', () => {
    slot = schedule.submission.to
    events.emit('missed', { cycle: 1, stage: 'work', reason: 'paused by the operator' })
    audit('abstained', 'sample', 'its bundle is not here')
    events.emit('refused', { cycle: 1, cid: 'r', attempt: 0, reason: 'it does not recompute' })
    expect(at(slot).agreement.reason).to.equal('refused: it does not recompute')
    events.emit('skipped', { cycle: 1, reason: 'too little stake spoke' })
    events.emit('closed', { cycle: 1 })
    expect(statesAt(closed)).to.deep.equal(['missed', 'missed', 'missed', 'missed', 'missed'])
    const { submission, audits, agreement, vote, settlement } = at(closed)
    expect([submission.reason, audits.reason, agreement.reason, vote.reason, settlement.reason]).to.deep.equal([
      'paused by the operator',
      'its bundle is not here',
      'too little stake spoke',
      'there was no agreement on a record',
      'too little stake spoke'
    ])
  })

  it('of a vote that was lost, or left to others, say so', () => {
    events.emit('agreed', { cycle: 1, cid: 'r', approvals: 3 })
    events.emit('vote-handed-over', { cycle: 1 })
    expect(at(schedule.proposalSlot).vote).to.include({ state: 'open', handedOver: true })
    events.emit('vote-lost', { cycle: 1, reason: 'no fee' })
    expect(at(closed).vote).to.include({ state: 'missed', reason: 'no fee' })
  })

  it('that were late say what came too late', () => {
    slot = schedule.challengeSlot
    audit('valid')
    slot = schedule.verdictsEndSlot - 1
    audit('valid', 'challenge')
    expect(at(closed).audits).to.include({ state: 'late', count: 2 })
    expect(at(closed).audits.made.map(({ late }) => late)).to.deep.equal([true, false])
    slot = schedule.lastCallSlot
    events.emit('agreed', { cycle: 1, cid: 'r', approvals: 3 })
    expect(at(closed).agreement.state).to.equal('late')
    expect(at(closed).agreement.reason).to.match(/last call/)
  })

  it('where nothing was drawn have no audits to be missed', () => {
    events.emit('closed', { cycle: 1 })
    expect(at(closed).audits).to.include({ state: 'none', reason: null })
  })

  it('keep what others cause in bounds, and what is about others not', () => {
    for (let i = 0; i < 10_000; i++) {
      audit('valid', 'challenge')
      events.emit('challenged', { cycle: 1, subject: 'me', by: `c${i}`, finding: 'invalid', reason: '' })
      events.emit('challenged', { cycle: 2, subject: 'other', by: 'c', finding: 'invalid', reason: '' })
    }
    expect(at(closed).audits.made).to.have.length(MAX_AUDITS)
    expect(at(closed).audits.count).to.equal(10_000)
    expect(at(closed).submission.challengedBy).to.have.length(32)
    expect(entries.has(2)).to.equal(false)
    expect(JSON.stringify(entries.get(1)).length).to.be.lessThan(10_000)
  })

  it('of an older version’s log are told as far as it knew', () => {
    entries.set(1, { proofs: ['bafy'], record: 'r', outcome: 'accepted', paid: '5', total: '9', voted: 'aa' })
    expect(statesAt(closed)).to.deep.equal(['on time', 'unknown', 'unknown', 'on time', 'on time'])
    entries.set(1, { outcome: 'no submission', record: 'r' })
    expect(statesAt(closed)[0]).to.equal('missed')
  })
})
