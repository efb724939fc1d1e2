import { expect } from 'chai'
import fc from 'fast-check'
import type { JudgeInit } from '../../src/judge/index.ts'
import { quotaOf } from '../../src/judge/quota.ts'
import { type Body, KINDS, MAX_ATTEMPTS, type Message, open } from '../../src/wire/index.ts'
import { fixedStakes, keyOf, NETWORK, NOW } from '../network/mesh.ts'
import {
  AUDITING,
  announcement,
  approval,
  by,
  type Court,
  CYCLE,
  challenge,
  court,
  DISTRIBUTING,
  evidence,
  forged,
  proposal,
  response,
  SCHEDULE,
  submission,
  verdicts,
  voteBody,
  WEIGHTS
} from './court.ts'

describe('judge: quotas', () => {
  /** Each says one thing that no other of the row says, all under one key. */
  const once: Array<[key: string, over: Partial<JudgeInit>, body: (at: number) => Body]> = [
    ['submission', {}, (at) => submission({}, `work ${at}`)],
    ['verdicts', { slot: () => SCHEDULE.finalSlot }, (at) => verdicts(SCHEDULE.finalSlot, 1 + at)],
    ['record of an attempt', DISTRIBUTING, (at) => proposal(`record ${at}`, 3)],
    ['approval of an attempt', DISTRIBUTING, (at) => approval(`record ${at}`, 3)]
  ]
  for (const [key, over, body] of once) {
    it(`two under the key ${key}, as two are proof; a third adds nothing, whichever it is`, async () => {
      const all = await Promise.all([0, 1, 2].map((at) => by('alice', body(at))))
      for (const order of [
        [0, 1, 2],
        [2, 0, 1],
        [1, 2, 0]
      ]) {
        const { say } = court(over)
        expect(order.map((at) => say(all[at]!.bytes))).to.deep.equal(['accept', 'accept', 'over-quota'])
        // others have keys of their own
        expect(say((await by('bob', body(0))).bytes)).to.equal('accept')
      }
    })
  }

  it('an attempt takes nothing from another: all that there can be fit', async () => {
    const { say } = court(DISTRIBUTING)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      for (const value of ['one', 'two']) {
        expect(say((await by('alice', proposal(value, attempt))).bytes)).to.equal('accept')
        expect(say((await by('alice', approval(value, attempt))).bytes)).to.equal('accept')
      }
    }
  })

  const counted: Array<
    [
      kind: 'announcement' | 'challenge' | 'response' | 'vote',
      over: Partial<JudgeInit>,
      body: (at: number, subjects: Message[]) => Body,
      signer: string
    ]
  > = [
    ['announcement', {}, (at) => announcement({}, { sequence: at }), 'alice'],
    ['challenge', AUDITING, (at, subjects) => challenge(subjects[0]!, { reason: `reason ${at}` }), 'alice'],
    ['response', AUDITING, (at, subjects) => ({ ...response(subjects[0]!), slot: SCHEDULE.audit.from + at - 1 }), 'bob'],
    ['vote', DISTRIBUTING, (at) => voteBody(at), 'alice']
  ]
  for (const [kind, over, body, signer] of counted) {
    it(`${KINDS[kind].perCycle} of the kind ${kind} by one signer in a cycle`, async () => {
      const { say } = court({ ...over, ...(kind === 'response' ? { slot: () => SCHEDULE.audit.from + 2 } : {}) })
      const bobs = await by('bob', submission())
      say(bobs.bytes)
      const said: string[] = []
      for (let at = 1; at <= KINDS[kind].perCycle + 1; at++) {
        said.push(say((await by(signer, body(at, [bobs]))).bytes))
      }
      expect(said).to.deep.equal([...Array(KINDS[kind].perCycle).fill('accept'), 'over-quota'])
    })
  }

  it('evidence: one for each offence, whoever says it, and no bound on how many there are', async () => {
    const { say, pool } = court()
    const [one, two, three] = await Promise.all(['1', '2', '3'].map((value) => by('bob', submission({}, value))))
    expect(say((await evidence(one!, two!)).bytes)).to.equal('accept')
    for (const teller of ['alice', 'carol']) {
      expect(say((await evidence(two!, three!, teller)).bytes)).to.equal('over-quota')
    }
    // the offence is in the cycle and group of what was said: submitting and giving verdicts twice in one cycle are one
    const [v1, v2] = [await by('bob', verdicts(SCHEDULE.finalSlot, 1)), await by('bob', verdicts(SCHEDULE.finalSlot, 2))]
    expect(say((await evidence(v1, v2)).bytes)).to.equal('over-quota')
    const [c1, c2] = [await by('carol', submission({}, '1')), await by('carol', submission({}, '2'))]
    expect(say((await evidence(c1, c2)).bytes)).to.equal('accept')
    expect(pool.count(CYCLE - 1)).to.equal(2)
  })

  it('evidence that does not hold takes no place from evidence that does', async () => {
    const { say } = court()
    const [one, two] = [await by('bob', submission({}, '1')), await by('bob', submission({}, '2'))]
    expect(say((await evidence(one, open(forged(two), NETWORK))).bytes)).to.equal('meaningless')
    expect(say((await evidence(one, two, 'carol')).bytes)).to.equal('accept')
  })

  it('sixteen who say all that they may, and more, keep out nothing of anybody else', async () => {
    const names = Array.from({ length: 16 }, (_, at) => `tiny ${at}`)
    const weights = new Map([...WEIGHTS, ...names.map((name) => [keyOf(name).address, 1n] as const)])
    const { say, pool } = court({ slot: () => SCHEDULE.audit.from, stakes: fixedStakes(weights), verify: () => true })
    const bobs = await by('bob', submission())
    say(bobs.bytes)
    for (const name of names) {
      for (let at = 0; at < 40; at++) {
        say((await by(name, announcement({ slot: SCHEDULE.audit.from }, { sequence: at, expirySlot: NOW + 99 }))).bytes)
        say((await by(name, submission({}, `junk ${at}`))).bytes)
        say((await by(name, challenge(bobs, { reason: `junk ${at}` }))).bytes)
        say((await by(name, challenge(bobs, { submission: new Uint8Array(32).fill(at) }))).bytes)
      }
    }
    const { announcement: a, submission: s, challenge: c } = KINDS
    expect(pool.size).to.equal(1 + names.length * (a.perCycle + s.perCycle + c.perCycle))
    expect(say((await by('alice', submission())).bytes)).to.equal('accept')
    expect(say((await by('carol', challenge(bobs))).bytes)).to.equal('accept')
  })
})

