/** A staked key with an empty data directory: the node listens for three rounds by itself, and says so everywhere. */
import { expect } from 'chai'
import { run } from '../../e2e/cli.ts'
import { loneNodeOfSuite, named } from '../../e2e/lone-node.ts'

describe('case: a staked key with an empty data directory', function () {
  this.timeout(180_000)
  const suite = loneNodeOfSuite()

  it('listens for three rounds, tells until which slot, and then signs', async () => {
    const lone = suite()
    const { chain } = lone
    chain.toRound(3, 10)
    const { node, events } = await lone.up()
    const [silent] = named(events, 'silent')
    expect(silent.until).to.be.within(silent.slot + 290, silent.slot + 300)
    expect(silent.reason).to.match(/the log of what was signed is empty, and the stake counts already/)

    const { code, stdout } = await run(['status', '--data-dir', lone.data])
    expect(code).to.equal(0)
    expect(stdout).to.match(new RegExp(`^NOTICE .*only listens until slot ${silent.until}.*--key-is-idle`, 'm'))
    const status = JSON.parse((await run(['status', '--data-dir', lone.data, '--json'])).stdout)
    expect(status.signing).to.deep.equal({ state: 'listens', untilSlot: silent.until, reason: silent.reason })

    chain.k2.warpTo(silent.until - 30)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(named(events, 'speaking')).to.deep.equal([])
    chain.k2.warpTo(silent.until)
    const speaking = await node.event('its voice', ({ event }) => event === 'speaking')
    expect(speaking.slot).to.be.at.least(silent.until)
    expect(await lone.stop(node)).to.include({ code: 0 })

    // what it has listened for once it need not again
    const again = await lone.up()
    expect(named(again.events, 'silent')).to.deep.equal([])
    await lone.stop(again.node)
  })

  it('says it to people, too, and signs at once for who knows better', async () => {
    const lone = suite()
    const person = lone.start(['--data-dir', `${lone.data}-2`])
    const silent = await person.event('silence', ({ event }) => event === 'silent')
    expect(silent.until).to.be.greaterThan(silent.slot)
    await lone.stop(person)
    const { node, events } = await lone.up(['--data-dir', `${lone.data}-2`, '--key-is-idle'])
    expect(named(events, 'silent')).to.deep.equal([])
    expect(JSON.parse((await run(['status', '--data-dir', `${lone.data}-2`, '--json'])).stdout).signing.state).to.equal('signs')
    await lone.stop(node)
  })
})
