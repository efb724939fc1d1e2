/** Eight real nodes through losses, a cut, kills, a move and an update: see the head of scenarios/eight.ts for what is done when. */
import { expect } from 'chai'
import { scenarioOfSuite } from './lab.ts'
import { checkPromises, type Kept } from './promises.ts'
import { EIGHT_SLOTS, type EightOutcome } from './scenarios/outcomes.ts'

/** Which node is killed when. */
const SEED = '1'
/** The least that a run of the script owes: a run that owes nothing proves nothing. */
const OWED: Array<[name: string, least: number]> = [
  ['every cycle with more than two thirds of the stake up is finalized', 9],
  ['every submission of a node that was up is paid', 50],
  ['a node that is up does its work and hands it in', 50],
  ['no vote is lost that had time', 60],
  ['nobody honest is called dishonest', 9],
  ['all nodes hold the record that K2 has', 9],
  ['an outsider reads every finalized record, and it recomputes', 9],
  // nine kills, three at once, two cut off, one moved
  ['whoever was out comes back', 15],
  ['no node ends by itself', 8]
]

describe('lab: eight nodes on machines that falter', () => {
  const outcome = scenarioOfSuite<EightOutcome>('eight', EIGHT_SLOTS, SEED)
  const kept = (name: string): Kept => {
    const found = checkPromises(outcome().facts).find((one) => one.name === name)
    return found ?? { name, owed: 0, broken: ['nobody checks it'] }
  }

  it('all eight meet, one of them from behind a router, while packets are lost', () => {
    expect(outcome().haveMet).to.equal(true)
  })

  it('who is behind a router tells no address, as nobody could reach it there', () => {
    expect(outcome().toldFromBehind).to.deep.equal([])
  })

  it('nine are killed one by one, and three at once', () => {
    expect(outcome().kills).to.equal(12)
  })

  for (const [name, least] of OWED) {
    it(name, () => {
      const { broken, owed } = kept(name)
      expect(broken).to.deep.equal([])
      expect(owed, 'times that it was owed').to.be.at.least(least)
    })
  }
})
