import { expect } from 'chai'
import fc from 'fast-check'
import {
  type Answer,
  askingOrder,
  type EndpointFacts,
  LAG_SLOTS,
  lagOf,
  majority,
  pauseMs,
  reachedSlot,
  retryAfterMs
} from '../../src/k2/choose.ts'

const SLOT_MS = 400
const facts = (name: string, change: Partial<EndpointFacts> = {}): EndpointFacts => ({
  name,
  dropped: false,
  slot: 1000,
  heardMs: 0,
  pausedUntilMs: 0,
  suspectUntilMs: 0,
  load: 0,
  latencyMs: 20,
  ...change
})

describe('k2: choosing among endpoints', () => {
  it('asks the healthy before the late, the paused and the suspect, and strangers never', () => {
    const all = [
      facts('suspect', { suspectUntilMs: 1 }),
      facts('paused', { pausedUntilMs: 1 }),
      facts('late', { slot: 1000 - LAG_SLOTS - 1 }),
      facts('other network', { dropped: true }),
      facts('slow', { latencyMs: 900 }),
      facts('busy', { load: 3 }),
      facts('good')
    ]
    expect(askingOrder(all, 0, SLOT_MS)).to.deep.equal(['good', 'slow', 'busy', 'late', 'paused', 'suspect'])
    // what is over does not count
    expect(askingOrder([facts('was', { suspectUntilMs: 5, pausedUntilMs: 5 }), facts('busy', { load: 1 })], 6, SLOT_MS)[0]).to.equal('was')
  })

  it('calls nobody late for having been asked a while ago', () => {
    const old = facts('old', { slot: 1000, heardMs: 0 })
    const fresh = facts('fresh', { slot: 1100, heardMs: 100 * SLOT_MS })
    expect(lagOf(old, [old, fresh], 100 * SLOT_MS, SLOT_MS)).to.equal(0)
    const frozen = facts('frozen', { slot: 1000, heardMs: 100 * SLOT_MS })
    expect(lagOf(frozen, [frozen, fresh], 100 * SLOT_MS, SLOT_MS)).to.equal(100)
    expect(lagOf(facts('new', { slot: undefined }), [fresh], 0, SLOT_MS)).to.equal(0)
  })

  it('takes of three the slot that two have reached, of two the higher one', () => {
    const liar = facts('liar', { slot: 2 ** 40 })
    expect(reachedSlot([facts('a'), facts('b', { slot: 1001 }), liar])).to.equal(1001)
    expect(lagOf(facts('a'), [facts('a'), facts('b'), liar], 0, SLOT_MS)).to.equal(0)
    expect(reachedSlot([facts('a'), facts('b', { slot: 1001 })])).to.equal(1001)
    expect(reachedSlot([facts('a'), facts('silent', { slot: undefined }), liar])).to.equal(1000)
    expect(reachedSlot([facts('a'), { ...liar, dropped: true }])).to.equal(1000)
    expect(reachedSlot([facts('a', { slot: undefined })])).to.equal(undefined)
  })

  it('waits longer after each failure, within bounds, never shorter than it was asked to', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
        const pause = pauseMs(failures, undefined, random)
        expect(pause).to.be.within(100, 10_000)
        expect(pauseMs(failures + 1, undefined, random)).to.be.at.least(pause)
        expect(pauseMs(failures, 30_000, random)).to.equal(30_000)
      })
    )
    expect(pauseMs(1, undefined, 0)).to.not.equal(pauseMs(1, undefined, 1))
    expect(pauseMs(1, 10 ** 9, 0)).to.equal(120_000)
    expect(retryAfterMs('3', 0)).to.equal(3000)
    expect(retryAfterMs('Thu, 01 Jan 1970 00:01:00 GMT', 50_000)).to.equal(10_000)
    expect(retryAfterMs('Thu, 01 Jan 1970 00:01:00 GMT', 70_000)).to.equal(0)
    for (const header of [null, '', 'soon']) {
      expect(retryAfterMs(header, 0)).to.equal(undefined)
    }
  })

  const say = (name: string, digest: string, suspect = false): Answer => ({ name, digest, suspect, slot: 1 })

  it('believes more than half, and nobody where there is no half', () => {
    expect(majority([say('a', 'x'), say('b', 'y'), say('c', 'x')], 3)).to.deep.equal({ digest: 'x', witnesses: ['a', 'c'], odd: ['b'] })
    expect(majority([say('a', 'x'), say('b', 'x')], 3).digest).to.equal('x')
    expect(majority([say('a', 'x')], 3).digest).to.equal(undefined)
    expect(majority([say('a', 'x'), say('b', 'y')], 2).digest).to.equal(undefined)
    expect(majority([say('a', 'x'), say('b', 'y'), say('c', 'z')], 3).digest).to.equal(undefined)
    expect(majority([], 0).digest).to.equal(undefined)
  })

  it('does not count those who were caught before, unless nobody else speaks', () => {
    expect(majority([say('a', 'x'), say('b', 'y', true)], 2)).to.deep.equal({ digest: 'x', witnesses: ['a'], odd: ['b'] })
    expect(majority([say('b', 'y', true)], 1).digest).to.equal('y')
    expect(majority([say('a', 'x'), say('b', 'y', true), say('c', 'y', true)], 3).digest).to.equal('x')
  })

  it('one liar of three or more never wins, whatever it says and whoever is silent', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 7 }), fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }), (n, silent) => {
        const honest = Array.from({ length: n - 1 }, (_, i) => say(`h${i}`, 'true')).filter((_, i) => !silent[i])
        fc.pre(honest.length >= 1)
        expect(majority([say('liar', 'lie'), ...honest], honest.length + 1).digest).to.not.equal('lie')
      })
    )
  })
})
