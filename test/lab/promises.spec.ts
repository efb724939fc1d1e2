/** The checker of the lab goes red for each promise that is broken, and for nothing else. */
import { expect } from 'chai'
import { windowOf } from '../../src/clock/index.ts'
import type { LabFacts, Outage, RecordFacts } from './facts.ts'
import { checkPromises, cyclesOf, leastUp, RECOVERY_SLOTS } from './promises.ts'

const TIMING = { startingSlot: 100, roundSlots: 60, submissionWindow: 20, auditWindow: 30 }
const NAMES = ['a', 'b', 'c', 'd']
/** Cycles 0 to 4 are over. */
const LAST_SLOT = windowOf(TIMING, 4, 'distribution').to
const CYCLES = [0, 1, 2, 3, 4]

const recordOf = (cycle: number): RecordFacts => ({
  cycle,
  record: `record-${cycle}`,
  broken: null,
  accepted: NAMES,
  rejected: [],
  paid: Object.fromEntries(NAMES.map((name) => [name, '250']))
})

/** A run in which all went well, for tests to break one thing in. */
function calm(): LabFacts {
  return {
    timing: TIMING,
    lastSlot: LAST_SLOT,
    nodes: NAMES.map((name) => ({
      name,
      stake: '10',
      fromCycle: 0,
      submitted: CYCLES.map((cycle) => ({ cycle, slot: windowOf(TIMING, cycle, 'submission').from })),
      settled: CYCLES.map((cycle) => ({ cycle, record: `record-${cycle}` })),
      accused: [],
      crashed: []
    })),
    outages: [],
    finalized: CYCLES.map((cycle) => ({ cycle, slot: windowOf(TIMING, cycle, 'distribution').from + 10 })),
    votes: CYCLES.flatMap((cycle) => NAMES.map((node) => ({ node, cycle, slot: windowOf(TIMING, cycle, 'distribution').from + 10 }))),
    records: CYCLES.map(recordOf)
  }
}

const broken = (facts: LabFacts) => checkPromises(facts).flatMap((kept) => kept.broken)

function without(facts: LabFacts, outage: Outage): LabFacts {
  return { ...facts, outages: [...facts.outages, outage] }
}

const killed = (node: string, from: number, to: number | null): Outage => ({ node, why: 'killed', from, to })
const unfinal = (facts: LabFacts, cycle: number): LabFacts => ({
  ...facts,
  finalized: facts.finalized.filter((one) => one.cycle !== cycle),
  records: facts.records.filter((one) => one.cycle !== cycle),
  votes: facts.votes.filter((one) => one.cycle !== cycle)
})
const changed = (facts: LabFacts, cycle: number, change: Partial<RecordFacts>): LabFacts => ({
  ...facts,
  records: facts.records.map((one) => (one.cycle === cycle ? { ...one, ...change } : one))
})

