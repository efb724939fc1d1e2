import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { createRounds, type RecordFacts, type RoundsEvent } from '../../src/rounds/index.ts'
import { FINDINGS, type Message } from '../../src/wire/index.ts'
import {
  alice,
  approval,
  audited,
  bob,
  carol,
  challenge,
  dave,
  keyOf,
  machine,
  NETWORK,
  PLACES,
  proposal,
  recordOf,
  response,
  S,
  STAKES,
  saidOf,
  say,
  submission,
  TIMING
} from './machine.ts'

/** Everybody has submitted; alice is about to look at bob's. */
async function atAudit() {
  const m = machine()
  for (let slot = S.submission.from; slot < S.sampleSlot; slot++) m.slot(slot)
  const [own, ofBob, ofCarol] = [
    await say(alice, submission('own')),
    await say(bob, submission('bob')),
    await say(carol, submission('carol'))
  ]
  for (const message of [own, ofBob, ofCarol]) m.take(message)
  m.slot(S.sampleSlot)
  return { m, own, ofBob, ofCarol }
}

describe('rounds: work and submission', () => {
  it('works when its round begins, and not without stake', () => {
    const m = machine()
    m.slot(0)
    expect(m.of('work').map(({ cycle }) => cycle)).to.deep.equal([0])
    const observer = machine({ self: dave })
    observer.slot(0)
    observer.slot(S.submission.from)
    expect(observer.of('work')).to.deep.equal([])
    expect(observer.published('submission')).to.deep.equal([])
  })

  it('holds finished work until the submission window opens, and sends it once', () => {
    const m = machine()
    m.slot(0)
    m.event({ type: 'worked', cycle: 0, outcome: { ok: true, draft: { value: Buffer.from('x'), proofs: [] } } })
    expect(m.published('submission')).to.have.length(0)
    m.slot(S.submission.from - 1)
    expect(m.published('submission')).to.have.length(0)
    m.slot(S.submission.from)
    m.slot(S.submission.from + 1)
    expect(m.published('submission')).to.have.length(1)
  })

  it('says that K2 was away where it showed no slot until the window had closed', () => {
    const whyMissed = (slots: number[]) => {
      const m = machine()
      for (const slot of slots) m.slot(slot)
      return m.of('note').flatMap(({ cycle, note }) => (cycle === 0 && note.event === 'missed' ? [note.reason] : []))
    }
    const late = 'the work was not done when the submission window closed'
    expect(whyMissed([0, S.submission.to - 20, S.submission.to + 2])).to.deep.equal([
      `${late}: K2 was away from slot ${S.submission.to - 20} to slot ${S.submission.to + 2}`
    ])
    // it was there, and the work took too long
    const every = Array.from({ length: S.submission.to + 1 }, (_, slot) => slot)
    expect(whyMissed(every)).to.deep.equal([late])
    // it was away for a while, long before there was anything to hand in
    expect(whyMissed(every.filter((slot) => slot <= 2 || slot >= 14))).to.deep.equal([late])
  })

  it('says that it was not there at the end of the window, whenever it was started again after that', () => {
    for (const slot of [S.submission.to, S.submission.to + 3]) {
      const m = machine()
      m.slot(slot)
      const reasons = m.of('note').flatMap(({ cycle, note }) => (cycle === 0 && note.event === 'missed' ? [note.reason] : []))
      expect(reasons).to.deep.equal(['the node was not running, or signed nothing yet, when the submission window closed'])
    }
  })

  it('says what was missing of work that was done, and what became of its first try', () => {
    const done: RoundsEvent = { type: 'worked', cycle: 0, outcome: { ok: true, draft: { value: Buffer.from('x'), proofs: [] } } }
    const away: RoundsEvent = { type: 'worked', cycle: 0, outcome: { ok: false, reason: 'K2 was away', notYet: true } }
    const missed = (m: ReturnType<typeof machine>) =>
      m.of('note').flatMap(({ cycle, note }) => (cycle === 0 && note.event === 'missed' ? [note.reason] : []))
    for (const first of [[done], [away, done]]) {
      const m = machine()
      m.slot(0)
      for (const event of first) {
        m.event(event)
        m.slot(2)
      }
      m.slot(S.submission.from - 1)
      m.slot(S.submission.to + 2)
      expect(missed(m)).to.deep.equal([
        `the work was done, and could not be handed in before the submission window closed: K2 was away from slot ${S.submission.from - 1} to slot ${S.submission.to + 2}`
      ])
    }
    const cut = machine()
    cut.slot(0)
    cut.event(away)
    cut.slot(2)
    cut.slot(S.submission.from - 1)
    cut.slot(S.submission.to + 2)
    expect(missed(cut)).to.deep.equal([
      `the work was not done when the submission window closed: K2 was away from slot ${S.submission.from - 1} to slot ${S.submission.to + 2}; before that: K2 was away`
    ])
    const short = machine()
    short.slot(0)
    short.event(away)
    short.slot(S.submission.to - 2)
    short.event({ type: 'worked', cycle: 0, outcome: { ok: false, reason: 'the task took too long' } })
    expect(missed(short)).to.deep.equal(['the task took too long; before that: K2 was away'])
  })

  it('misses the cycle, and says why, when the work comes late or fails', () => {
    const late = machine()
    late.slot(0)
    late.slot(S.submission.to)
    late.event({ type: 'worked', cycle: 0, outcome: { ok: true, draft: { value: Buffer.from('x'), proofs: [] } } })
    late.slot(S.submission.to + 1)
    expect(late.published('submission')).to.deep.equal([])
    expect(late.notes().filter((event) => event === 'missed')).to.have.length(1)
    const failed = machine()
    failed.slot(0)
    failed.event({ type: 'worked', cycle: 0, outcome: { ok: false, reason: 'it crashed' } })
    failed.slot(S.submission.to)
    expect(failed.all).to.deep.include({ type: 'note', cycle: 0, note: { event: 'missed', stage: 'work', reason: 'it crashed' } })
  })

  it('does not turn back with an endpoint that is behind', () => {
    const m = machine()
    m.slot(S.submission.from)
    const before = m.all.length
    expect(m.slot(3)).to.deep.equal([])
    expect(m.all).to.have.length(before)
  })
})

