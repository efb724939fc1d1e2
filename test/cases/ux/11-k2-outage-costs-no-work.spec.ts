/** Work that failed only because K2 was away is done again while its window lasts; work that failed of itself is not. */
import { expect } from 'chai'
import { scheduleFor } from '../../../src/clock/index.ts'
import { nodeClock } from '../../../src/node/clock.ts'
import { createTaskHost } from '../../../src/node/task-host.ts'
import type { Logger } from '../../../src/observe/index.ts'
import { createEffects, type EffectsInit } from '../../../src/participant/effects.ts'
import type { TaskHost } from '../../../src/participant/index.ts'
import type { Proofs } from '../../../src/proofs/index.ts'
import { createRounds } from '../../../src/rounds/index.ts'
import { bundlePath, type TaskRunner } from '../../../src/tasks/index.ts'
import type { Body } from '../../../src/wire/index.ts'
import { eventsInto } from '../../observe/events-into.ts'
import { makeRunner, seededK2, source, TASK } from '../../tasks/support.ts'
import { alice, NETWORK } from '../../wire/people.ts'

const TIMING = { startingSlot: 0, roundSlots: 60, submissionWindow: 20, auditWindow: 30 }
const S = scheduleFor(TIMING, 0)
const FAILS_OF_ITSELF = source(`
  export const manifest = { name: 'own', version: '1' }
  export async function task (ctx) { await ctx.k2.slot(); throw new Error('a bug') }
  export function submission () { return null }
  export function audit () { return true }`)

describe('case: K2 away in the middle of the work', () => {
  const runners: TaskRunner[] = []
  afterEach(() => Promise.all(runners.splice(0).map((runner) => runner.stop())))

  /** A node's rounds and effects around a task in its real process, with slots that the test counts. */
  async function node(bundle: Uint8Array | { path: string }) {
    let slot = 0
    let away = false
    const k2 = seededK2('outage', () => slot)
    const fail = <T>(answer: T) => (away ? Promise.reject(Object.assign(new Error('fetch failed'), { name: 'K2ReadError' })) : answer)
    const { runner } = await makeRunner({
      bundle,
      k2: {
        slot: async (options) => fail(k2.slot(options)),
        blocks: async (from, to, options) => fail(k2.blocks(from, to, options)),
        block: async (at, options) => fail(k2.block(at, options))
      }
    })
    runners.push(runner)
    const events: Array<{ event: string; reason?: string }> = []
    const published: Body[] = []
    const stakes = { weights: new Map([[alice.address, 1n]]), total: 1n }
    const log = Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) => [level, () => {}])) as unknown as Logger
    const inner = createTaskHost({
      taskId: TASK,
      runner,
      proofs: { pin: async () => ({ sizeBytes: 1, blocks: 1 }) } as unknown as Proofs,
      limits: { maxBytes: 1e9 },
      alsoProvide: () => false
    })
    let running = 0
    const host: TaskHost = {
      ...inner,
      async work(...of) {
        running++
        try {
          return await inner.work(...of)
        } finally {
          running--
        }
      }
    }
    const effects = createEffects({
      rounds: createRounds({ self: alice.address, network: NETWORK, timing: TIMING, random: () => 0.5, proposer: () => null }),
      timing: TIMING,
      clock: nodeClock({ now: () => slot, slotMs: () => 1000, on: () => () => {} }),
      chain: { stakes: { at: async () => stakes } } as unknown as EffectsInit['chain'],
      host: () => host,
      publish: async (body: Body) => void published.push(body),
      events: eventsInto(events),
      log,
      stopping: new AbortController().signal
    } as Partial<EffectsInit> as EffectsInit)
    return {
      away: (is: boolean) => {
        away = is
      },
      running: () => running,
      works: () => events.filter(({ event }) => event === 'work-started').length,
      of: (name: string) => events.filter(({ event }) => event === name),
      published,
      async to(end: number) {
        for (; slot < end; slot++) {
          effects.handle({ type: 'slot', slot })
          await new Promise((resolve) => setTimeout(resolve, 2))
        }
      },
      async until(is: () => boolean) {
        while (!is()) {
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
      }
    }
  }

  it('the built-in index is made again when K2 is back, handed in, and the outage told of', async () => {
    const one = await node({ path: bundlePath('k2-index') })
    await one.to(20)
    one.away(true)
    await one.until(() => one.of('not-yet').length === 1)
    expect(one.of('not-yet')[0]).to.include({ what: 'work' })
    expect(one.of('not-yet')[0]!.reason).to.match(/K2ReadError: fetch failed/)
    await one.to(40)
    await one.until(() => one.works() > 1 && one.of('not-yet').length >= 2)
    one.away(false)
    await one.to(S.submission.from + 1)
    expect(one.works()).to.be.at.least(2)
    for (let end = S.submission.from + 2; one.published.length === 0 && end < S.submission.to; end++) {
      await one.to(end)
      // what a try comes to is waited for, and not for how long it takes
      await one.until(() => one.running() === 0)
    }
    expect(one.published[0]?.submission?.proofs).to.have.length(1)
    expect(one.of('missed')).to.deep.equal([])
  }).timeout(60_000)

  it('what the task threw of itself is said once, and not tried again', async () => {
    const one = await node(FAILS_OF_ITSELF)
    await one.to(1)
    await one.until(() => one.of('missed').length > 0)
    await one.to(S.submission.to + 1)
    expect(one.works()).to.equal(2) // of cycles 0 and 1
    expect(one.of('missed').filter(({ reason }) => String(reason).startsWith('the task threw: Error: a bug'))).to.have.length(2)
    expect(one.of('not-yet')).to.deep.equal([])
  }).timeout(60_000)
})
