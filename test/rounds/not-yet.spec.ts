/** What is not here yet is asked for again while its window lasts; what failed or was refused is not. */
import { expect } from 'chai'
import { FINDINGS } from '../../src/wire/index.ts'
import { approval, at, audited, bob, carol, dave, type Machine, machine, proposal, recordOf, S, say, submission } from './machine.ts'

const away = { ok: false as const, reason: 'K2 does not answer', notYet: true }
const notHere = { verdict: 'unreadable' as const, reason: 'its ledger did not arrive', notYet: true }

const works = (m: Machine) => m.of('work').filter(({ cycle }) => cycle === 0)
const told = (m: Machine, what: string) =>
  m.of('note').filter(({ cycle, note }) => cycle === 0 && note.event === 'not-yet' && note.what === what)

describe('rounds: not here yet', () => {
  describe('work', () => {
    it('is done again while the window lasts, less and less often, and told of each time', () => {
      const m = machine()
      m.slot(0)
      for (let slot = 1; slot < S.submission.to; slot++) {
        if (works(m).length > told(m, 'work').length) {
          m.event({ type: 'worked', cycle: 0, outcome: away })
        }
        m.slot(slot)
      }
      // in slots 0, 1, 3, 7, 15, 23, 31, 39
      expect(works(m)).to.have.length(8)
      expect(works(m).map(({ deadlineSlot }) => deadlineSlot)).to.deep.equal(Array(8).fill(S.submission.to))
      m.slot(S.submission.to)
      const missed = m.of('note').flatMap(({ note }) => (note.event === 'missed' ? [note.reason] : []))
      expect(missed).to.deep.equal(['K2 does not answer (tried 7 times)'])
    })

    it('is submitted when a later try comes to something', () => {
      const m = machine()
      m.slot(0)
      m.event({ type: 'worked', cycle: 0, outcome: away })
      m.slot(S.submission.from)
      expect(works(m)).to.have.length(2)
      m.event({ type: 'worked', cycle: 0, outcome: { ok: true, draft: { value: Buffer.from('x'), proofs: [] } } })
      expect(m.published('submission')).to.have.length(1)
      expect(m.notes()).to.not.include('missed')
    })

    it('that failed of itself is not repeated, nor what failed when its window was over', () => {
      const own = machine()
      own.slot(0)
      own.event({ type: 'worked', cycle: 0, outcome: { ok: false, reason: 'the task threw' } })
      at(own, 1, S.audit.to)
      expect(works(own)).to.have.length(1)
      const late = machine()
      at(late, 0, S.submission.to - 1)
      late.slot(S.submission.to)
      late.event({ type: 'worked', cycle: 0, outcome: away })
      at(late, S.submission.to + 1, S.audit.to)
      expect(works(late)).to.have.length(1)
    })

    it('is done as soon as something has arrived', () => {
      const m = machine()
      m.slot(0)
      m.event({ type: 'worked', cycle: 0, outcome: away })
      m.event({ type: 'arrived' })
      expect(m.of('work')).to.have.length(2)
    })
  })

  describe('a cycle that ends without a record', () => {
    const why = (m: Machine) => {
      m.slot(S.distribution.to)
      return m.of('closed').find(({ cycle }) => cycle === 0)?.skipped
    }

    it('says why, as far as is known', async () => {
      const none = machine()
      at(none, S.proposalSlot, S.proposalSlot + 1)
      none.event({ type: 'built', cycle: 0, key: none.of('build').at(-1)!.key, result: { ok: false, reason: 'its ledger', notYet: true } })
      expect(why(none)).to.equal('nobody whom this node heard approved a record; this node could not make one: its ledger')
      const few = machine()
      few.slot(S.proposalSlot)
      await few.hear(bob, approval(recordOf('theirs')))
      expect(why(few)).to.equal('no record was approved by more than two thirds of the stake, the most was 33 %')
    })

    it('is not told of where K2 has a record, or by who had no part in it', () => {
      const done = machine()
      done.slot(S.proposalSlot)
      done.event({ type: 'finalized', cycle: 0 })
      expect(why(done)).to.equal(null)
      const observer = machine({ self: dave })
      observer.slot(S.proposalSlot)
      expect(why(observer)).to.equal(null)
    })
  })

  describe('an audit', () => {
    /** Alice looks at bob's and carol's, without a task so far. */
    const waiting = async () => {
      const m = machine()
      at(m, S.submission.from, S.sampleSlot - 1)
      const [ofBob, ofCarol] = [await say(bob, submission('bob')), await say(carol, submission('carol'))]
      for (const message of [ofBob, ofCarol]) m.take(message)
      m.slot(S.sampleSlot)
      for (const { submission: about } of m.of('audit')) audited(m, about, 'abstained', 'the bundle is not here yet', true)
      return { m, ofBob, ofCarol }
    }

    it('waits, is made when the task is there, and then says what it finds', async () => {
      const { m, ofBob, ofCarol } = await waiting()
      expect(m.of('audit')).to.have.length(2)
      m.event({ type: 'arrived' })
      expect(m.of('audit')).to.have.length(4)
      audited(m, ofCarol, 'valid')
      audited(m, ofBob, 'invalid', 'wrong')
      expect(m.published('challenge').map(({ challenge }) => challenge?.finding)).to.deep.equal([FINDINGS.invalid])
    })

    it('abstains at its deadline, not before', async () => {
      const { m } = await waiting()
      for (let slot = S.sampleSlot + 1; slot < S.finalSlot; slot++) {
        const before = m.of('audit').length
        m.slot(slot)
        for (const { submission: about } of m.of('audit').slice(before)) audited(m, about, 'abstained', 'not here', true)
      }
      expect(m.notes().filter((event) => event === 'audited')).to.deep.equal([])
      expect(m.of('audit').length).to.be.at.least(8)
      at(m, S.finalSlot, S.audit.to)
      expect(m.of('note').flatMap(({ note }) => (note.event === 'audited' ? [note.finding] : []))).to.deep.equal(['abstained', 'abstained'])
      expect(m.published('verdicts')).to.deep.equal([])
    })

    it('that could begin only when its proof should have come accuses nobody', async () => {
      const { m, ofBob, ofCarol } = await waiting()
      m.slot(S.challengeSlot - 1)
      audited(m, ofCarol, 'valid')
      audited(m, ofBob, 'unavailable')
      at(m, S.challengeSlot, S.audit.to)
      expect(m.published('challenge')).to.deep.equal([])
      expect(m.published('verdicts')).to.deep.equal([])
    })
  })

  describe('a record', () => {
    it('is built again, in any attempt, until what it needs is here', () => {
      const m = machine()
      m.slot(S.proposalSlot)
      for (let slot = S.proposalSlot + 1; m.of('build').length < 4; slot++) {
        m.event({ type: 'built', cycle: 0, key: m.of('build').at(-1)!.key, result: { ok: false, reason: 'its ledger', notYet: true } })
        m.slot(slot)
        expect(slot).to.be.below(S.distribution.to)
      }
      expect(told(m, 'record')).to.have.length(1)
      expect(m.notes()).to.not.include('build-failed')
      m.event({ type: 'built', cycle: 0, key: m.of('build').at(-1)!.key, result: { ok: true, record: recordOf('own') } })
      m.slot(S.proposalSlot + 2 * S.attemptSlots)
      m.slot(S.proposalSlot + 2 * S.attemptSlots + S.marginSlots)
      expect(m.published('record')).to.have.length(1)
    })

    it('is built as soon as something has arrived, and not beside a build that runs', () => {
      const m = machine()
      m.slot(S.proposalSlot)
      m.event({ type: 'arrived' })
      expect(m.of('build')).to.have.length(1)
      m.event({ type: 'built', cycle: 0, key: m.of('build').at(-1)!.key, result: { ok: false, reason: 'the bundle', notYet: true } })
      m.event({ type: 'arrived' })
      expect(m.of('build')).to.have.length(2)
    })

    it('that was proposed is not refused as it is not here yet: it is approved in the same attempt when it is', async () => {
      const m = machine()
      m.slot(S.proposalSlot)
      m.event({ type: 'built', cycle: 0, key: m.of('build').at(-1)!.key, result: { ok: false, reason: 'the bundle', notYet: true } })
      await m.hear(bob, proposal(recordOf('theirs')))
      m.event({ type: 'checked', cycle: 0, cid: recordOf('theirs').cid, result: notHere })
      expect(m.of('check')).to.have.length(1)
      m.slot(S.proposalSlot + 1)
      m.event({ type: 'built', cycle: 0, key: m.of('build').at(-1)!.key, result: { ok: false, reason: 'the bundle', notYet: true } })
      expect(m.of('check')).to.have.length(2)
      m.event({ type: 'checked', cycle: 0, cid: recordOf('theirs').cid, result: { verdict: 'right', record: recordOf('theirs') } })
      expect(m.notes()).to.not.include('refused')
      expect(m.published('approval').map(({ approval: said }) => said?.attempt)).to.deep.equal([0])
    })

    it('that all others approve is checked again, and voted for, though nothing else is heard', async () => {
      const m = machine()
      m.slot(S.proposalSlot)
      m.event({ type: 'built', cycle: 0, key: m.of('build').at(-1)!.key, result: { ok: false, reason: 'the bundle', notYet: true } })
      const theirs = recordOf('theirs')
      await m.hear(bob, approval(theirs))
      await m.hear(carol, approval(theirs))
      m.event({ type: 'checked', cycle: 0, cid: theirs.cid, result: notHere })
      m.event({ type: 'arrived' })
      m.event({ type: 'checked', cycle: 0, cid: theirs.cid, result: { verdict: 'right', record: theirs } })
      // two thirds are not more than two thirds: our own approval makes it enough
      await m.hear(bob, proposal(theirs))
      expect(m.published('approval')).to.have.length(1)
    })

    it('that could not be read for a reason of its own is refused in its attempt', async () => {
      const m = machine()
      m.slot(S.proposalSlot)
      m.event({ type: 'built', cycle: 0, key: m.of('build').at(-1)!.key, result: { ok: false, reason: 'no list' } })
      await m.hear(bob, proposal(recordOf('theirs')))
      m.event({ type: 'checked', cycle: 0, cid: recordOf('theirs').cid, result: { verdict: 'unreadable', reason: 'no list' } })
      at(m, S.proposalSlot + 1, S.proposalSlot + S.attemptSlots - 1)
      expect(m.of('check')).to.have.length(1)
      expect(m.notes()).to.include('refused')
    })
  })
})
