import { expect } from 'chai'
import fc from 'fast-check'
import { cycleAt, signedWindowOf, windowOf } from '../../src/clock/index.ts'
import { createJudge, type JudgeInit, REASONS, type Reason } from '../../src/judge/index.ts'
import { type Body, KIND_NAMES, KINDS, type Kind, LIMITS, type Message, networkOf, open } from '../../src/wire/index.ts'
import { GENESIS, NETWORK, NOW, TASK, TIMING } from '../network/mesh.ts'
import {
  AUDITING,
  announcement,
  approval,
  by,
  CYCLE,
  challenge,
  court,
  evidence,
  evidenceBody,
  evidenceUnchecked,
  forged,
  proofOf,
  proposal,
  response,
  SCHEDULE,
  sealUnchecked,
  slotIn,
  submission,
  verdicts,
  voteBody
} from './court.ts'

interface Row {
  name: string
  says: Reason | 'accept'
  checks: number
  over?: Partial<JudgeInit>
  bytes: () => Promise<Uint8Array>
}

/** One named refusal per row: what is brought, what is said of it, and how many signatures were checked for it. */
const ROWS: Row[] = [
  { name: "alice's submission in time", says: 'accept', checks: 1, bytes: async () => (await by('alice', submission())).bytes },
  {
    name: "alice's submission, brought by a peer without stake",
    says: 'not-admitted',
    checks: 0,
    over: { peers: { isStaked: () => false, isBanned: () => false } },
    bytes: async () => (await by('alice', submission())).bytes
  },
  {
    name: "alice's submission, brought by a peer that was cut",
    says: 'not-admitted',
    checks: 0,
    over: { peers: { isStaked: () => true, isBanned: () => true } },
    bytes: async () => (await by('alice', submission())).bytes
  },
  { name: 'one byte too many', says: 'too-large', checks: 0, bytes: async () => new Uint8Array(LIMITS.envelopeBytes + 1) },
  { name: 'bytes that are no envelope', says: 'malformed', checks: 0, bytes: async () => new Uint8Array([1, 2, 3]) },
  { name: 'no bytes', says: 'malformed', checks: 0, bytes: async () => new Uint8Array(0) },
  {
    name: "alice's submission with a field that nobody knows",
    says: 'malformed',
    checks: 0,
    bytes: async () => Buffer.concat([(await by('alice', submission())).bytes, Buffer.from([0x7a, 0x01, 0x00])])
  },
  {
    name: 'anything while K2 was not read',
    says: 'no-slot',
    checks: 0,
    over: { slot: () => undefined },
    bytes: async () => (await by('alice', submission())).bytes
  },
  {
    name: 'a submission of the cycle after next',
    says: 'future',
    checks: 0,
    bytes: async () => (await by('alice', submission({ cycle: CYCLE + 1, slot: slotIn(CYCLE + 1, 'submission') }))).bytes
  },
  {
    name: 'an announcement three slots ahead of our clock',
    says: 'future',
    checks: 0,
    bytes: async () => (await by('alice', announcement({ slot: NOW + 3 }))).bytes
  },
  {
    name: 'an announcement two slots ahead of our clock',
    says: 'accept',
    checks: 1,
    bytes: async () => (await by('alice', announcement({ slot: NOW + 2 }))).bytes
  },
  {
    name: 'an announcement of the first slot in which its cycle is no longer live, which is ahead of our clock',
    says: 'wrong-window',
    checks: 0,
    over: { slot: () => slotIn(CYCLE, 'distribution') + TIMING.roundSlots - 1 },
    bytes: async () => (await by('alice', announcement({ slot: slotIn(CYCLE, 'distribution') + TIMING.roundSlots }))).bytes
  },
  {
    name: 'a submission of a round that is over',
    says: 'old',
    checks: 0,
    over: { slot: () => NOW + 3 * TIMING.roundSlots },
    bytes: async () => (await by('alice', submission())).bytes
  },
  {
    name: 'a submission that was in time, brought in the distribution stage',
    says: 'accept',
    checks: 1,
    over: { slot: () => NOW + TIMING.roundSlots },
    bytes: async () => (await by('alice', submission())).bytes
  },
  {
    name: 'a submission signed one slot after its window',
    says: 'wrong-window',
    checks: 0,
    over: { slot: () => NOW + TIMING.roundSlots },
    bytes: async () => (await by('alice', submission({ slot: windowOf(TIMING, CYCLE - 1, 'submission').to }))).bytes
  },
  {
    name: 'a submission signed before its window',
    says: 'wrong-window',
    checks: 0,
    bytes: async () => (await by('alice', submission({ slot: slotIn(CYCLE - 1, 'submission') - 1 }))).bytes
  },
  {
    name: "mallory's submission, who has no stake",
    says: 'unstaked',
    checks: 0,
    bytes: async () => (await by('mallory', submission())).bytes
  },
  {
    name: 'a submission while the stakes of its cycle are not known',
    says: 'stake-unknown',
    checks: 0,
    over: { stakes: { weight: () => undefined } },
    bytes: async () => (await by('alice', submission())).bytes
  },
  {
    name: "a newcomer's announcement, whose stake counts from the next cycle",
    says: 'accept',
    checks: 1,
    over: { stakes: { weight: (_, cycle) => (cycle > CYCLE ? 5n : 0n) } },
    bytes: async () => (await by('dave', announcement())).bytes
  },
  {
    name: "a newcomer's submission, whose stake counts from the next cycle",
    says: 'unstaked',
    checks: 0,
    over: { stakes: { weight: (_, cycle) => (cycle > CYCLE ? 5n : 0n) } },
    bytes: async () => (await by('dave', submission())).bytes
  },
  { name: 'a forged signature', says: 'bad-signature', checks: 1, bytes: async () => forged(await by('alice', submission())) },
  {
    name: 'a message of another cluster',
    says: 'bad-signature',
    checks: 1,
    bytes: async () => (await by('alice', submission(), networkOf(TASK, TASK))).bytes
  },
  {
    name: 'a message of another task',
    says: 'bad-signature',
    checks: 1,
    bytes: async () => (await by('alice', submission(), networkOf(GENESIS, GENESIS))).bytes
  },
  {
    name: 'a submission with a CID of version 0',
    says: 'meaningless',
    checks: 1,
    bytes: async () => (await by('alice', proofOf(new Uint8Array(Buffer.from(`1220${'ab'.repeat(32)}`, 'hex'))))).bytes
  },
  {
    name: 'a submission with a CID that does not parse',
    says: 'malformed',
    checks: 0,
    bytes: async () => sealUnchecked('alice', proofOf(new Uint8Array([1, 2, 3])))
  },
  {
    name: 'a submission whose value is no text',
    says: 'meaningless',
    checks: 1,
    bytes: async () => {
      const body = submission()
      body.submission!.value = new Uint8Array([0xff])
      return (await by('alice', body)).bytes
    }
  },
  {
    name: 'an announcement of something that is no PeerId',
    says: 'meaningless',
    checks: 1,
    bytes: async () => (await by('alice', announcement({}, { peerId: new Uint8Array([9, 9]) }))).bytes
  },
  {
    name: "a challenge of bob's submission, which is not here",
    says: 'unknown-subject',
    checks: 0,
    over: AUDITING,
    bytes: async () => (await by('alice', challenge(await by('bob', submission())))).bytes
  },
  {
    name: "bob's response about his submission, which is not here",
    says: 'unknown-subject',
    checks: 0,
    over: AUDITING,
    bytes: async () => (await by('bob', response(await by('bob', submission())))).bytes
  },
  {
    name: "evidence of bob's two submissions",
    says: 'accept',
    checks: 3,
    bytes: async () => (await evidence(await by('bob', submission()), await by('bob', submission({}, 'other')))).bytes
  },
  {
    name: 'evidence with a forged half',
    says: 'meaningless',
    checks: 3,
    bytes: async () => {
      const second = await by('bob', submission({}, 'other'))
      return (await evidence(await by('bob', submission()), open(forged(second), NETWORK))).bytes
    }
  },
  {
    name: "evidence of bob's one submission twice",
    says: 'malformed',
    checks: 0,
    bytes: async () => evidenceUnchecked(await by('bob', submission()), await by('bob', submission()))
  },
  {
    name: "evidence of bob's and carol's submissions",
    says: 'malformed',
    checks: 0,
    bytes: async () => evidenceUnchecked(await by('bob', submission()), await by('carol', submission({}, 'other')))
  },
  {
    name: 'evidence of what a key without stake said twice, of which anybody can make any number',
    says: 'unstaked',
    checks: 0,
    bytes: async () => (await evidence(await by('mallory', submission()), await by('mallory', submission({}, 'other')))).bytes
  },
  {
    name: "evidence of bob's two proposals for the record of their own cycle",
    says: 'malformed',
    checks: 0,
    over: { slot: () => slotIn(CYCLE - 1, 'distribution') },
    bytes: async () => evidenceUnchecked(await by('bob', proposal('one')), await by('bob', proposal('two')), CYCLE - 1)
  },
  {
    name: "evidence of bob's two proposals for the record of the next cycle",
    says: 'accept',
    checks: 3,
    over: { slot: () => slotIn(CYCLE - 1, 'distribution') },
    bytes: async () => evidenceUnchecked(await by('bob', proposal('one')), await by('bob', proposal('two')), CYCLE)
  },
  {
    name: 'verdicts in the first slot of their window',
    says: 'accept',
    checks: 1,
    over: { slot: () => SCHEDULE.finalSlot },
    bytes: async () => (await by('alice', verdicts(SCHEDULE.finalSlot))).bytes
  },
  {
    name: 'verdicts of the slot before',
    says: 'wrong-window',
    checks: 0,
    over: { slot: () => SCHEDULE.finalSlot },
    bytes: async () => (await by('alice', verdicts(SCHEDULE.finalSlot - 1))).bytes
  },
  {
    name: 'verdicts of the slot after their last',
    says: 'wrong-window',
    checks: 0,
    over: { slot: () => SCHEDULE.proposalSlot },
    bytes: async () => (await by('alice', verdicts(SCHEDULE.verdictsEndSlot))).bytes
  }
]