/** What a record may hold, of those who have contradicted nobody: who has counts for nothing but the proof. */
const agreedOn = ({ pool }: Court) => {
  const messages = pool.messages(CYCLE - 1).filter(({ kind }) => KINDS[kind].recorded && kind !== 'challenge')
  const said = new Map<string, number>()
  for (const message of messages) {
    said.set(quotaOf(message).key, (said.get(quotaOf(message).key) ?? 0) + 1)
  }
  const twice = (message: Message) => message.evidence == null && said.get(quotaOf(message).key)! > 1
  const convicted = new Set(messages.flatMap((message) => message.evidence?.offender ?? (twice(message) ? message.signer : [])))
  return {
    ids: messages
      .filter(({ signer, evidence }) => !convicted.has(evidence?.offender ?? signer))
      .map(({ id }) => id)
      .sort(),
    convicted: [...convicted].sort()
  }
}

describe('judge: a burst in two orders', () => {
  const slot = SCHEDULE.proposalSlot
  /** Both get all of it, as sync brings what gossip did not, until nothing new is taken. */
  const exchange = (one: Court, other: Court) => {
    for (let before = -1; before !== one.pool.size + other.pool.size; ) {
      before = one.pool.size + other.pool.size
      for (const [from, to] of [
        [one, other],
        [other, one]
      ] as const) {
        for (const { bytes } of from.pool.messages(CYCLE - 1)) {
          to.say(bytes)
        }
      }
    }
  }

  it('of junk and a challenge to each half by one with little stake: both hold the same that a record must', async () => {
    const [one, other] = [court({ slot: () => slot }), court({ slot: () => slot })]
    const subjects = await Promise.all(['bob', 'carol'].map((name) => by(name, submission())))
    for (const { say } of [one, other]) {
      for (const { bytes } of subjects) say(bytes)
    }
    for (const [to, about] of [
      [one, subjects[0]!],
      [other, subjects[1]!]
    ] as const) {
      for (let at = 0; at < 15; at++) {
        to.say((await by('alice', challenge(about, { reason: `junk ${at}` }))).bytes)
        to.say((await by('alice', challenge(about, { submission: new Uint8Array(32).fill(at) }))).bytes)
      }
      to.say((await by('alice', challenge(about))).bytes)
    }
    // and then what decides: nothing of it is kept out by what came before
    const [mine, bobs] = [await by('alice', verdicts(SCHEDULE.finalSlot, 2)), await by('bob', verdicts(SCHEDULE.finalSlot, 1))]
    expect([one.say(mine.bytes), other.say(bobs.bytes)]).to.deep.equal(['accept', 'accept'])
    exchange(one, other)
    expect(agreedOn(one)).to.deep.equal(agreedOn(other))
    expect(agreedOn(one).ids).to.include.members([...subjects, mine, bobs].map(({ id }) => id))
  })

  it('of three contradicting words under each key: both convict the same, and agree on all that others say', async () => {
    const honest = [await by('bob', submission()), await by('bob', verdicts(SCHEDULE.finalSlot, 1)), await by('carol', submission())]
    const twofaced = await Promise.all([
      ...['1', '2', '3'].map((value) => by('alice', submission({}, value))),
      ...[1, 2, 3].map((finding) => by('alice', verdicts(SCHEDULE.finalSlot, finding)))
    ])
    await fc.assert(
      fc.property(fc.shuffledSubarray(twofaced), fc.shuffledSubarray(twofaced), fc.shuffledSubarray(honest), (first, second, early) => {
        const [one, other] = [court({ slot: () => slot, verify: () => true }), court({ slot: () => slot, verify: () => true })]
        for (const { bytes } of [...first, ...early]) one.say(bytes)
        for (const { bytes } of [...honest, ...second]) other.say(bytes)
        exchange(one, other)
        expect(agreedOn(one)).to.deep.equal(agreedOn(other))
        expect(agreedOn(one).ids).to.include.members(honest.map(({ id }) => id))
      })
    )
  })
})
