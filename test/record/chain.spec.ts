import { expect } from 'chai'
import type { CID } from 'multiformats/cid'
import { readChain, readLink } from '../../src/record/index.ts'
import { failure } from '../proofs/fixtures.ts'
import { person } from '../wire/people.ts'
import { chainOf, changed } from './chain.ts'
import { blockMap } from './cycle.ts'

type Blocks = ReturnType<typeof chainOf>[number]['blocks']

async function cyclesOf(cid: CID, blocks: Blocks, fromCycle?: number): Promise<number[]> {
  const cycles = []
  for await (const { content } of readChain(cid, blockMap(blocks), fromCycle == null ? {} : { fromCycle })) {
    cycles.push(content.cycle)
  }
  return cycles
}

describe('record: the chain', () => {
  const chain = chainOf([1, 2, 4, 5])
  const all = chain.flatMap(({ blocks }) => blocks)
  const last = chain.at(-1)!

  it('is read from the newest record to the first, skipped cycles and all', async () => {
    expect(await cyclesOf(last.cid, all)).to.deep.equal([5, 4, 2, 1])
  })

  it('ends at the cycle that is asked for', async () => {
    expect(await cyclesOf(last.cid, all, 4)).to.deep.equal([5, 4])
    expect(await cyclesOf(last.cid, all, 3)).to.deep.equal([5, 4])
    expect(await cyclesOf(last.cid, all, 9)).to.deep.equal([5])
  })

  it('gives what there is, and then what the source says', async () => {
    const cycles: number[] = []
    const read = async () => {
      for await (const { content } of readChain(last.cid, blockMap(chain.slice(2).flatMap(({ blocks }) => blocks)))) {
        cycles.push(content.cycle)
      }
    }
    expect((await failure(read())).message).to.equal(`no block ${chain[1]!.cid}`)
    expect(cycles).to.deep.equal([5, 4])
  })

  /** The newest record on top of a chain that is not one. */
  const above = (before: { cid: CID; blocks: Blocks }) => {
    const top = changed(last, { previous: before.cid })
    return { cid: top.cid, blocks: [...top.blocks, ...before.blocks] }
  }
  const refused = async (before: { cid: CID; blocks: Blocks }) => {
    const { cid, blocks } = above(before)
    return failure(cyclesOf(cid, [...blocks, ...all]))
  }

  it('of another network ends with a word', async () => {
    const other = chainOf([4], { genesisHash: person('another network').address })[0]!
    expect(await refused(other)).to.include({ name: 'RecordMalformedError' })
    expect((await refused(other)).message).to.match(/record\.previous: \S+ is of the network \S+, the record after it of/)
  })

  it('of another task ends with a word', async () => {
    const other = chainOf([4], { taskId: person('another task').address })[0]!
    expect((await refused(other)).message).to.match(/is of the task \S+, the record after it of/)
  })

  it('that does not go back ends with a word: none is endless, and none leads to itself', async () => {
    for (const cycle of [5, 6, 1_000_000]) {
      const [before] = chainOf([cycle])
      expect((await refused(before!)).message, String(cycle)).to.match(
        /is of cycle \d+, the record after it of cycle 5: a chain only goes back/
      )
    }
  })

  it('whose ledgers do not add up ends with a word', async () => {
    // cycle 4 right after 1: what cycle 2 paid is in the ledger of cycle 5 alone
    const short = chainOf([1, 4])
    const { message } = await refused({ cid: short[1]!.cid, blocks: short.flatMap(({ blocks }) => blocks) })
    expect(message).to.match(/record\.ledger: the ledger of cycle 5 is not the one before it with what/)
    // a first record that pays what it does not say
    const { content } = last
    const first = changed(last, { previous: null })
    expect((await failure(cyclesOf(first.cid, first.blocks))).message).to.match(new RegExp(`the ledger of cycle ${content.cycle} is not`))
  })

  it('whose records are larger than readers take ends with a word', async () => {
    const limits = { blockBytes: 256 * 1024, totalBytes: 100 }
    expect((await failure(readLink(last.cid, blockMap(all), undefined, limits))).message).to.match(/the record has more than 100 bytes/)
    const limited = async () => {
      for await (const _ of readChain(last.cid, blockMap(all), { limits: { blockBytes: 10, totalBytes: 1000 } }));
    }
    expect((await failure(limited())).message).to.match(/at most 10 are allowed/)
  })
})