describe('rounds: a clock that had followed a lie', () => {
  it('begin anew where it goes back to', () => {
    const rounds = createRounds({ self: alice.address, network: NETWORK, timing: TIMING, random: () => 0.5, proposer: () => null })
    rounds.handle({ type: 'slot', slot: 1_000_000 })
    expect(rounds.handle({ type: 'slot', slot: 5 })).to.deep.equal([])
    rounds.handle({ type: 'slot', slot: 5, back: true })
    expect([...rounds.cycles().keys()]).to.include(0)
    expect(rounds.handle({ type: 'slot', slot: 6 })).to.deep.equal([])
  })

  it('has what K2 told meanwhile asked for again, each when its time comes: it was asked too early', () => {
    const m = machine()
    const asked = () => ['need-stakes', 'need-base'].map((type) => m.of(type as 'need-base').filter(({ cycle }) => cycle === 0).length)
    m.slot(S.proposalSlot)
    m.event({ type: 'finalized', cycle: 0 })
    expect(asked()).to.deep.equal([1, 1])
    m.event({ type: 'slot', slot: S.submission.from, back: true })
    expect(asked()).to.deep.equal([2, 1])
    m.slot(S.proposalSlot)
    expect(asked()).to.deep.equal([2, 2])
    // nothing is finalized yet, and what it would propose is built on what K2 tells now
    expect(m.of('build').filter(({ cycle }) => cycle === 0)).to.have.length(2)
  })
})

