import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { createQuorums, type Quorums } from '../../src/rounds/quorums.ts'
import type { Message } from '../../src/wire/index.ts'
import { cidBytes } from '../wire/people.ts'

const approval = (signer: string, text: string, attempt = 0) =>
  ({ signer, body: { approval: { cid: cidBytes(text), attempt } } }) as unknown as Message
const cidOf = (text: string) => CID.decode(cidBytes(text)).toString()
const stakesOf = (weights: Record<string, bigint>) => {
  const entries = Object.entries(weights)
  return { weights: new Map(entries), total: entries.reduce((sum, [, stake]) => sum + stake, 0n) }
}

/** What is said in an attempt, by slot; of who says a second thing both count, for all records. */
function hear(quorums: Quorums, said: Array<[signer: string, text: string]>, stakes: Parameters<Quorums['add']>[2]): void {
  const before = new Set<string>()
  for (const [slot, [signer, text]] of said.entries()) {
    quorums.add(approval(signer, text), slot, stakes)
    if (before.has(signer)) {
      quorums.addTwoFaced(signer, 0, slot, stakes)
    }
    before.add(signer)
  }
}

describe('rounds: quorums', () => {
  const stakes = stakesOf({ a: 10n, b: 10n, c: 10n, d: 10n, x: 9n, y: 9n })
  const SAID: Array<[string, string]> = [
    ['x', 'one'],
    ['a', 'one'],
    ['b', 'one'],
    ['x', 'two'], // two-faced from here on
    ['c', 'two'],
    ['y', 'three'],
    ['y', 'four'],
    ['d', 'two'],
    ['c', 'one'],
    ['d', 'one']
  ]

  it('the two-faced count for every record of the attempt, and the slot is that of the message that made it enough', () => {
    const quorums = createQuorums()
    hear(quorums, SAID, stakes)
    // a, b, x and y are 38 of 58; with c, two-faced since slot 8, 48
    expect(quorums.of(cidOf('one'))).to.deep.equal({ attempt: 0, cid: cidOf('one'), slot: 8, approvals: 5 })
    // x, y, c and d are 38
    expect(quorums.of(cidOf('two'))).to.equal(null)
    expect(quorums.best(8)).to.equal(null)
    expect(quorums.best()?.cid).to.equal(cidOf('one'))
    expect(quorums.hasRivals(cidOf('one'), 4)).to.equal(true)
    expect(quorums.hasRivals(cidOf('one'), 3)).to.equal(false)
  })

  it('comes to the same when the stakes become known afterwards', () => {
    const [before, after] = [createQuorums(), createQuorums()]
    hear(before, SAID, stakes)
    hear(after, SAID, null)
    expect(after.best()).to.equal(null)
    after.weigh(stakes)
    for (const text of ['one', 'two', 'three', 'four']) {
      expect(after.of(cidOf(text))?.slot, text).to.equal(before.of(cidOf(text))?.slot)
    }
    expect(
      after
        .backed(stakes.total)
        .map(({ cid }) => cid)
        .sort()
    ).to.deep.equal(
      before
        .backed(stakes.total)
        .map(({ cid }) => cid)
        .sort()
    )
  })

  it('a thousand accounts with a 401st of the stake that approve all that they may cost little', () => {
    const names = Array.from({ length: 1000 }, (_, at) => `tiny ${at}`)
    const many = stakesOf({ honest: 400_000n, ...Object.fromEntries(names.map((name) => [name, 1n])) })
    const quorums = createQuorums()
    const began = process.memoryUsage().rss
    for (let attempt = 0; attempt < 4; attempt++) {
      for (const name of names) {
        quorums.add(approval(name, `${name} one ${attempt}`, attempt), 5, many)
        quorums.add(approval(name, `${name} two ${attempt}`, attempt), 5, many)
        quorums.addTwoFaced(name, attempt, 5, many)
      }
    }
    // counted once in each of the 8,000 records they took 320 MB
    expect(process.memoryUsage().rss - began).to.be.below(150_000_000)
    expect(quorums.best()).to.equal(null)
    expect(quorums.backed(many.total)).to.deep.equal([])
    quorums.add(approval('honest', 'all'), 6, many)
    expect(quorums.best()).to.include({ cid: cidOf('all'), slot: 6, approvals: 1001 })
  })
})
