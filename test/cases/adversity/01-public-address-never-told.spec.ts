/** A mesh on public addresses forms by the documented commands, and without --allow-private nobody is told a private one. */
import { expect } from 'chai'
import { scenarioOfSuite } from '../../lab/lab.ts'
import { PUBLIC_SLOTS, type PublicOutcome } from '../../lab/scenarios/outcomes.ts'

describe('case: a node on a public address tells nobody where it is', () => {
  const outcome = scenarioOfSuite<PublicOutcome>('public', PUBLIC_SLOTS)

  it('without --announce, four nodes in namespaces meet, have the bundle and finalize cycles', () => {
    const { met, facts } = outcome()
    expect(Object.values(met)).to.deep.equal(Array(4).fill({ peers: 3, hasTask: true }))
    expect(facts.finalized.length).to.be.at.least(3)
  })

  it('each has told an address, none of them loopback or private, and K2 has one of them', () => {
    const { told, hints } = outcome()
    for (const [name, addresses] of Object.entries(told)) {
      expect(addresses, name).to.not.deep.equal([])
      expect(addresses.filter((address) => !address.startsWith('/ip4/45.77.'))).to.deep.equal([])
      expect(addresses).to.include(hints[name])
    }
  })
})