describe('rounds: audits', () => {
  const until = (m: ReturnType<typeof machine>, slot: number, from = S.sampleSlot + 1) => {
    for (let at = from; at <= slot; at++) m.slot(at)
  }

  it('looks at what others submitted, not at its own, and at eight of many', async () => {
    const many = Array.from({ length: 20 }, (_, i) => keyOf(`staker ${i}`))
    const stakes = { weights: new Map([alice, ...many].map((pair) => [pair.address, 1n])), total: 21n }
    const m = machine({ stakes })
    m.slot(S.submission.from)
    await m.hear(alice, submission('own'))
    for (const pair of many) {
      await m.hear(pair, submission(pair.address))
    }
    m.slot(S.sampleSlot)
    const audits = m.of('audit')
    expect(audits).to.have.length(8)
    expect(audits.map(({ submission: { signer } }) => signer)).to.not.include(alice.address)
    expect(new Set(audits.map(({ submission: { id } }) => id)).size).to.equal(8)
  })

  it('looks at what comes after the draw with the same probability, and not at all at what comes late', async () => {
    const { m } = await atAudit()
    const before = m.of('audit').length
    const weights = new Map([...STAKES.weights, [dave.address, 10n]])
    m.event({ type: 'stakes', cycle: 0, stakes: { weights, total: 40n } })
    await m.hear(dave, submission('dave'), S.lateSlot - 1)
    expect(m.of('audit').length).to.equal(before + 1) // 8 of 4: always
    const late = await atAudit()
    late.m.event({ type: 'stakes', cycle: 0, stakes: { weights, total: 40n } })
    const had = late.m.of('audit').length
    await late.m.hear(dave, submission('dave'), S.lateSlot)
    expect(late.m.of('audit').length).to.equal(had)
  })

  it('leaves its own submission to others also when there are few', async () => {
    const m = machine()
    m.slot(S.submission.from)
    await m.hear(alice, submission('own'))
    await m.hear(bob, submission('bob'))
    m.slot(S.sampleSlot)
    expect(m.of('audit').map(({ submission: { signer } }) => signer)).to.deep.equal([bob.address])
  })

  it('says nothing about a valid proof that nobody speaks against', async () => {
    const { m, ofBob } = await atAudit()
    audited(m, ofBob, 'valid')
    until(m, S.audit.to)
    expect(m.published('challenge')).to.deep.equal([])
    expect(m.published('verdicts')).to.deep.equal([])
  })

  it('challenges an invalid one at once, and gives all its verdicts in one message when they are due', async () => {
    const { m, ofBob, ofCarol } = await atAudit()
    audited(m, ofBob, 'invalid', 'counts are off')
    audited(m, ofCarol, 'valid')
    expect(m.published('challenge')[0]?.challenge?.reason).to.equal('counts are off')
    await m.hear(bob, challenge(ofCarol))
    until(m, S.finalSlot - 1)
    expect(m.published('verdicts')).to.deep.equal([])
    until(m, S.audit.to, S.finalSlot)
    expect(m.published('verdicts')).to.have.length(1)
    expect(saidOf(m.published('verdicts')[0])).to.deep.equal({ [bob.address]: FINDINGS.invalid, [carol.address]: FINDINGS.valid })
  })

  it('challenges no later than a challenge can be answered, and says what it found all the same', async () => {
    const { m, ofBob } = await atAudit()
    until(m, S.challengeSlot)
    audited(m, ofBob, 'invalid', 'counts are off')
    until(m, S.finalSlot)
    expect(m.published('challenge')).to.deep.equal([])
    expect(saidOf(m.published('verdicts')[0])).to.deep.equal({ [bob.address]: FINDINGS.invalid })
  })

  it('looks again at a missing one when its author answers, once', async () => {
    const { m, ofBob, ofCarol } = await atAudit()
    audited(m, ofCarol, 'valid')
    audited(m, ofBob, 'unavailable', 'nobody has it')
    expect(m.published('challenge')).to.have.length(1)
    const before = m.of('audit').length
    await m.hear(bob, response(ofBob))
    expect(m.of('audit')).to.have.length(before + 1)
    audited(m, ofBob, 'unavailable', 'still nobody has it')
    await m.hear(bob, { ...response(ofBob), slot: S.sampleSlot + 1 })
    expect(m.of('audit')).to.have.length(before + 1)
    until(m, S.finalSlot)
    expect(saidOf(m.published('verdicts')[0])).to.deep.equal({ [bob.address]: FINDINGS.unavailable })
  })

  it('looks once more when all challenges are in, as others may have got the proof', async () => {
    const { m, ofBob, ofCarol } = await atAudit()
    audited(m, ofCarol, 'valid')
    audited(m, ofBob, 'unavailable')
    await m.hear(carol, challenge(ofBob, 'unavailable'))
    until(m, S.challengeSlot + S.deliverySlots)
    expect(m.of('audit').at(-1)?.purpose).to.equal('challenge')
    audited(m, ofBob, 'valid')
    until(m, S.finalSlot, S.challengeSlot + S.deliverySlots + 1)
    expect(saidOf(m.published('verdicts')[0])).to.deep.equal({ [bob.address]: FINDINGS.valid })
  })

  it('calls missing what did not come in both looks, though the second still runs when its time is over, and nothing after one look', async () => {
    const { m, ofBob, ofCarol } = await atAudit()
    audited(m, ofCarol, 'valid')
    audited(m, ofBob, 'unavailable')
    until(m, S.finalSlot)
    expect(m.of('audit').filter(({ submission: { id } }) => id === ofBob.id)).to.have.length(2)
    expect(saidOf(m.published('verdicts')[0])).to.deep.equal({ [bob.address]: FINDINGS.unavailable })
    const late = await atAudit()
    audited(late.m, late.ofCarol, 'valid')
    until(late.m, S.finalSlot - 1)
    audited(late.m, late.ofBob, 'unavailable') // a look that should have been over long ago
    until(late.m, S.audit.to, S.finalSlot)
    expect(late.m.published('verdicts')).to.deep.equal([])
  })

  it('stands up for valid work that only verdicts speak against', async () => {
    const { m, ofBob } = await atAudit()
    audited(m, ofBob, 'valid')
    until(m, S.finalSlot - 1)
    await m.hear(carol, {
      cycle: 0,
      slot: S.finalSlot,
      verdicts: { findings: [{ place: PLACES.indexOf(bob.address), finding: FINDINGS.invalid }] }
    })
    until(m, S.finalSlot, S.finalSlot)
    expect(saidOf(m.published('verdicts')[0])).to.deep.equal({ [bob.address]: FINDINGS.valid })
  })

  it('heeds no challenge that comes when nobody could look any more, nor one by who has no work of its own', async () => {
    const many = Array.from({ length: 20 }, (_, i) => keyOf(`staker ${i}`))
    const stakes = { weights: new Map([alice, ...many].map((pair) => [pair.address, 1n])), total: 21n }
    const m = machine({ stakes })
    m.slot(S.submission.from)
    const theirs: Message[] = []
    for (const pair of many.slice(1)) {
      const message = await say(pair, submission(pair.address))
      theirs.push(message)
      m.take(message)
    }
    m.slot(S.sampleSlot)
    const looked = new Set(m.of('audit').map(({ submission: { id } }) => id))
    const [one, two] = theirs.filter(({ id }) => !looked.has(id))
    await m.hear(many[0]!, challenge(one!)) // no submission of its own
    await m.hear(many[1]!, challenge(two!), S.challengeSlot + S.deliverySlots)
    expect(m.of('audit')).to.have.length(8)
    await m.hear(many[1]!, { ...challenge(two!), slot: S.sampleSlot + 1 }, S.challengeSlot + S.deliverySlots - 1)
    expect(m.of('audit').map(({ submission: { id } }) => id)).to.include(two!.id)
  })

  it('answers a challenge to its own submission once, and judges it never', async () => {
    const { m, own, ofCarol } = await atAudit()
    audited(m, ofCarol, 'valid')
    await m.hear(bob, challenge(own, 'unavailable'))
    await m.hear(carol, challenge(own, 'unavailable'))
    expect(m.published('response')).to.have.length(1)
    until(m, S.finalSlot)
    expect(m.published('verdicts')).to.deep.equal([])
    expect(m.of('audit').map(({ submission }) => submission.signer)).not.to.include(own.signer)
  })

  it('abstains when it could not look, whoever challenges', async () => {
    const { m, ofBob, ofCarol } = await atAudit()
    audited(m, ofCarol, 'valid')
    audited(m, ofBob, 'abstained', 'K2 is down')
    await m.hear(carol, challenge(ofBob))
    until(m, S.finalSlot)
    expect(m.published('challenge')).to.deep.equal([])
    expect(m.published('verdicts')).to.deep.equal([])
  })

  it('accuses nobody when nothing came from anybody: its own network is gone', async () => {
    const { m, ofBob, ofCarol } = await atAudit()
    audited(m, ofBob, 'unavailable')
    audited(m, ofCarol, 'unavailable')
    until(m, S.finalSlot)
    expect(m.published('challenge')).to.deep.equal([])
    expect(m.published('verdicts')).to.deep.equal([])
  })

  it('challenges what did not come only when another look got through', async () => {
    const { m, own, ofBob, ofCarol } = await atAudit()
    audited(m, ofBob, 'unavailable')
    await m.hear(carol, challenge(own, 'unavailable')) // others are there to be heard
    expect(m.published('challenge')).to.deep.equal([])
    audited(m, ofCarol, 'valid')
    expect(m.published('challenge').map(({ challenge: said }) => said?.finding)).to.deep.equal([FINDINGS.unavailable])
    const slow = await atAudit()
    audited(slow.m, slow.ofBob, 'unavailable')
    audited(slow.m, slow.ofCarol, 'unavailable')
    await slow.m.hear(carol, challenge(slow.own, 'unavailable'))
    until(slow.m, S.finalSlot)
    expect(slow.m.published('challenge')).to.deep.equal([])
    expect(slow.m.published('verdicts')).to.deep.equal([])
  })

  it('publishes the evidence when somebody submits two things, and audits neither', async () => {
    const m = machine()
    m.slot(S.submission.from)
    await m.hear(bob, submission('one'))
    await m.hear(bob, submission('two'))
    expect(m.published('equivocation')).to.have.length(1)
    expect(m.notes()).to.include('equivocated')
    m.slot(S.sampleSlot)
    expect(m.of('audit')).to.deep.equal([])
  })
})

