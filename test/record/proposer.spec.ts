import { expect } from 'chai'
import fc from 'fast-check'
import { proposerFor as proposer } from '../../src/record/index.ts'
import { TASK } from '../wire/people.ts'
import { alice, bob, carol, dave, stakes, stranger } from './cycle.ts'

const beacon = (n: number) => Buffer.from(`block ${n}`)
const proposerFor = (facts: Omit<Parameters<typeof proposer>[0], 'taskId'>) => proposer({ taskId: TASK, ...facts })
const three = stakes([alice, 10n], [bob, 30n], [carol, 60n])

describe('record: who proposes', () => {
  it('is nobody when nobody has stake', () => {
    expect(proposerFor({ stakes: new Map(), beacon: beacon(0), cycle: 1, attempt: 0 })).to.equal(null)
    expect(proposerFor({ stakes: stakes([alice, 0n]), beacon: beacon(0), cycle: 1, attempt: 0 })).to.equal(null)
  })

  it('is the only one with stake, at every attempt', () => {
    for (const attempt of [0, 1, 7]) {
      expect(proposerFor({ stakes: stakes([alice, 1n], [bob, 0n]), beacon: beacon(0), cycle: 1, attempt })).to.equal(alice.address)
    }
  })

  it('is the same for everyone, however the stakes are listed', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), fc.nat(20), (n, cycle, attempt) => {
        const facts = { beacon: beacon(n), cycle, attempt }
        const reversed = new Map([...three].reverse())
        expect(proposerFor({ ...facts, stakes: reversed })).to.equal(proposerFor({ ...facts, stakes: three }))
      })
    )
  })

  it('gives everybody one turn before anybody has two', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt(1n, 10n ** 18n), { minLength: 1, maxLength: 12 }), fc.nat(1000), (weights, cycle) => {
        const all = new Map(weights.map((stake, i) => [stranger(i), stake]))
        for (const lap of [0, 1, 2]) {
          const turns = weights.map((_, i) => proposerFor({ stakes: all, beacon: beacon(1), cycle, attempt: lap * weights.length + i }))
          expect(new Set(turns).size).to.equal(weights.length)
        }
      }),
      { numRuns: 50 }
    )
  })

  it('is drawn by stake', () => {
    const draws = 4000
    const count = new Map<string, number>()
    for (let cycle = 0; cycle < draws; cycle++) {
      const proposer = proposerFor({ stakes: three, beacon: beacon(cycle % 7), cycle, attempt: 0 })!
      count.set(proposer, (count.get(proposer) ?? 0) + 1)
    }
    for (const [staker, stake] of three) {
      const p = Number(stake) / 100
      // five standard deviations: the draws are fixed, so this either always passes or never
      expect(Math.abs(count.get(staker)! - draws * p)).to.be.below(5 * Math.sqrt(draws * p * (1 - p)))
    }
  })

  it('is drawn by stake among those who are left, at the second attempt', () => {
    const draws = 4000
    const after = stakes([alice, 10n], [bob, 30n], [carol, 60n])
    let pairs = 0
    let alices = 0
    for (let cycle = 0; cycle < draws; cycle++) {
      const facts = { stakes: after, beacon: beacon(3), cycle }
      if (proposerFor({ ...facts, attempt: 0 }) === carol.address) {
        pairs++
        alices += proposerFor({ ...facts, attempt: 1 }) === alice.address ? 1 : 0
      }
    }
    expect(Math.abs(alices - pairs / 4)).to.be.below(5 * Math.sqrt((pairs * 3) / 16))
  })

  it('changes with the beacon, the cycle and the attempt', () => {
    const many = stakes([alice, 1n], [bob, 1n], [carol, 1n], [dave, 1n])
    const line = (n: number, cycle: number) =>
      Array.from({ length: 8 }, (_, attempt) => proposerFor({ stakes: many, beacon: beacon(n), cycle, attempt })).join()
    expect(new Set([line(1, 1), line(2, 1), line(1, 2)]).size).to.equal(3)
  })
})
