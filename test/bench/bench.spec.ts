import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Keypair } from '@solana/web3.js'
import { expect } from 'chai'
import fc from 'fast-check'
import { buildStandIn } from '../../scripts/bench/build-stand-in.ts'
import { benchCompute } from '../../scripts/bench/compute.ts'
import { benchK2 } from '../../scripts/bench/k2.ts'
import { chunksOf, type KoiiKind, koiiRound } from '../../scripts/bench/koii-way.ts'
import { type Result, within } from '../../scripts/bench/result.ts'
import { bootstrapMedian, median, pairedRatios, StatisticsError, seededRandom } from '../../scripts/bench/statistics.ts'

describe('bench', () => {
  describe('statistics', () => {
    it('takes the median, whatever the order', () => {
      expect(median([3, 1, 2])).to.equal(2)
      expect(median([4, 1, 3, 2])).to.equal(2.5)
      expect(median([7])).to.equal(7)
    })

    it('refuses to make a figure of nothing', () => {
      expect(() => median([])).to.throw(StatisticsError)
      expect(() => median([1, Number.NaN])).to.throw(StatisticsError)
      expect(() => pairedRatios([1, 2], [1])).to.throw(StatisticsError)
      expect(() => pairedRatios([1], [1])).to.throw(StatisticsError)
      expect(() => pairedRatios([1, 0], [1, 1])).to.throw(StatisticsError)
      expect(() => pairedRatios([1, 1], [1, 0])).to.throw(StatisticsError)
    })

    it('divides pair by pair and drops the first', () => {
      expect(pairedRatios([100, 5, 12], [1, 10, 16])).to.deep.equal([0.5, 0.75])
    })

    it('gives what drifts in both halves of a pair no weight', () => {
      const drift = [1, 1.8, 0.7, 1.2, 1.5, 0.9]
      const ratios = pairedRatios(
        drift.map((factor) => 3 * factor),
        drift.map((factor) => 6 * factor)
      )
      const { value, low, high } = bootstrapMedian(ratios)
      for (const each of [value, low, high]) {
        expect(each).to.be.closeTo(0.5, 1e-12)
      }
    })

    it('bounds the median between two of the values, the same way for the same seed', () => {
      fc.assert(
        fc.property(fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 1, maxLength: 9 }), (values) => {
          const { value, low, high } = bootstrapMedian(values, 7)
          expect(low)
            .to.be.at.most(value)
            .and.at.least(Math.min(...values))
          expect(high)
            .to.be.at.least(value)
            .and.at.most(Math.max(...values))
          expect(bootstrapMedian(values, 7)).to.deep.equal({ value, low, high })
        }),
        { numRuns: 10 }
      )
    })

    it('holds the true median in about 95 of 100 intervals', () => {
      const random = seededRandom(11)
      const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
      let held = 0
      const trials = 40
      for (let trial = 0; trial < trials; trial++) {
        const { low, high } = bootstrapMedian(Array.from({ length: 15 }, normal), trial)
        held += low <= 0 && high >= 0 ? 1 : 0
      }
      expect(held).to.be.within(34, 40)
    }).timeout(60_000)

    it('judges a goal on the bad end', () => {
      const result: Result = { bench: 'gossip', name: 'ratio', unit: 'x', value: 0.5, low: 0.45, high: 0.56 }
      expect(within(0.55, result).met).to.equal(false)
      expect(within(0.56, result).met).to.equal(true)
      expect(within(0.55, { bench: 'gossip', name: 'ratio', unit: 'x', value: 0.56 }).met).to.equal(false)
    })
  })

  describe('compute units', () => {
    it('are measured for each instruction, and a longer proof costs more', () => {
      const results = benchCompute({ repeats: 2, manyStakers: 100, progress: () => {} })
      const units = (name: string) => {
        const found = results.find((result) => result.name === name)
        expect(found, name).to.include({ bench: 'compute', unit: 'compute units' })
        return found!.value
      }
      for (const name of ['vote', 'vote, the first of a cycle', 'vote, the one that finalizes', 'createTask', 'stake', 'fundTask']) {
        expect(units(name), name).to.be.within(100, 100_000)
      }
      // seven hashes up a tree of 100 leaves, three up one of five
      expect(units('claim among 100 stakers')).to.be.greaterThan(units('claim among 5 stakers') + 400)
      // what the settlement is held to is judged, in units and in bytes
      const judged = results.filter(({ goal }) => goal != null)
      expect(judged.map(({ goal }) => goal)).to.include.members([3000, 25_000, 200_000, 320, 1232])
      expect(judged.every(({ met }) => met === true)).to.equal(true)
    })
  })

  describe("Koii's way", () => {
    const nodes = Array.from({ length: 7 }, () => ({ wallet: person(), staking: person() }))
    const round = koiiRound({ task: person().address, round: 258, nodes, bounty: 700n, submission: (at) => `result ${at}` })
    const of = (kind: KoiiKind) => round.filter((one) => one.kind === kind)
    const dataOf = (kind: KoiiKind) => of(kind)[0]!.instruction.data

    it('has a transaction for every submission, vote, chunk and payout', () => {
      const counts = { submission: 7, auditVote: 35, auditVoteBeyond5: 7, listChunk: 1, listSubmission: 1, listVote: 6, payout: 1 }
      for (const [kind, count] of Object.entries(counts)) {
        expect(of(kind as KoiiKind), kind).to.have.length(count)
      }
      expect(round).to.have.length(58)
    })

    it('lays the data out as KOII.md does', () => {
      const submission = dataOf('submission')
      expect(submission).to.have.length(1 + 512 + 8)
      expect([submission[0], submission.subarray(1, 14).toString(), submission.readBigInt64LE(513)]).to.deep.equal([
        1,
        'result 0     ',
        258n
      ])
      expect(dataOf('auditVote').toString('hex')).to.equal('0201000000000000000201000000000000')
      expect(dataOf('listVote').toString('hex')).to.equal('0301000000000000000201000000000000')
      expect(dataOf('payout').toString('hex')).to.equal('040201000000000000')
      const chunk = dataOf('listChunk')
      expect([chunk.length, chunk[0], chunk.readUInt16LE(1), chunk.readUInt16LE(3)]).to.deep.equal([513, 11, 0, 508])
      const list = JSON.parse(chunk.subarray(5, chunk.indexOf(0, 5)).toString())
      expect(list).to.deep.equal(Object.fromEntries(nodes.map(({ staking }) => [staking.address, 100])))
    })

    it('cuts a list into chunks and loses nothing', () => {
      const list = Buffer.from('x'.repeat(508 + 1))
      const chunks = chunksOf(list)
      expect(chunks.map((chunk) => chunk.length)).to.deep.equal([508, 508])
      expect(Buffer.concat(chunks).subarray(0, list.length).equals(list)).to.equal(true)
      expect(chunksOf(Buffer.alloc(508))).to.have.length(1)
    })

    it('counts on both sides what the chain itself executed', async () => {
      const results = await benchK2({ sizes: [2], progress: () => {} })
      expect(results[0]).to.include({ nodes: 2, transactions: 2, bytes: 634, met: true })
      // two submissions, two votes, a chunk, its submission, a vote on it, the payout
      expect(results[1]).to.include({ koiiTransactions: 8 })
      expect(results[1]!.value).to.equal(2 / 8)
    })

    it('has a stand-in for the program that is what its source gives', function () {
      if (spawnSync('clang-14', ['--version']).status !== 0) {
        this.skip()
      }
      const committed = readFileSync(new URL('../../scripts/bench/koii-stand-in.so', import.meta.url))
      expect(Buffer.compare(buildStandIn(), committed)).to.equal(0)
    })
  })
})

function person(): { address: string } {
  return { address: Keypair.generate().publicKey.toBase58() }
}
