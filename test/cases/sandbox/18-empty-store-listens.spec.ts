/** node.sqlite of zero bytes beside a staking key that has stake: no silent fresh start. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { loneNodeOfSuite, named } from '../../e2e/lone-node.ts'

describe('case: the log of what was signed is lost', function () {
  this.timeout(180_000)
  const suite = loneNodeOfSuite()

  it('a node whose stake is new signs at once; with its log emptied it listens for three rounds by itself', async () => {
    const lone = suite()
    // the first cycle has not begun
    const first = await lone.up()
    expect(named(first.events, 'silent')).to.deep.equal([])
    await lone.stop(first.node)

    lone.chain.toRound(2, 5)
    const kept = await lone.up()
    expect(named(kept.events, 'silent')).to.deep.equal([])
    await lone.stop(kept.node)

    await rm(join(lone.data, 'node.sqlite-wal'), { force: true })
    await writeFile(join(lone.data, 'node.sqlite'), '')
    for (let time = 0; time < 2; time++) {
      const { node, events } = await lone.up()
      const [silent] = named(events, 'silent')
      expect(silent.until).to.be.within(silent.slot + 100, silent.slot + 300)
      expect(silent.reason).to.match(time === 0 ? /the log of what was signed is lost/ : /it was listening when it was stopped/)
      node.signal('SIGKILL')
      await node.ended
    }
  })
})
