/** A node that listens on all interfaces of a host tells the public address of one; peers that see it there are not needed. */
import { expect } from 'chai'
import { scenarioOfSuite } from '../../lab/lab.ts'
import { PUBLIC_SLOTS, type PublicOutcome } from '../../lab/scenarios/outcomes.ts'

describe('case kinds/b12: listening on 0.0.0.0 of a public host', () => {
  const outcome = scenarioOfSuite<PublicOutcome>('public', PUBLIC_SLOTS)

  it('tells the public address of the interface, with the port that it listens on', () => {
    const told = outcome().told.n1!.map((address) => address.replace(/\/p2p\/.*/, ''))
    expect(told).to.deep.equal(['/ip4/45.77.1.11/tcp/4001'])
  })
})