describe('rounds: record, approval and vote', () => {
  const built = (m: ReturnType<typeof machine>, record: RecordFacts) => {
    const { key } = m.of('build').at(-1)!
    m.event({ type: 'built', cycle: 0, key, result: { ok: true, record } })
  }

  it('builds at the start of the distribution, and proposes in its own turn only', () => {
    const first = machine({ turns: [alice, bob] })
    first.slot(S.proposalSlot)
    built(first, recordOf('r'))
    expect(first.published('record')).to.have.length(1)
    first.slot(S.proposalSlot + 1)
    expect(first.published('record')).to.have.length(1)
    const second = machine({ turns: [bob, alice] })
    second.slot(S.proposalSlot)
    built(second, recordOf('r'))
    expect(second.published('record')).to.have.length(0)
    second.slot(S.proposalSlot + S.attemptSlots + S.marginSlots)
    expect(second.published('record').map(({ record }) => record?.attempt)).to.deep.equal([1])
  })

  it('approves a proposal that is its own record without fetching it', async () => {
    const m = machine()
    m.slot(S.proposalSlot)
    built(m, recordOf('r'))
    await m.hear(bob, proposal(recordOf('r')))
    expect(m.of('check')).to.deep.equal([])
    expect(m.published('approval')).to.have.length(1)
  })

  it('takes no proposal from whose turn it is not', async () => {
    const m = machine()
    m.slot(S.proposalSlot)
    built(m, recordOf('r'))
    await m.hear(carol, proposal(recordOf('r')))
    expect(m.published('approval')).to.deep.equal([])
  })

  it('refuses a proposal that names another root than its record', async () => {
    const m = machine()
    m.slot(S.proposalSlot)
    built(m, recordOf('r'))
    await m.hear(bob, proposal({ ...recordOf('r'), root: recordOf('other').root }))
    expect(m.published('approval')).to.deep.equal([])
    expect(m.notes()).to.include('refused')
  })

  it('has another record checked, and refuses a wrong one for good', async () => {
    const m = machine()
    m.slot(S.proposalSlot)
    built(m, recordOf('mine'))
    await m.hear(bob, proposal(recordOf('theirs')))
    expect(m.of('check')).to.have.length(1)
    m.event({ type: 'checked', cycle: 0, cid: recordOf('theirs').cid, result: { verdict: 'wrong', reason: 'does not recompute' } })
    await m.hear(bob, approval(recordOf('theirs')))
    await m.hear(carol, approval(recordOf('theirs')))
    await m.hear(alice, approval(recordOf('theirs')))
    expect(m.published('approval')).to.deep.equal([])
    expect(m.of('vote')).to.deep.equal([])
  })

  it('tries again in each attempt what it could not read, and in its own turn what it could not build', async () => {
    const m = machine()
    m.slot(S.proposalSlot)
    m.event({ type: 'built', cycle: 0, key: m.of('build').at(-1)!.key, result: { ok: false, reason: 'the record before is not here' } })
    await m.hear(bob, proposal(recordOf('theirs')))
    m.event({ type: 'checked', cycle: 0, cid: recordOf('theirs').cid, result: { verdict: 'unreadable', reason: 'nor here' } })
    await m.hear(carol, proposal(recordOf('theirs'), 1))
    expect([m.of('check').length, m.of('build').length]).to.deep.equal([1, 1])
    m.slot(S.proposalSlot + S.attemptSlots)
    expect([m.of('check').length, m.of('build').length]).to.deep.equal([2, 1])
    m.event({ type: 'checked', cycle: 0, cid: recordOf('theirs').cid, result: { verdict: 'right', record: recordOf('theirs') } })
    expect(m.published('approval').map(({ approval }) => approval?.attempt)).to.deep.equal([1])
    m.slot(S.proposalSlot + 2 * S.attemptSlots)
    expect(m.of('build')).to.have.length(2)
  })

  it('does not approve a record that lacks a message, but votes for it with the others', async () => {
    const m = machine()
    m.slot(S.proposalSlot)
    built(m, recordOf('mine'))
    await m.hear(bob, proposal(recordOf('theirs')))
    m.event({
      type: 'checked',
      cycle: 0,
      cid: recordOf('theirs').cid,
      result: { verdict: 'incomplete', record: recordOf('theirs'), reason: 'lacks one' }
    })
    expect(m.published('approval')).to.deep.equal([])
    for (const who of [bob, carol, alice]) {
      await m.hear(who, approval(recordOf('theirs')))
    }
    expect(m.of('vote').map(({ record }) => record.cid)).to.deep.equal([recordOf('theirs').cid])
  })

  it('does not vote at exactly two thirds, votes past it, and only once', async () => {
    const m = machine()
    m.slot(S.proposalSlot)
    built(m, recordOf('r'))
    await m.hear(bob, approval(recordOf('r')))
    await m.hear(carol, approval(recordOf('r')))
    await m.hear(alice, approval(recordOf('r'), 1))
    expect(m.of('vote')).to.deep.equal([])
    await m.hear(alice, approval(recordOf('r')))
    m.slot(S.proposalSlot + 1)
    expect(m.of('vote')).to.have.length(1)
  })

  it('counts approvals of a record that it gets to know later', async () => {
    const m = machine()
    m.slot(S.proposalSlot)
    for (const who of [bob, carol, alice]) {
      await m.hear(who, approval(recordOf('r')))
    }
    expect(m.of('vote')).to.deep.equal([])
    built(m, recordOf('r'))
    expect(m.of('vote')).to.have.length(1)
  })

  it('has a record checked that more than a third approve, though nobody proposed it to us, and votes for it with a quorum', async () => {
    const m = machine()
    m.slot(S.proposalSlot)
    built(m, recordOf('mine'))
    await m.hear(bob, approval(recordOf('theirs')))
    expect(m.of('check')).to.deep.equal([])
    await m.hear(carol, approval(recordOf('theirs')))
    expect(m.of('check').map(({ cid }) => cid)).to.deep.equal([recordOf('theirs').cid])
    m.event({ type: 'checked', cycle: 0, cid: recordOf('theirs').cid, result: { verdict: 'right', record: recordOf('theirs') } })
    await m.hear(alice, approval(recordOf('theirs')))
    expect(m.of('vote').map(({ record }) => record.cid)).to.deep.equal([recordOf('theirs').cid])
  })

  it('approves one record in an attempt, and after a quorum nothing but that one', async () => {
    const m = machine({ turns: [bob, carol, bob] })
    m.slot(S.proposalSlot)
    built(m, recordOf('mine'))
    await m.hear(bob, proposal(recordOf('mine')))
    expect(m.published('approval')).to.have.length(1)
    for (const who of [bob, carol, alice]) await m.hear(who, approval(recordOf('mine')))
    expect(m.of('vote')).to.have.length(1)
    m.slot(S.proposalSlot + S.attemptSlots)
    await m.hear(carol, proposal(recordOf('other'), 1))
    m.event({ type: 'checked', cycle: 0, cid: recordOf('other').cid, result: { verdict: 'right', record: recordOf('other') } })
    expect(m.published('approval')).to.have.length(1)
    m.slot(S.proposalSlot + 2 * S.attemptSlots)
    await m.hear(bob, proposal(recordOf('mine'), 2))
    expect(m.published('approval').map(({ approval: said }) => said?.attempt)).to.deep.equal([0, 2])
  })

  it('does not vote at once by a quorum that others may not hear of in time, and proposes its record instead', async () => {
    const m = machine({ turns: [bob, alice, carol] })
    m.slot(S.proposalSlot)
    built(m, recordOf('mine'))
    await m.hear(carol, approval(recordOf('rival')))
    const late = S.proposalSlot + S.attemptSlots - 1
    for (let slot = S.proposalSlot + 1; slot <= late; slot++) m.slot(slot)
    for (const who of [bob, carol, alice]) {
      await m.hear(who, { ...approval(recordOf('theirs')), slot: late }, late)
    }
    m.event({ type: 'checked', cycle: 0, cid: recordOf('theirs').cid, result: { verdict: 'right', record: recordOf('theirs') } })
    expect(m.of('vote')).to.deep.equal([])
    for (let slot = late + 1; slot <= late + 1 + S.marginSlots; slot++) m.slot(slot)
    expect(m.published('record').map(({ record }) => CID.decode(record!.cid).toString())).to.deep.equal([recordOf('theirs').cid])
    // when the window ends a vote for the best that it knows is better than none
    for (let slot = late + 2 + S.marginSlots; slot <= S.lastCallSlot; slot++) m.slot(slot)
    expect(m.of('vote').map(({ record }) => record.cid)).to.deep.equal([recordOf('theirs').cid])
  })

  it('counts who approves two records in an attempt for both, and passes the pair on for the next record', async () => {
    const m = machine()
    m.slot(S.proposalSlot)
    built(m, recordOf('r'))
    await m.hear(bob, approval(recordOf('other')))
    await m.hear(carol, approval(recordOf('r')))
    await m.hear(alice, approval(recordOf('r')))
    expect(m.of('vote')).to.deep.equal([])
    await m.hear(bob, approval(recordOf('third')))
    expect(m.of('vote').map(({ record }) => record.cid)).to.deep.equal([recordOf('r').cid])
    expect(m.published('equivocation').map(({ cycle }) => cycle)).to.deep.equal([1])
  })

  it('forgets a cycle when its last window has passed', () => {
    const m = machine()
    m.slot(0)
    m.slot(S.distribution.to)
    expect(m.of('closed').map(({ cycle }) => cycle)).to.deep.equal([0])
    expect(m.event({ type: 'worked', cycle: 0, outcome: { ok: false, reason: 'too late' } })).to.deep.equal([])
  })
})

