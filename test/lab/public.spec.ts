/** A mesh on public addresses, in namespaces without a way out, as users type it: no --announce, no --allow-private. */
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import { scenarioOfSuite } from './lab.ts'
import { checkPromises } from './promises.ts'
import { PUBLIC_SLOTS, type PublicOutcome } from './scenarios/outcomes.ts'

const NAMES = ['n0', 'n1', 'n2', 'n3']

describe('lab: four nodes on public addresses, by the documented commands', () => {
  const outcome = scenarioOfSuite<PublicOutcome>('public', PUBLIC_SLOTS)

  it('all meet, and the bundle reaches those who have it not', () => {
    expect(outcome().met).to.deep.equal(Object.fromEntries(NAMES.map((name) => [name, { peers: 3, hasTask: true }])))
  })

  it('each tells its public addresses, and nothing else', () => {
    const { told } = outcome()
    const part = (name: string, at: number) => told[name]!.map((text) => multiaddr(text).getComponents()[at]!.value)
    for (const [i, name] of NAMES.entries()) {
      expect([...new Set(part(name, 0))], `told by ${name}`).to.deep.equal([`45.77.1.${10 + i}`])
    }
    expect([...part('n1', 1), ...part('n2', 1)], 'ports that --listen fixed').to.deep.equal(['4001', '4001'])
  })

  it('K2 has an address for each, which it tells', () => {
    const { hints, told } = outcome()
    for (const name of NAMES) {
      expect(told[name]).to.include(hints[name])
    }
  })

  it('every promise is kept', () => {
    const kept = checkPromises(outcome().facts)
    expect(kept.flatMap(({ broken }) => broken)).to.deep.equal([])
    const owed = (pattern: RegExp) => kept.find(({ name }) => pattern.test(name))!.owed
    expect(owed(/more than two thirds/), 'cycles').to.be.at.least(3)
    expect(owed(/is paid/), 'submissions').to.be.at.least(3 * NAMES.length)
    expect(owed(/no vote/), 'votes').to.be.at.least(3 * NAMES.length)
  })

  it('K2 pays each staker what it claims', () => {
    const { claimed } = outcome()
    for (const name of NAMES) {
      expect(BigInt(claimed[name] ?? '0') > 0n, `${name} got ${claimed[name]} ROE`).to.equal(true)
    }
  })
})
