import { CID } from 'multiformats/cid'
import { type Timing, windowOf } from '../clock/index.ts'
import { messageOf } from '../k2/errors.ts'
import type { FinalVote } from '../k2/index.ts'
import type { Events, Logger } from '../observe/index.ts'
import type { ProviderHint } from '../proofs/index.ts'
import type { Rounds, RoundsEffect, RoundsEvent } from '../rounds/index.ts'
import type { CycleTiming } from '../tasks/index.ts'
import type { Body } from '../wire/index.ts'
import { readBase } from './base.ts'
import { NO_BUNDLE } from './errors.ts'
import { isNotYet } from './not-yet.ts'
import type { Chain, Clock, TaskHost, Transport, Worked } from './ports.ts'
import type { Records } from './records.ts'
import { endsAt, whyLate } from './slot-time.ts'

/** In a testnet's short slots an answer takes no less time, and in slots that wait for a node no more. */
const [LEAST_ANSWER_MS, MOST_ANSWER_MS] = [1_000, 10_000]

const notYetOf = (err: unknown) => (isNotYet(err) ? { notYet: true } : {})

/** What is told of our own messages. */
const SAID = new Set<string>(['submitted', 'approved'])
const isDone = (under: Promise<unknown>) =>
  under.then(
    () => true,
    () => false
  )

/** So long before its window closes, a submission that lacks the bundle is told of. */
const TOLD_BEFORE_SLOTS = 2

/** What K2's slots wait for, where they do. @see createPaceWork of src/node */
export interface Pace {
  run<T>(effect: RoundsEffect, slot: number, run: () => Promise<T>): Promise<T>
  /** What runs inside waits for others, or for time: slots do not wait for it. */
  away<T>(run: () => Promise<T>): Promise<T>
}

export interface EffectsInit {
  rounds: Rounds
  timing: Timing
  clock: Clock
  chain: Pick<Chain, 'task' | 'stakes' | 'blockhashAt'>
  transport: Pick<Transport, 'ask' | 'providers' | 'providerOf'>
  records: Records
  /** Of a cycle, as the task's bundle may change; undefined until that is here. */
  host: (cycle: number) => TaskHost | undefined
  /** Brings a final vote to K2, durably. */
  vote: (vote: FinalVote) => Promise<void>
  /** Signs, persists and gossips. */
  publish: (body: Body) => Promise<unknown>
  /** K2 has no record of a cycle whose window is over. */
  onSkipped: (cycle: number, reason: string) => void
  events: Pick<Events, 'emit' | 'tell'>
  log: Logger
  pace?: Pace | undefined
  /** What a limit that slots set gets on top in ms, as slots may become longer while it runs: it is the slot that ends it. */
  graceMs?: number
  /** Aborted when the node stops. */
  stopping: AbortSignal
}

/** Carries out what the rounds want: every effect ends in an event, an answer or a line in the log. */
export interface Effects {
  handle(event: RoundsEvent): void
  /** Waits for what is under way. */
  settled(): Promise<void>
}

