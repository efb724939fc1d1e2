import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { scheduleFor } from '../../src/clock/index.ts'
import { type KeyPair, keyPairFromSeed, signEd25519 } from '../../src/identity/index.ts'
import { placesOf } from '../../src/record/index.ts'
import { createRounds, type RoundsEffect } from '../../src/rounds/index.ts'
import { type Body, FINDINGS, type Finding, type Message, networkOf, seal } from '../../src/wire/index.ts'
import { cidBytes } from '../wire/people.ts'

const NETWORK = networkOf('11111111111111111111111111111112', '11111111111111111111111111111113')
const keyOf = (name: string): KeyPair => keyPairFromSeed(createHash('sha256').update(name).digest())
const alice = keyOf('alice')
const STAKERS = [alice, ...Array.from({ length: 40 }, (_, i) => keyOf(`staker ${i}`))]
const BASE = { previous: null, bounty: 100n, beacon: new Uint8Array(32) }

/** Alice among many, all of whom have submitted; she has drawn. */
async function atSamples({
  auditWindow = 16,
  stakers = STAKERS,
  self = alice,
  proposes = false,
  alive = (_: string): boolean => true
} = {}) {
  const timing = { startingSlot: 0, roundSlots: auditWindow + 12, submissionWindow: 10, auditWindow }
  const schedule = scheduleFor(timing, 0)
  const stakes = { weights: new Map(stakers.map((pair) => [pair.address, 10n])), total: 10n * BigInt(stakers.length) }
  const rounds = createRounds({
    self: self.address,
    network: NETWORK,
    timing,
    random: () => 0.5,
    proposer: () => (proposes ? self : stakers.at(-1)!).address
  })
  const all: RoundsEffect[] = []
  const run = (effects: RoundsEffect[]) => {
    all.push(...effects)
    for (const effect of effects) {
      if (effect.type === 'need-stakes') run(rounds.handle({ type: 'stakes', cycle: effect.cycle, stakes }))
      if (effect.type === 'need-base') run(rounds.handle({ type: 'base', cycle: effect.cycle, base: BASE }))
      if (effect.type === 'probe') {
        const others = stakers.flatMap(({ address }) => (address === self.address ? [] : [address]))
        run(rounds.handle({ type: 'probed', cycle: effect.cycle, asked: others, answered: others.filter(alive) }))
      }
    }
  }
  let now = schedule.submission.from
  const hear = async (who: KeyPair, body: Body) => {
    const message = await seal(body, NETWORK, { publicKey: who.publicKey, sign: async (bytes) => signEd25519(bytes, who.secretKey) })
    run(rounds.handle({ type: 'message', message, slot: now }))
    return message
  }
  const submit = (who: KeyPair) =>
    hear(who, { cycle: 0, slot: schedule.submission.from, submission: { value: Buffer.from(who.address), proofs: [] } })
  const m = {
    schedule,
    hear,
    submit,
    event: (event: Parameters<typeof rounds.handle>[0]) => run(rounds.handle(event)),
    until(slot: number) {
      for (; now < slot; now++) run(rounds.handle({ type: 'slot', slot: now + 1 }))
    },
    audited: (about: Message | Message[], finding: Finding) => {
      for (const { id } of [about].flat()) run(rounds.handle({ type: 'audited', cycle: 0, submission: id, finding, reason: '' }))
      // as the node does when all that ended in the slot has told
      if (finding === 'unavailable') run(rounds.handle({ type: 'probed', cycle: 0, asked: [], answered: [] }))
    },
    challenge: (who: KeyPair, about: Message, finding: Exclude<Finding, 'valid'> = 'unavailable', reason = '') =>
      hear(who, {
        cycle: 0,
        slot: schedule.audit.from,
        challenge: { subject: about.envelope.signer, submission: Buffer.from(about.id, 'hex'), finding: FINDINGS[finding], reason }
      }),
    looks: (purpose: string) => all.flatMap((effect) => (effect.type === 'audit' && effect.purpose === purpose ? [effect] : [])),
    checks: () => all.flatMap((effect) => (effect.type === 'check' ? [effect] : [])),
    published: (kind: keyof Body) => all.flatMap((effect) => (effect.type === 'publish' && effect.body[kind] != null ? [effect.body] : [])),
    lastBuild: () => all.flatMap((effect) => (effect.type === 'build' ? [effect] : [])).at(-1)!,
    probes: () => all.filter(({ type }) => type === 'probe').length,
    builds: () => all.filter(({ type }) => type === 'build').length,
    /** What the verdicts say of a submission. */
    saidOf: (about: Message) => {
      const place = placesOf(stakes.weights).indexOf(about.signer)
      return m.published('verdicts')[0]?.verdicts?.findings.find((found) => found.place === place)?.finding
    }
  }
  run(rounds.handle({ type: 'slot', slot: now }))
  const submissions: Message[] = []
  for (const pair of stakers.slice(0, -1)) submissions.push(await submit(pair))
  m.until(schedule.sampleSlot)
  const drawn = m.looks('sample').map(({ submission }) => submission)
  const others = submissions.filter(({ id, signer }) => signer !== self.address && drawn.every((one) => one.id !== id))
  return { m, drawn, others }
}

