import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { type FinalVote, K2UnreachableError } from '../../src/k2/index.ts'
import { nodeClock } from '../../src/node/clock.ts'
import type { Logger } from '../../src/observe/index.ts'
import { createEffects, type EffectsInit } from '../../src/participant/effects.ts'
import { DistributionUnavailableError, NO_BUNDLE } from '../../src/participant/errors.ts'
import type { TaskHost, Worked } from '../../src/participant/ports.ts'
import { ProofUnavailableError, type ProviderHint } from '../../src/proofs/index.ts'
import { recordCid } from '../../src/record/index.ts'
import type { RoundsEffect, RoundsEvent } from '../../src/rounds/index.ts'
import type { Body } from '../../src/wire/index.ts'
import { eventsInto } from '../observe/events-into.ts'
import { BEACON, TIMING } from '../record/cycle.ts'
import { alice, bob, carol, cidBytes, submission } from '../wire/people.ts'

type Got<T extends RoundsEvent['type']> = Extract<RoundsEvent, { type: T }>
type Logged = { level: string; reason?: string; effect?: string }

const hintOf = (name: string): ProviderHint => ({ peerId: `peer of ${name}` })
const STAKES = { weights: new Map([[alice.address, 1n]]), total: 1n }
const BASE = { previous: null, bounty: 1000n, beacon: BEACON }
const digestOf = (text: string) => new Uint8Array(CID.decode(cidBytes(text)).multihash.digest)
/** K2's account of a task that pays 1,000 a cycle, as far as it is read. */
const account = (finalized?: { cycle: number; recordDigest: Uint8Array }) => {
  const ring = (value: bigint) => [{ value, from: 0 }]
  return {
    bounty: ring(1000n),
    funded: ring(10_000n),
    totalRewards: 0n,
    tally: { cycle: 3, baseRewards: 0n, entries: [] },
    finalized
  } as never
}
const broken = async (): Promise<never> => {
  throw new Error('K2 is away')
}

/** Those that a test has left running. */
const running: AbortController[] = []

/** What the rounds ask for, carried out against stand-ins of everything else. */
type Over = Partial<Omit<EffectsInit, 'clock' | 'chain' | 'transport'>> & {
  clock?: Partial<EffectsInit['clock']>
  taskAccount?: EffectsInit['chain']['task']
  blockhashAt?: EffectsInit['chain']['blockhashAt']
  stakes?: Pick<EffectsInit['chain']['stakes'], 'at'>
  ask?: EffectsInit['transport']['ask']
}
function stage({ clock, taskAccount, blockhashAt, stakes, ask, ...over }: Over = {}) {
  const got: RoundsEvent[] = []
  const emitted: Array<{ event: string }> = []
  const logged: Logged[] = []
  const published: Body[] = []
  const votes: FinalVote[] = []
  const stop = new AbortController()
  running.push(stop)
  let wanted: RoundsEffect[] = []
  const line = (level: string) => (detail: object) => void logged.push({ level, ...detail })
  const effects = createEffects({
    rounds: {
      handle: (event) => {
        got.push(event)
        const now = wanted
        wanted = []
        return now
      },
      cycles: () => new Map()
    },
    timing: TIMING,
    clock: { ...nodeClock({ now: () => 151, slotMs: () => 1, on: () => () => {} }), ...clock },
    chain: {
      stakes: (stakes ?? { at: async () => STAKES }) as EffectsInit['chain']['stakes'],
      task: taskAccount ?? (async () => account()),
      blockhashAt: blockhashAt ?? (async () => BEACON)
    },
    transport: {
      ask: ask ?? ((first) => [...first]),
      providers: () => [hintOf('anybody')],
      providerOf: (staker) => (staker === carol.address ? undefined : hintOf(staker))
    },
    records: { ensure: broken, build: broken, check: broken, outcome: broken },
    host: () => undefined,
    vote: async (vote) => void votes.push(vote),
    publish: async (body) => void published.push(body),
    onSkipped: (cycle, reason) => void emitted.push(Object.assign({ event: 'skipped' }, { cycle, reason })),
    events: eventsInto(emitted),
    log: Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) => [level, line(level)])) as unknown as Logger,
    stopping: stop.signal,
    ...over
  })
  const runAll = async (list: RoundsEffect[]): Promise<void> => {
    wanted = list
    effects.handle({ type: 'slot', slot: 151 })
    // what ends one effect may ask for the next
    for (let before = -1; before !== got.length; ) {
      before = got.length
      await effects.settled()
    }
  }
  return {
    got,
    emitted,
    logged,
    published,
    votes,
    stop: () => stop.abort(),
    settled: () => effects.settled(),
    runAll,
    /** Carries an effect out, and gives the event that it ends in. */
    async run<T extends RoundsEvent['type']>(effect: RoundsEffect, type?: T): Promise<Got<T>> {
      await runAll([effect])
      return got.findLast((event) => event.type === type) as Got<T>
    }
  }
}