describe('rounds: after a restart', () => {
  it('says nothing again that its log holds', async () => {
    const own = await say(alice, submission('own'))
    const ofBob = await say(bob, submission('bob'))
    const said = [
      own,
      ofBob,
      await say(alice, { cycle: 0, slot: S.finalSlot, verdicts: { findings: [{ place: 0, finding: FINDINGS.invalid }] } }),
      await say(alice, approval(recordOf('r')))
    ]
    const m = machine()
    for (const message of said) m.take(message)
    m.slot(S.sampleSlot)
    m.event({ type: 'audited', cycle: 0, submission: ofBob.id, finding: 'invalid', reason: 'again' })
    m.slot(S.finalSlot)
    m.slot(S.proposalSlot)
    m.event({ type: 'built', cycle: 0, key: m.of('build').at(-1)!.key, result: { ok: true, record: recordOf('r') } })
    await m.hear(bob, proposal(recordOf('r')))
    expect(m.of('work').filter(({ cycle }) => cycle === 0)).to.deep.equal([])
    expect(m.published('submission')).to.deep.equal([])
    expect(m.published('verdicts')).to.deep.equal([])
    expect(m.published('approval')).to.deep.equal([])
  })
})

describe('rounds: a task that is closed', () => {
  it('has no work, no audits and no votes from its last cycle on, and ends the one before', async () => {
    const m = machine()
    m.slot(S.work.from)
    expect(m.of('work').map(({ cycle }) => cycle)).to.deep.equal([0])
    m.event({ type: 'closed-from', cycle: 1 })
    for (let slot = S.work.from + 1; slot < S.distribution.to; slot++) {
      m.slot(slot)
      if (slot === S.submission.from) {
        await m.hear(bob, submission('bob'))
      }
    }
    expect(new Set(m.of('work').map(({ cycle }) => cycle))).to.deep.equal(new Set([0]))
    expect(m.of('need-stakes').map(({ cycle }) => cycle)).to.deep.equal([0])
    expect(m.of('audit').map(({ cycle }) => cycle)).to.deep.equal([0])
    expect(m.of('build').map(({ cycle }) => cycle)).to.deep.equal([0])
  })

  it('drops a cycle that had begun, and does not take it up for a message of it', async () => {
    const m = machine()
    m.slot(S.submission.from)
    await m.hear(bob, submission('bob'))
    m.event({ type: 'closed-from', cycle: 0 })
    await m.hear(carol, submission('carol'))
    m.event({ type: 'worked', cycle: 0, outcome: { ok: true, draft: { value: Buffer.from('x'), proofs: [] } } })
    for (let slot = S.submission.from + 1; slot < S.distribution.to; slot++) {
      m.slot(slot)
    }
    for (const type of ['audit', 'publish', 'build', 'vote'] as const) {
      expect(m.of(type), type).to.deep.equal([])
    }
  })
})