describe('rounds: under attack', () => {
  it('knows what it finds of challenged work in the last slot in which it can be said', async () => {
    for (const auditWindow of [8, 16, 31, 32, 64, 300]) {
      const { m, others } = await atSamples({ auditWindow })
      await m.challenge(STAKERS[1]!, others[3]!)
      const { finalSlot, verdictsEndSlot } = m.schedule
      const [{ submission, fetchBySlot, deadlineSlot }] = m.looks('challenge') as [ReturnType<typeof m.looks>[0]]
      expect(fetchBySlot, `W ${auditWindow}`).to.be.below(verdictsEndSlot - 1)
      expect(fetchBySlot).to.be.at.most(finalSlot)
      expect(deadlineSlot).to.equal(verdictsEndSlot - 1)
      m.audited(m.looks('sample')[0]!.submission, 'valid')
      m.until(fetchBySlot)
      m.audited(submission, 'unavailable')
      m.until(verdictsEndSlot - 1)
      expect(m.saidOf(submission)).to.equal(FINDINGS.unavailable)
    }
  })

  it('waits with its verdicts for a look that runs, but not until it is too late to say anything', async () => {
    const { m, drawn, others } = await atSamples({ auditWindow: 64 })
    await m.challenge(STAKERS[1]!, others[0]!)
    await m.challenge(STAKERS[2]!, others[1]!)
    for (const message of drawn) m.audited(message, message === drawn[0] ? 'invalid' : 'valid')
    m.until(m.schedule.verdictsEndSlot - 2)
    expect(m.published('verdicts')).to.have.length(0)
    m.audited(others[0]!, 'invalid')
    m.until(m.schedule.verdictsEndSlot - 1)
    expect([drawn[0]!, ...others.slice(0, 2)].map((about) => m.saidOf(about))).to.deep.equal([
      FINDINGS.invalid,
      FINDINGS.invalid,
      undefined
    ])
  })
  it('challenges what it finds bad though somebody has: the others may not heed that one', async () => {
    const { m, drawn } = await atSamples()
    await m.challenge(STAKERS[1]!, drawn[0]!)
    m.audited(drawn[0]!, 'invalid')
    m.until(m.schedule.sampleSlot + 2)
    expect(m.published('challenge')).to.have.length(1)
  })

  it('does not repeat a challenge of what it looks at because of it', async () => {
    const { m, others } = await atSamples()
    await m.challenge(STAKERS[1]!, others[0]!)
    m.audited(others[0]!, 'invalid')
    m.until(m.schedule.sampleSlot + 2)
    expect(m.published('challenge')).to.have.length(0)
  })
  it('looks at challenged work that came too late to itself, and judges it: others may have had it in time', async () => {
    const { m } = await atSamples()
    m.until(m.schedule.lateSlot)
    const late = await m.submit(STAKERS.at(-1)!)
    await m.challenge(STAKERS[1]!, late)
    expect(m.looks('challenge').map(({ submission }) => submission.id)).to.deep.equal([late.id])
    m.audited(m.looks('sample')[0]!.submission, 'valid')
    m.audited(late, 'unavailable')
    m.until(m.schedule.verdictsEndSlot - 1)
    expect(m.saidOf(late)).to.equal(FINDINGS.unavailable)
  })
  it('proposes though something comes while it builds, and then again', async () => {
    const { m, others } = await atSamples({ proposes: true })
    m.until(m.schedule.proposalSlot)
    const record = { cid: 'bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy', root: new Uint8Array(32), totalRewards: 1n }
    for (let i = 0; i < 6; i++) {
      await m.challenge(STAKERS[1]!, others[0]!, 'unavailable', String(i))
      m.event({ type: 'built', cycle: 0, key: m.lastBuild().key, result: { ok: true, record } })
    }
    expect(m.builds()).to.be.at.most(2)
    expect(m.published('record')).to.have.length(1)
  })
  it('lets no proofs that do not come keep other looks waiting', async () => {
    const { m, others } = await atSamples({ auditWindow: 64 })
    const silent = others.slice(0, 20)
    for (const [i, about] of silent.entries()) await m.challenge(STAKERS[1 + i]!, about)
    await m.challenge(STAKERS[25]!, others[20]!)
    const looked = () => m.looks('challenge').map(({ submission }) => submission.id)
    expect(looked()).to.have.length(16)
    m.until(m.schedule.sampleSlot + m.schedule.deliverySlots)
    expect(looked()).to.include(others[20]!.id)
  })

  it('does not call a submission late because its author turned out to have made two', async () => {
    const { m, others } = await atSamples()
    const { proposalSlot } = m.schedule
    m.until(proposalSlot)
    m.event({ type: 'built', cycle: 0, key: m.lastBuild().key, result: { ok: false, reason: 'none' } })
    const twice = STAKERS.find(({ address }) => address === others[0]!.signer)!
    await m.hear(twice, { cycle: 0, slot: m.schedule.submission.from, submission: { value: Buffer.from('another'), proofs: [] } })
    const { bytes } = CID.parse('bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')
    await m.hear(STAKERS.at(-1)!, {
      cycle: 0,
      slot: proposalSlot,
      record: { cid: new Uint8Array(bytes), root: new Uint8Array(32), totalRewards: 1n, attempt: 0 }
    })
    const [{ timely }] = m.checks() as [ReturnType<typeof m.checks>[0]]
    expect([...timely!]).to.include(others[0]!.id)
  })

  it('accuses those whose proofs do not come, be they ever so many, unless they hold more than a third of the stake', async () => {
    const { m, drawn } = await atSamples() // 8 of 41
    for (const about of drawn) m.audited(about, 'unavailable')
    expect(m.published('challenge')).to.have.length(8)
    const alone = await atSamples()
    alone.m.event({ type: 'slot', slot: alone.m.schedule.sampleSlot + 1, connected: false })
    for (const about of alone.drawn) alone.m.audited(about, 'unavailable')
    expect(alone.m.published('challenge')).to.have.length(0)
    const few = await atSamples({ stakers: STAKERS.slice(0, 12) }) // 8 of 12
    for (const about of few.drawn) few.m.audited(about, 'unavailable')
    expect(few.m.published('challenge')).to.have.length(0)
  })

  describe('a proof that does not come is its own affair', () => {
    const gone = (...drawn: Message[]) => {
      const signers = new Set(drawn.map(({ signer }) => signer))
      return (staker: string) => !signers.has(staker)
    }
    /** Eleven beside alice, of whom she draws eight: the last that she draws have no proof. */
    const atWithheld = async (withheld: number, alive: (drawn: Message[]) => (staker: string) => boolean) => {
      let isAlive = (_: string): boolean => true
      const { m, drawn } = await atSamples({ stakers: STAKERS.slice(0, 12), alive: (staker) => isAlive(staker) })
      isAlive = alive(drawn)
      for (const about of drawn.slice(0, 8 - withheld)) m.audited(about, 'valid')
      m.until(m.schedule.challengeSlot - 1)
      m.audited(drawn.slice(8 - withheld), 'unavailable')
      m.until(m.schedule.verdictsEndSlot)
      return { said: m.published('challenge').length + m.published('verdicts').length, challenges: m.published('challenge').length }
    }

    it('when nobody gives a sign of life, though other proofs had come before', async () => {
      expect((await atWithheld(2, () => () => false)).said).to.equal(0)
    })

    it('when those who give none hold more than a third of the stake, though the others do, and a third is no more', async () => {
      // five of twelve
      expect((await atWithheld(5, (drawn) => gone(...drawn.slice(3)))).said).to.equal(0)
      expect((await atWithheld(1, (drawn) => gone(...drawn.slice(3)))).said).to.equal(0)
      expect((await atWithheld(4, (drawn) => gone(...drawn.slice(4)))).challenges).to.equal(4)
    })

    it('when more than half of the stake cannot be got, whoever is alive', async () => {
      expect((await atWithheld(7, () => () => true)).said).to.equal(0)
      expect((await atWithheld(6, () => () => true)).challenges).to.equal(6)
    })

    it('and not when others are alive: who keeps it is accused, whether it is silent or answers', async () => {
      expect((await atWithheld(1, () => () => true)).challenges).to.equal(1)
      expect((await atWithheld(1, (drawn) => gone(...drawn.slice(7)))).challenges).to.equal(1)
    })

    it('when the signs of life are older than what was looked for', async () => {
      let alive = true
      const { m, drawn } = await atSamples({ auditWindow: 64, alive: () => alive })
      for (const about of drawn.slice(0, 7)) m.audited(about, 'valid')
      m.until(m.schedule.challengeSlot - 10)
      alive = false
      m.until(m.schedule.challengeSlot - 1)
      m.audited(drawn[7]!, 'unavailable')
      m.until(m.schedule.challengeSlot)
      expect(m.published('challenge')).to.have.length(0)
      // and it is back
      alive = true
      m.until(m.schedule.verdictsEndSlot)
      expect(m.saidOf(drawn[7]!)).to.equal(FINDINGS.unavailable)
    })

    it('asks for signs of life only while a proof is missing that should have come', async () => {
      const { m, drawn } = await atSamples({ auditWindow: 64 })
      m.until(m.schedule.sampleSlot + 1)
      for (const about of drawn) m.audited(about, 'valid')
      m.until(m.schedule.verdictsEndSlot)
      expect(m.probes()).to.equal(0)
    })
  })

  it('draws the proposers of an attempt, and weighs who was refuted, once, however many messages come', async () => {
    const timing = { startingSlot: 0, roundSlots: 28, submissionWindow: 10, auditWindow: 16 }
    class Counted extends Map<string, bigint> {
      walks = 0
      override [Symbol.iterator]() {
        this.walks++
        return super[Symbol.iterator]()
      }
    }
    const weights = new Counted(STAKERS.map((pair) => [pair.address, 10n]))
    let drawn = 0
    const rounds = createRounds({
      self: alice.address,
      network: NETWORK,
      timing,
      random: () => 0.5,
      proposer: () => {
        drawn++
        return STAKERS.at(-1)!.address
      }
    })
    const run = (effects: RoundsEffect[]) => {
      for (const { type, ...effect } of effects) {
        const { cycle } = effect as { cycle: number }
        if (type === 'need-stakes') run(rounds.handle({ type: 'stakes', cycle, stakes: { weights, total: 410n } }))
        if (type === 'need-base') run(rounds.handle({ type: 'base', cycle, base: BASE }))
      }
    }
    const says = async (who: KeyPair, body: Body) => {
      const message = await seal(body, NETWORK, { publicKey: who.publicKey, sign: async (bytes) => signEd25519(bytes, who.secretKey) })
      run(rounds.handle({ type: 'message', message, slot: body.slot }))
      return message
    }
    for (let slot = 0; slot <= 60; slot++) run(rounds.handle({ type: 'slot', slot }))
    const one = scheduleFor(timing, 1)
    const submitted = await Promise.all(
      STAKERS.slice(1, 21).map((who) =>
        says(who, { cycle: 1, slot: one.submission.from, submission: { value: Buffer.from('x'), proofs: [] } })
      )
    )
    for (let slot = 61; slot <= one.audit.from + 1; slot++) run(rounds.handle({ type: 'slot', slot }))
    weights.walks = drawn = 0
    for (const [at, about] of submitted.entries()) {
      const accuser = STAKERS[1 + ((at + 1) % 20)]!
      const record = { cid: cidBytes(`junk ${at}`), root: new Uint8Array(32), attempt: 1 }
      await says(accuser, { cycle: 0, slot: one.audit.from, approval: record })
      const subject = new Uint8Array(about.envelope.signer)
      const challenge = { subject, submission: Buffer.from(about.id, 'hex'), finding: FINDINGS.invalid, reason: '' }
      await says(accuser, { cycle: 1, slot: one.audit.from, challenge })
    }
    expect([weights.walks, drawn]).to.deep.equal([1, 0])
  })

  it('is sure of what it drew though it still looks at what others challenge', async () => {
    const { m, drawn, others } = await atSamples()
    await m.challenge(STAKERS[1]!, others[0]!)
    expect(m.looks('challenge')).to.have.length(1)
    for (const about of drawn) m.audited(about, 'unavailable')
    expect(m.published('challenge')).to.have.length(8)
  })

  it('tells of offences by lot, about twelve for each with all stake, so that many small offenders raise no storm', async () => {
    const twice = async (stakers: KeyPair[]) => {
      const { m } = await atSamples({ stakers })
      for (const who of stakers.slice(1, -1)) {
        await m.hear(who, { cycle: 0, slot: m.schedule.submission.from, submission: { value: Buffer.from('another'), proofs: [] } })
      }
      return m.published('equivocation').length
    }
    // the lot of this machine is always a half: 12 of 41 is less
    expect(await twice(STAKERS)).to.equal(0)
    expect(await twice(STAKERS.slice(0, 25))).to.equal(0)
    expect(await twice(STAKERS.slice(0, 23))).to.equal(21)
    expect(await twice(STAKERS.slice(0, 8))).to.equal(6)
  })
})