describe('judge: the ladder', () => {
  for (const { name, says, checks, over, bytes } of ROWS) {
    it(`${name}: ${says}, ${checks} checks`, async () => {
      const { say, checks: counted } = court(over)
      expect(say(await bytes())).to.equal(says)
      expect(counted()).to.equal(checks)
    })
  }

  it('has a row for every reason that a peer can cause', () => {
    // what the router refuses never comes to the judge: test/cases/peers/P9
    const covered = new Set<string>([...ROWS.map(({ says }) => says), 'seen', 'over-quota', 'own-fault', 'signed-by-router'])
    expect(Object.keys(REASONS).filter((reason) => !covered.has(reason))).to.deep.equal([])
  })

  it('checks a message once, and knows it again whatever its signature', async () => {
    const { say, checks } = court()
    const message = await by('alice', submission())
    expect(say(message.bytes)).to.equal('accept')
    expect(say(message.bytes)).to.equal('seen')
    expect(say(forged(message))).to.equal('seen')
    expect(checks()).to.equal(1)
  })

  it('takes the good message after a forged copy of it', async () => {
    const { say } = court()
    const message = await by('alice', submission())
    expect(say(forged(message))).to.equal('bad-signature')
    expect(say(message.bytes)).to.equal('accept')
  })

  it('holds each kind to its quota, of verified messages only, and each signer to its own', async () => {
    const { say, checks } = court()
    for (let at = 0; at < 50; at++) {
      expect(say(forged(await by('alice', submission({}, `forged ${at}`))))).to.equal('bad-signature')
    }
    for (let at = 0; at < KINDS.submission.perCycle; at++) {
      expect(say((await by('alice', submission({}, `work ${at}`))).bytes)).to.equal('accept')
    }
    const before = checks()
    expect(say((await by('alice', submission({}, 'one more'))).bytes)).to.equal('over-quota')
    expect(checks()).to.equal(before)
    expect(say((await by('bob', submission())).bytes)).to.equal('accept')
  })

  it('skips the check of an evidence half that it has already, unless the half differs in its signature', async () => {
    const { say, checks } = court()
    const first = await by('bob', submission())
    const second = await by('bob', submission({}, 'other'))
    say(first.bytes)
    say(second.bytes)
    expect(say((await evidence(first, open(forged(second), NETWORK))).bytes)).to.equal('meaningless')
    const before = checks()
    expect(say((await evidence(first, second)).bytes)).to.equal('accept')
    expect(checks() - before).to.equal(1)
  })

  it('never checks the signature of a message of our own', async () => {
    const { init, checks } = court()
    const judge = createJudge(init)
    expect(judge.own(await by('alice', submission())).result).to.equal('accept')
    const late = judge.own(await by('alice', submission({ slot: NOW + 9 })))
    expect(late).to.include({ result: 'ignore', reason: 'future' })
    expect(checks()).to.equal(0)
  })

  it('takes a message in the windows of its kind and live cycles, and in no other slot', async () => {
    /** Kinds without a window are about a cycle that was live in their slot. */
    const windowIn = (kind: Kind, cycle: number) => {
      const { window } = KINDS[kind]
      const { from } = windowOf(TIMING, cycle, 'work')
      // before the task starts it is round 0
      const first = cycle === 0 ? Number.NEGATIVE_INFINITY : from
      return window === 'any' ? { from: first, to: from + 3 * TIMING.roundSlots } : signedWindowOf(TIMING, cycle, window)
    }
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...KIND_NAMES),
        fc.integer({ min: 0, max: 8 }),
        fc.integer({ min: TIMING.startingSlot - 10, max: TIMING.startingSlot + 12 * TIMING.roundSlots }),
        fc.integer({ min: TIMING.startingSlot, max: TIMING.startingSlot + 12 * TIMING.roundSlots }),
        fc.boolean(),
        async (kind, cycle, anySlot, anyNow, near) => {
          const { from, to } = windowIn(kind, cycle)
          const edge = Number.isFinite(from) ? from : TIMING.startingSlot
          // half of the time about the window and its edges, or nearly everything would be refused
          const slot = near ? edge - 2 + (anySlot % (to - edge + 4)) : anySlot
          const now = near ? slot + (anyNow % 40) - 4 : anyNow
          const { say, pool } = court({ slot: () => now, verify: () => true })
          const about = await by('bob', submission({ cycle, slot: slotIn(cycle, 'submission') }))
          pool.add(about)
          const live = Math.max(0, cycleAt(TIMING, now)) - cycle
          const right = slot >= from && slot < to && slot <= now + 2 && live <= 2
          const signer = kind === 'response' ? 'bob' : 'alice'
          const other = await by('bob', submission({ cycle, slot: slotIn(cycle, 'submission') }, 'other'))
          const verdict = say((await by(signer, bodyOf(kind, cycle, slot, [about, other]))).bytes)
          expect(verdict === 'accept').to.equal(right, `${kind} of ${cycle} at ${slot}, now ${now}: ${verdict}`)
        }
      ),
      { numRuns: 600 }
    )
  })
})

function bodyOf(kind: Kind, cycle: number, slot: number, [about, other]: [Message, Message]): Body {
  const bodies: Record<Kind, Body> = {
    announcement: announcement({}, { expirySlot: slot + 60 }),
    equivocation: evidenceBody(about, other),
    submission: submission(),
    challenge: challenge(about),
    response: response(about),
    verdicts: verdicts(slot),
    record: proposal('record'),
    approval: approval('record', 0),
    vote: voteBody(0)
  }
  return { ...bodies[kind], cycle, slot }
}