export function createEffects(init: EffectsInit): Effects {
  const { rounds, timing, clock, chain, transport, records, publish, events, log, stopping, pace, graceMs = 0 } = init
  const running = new Set<Promise<void>>()

  const started = (effect: RoundsEffect, said: Promise<unknown> | undefined) =>
    pace == null ? run(effect, said) : pace.run(effect, clock.now() ?? 0, () => run(effect, said))

  const handle = (event: RoundsEvent) => {
    /** What comes of the message before. */
    let said: Promise<unknown> | undefined
    for (const effect of rounds.handle(event)) {
      const begun = started(effect, said)
      said = effect.type === 'publish' ? begun : said
      const done = begun
        .catch((err) =>
          log[stopping.aborted ? 'debug' : 'error'](
            { effect: effect.type, cycle: 'cycle' in effect ? effect.cycle : undefined, reason: messageOf(err) },
            'could not do what the round wants'
          )
        )
        .finally(() => running.delete(done))
      running.add(done)
    }
  }

  const track = (under: Promise<void>) => {
    const done = under.catch((err) => log.debug({ reason: messageOf(err) }, 'K2 did not tell')).finally(() => running.delete(done))
    running.add(done)
  }

  /** What ends in one slot tells one after the other: whoever weighs it waits until all of it has. */
  const allTold = async (cycle: number) => {
    await clock.breathe()
    handle({ type: 'probed', cycle, asked: [], answered: [] })
  }

  /** A cycle that K2 has no record of, asked when its window is over: votes may have landed at the very end. */
  const tellSkipped = async (cycle: number, reason: string) => {
    const from = windowOf(timing, cycle, 'distribution').to
    const { finalized } = await until(from + timing.roundSlots, () => chain.task(from))
    if (finalized == null || finalized.cycle < cycle) {
      init.onSkipped(cycle, reason)
    }
  }

  const msUntil = (slot: number) => Math.max(50, (slot - (clock.now() ?? slot)) * clock.slotMs())

  const pause = (ms: number) => {
    const sleep = () => clock.sleep(ms, stopping)
    return pace == null ? sleep() : pace.away(sleep)
  }

  const run = async (effect: RoundsEffect, said?: Promise<unknown>): Promise<void> => {
    switch (effect.type) {
      case 'need-stakes':
        return handle({ type: 'stakes', cycle: effect.cycle, stakes: await untilClosed(effect.cycle, () => chain.stakes.at(effect.cycle)) })
      case 'need-base':
        return handle({ type: 'base', cycle: effect.cycle, base: await untilClosed(effect.cycle, () => readBase(init, effect.cycle)) })
      case 'work': {
        // told a little before the window closes, so that what is missed has its reason; should it come even then, it is tried again
        const host = await taskBy(effect.cycle, effect.deadlineSlot - TOLD_BEFORE_SLOTS)
        if (host == null) {
          return stopping.aborted
            ? undefined
            : handle({ type: 'worked', cycle: effect.cycle, outcome: { ok: false, reason: NO_BUNDLE, notYet: true } })
        }
        if (host.idle !== true) {
          events.emit('work-started', { cycle: effect.cycle })
        }
        const outcome = await workOf(host, effect.cycle, effect.deadlineSlot)
        // a node that is told to stop has missed nothing
        return stopping.aborted ? undefined : handle({ type: 'worked', cycle: effect.cycle, outcome })
      }
      case 'publish':
        await publish(effect.body)
        return
      case 'audit': {
        const { cycle, submission, fetchBySlot, deadlineSlot } = effect
        const host = init.host(cycle)
        if (host == null) {
          const finding = 'abstained'
          return handle({ type: 'audited', cycle, submission: submission.id, finding, reason: NO_BUNDLE, notYet: true })
        }
        const slotMs = clock.slotMs()
        const result = await endsAt(init, fetchBySlot, 'the time for the proof', (fetchEnds) =>
          endsAt(init, deadlineSlot, 'the audit window', async (ends, spent) => {
            const limits = { fetchMs: msUntil(fetchBySlot), totalMs: msUntil(deadlineSlot), graceMs, fetchEnds, ends }
            const audited = await host.audit(submission, vouchers(transport, [submission.signer]), timingOf(init, cycle), limits)
            return audited.timedOut === true ? { ...audited, ...whyLate(spent(), audited.reason, slotMs) } : audited
          })
        )
        const { finding, reason, notYet } = result
        handle({ type: 'audited', cycle, submission: submission.id, finding, reason, ...(notYet === true ? { notYet } : {}) })
        return result.finding === 'unavailable' ? allTold(cycle) : undefined
      }
      case 'probe': {
        const { cycle } = effect
        const onAnswer = (staker: string) => handle({ type: 'probed', cycle, asked: [], answered: [staker] })
        const asked = transport.ask(
          effect.stakers,
          onAnswer,
          Math.min(MOST_ANSWER_MS, Math.max(LEAST_ANSWER_MS, 2 * clock.slotMs())) + graceMs
        )
        return handle({ type: 'probed', cycle, asked, answered: [] })
      }
      case 'build': {
        const { cycle, key } = effect
        try {
          const built = await records.build(effect)
          const record = { cid: built.cid.toString(), root: built.root, totalRewards: built.totalRewards }
          return handle({ type: 'built', cycle, key, result: { ok: true, record } })
        } catch (err) {
          return handle({ type: 'built', cycle, key, result: { ok: false, reason: messageOf(err), ...notYetOf(err) } })
        }
      }
      case 'check': {
        const { cycle, cid, deadlineSlot } = effect
        const result = await endsAt(init, deadlineSlot, 'the time for the record', (ends) =>
          records.check(CID.parse(cid), effect, vouchers(transport, effect.vouchers), msUntil(deadlineSlot) + graceMs, ends)
        ).catch((err) => ({ verdict: 'unreadable' as const, reason: messageOf(err), ...notYetOf(err) }))
        return handle({ type: 'checked', cycle, cid, result })
      }
      case 'vote': {
        const { cid, root, totalRewards } = effect.record
        return init.vote({ cycle: effect.cycle, root, recordDigest: CID.parse(cid).multihash.digest, totalRewards })
      }
      case 'note': {
        return tellOnceSaid(init, effect, said)
      }
      case 'closed':
        events.emit('closed', { cycle: effect.cycle })
        // beside the effects: it waits for a slot, and nothing waits for it
        return effect.skipped == null ? undefined : track(tellSkipped(effect.cycle, effect.skipped))
    }
  }

  /** Work whose time ran out while K2 was away has had no time: a slot is what its window is counted in. */
  const workOf = (host: TaskHost, cycle: number, deadlineSlot: number): Promise<Worked> =>
    endsAt(init, deadlineSlot, 'the submission window', async (ends, spent) => {
      const slotMs = clock.slotMs()
      const worked = await host.work(timingOf(init, cycle), msUntil(deadlineSlot) + graceMs, ends)
      return !worked.ok && worked.timedOut === true ? { ...worked, ...whyLate(spent(), worked.reason, slotMs) } : worked
    })

  /** The task, which a node that has just started still fetches. */
  const taskBy = async (cycle: number, slot: number): Promise<TaskHost | undefined> => {
    while (init.host(cycle) == null && (clock.now() ?? 0) < slot && !stopping.aborted) {
      await pause(clock.slotMs())
    }
    return init.host(cycle)
  }

  /** Asks again until the cycle is over or the node stops: K2 may be away for a while. */
  const untilClosed = <T>(cycle: number, ask: () => Promise<T>): Promise<T> => until(windowOf(timing, cycle, 'distribution').to, ask, cycle)

  const until = async <T>(to: number, ask: () => Promise<T>, cycle?: number): Promise<T> => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await ask()
      } catch (err) {
        // whoever stops the node waits for us, and the slots stand still by then
        if (stopping.aborted || (clock.now() ?? 0) >= to) {
          throw err
        }
        log.warn({ cycle, reason: messageOf(err) }, 'K2 or a peer did not answer; asking again')
        await pause(Math.min(clock.slotMs() * 2 ** Math.min(attempt, 4), 5000))
      }
    }
  }

  return {
    handle,
    async settled() {
      await Promise.allSettled(running)
    }
  }
}

/** Where those are whose word it is, by what they have announced, and then everybody else. */
function vouchers(transport: EffectsInit['transport'], stakers: string[]): ProviderHint[] {
  return [...stakers.flatMap((staker) => transport.providerOf(staker) ?? []), ...transport.providers()]
}

/** What we say of ourselves is told when it is said. */
async function tellOnceSaid(
  { events, stopping }: EffectsInit,
  { cycle, note }: Extract<RoundsEffect, { type: 'note' }>,
  said: Promise<unknown> | undefined
): Promise<void> {
  if (said == null || !SAID.has(note.event) || (await isDone(said))) {
    events.tell({ cycle, ...note })
  } else if (note.event === 'submitted' && !stopping.aborted) {
    const reason = 'it was made, and could not be signed or sent while that counted'
    events.tell({ event: 'missed', cycle, stage: 'submission', reason })
  }
}

function timingOf({ timing, clock }: EffectsInit, cycle: number): CycleTiming {
  const { from, to } = windowOf(timing, cycle, 'work')
  return { cycle, startSlot: from, endSlot: to, slotMs: clock.slotMs() }
}