describe('the promises of the lab', () => {
  it('are kept by a calm run, and each of them was owed', () => {
    expect(broken(calm())).to.deep.equal([])
    expect(cyclesOf(calm())).to.deep.equal(CYCLES)
    const owed = Object.fromEntries(checkPromises(calm()).map((kept) => [kept.name, kept.owed]))
    expect(owed).to.deep.equal({
      'every cycle with more than two thirds of the stake up is finalized': 5,
      'every submission of a node that was up is paid': 20,
      'a node that is up does its work and hands it in': 20,
      'no vote is lost that had time': 20,
      'nobody honest is called dishonest': 5,
      'all nodes hold the record that K2 has': 5,
      'an outsider reads every finalized record, and it recomputes': 5,
      'whoever was out comes back': 0,
      'no node ends by itself': 4
    })
  })

  it('begin with the first cycle for which everybody has stake, and end with the last whose votes are over', () => {
    const facts = calm()
    facts.nodes[2]!.fromCycle = 2
    expect(cyclesOf(facts)).to.deep.equal([2, 3, 4])
    expect(cyclesOf({ ...facts, lastSlot: LAST_SLOT - 1 })).to.deep.equal([2, 3])
    expect(broken(unfinal(facts, 1))).to.deep.equal([])
  })

  describe('a cycle', () => {
    const { from } = windowOf(TIMING, 2, 'submission')

    it('that is not finalized though all were up', () => {
      expect(broken(unfinal(calm(), 2))).to.deep.equal(['cycle 2 is not finalized, though 100 % of the stake was up throughout'])
    })

    it('that is not finalized though three of four were up, one after the other', () => {
      const facts = without(without(unfinal(calm(), 2), killed('a', from + 5, from + 9)), killed('b', from + 9, from + 20))
      expect(broken(facts)).to.include('cycle 2 is not finalized, though 75 % of the stake was up throughout')
    })

    it('is not owed when for a moment no more than two thirds were up', () => {
      const facts = without(without(unfinal(calm(), 2), killed('a', from + 5, from + 9)), killed('b', from + 8, from + 20))
      expect(broken(facts)).to.deep.equal([])
      expect(leastUp(facts, { from, to: from + 30 })).to.equal(500)
      // two thirds are not more than two thirds
      const three = { ...facts, nodes: facts.nodes.slice(0, 3), outages: facts.outages.slice(0, 1) }
      expect(leastUp(three, { from, to: from + 30 })).to.equal(666)
      expect(broken(three)).to.deep.equal([])
    })

    it('that began after more than a third had come back is owed again', () => {
      const both = [killed('a', from + 5, from + 9), killed('b', from + 5, from + 9)]
      const facts = { ...unfinal(unfinal(calm(), 2), 4), outages: both }
      expect(broken(facts)).to.deep.equal(['cycle 4 is not finalized, though 100 % of the stake was up throughout'])
    })
  })

  describe('a submission', () => {
    const { from, to } = windowOf(TIMING, 2, 'submission')
    const rejected = { accepted: ['a', 'b', 'd'], rejected: [{ node: 'c', reason: 'unavailable: 60 % could not get it' }] }

    it('that is rejected', () => {
      expect(broken(changed(calm(), 2, rejected))).to.deep.equal([
        'the work of c in cycle 2 was rejected: unavailable: 60 % could not get it'
      ])
    })

    it('that is left out, or paid nothing', () => {
      expect(broken(changed(calm(), 2, { accepted: ['a', 'b', 'd'] }))).to.deep.equal(['the work of c in cycle 2 was left out'])
      expect(broken(changed(calm(), 2, { paid: { a: '1', b: '1', d: '1' } }))).to.deep.equal([
        'the work of c in cycle 2 was accepted, and paid nothing'
      ])
    })

    it('of a node that was out while it was looked at is not owed, and of all others is', () => {
      const out = killed('c', to + 3, to + 5)
      expect(broken(without(changed(calm(), 2, rejected), out))).to.deep.equal([])
      expect(broken(without(changed(calm(), 1, rejected), out))).to.have.length(1)
    })

    it('is owed by the time that a node has had to recover', () => {
      const slot = from - RECOVERY_SLOTS
      expect(broken(without(changed(calm(), 2, rejected), killed('c', slot - 4, slot + 1)))).to.deep.equal([])
      expect(broken(without(changed(calm(), 2, rejected), killed('c', slot - 4, slot)))).to.have.length(1)
    })

    it('that was not made by a node that was up', () => {
      const facts = calm()
      facts.nodes[0]!.submitted.splice(2, 1)
      expect(broken(facts)).to.deep.equal(['a handed nothing in for cycle 2'])
      expect(broken(without(facts, killed('a', from - 20, from - 18)))).to.deep.equal([])
    })
  })

  describe('a vote', () => {
    const { from, to } = windowOf(TIMING, 2, 'distribution')
    const lost = () => ({ ...calm(), votes: calm().votes.filter(({ node, cycle }) => node !== 'b' || cycle !== 2) })

    it('that K2 has not', () => {
      expect(broken(lost())).to.deep.equal(['K2 has no vote of b for cycle 2'])
    })

    it('of a node that came back in time, however often it was killed before', () => {
      const twice = without(without(lost(), killed('b', from - 5, from + 3)), killed('b', from + 10, to - RECOVERY_SLOTS - 1))
      expect(broken(twice)).to.deep.equal(['K2 has no vote of b for cycle 2'])
      expect(broken(without(lost(), killed('b', from + 10, to - RECOVERY_SLOTS + 1)))).to.deep.equal([])
    })

    it('for a cycle that is not finalized is not owed', () => {
      const facts = unfinal(calm(), 2)
      expect(broken(facts).filter((text) => text.includes('vote'))).to.deep.equal([])
    })
  })

  it('nobody honest is called dishonest, even who was out', () => {
    for (const reason of ['invalid: 50 % found it invalid', 'refuted: it called work invalid', 'equivocated: twice']) {
      const facts = changed(calm(), 2, { accepted: ['a', 'b', 'd'], rejected: [{ node: 'c', reason }] })
      expect(broken(without(facts, killed('c', 0, LAST_SLOT)))).to.deep.equal([`c was rejected in cycle 2: ${reason}`])
    }
  })

  it('all nodes hold K2’s record', () => {
    const facts = calm()
    facts.nodes[1]!.settled[3] = { cycle: 3, record: 'another' }
    expect(broken(facts)).to.deep.equal(['b holds another for cycle 3, K2 has record-3'])
  })

  it('a finalized record can be read, and recomputes', () => {
    expect(broken(changed(calm(), 3, { broken: 'another root' }))).to.deep.equal(['the record of cycle 3: another root'])
    const unread = { ...calm(), records: calm().records.filter(({ cycle }) => cycle !== 3) }
    expect(broken(unread)).to.include('the record of cycle 3: nobody could read it')
  })

  it('whoever was out comes back, and no excuse lasts for ever', () => {
    expect(broken(without(calm(), killed('d', 200, null)))).to.deep.equal(['d never came back (killed in slot 200)'])
  })

  it('no node ends by itself', () => {
    const facts = calm()
    facts.nodes[3]!.crashed.push('exit status 1 in slot 300')
    expect(broken(facts)).to.deep.equal(['d ended by itself: exit status 1 in slot 300'])
  })
})
