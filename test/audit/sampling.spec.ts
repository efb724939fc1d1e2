import { expect } from 'chai'
import fc from 'fast-check'
import { sampleSubmissions } from '../../src/audit/index.ts'

/** A small generator with a seed (mulberry32), so that the statistics are the same in every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const ids = (n: number) => Array.from({ length: n }, (_, i) => `submission ${i}`)

describe('audit: sampling', () => {
  it('takes distinct ones of others, as many as asked or all', () => {
    fc.assert(
      fc.property(fc.nat(30), fc.nat(12), fc.nat(30), fc.nat(), (n, count, own, seed) => {
        const candidates = ids(n)
        const self = candidates[own] ?? null
        const before = [...candidates]
        const sample = sampleSubmissions({ candidates, self, count, random: seeded(seed) })
        const others = candidates.filter((id) => id !== self)
        expect(sample.length).to.equal(Math.min(count, others.length))
        expect(new Set(sample).size).to.equal(sample.length)
        expect(others).to.include.members(sample)
        expect(candidates).to.deep.equal(before)
      })
    )
  })

  it('takes eight when nothing else is asked, and none twice from a list that repeats itself', () => {
    expect(sampleSubmissions({ candidates: ids(100), random: seeded(1) }).length).to.equal(8)
    expect(sampleSubmissions({ candidates: ['a', 'a', 'b'], random: seeded(1) })).to.have.members(['a', 'b'])
  })

  it('stands random numbers at both ends of their range', () => {
    for (const value of [0, 1 - 2 ** -53]) {
      const sample = sampleSubmissions({ candidates: ids(20), random: () => value })
      expect(new Set(sample).size).to.equal(8)
    }
  })

  it('takes each as often as the other, at every place', () => {
    const [runs, n, count] = [6000, 12, 4]
    const random = seeded(7)
    const taken = new Map<string, number>()
    const first = new Map<string, number>()
    for (let run = 0; run < runs; run++) {
      const sample = sampleSubmissions({ candidates: ids(n), count, random })
      for (const id of sample) {
        taken.set(id, (taken.get(id) ?? 0) + 1)
      }
      first.set(sample[0]!, (first.get(sample[0]!) ?? 0) + 1)
    }
    // chi-square with 11 degrees of freedom: 31.3 at p = 0.001
    const chi = (counts: Map<string, number>, expected: number) =>
      ids(n).reduce((sum, id) => sum + ((counts.get(id) ?? 0) - expected) ** 2 / expected, 0)
    expect(chi(taken, (runs * count) / n)).to.be.below(31.3)
    expect(chi(first, runs / n)).to.be.below(31.3)
  })

  it('takes pairs independently of each other', () => {
    const random = seeded(11)
    const [runs, n] = [8000, 6]
    const pairs = new Map<string, number>()
    for (let run = 0; run < runs; run++) {
      const pair = sampleSubmissions({ candidates: ids(n), count: 2, random })
        .sort()
        .join()
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1)
    }
    expect(pairs.size).to.equal(15)
    const expected = runs / 15
    // 14 degrees of freedom: 36.1 at p = 0.001
    expect([...pairs.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)).to.be.below(36.1)
  })
})