describe('rounds: a node that must say nothing yet', () => {
  const wanted = ['work', 'publish', 'audit', 'build', 'check', 'vote'] as const

  it('follows and wants nothing done, and takes part again from the slot that it was told', async () => {
    const m = machine({ turns: [alice] })
    const until = S.proposalSlot + 3
    m.event({ type: 'silent-until', slot: until })
    for (let slot = S.work.from; slot < until; slot++) {
      m.slot(slot)
      if (slot === S.submission.from) {
        const own = await say(alice, submission('of a former life'))
        m.take(own)
        await m.hear(bob, submission('bob'))
        await m.hear(carol, challenge(own), S.sampleSlot)
      }
    }
    for (const type of wanted) {
      expect(m.of(type), type).to.deep.equal([])
    }
    expect(m.notes()).not.to.include('submitted')
    // nothing was taken for begun that was not
    expect(m.of('need-stakes').map(({ cycle }) => cycle)).to.deep.equal([0, 1, 2])
    m.slot(until)
    expect(m.of('build').map(({ cycle }) => cycle)).to.deep.equal([0])
  })

  it('publishes nothing of what was under way when it was told, ever again', async () => {
    const { m, ofBob } = await atAudit()
    const before = m.all.length
    m.event({ type: 'silent-until', slot: Number.POSITIVE_INFINITY })
    m.event({ type: 'audited', cycle: 0, submission: ofBob.id, finding: 'invalid', reason: 'because' })
    await m.hear(carol, challenge(ofBob), S.sampleSlot)
    for (let slot = S.sampleSlot; slot < S.distribution.to + 90; slot++) {
      m.slot(slot)
    }
    const after = m.all.slice(before).map(({ type }) => type)
    expect(after.filter((type) => (wanted as readonly string[]).includes(type))).to.deep.equal([])
  })
})