describe('participant: effects', () => {
  afterEach(() => {
    for (const stop of running.splice(0)) {
      stop.abort()
    }
  })

  describe('the base of a record', () => {
    const need: RoundsEffect = { type: 'need-base', cycle: 3 }

    it('has the bounty, nothing before it, and the first block from the beacon slot on', async () => {
      const asked: number[] = []
      const read: number[] = []
      const { run } = stage({
        timing: { startingSlot: 0, roundSlots: 120, submissionWindow: 40, auditWindow: 64 },
        clock: { now: () => 601, slotMs: () => 1 },
        blockhashAt: async (slot) => {
          asked.push(slot)
          return BEACON
        },
        taskAccount: async (minSlot) => {
          read.push(minSlot!)
          return account()
        }
      })
      expect(await run(need, 'base')).to.deep.equal({ type: 'base', cycle: 3, base: BASE })
      // audits of cycle 3 end at 584 and delivery takes four slots; distribution begins at 600
      expect([asked, read]).to.deep.equal([[580], [600]])
    })

    it('is asked for again while K2 has no block there yet, or is away', async () => {
      let left = 3
      const { run, logged } = stage({ blockhashAt: async () => (left-- > 0 ? broken() : BEACON) })
      expect((await run(need, 'base')).base.beacon).to.deep.equal(BEACON)
      expect(logged.map(({ level, reason }) => [level, reason])).to.deep.equal(Array(3).fill(['warn', 'K2 is away']))
    })

    it('is given up when the cycle is over', async () => {
      let slot = 151
      const { run, logged, got } = stage({
        blockhashAt: broken,
        clock: { now: () => (slot += 10), slotMs: () => 1 }
      })
      await run(need)
      expect(got.map(({ type }) => type)).to.deep.equal(['slot'])
      expect(logged.at(-1)).to.include({ level: 'error', effect: 'need-base', reason: 'K2 is away' })
    })

    it('is given up when the node stops, though the slots stand still then', async () => {
      const { run, stop, logged } = stage({ blockhashAt: broken, clock: { now: () => 151, slotMs: () => 2_000 } })
      const done = run(need)
      await new Promise((resolve) => setTimeout(resolve, 20))
      stop()
      // what ends the wait comes before any timer of the event loop, however late that one is
      const late = Promise.withResolvers<string>()
      const timer = setTimeout(() => late.resolve('the pause went on'), 1_000)
      expect(await Promise.race([done.then(() => 'given up'), late.promise])).to.equal('given up')
      clearTimeout(timer)
      expect(logged.filter(({ level }) => level === 'error')).to.deep.equal([])
    })

    it('follows the last finalized record, and what that follows when others were quicker', async () => {
      const previous = digestOf('the record of cycle 1')
      const before = stage({ taskAccount: async () => account({ cycle: 1, recordDigest: previous }) })
      expect((await before.run(need, 'base')).base.previous).to.deep.equal({ cid: recordCid(previous).toString(), cycle: 1 })
      const own = digestOf('the record of cycle 3')
      const ensure = async (cid: CID) =>
        cid.equals(recordCid(own))
          ? { content: { cycle: 3, previous: recordCid(previous), totalRewards: 9_900n } }
          : { content: { cycle: 1, previous: null, totalRewards: 9_300n } }
      // one endpoint's tally is no witness
      const told = { ...(account({ cycle: 3, recordDigest: own }) as object), tally: { cycle: 3, baseRewards: 9_999n, entries: [] } }
      const quicker = stage({
        taskAccount: async () => told as never,
        records: { ensure, build: broken, check: broken, outcome: broken } as never
      })
      const { base } = await quicker.run(need, 'base')
      expect(base.previous).to.deep.equal({ cid: recordCid(previous).toString(), cycle: 1 })
      // of 10,000 in the pot
      expect(base.bounty).to.equal(700n)
    })
  })

  it('stakes: asked for until K2 answers', async () => {
    let left = 2
    const { run } = stage({ stakes: { at: async () => (left-- > 0 ? broken() : STAKES) } })
    expect(await run({ type: 'need-stakes', cycle: 4 }, 'stakes')).to.deep.equal({ type: 'stakes', cycle: 4, stakes: STAKES })
  })

  describe('an audit', () => {
    const host = (audit: TaskHost['audit']) => () => ({ audit, work: broken }) as TaskHost
    const effectOf = async (who = bob): Promise<Extract<RoundsEffect, { type: 'audit' }>> => {
      const message = await who.says(submission('work'))
      return { type: 'audit', cycle: 3, submission: message, purpose: 'sample', fetchBySlot: 251, deadlineSlot: 351 }
    }

    it('asks where the submitter has announced itself first, and then the others, within the slots that are left', async () => {
      const asked: unknown[] = []
      const { run } = stage({
        host: host(async (message, from, timing, limits) => {
          const { fetchMs, totalMs } = limits
          asked.push(message.signer, from, timing, { fetchMs, totalMs })
          return { finding: 'invalid', reason: 'the sums do not add up' }
        })
      })
      const effect = await effectOf()
      expect(await run(effect, 'audited')).to.deep.equal({
        type: 'audited',
        cycle: 3,
        submission: effect.submission.id,
        finding: 'invalid',
        reason: 'the sums do not add up'
      })
      expect(asked).to.deep.equal([
        bob.address,
        [hintOf(bob.address), hintOf('anybody')],
        { cycle: 3, startSlot: 90, endSlot: 120, slotMs: 1 },
        { fetchMs: 100, totalMs: 200 }
      ])
    })

    it('asks the others alone about a submitter that has announced nothing', async () => {
      let from: ProviderHint[] = []
      const { run } = stage({
        host: host(async (_, hints) => {
          from = hints
          return { finding: 'valid', reason: '' }
        })
      })
      await run(await effectOf(carol), 'audited')
      expect(from).to.deep.equal([hintOf('anybody')])
    })

    it('ends the wait for a proof when its slot has come, however long slots seemed to be', async () => {
      const listeners = new Set<(slot: number, back: boolean) => void>()
      let slot = 151
      // measured twice as long as they are: by milliseconds alone the finding would come when nobody may challenge any more
      const slots = {
        now: () => slot,
        slotMs: () => 1000,
        on: (listener: (slot: number, back: boolean) => void) => {
          listeners.add(listener)
          return () => listeners.delete(listener)
        }
      }
      const { run } = stage({
        clock: slots,
        host: host(async (_, __, ___, { fetchEnds }) => {
          for (; !fetchEnds!.aborted && slot < 400; slot++) {
            for (const listener of listeners) {
              listener(slot, false)
            }
          }
          return { finding: 'unavailable', reason: `in slot ${slot}` }
        })
      })
      const effect = await effectOf()
      expect((await run(effect, 'audited')).reason).to.equal(`in slot ${(effect as { fetchBySlot: number }).fetchBySlot + 1}`)
      expect(listeners.size).to.equal(0)
    })

    it('abstains while the bundle is not here', async () => {
      expect(await stage().run(await effectOf(), 'audited')).to.include({ finding: 'abstained' })
    })
  })

  describe('a proof that did not come', () => {
    it('is told, and then that all that ended with it has told', async () => {
      const host = { audit: async () => ({ finding: 'unavailable', reason: '' }), work: broken } as unknown as TaskHost
      const message = await bob.says(submission('work'))
      const { run, got } = stage({ host: () => host })
      await run({ type: 'audit', cycle: 3, submission: message, purpose: 'sample', fetchBySlot: 251, deadlineSlot: 351 })
      expect(got.map(({ type }) => type)).to.deep.equal(['slot', 'audited', 'probed'])
    })

    it('of a task that is still starting is looked for later', async () => {
      const message = await bob.says(submission('work'))
      const audited = await stage().run(
        { type: 'audit', cycle: 3, submission: message, purpose: 'sample', fetchBySlot: 251, deadlineSlot: 351 },
        'audited'
      )
      expect(audited).to.include({ finding: 'abstained', notYet: true })
    })

    it('has signs of life asked for: who was asked, and each that answers', async () => {
      const { run, got } = stage({
        ask(first, onAnswer) {
          onAnswer('carol')
          return [...first, 'carol']
        }
      })
      await run({ type: 'probe', cycle: 3, stakers: ['bob'] })
      expect(got.slice(1)).to.deep.equal([
        { type: 'probed', cycle: 3, asked: [], answered: ['carol'] },
        { type: 'probed', cycle: 3, asked: ['bob', 'carol'], answered: [] }
      ])
    })
  })

  it('tells of a cycle that was skipped, and of none that K2 has a record of after all', async () => {
    const closed: RoundsEffect = { type: 'closed', cycle: 3, skipped: 'nobody approved a record' }
    const { run, emitted } = stage()
    await run(closed)
    expect(emitted).to.deep.equal([
      { event: 'closed', cycle: 3 },
      { event: 'skipped', cycle: 3, reason: 'nobody approved a record' }
    ])
    const counted = stage({ taskAccount: async () => account({ cycle: 3, recordDigest: digestOf('late') }) })
    await counted.run(closed)
    expect(counted.emitted).to.deep.equal([{ event: 'closed', cycle: 3 }])
  })

  describe('a record', () => {
    const record = { cid: CID.decode(cidBytes('record')).toString(), root: new Uint8Array(32).fill(3), totalRewards: 7n }
    const facts = { cycle: 3, messages: [], stakes: STAKES, base: BASE }
    const check: RoundsEffect = {
      type: 'check',
      ...facts,
      cid: record.cid,
      vouchers: [alice.address, carol.address, bob.address],
      mustHave: new Set(['a']),
      timely: null,
      deadlineSlot: 181
    }

    it('is checked with what those who vouch for it give, and then anybody', async () => {
      const asked: unknown[] = []
      const { run } = stage({
        records: {
          ensure: broken,
          build: broken,
          outcome: broken,
          check: async (cid, { mustHave, timely }, from, timeoutMs) => {
            asked.push(cid.toString(), [...mustHave], timely, from, timeoutMs)
            return { verdict: 'right', record }
          }
        }
      })
      expect(await run(check, 'checked')).to.deep.equal({
        type: 'checked',
        cycle: 3,
        cid: record.cid,
        result: { verdict: 'right', record }
      })
      const from = [hintOf(alice.address), hintOf(bob.address), hintOf('anybody')]
      expect(asked).to.deep.equal([record.cid, ['a'], null, from, 50])
    })

    it('that makes the check throw is unreadable, and nobody’s fault', async () => {
      expect((await stage().run(check, 'checked')).result).to.deep.equal({ verdict: 'unreadable', reason: 'K2 is away' })
    })

    it('that cannot be built ends in a reason', async () => {
      const built = await stage().run({ type: 'build', key: '1', ...facts }, 'built')
      expect(built).to.deep.equal({ type: 'built', cycle: 3, key: '1', result: { ok: false, reason: 'K2 is away' } })
    })

    it('that cannot be built or checked as something is not here yet, or K2 is away, is asked for again', async () => {
      const passing = [
        new ProofUnavailableError('cid', 'proof cid did not arrive'),
        new K2UnreachableError('K2 is away'),
        new DistributionUnavailableError('the task’s bundle is not here yet', true)
      ]
      for (const err of passing) {
        const fails = () => Promise.reject(err)
        const records = { ensure: broken, build: fails, check: fails, outcome: broken } as EffectsInit['records']
        const { result } = await stage({ records }).run({ type: 'build', key: '1', ...facts }, 'built')
        expect(result).to.deep.equal({ ok: false, reason: err.message, notYet: true })
        expect((await stage({ records }).run(check, 'checked')).result).to.include({ verdict: 'unreadable', notYet: true })
      }
      const refused = () => Promise.reject(new DistributionUnavailableError('the task’s distribution threw', false))
      const records = { ensure: broken, build: refused, check: refused, outcome: broken } as EffectsInit['records']
      const { result } = await stage({ records }).run({ type: 'build', key: '1', ...facts }, 'built')
      expect(result).to.not.have.property('notYet')
    })

    it('is voted for by its digest', async () => {
      const { run, votes } = stage()
      await run({ type: 'vote', cycle: 3, record })
      const { root, totalRewards } = record
      expect(votes).to.deep.equal([{ cycle: 3, root, recordDigest: digestOf('record'), totalRewards }])
    })
  })

  describe('work', () => {
    const work: RoundsEffect = { type: 'work', cycle: 5, deadlineSlot: 160 }

    it('waits for the bundle of a node that has just started', async () => {
      let left = 3
      const outcome = { ok: false as const, reason: 'nothing to do' }
      const done = { work: async () => outcome, audit: broken } as TaskHost
      const { run, emitted } = stage({ host: () => (left-- > 0 ? undefined : done) })
      expect(await run(work, 'worked')).to.deep.equal({ type: 'worked', cycle: 5, outcome })
      expect(emitted).to.deep.equal([{ event: 'work-started', cycle: 5 }])
    })

    it('that lacks the bundle says so before the window closes, and may be tried again', async () => {
      let slot = 157
      const slots = { now: () => slot++, slotMs: () => 1, on: () => () => {} }
      const { run, emitted } = stage({ host: () => undefined, clock: slots })
      const { outcome } = (await run(work, 'worked')) as Extract<RoundsEvent, { type: 'worked' }>
      expect(outcome).to.deep.equal({ ok: false, reason: NO_BUNDLE, notYet: true })
      expect(slot).to.be.below(160)
      expect(emitted).to.deep.equal([])
    })

    it('whose time ran out while K2 stood still, or that waits for K2, is not done yet; what took too long of itself has failed', async () => {
      const ends = (worked: Worked, slotsAfter: number) => {
        let slot = 100
        const host = {
          async work() {
            await new Promise((resolve) => setTimeout(resolve, 30))
            slot += slotsAfter
            return worked
          },
          audit: broken
        } as TaskHost
        const slots = { now: () => slot, slotMs: () => 1, on: () => () => {} }
        return stage({ host: () => host, clock: slots }).run(work, 'worked')
      }
      const late: Worked = { ok: false, reason: 'too long', timedOut: true }
      const stood = (await ends(late, 2)).outcome
      expect(stood).to.include({ ok: false, notYet: true })
      expect((stood as { reason: string }).reason).to.match(/^K2 was slow: it showed 2 slots in [\d.]+ s$/)
      expect((await ends(late, 60)).outcome).to.deep.equal(late)
      const failed: Worked = { ok: false, reason: 'the task threw' }
      expect((await ends(failed, 2)).outcome).to.deep.equal(failed)
      expect((await ends({ ...failed, notYet: true }, 2)).outcome).to.include({ notYet: true })
    })

    it('and an audit whose time ran out while K2 was away are told as that, and tried again', async () => {
      let ms = 0
      // the clock shows no slot any more
      const slots = { now: () => 100, slotMs: () => 400, on: () => () => {} }
      const late = { reason: 'took longer than the 20 s that it had', timedOut: true }
      const host = {
        async work() {
          ms += 20_000
          return { ok: false, ...late }
        },
        async audit() {
          ms += 20_000
          return { finding: 'abstained', ...late }
        }
      } as TaskHost
      const { run } = stage({ host: () => host, clock: { ...slots, nowMs: () => ms } })
      const reason = 'K2 was away for 20 s of the 20 s that there were'
      expect((await run(work, 'worked')).outcome).to.include({ ok: false, reason, notYet: true })
      const submitted = await bob.says(submission('work'))
      const audit: RoundsEffect = { type: 'audit', cycle: 3, submission: submitted, purpose: 'sample', fetchBySlot: 251, deadlineSlot: 351 }
      expect(await run(audit, 'audited')).to.deep.equal({
        ...{ type: 'audited', cycle: 3, submission: submitted.id },
        ...{ finding: 'abstained', reason, notYet: true }
      })
    })

    it('of a node that stops is not missed', async () => {
      const { run, stop, got } = stage({
        host: () => ({ work: async () => ({ ok: false, reason: 'stopped' }), audit: broken }) as TaskHost
      })
      stop()
      await run(work)
      expect(got.map(({ type }) => type)).to.deep.equal(['slot'])
    })
  })

  it('what cannot be done ends as a line in the log, and nothing else stops', async () => {
    const body = submission('work')
    const { run, logged, emitted } = stage({ publish: broken, vote: broken })
    await run({ type: 'publish', body })
    await run({ type: 'vote', cycle: 3, record: { cid: 'no CID', root: new Uint8Array(32), totalRewards: 0n } })
    expect(logged.map(({ level, effect }) => [level, effect])).to.deep.equal([
      ['error', 'publish'],
      ['error', 'vote']
    ])
    await run({ type: 'closed', cycle: 3, skipped: null })
    await run({ type: 'note', cycle: 3, note: { event: 'approved', cid: 'c', attempt: 1 } })
    expect(emitted).to.deep.equal([
      { event: 'closed', cycle: 3 },
      { event: 'approved', cycle: 3, cid: 'c', attempt: 1 }
    ])
  })

  it('what we have said is told of when it is said, and as missed when it could not be', async () => {
    const note: RoundsEffect = { type: 'note', cycle: 3, note: { event: 'submitted', value: 'v', proofs: [] } }
    const body = { cycle: 3, slot: 151, submission: { value: new Uint8Array(1), proofs: [] } }
    const saying = Promise.withResolvers<void>()
    const slow = stage({ publish: () => saying.promise })
    const done = slow.runAll([{ type: 'publish', body }, note])
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(slow.emitted).to.deep.equal([])
    saying.resolve()
    await done
    expect(slow.emitted.map(({ event }) => event)).to.deep.equal(['submitted'])
    const mute = stage({ publish: broken })
    await mute.runAll([{ type: 'publish', body }, note, { type: 'note', cycle: 3, note: { event: 'approved', cid: 'c', attempt: 0 } }])
    expect(mute.emitted.map((one) => [one.event, (one as { stage?: string }).stage])).to.deep.equal([['missed', 'submission']])
  })

  it('what the rounds want to say is published', async () => {
    const { run, published } = stage()
    const body = submission('work')
    await run({ type: 'publish', body })
    expect(published).to.deep.equal([body])
  })
})
