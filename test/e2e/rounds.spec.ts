import { expect } from 'chai'
import type { Event } from './cli.ts'
import { cleanTestnets, expectHeld, expectNobodyLeft, nodesOf, RUN_TIMEOUT_MS, SLOT_MS, testnet, votesOf } from './testnet.ts'

describe('a testnet of real processes', function () {
  this.timeout(RUN_TIMEOUT_MS)
  afterEach(async function () {
    await cleanTestnets(this.currentTest?.state === 'failed')
  })

  it('five honest nodes: every cycle is finalized by five votes, and five stakers are paid', async () => {
    // the third cycle brings the total to 3e9 ROE, between 2^31 and 2^32
    const { command, finish } = await testnet(['--nodes', '5', '--rounds', '3', '--bounty', '1'])
    const { code, summary } = await finish()
    expect(code).to.equal(0)
    expectHeld(command.events, summary)
    expect(summary).to.include({ nodes: 5 })
    expect(summary).to.include({ cycles: summary.finalized + summary.skipped.length, finalized: 3 })
    expect(summary.records).to.have.length(summary.finalized)

    const nodes = nodesOf(command.events)
    const stakers = nodes.map(({ staker }) => staker).sort()
    expect(Object.keys(summary.rewards).sort()).to.deep.equal(stakers)
    for (const [staker, roe] of Object.entries<string>(summary.paid)) {
      expect(BigInt(roe) > 0n, `${staker} was paid`).to.equal(true)
    }
    expectAllAccepted(summary, stakers)
    for (const { cycle } of summary.records as Event[]) {
      for (const { name, staker } of nodes) {
        expect(
          votesOf(command.events, staker).filter((vote) => vote.cycle === cycle),
          `votes of ${name} for ${cycle}`
        ).to.have.length(1)
      }
    }
    // what the operator of the testnet wrote, and the votes: nothing else
    const { vote, ...others } = summary.k2.byKind
    expect(others).to.deep.equal({ system: 1, createTask: 1, fundTask: 1, stake: 5, claim: 5 })
    expect(vote).to.equal(summary.k2.votes)
    expect(vote).to.be.at.least(5 * summary.finalized)

    expect(summary.slotMs.asked).to.equal(SLOT_MS)
    expect(summary.slotMs.median).to.be.at.least(SLOT_MS)
    expect(summary.slotMs.longest).to.be.at.least(summary.slotMs.median)
    expect(summary.gossip.delivered).to.be.greaterThan(0)
    expect(summary.gossip.signatureChecks).to.be.at.most(1.02 * summary.gossip.delivered)
    expect(summary.proofs.fetched).to.be.greaterThan(0)
    expect(summary.proofs.bytes).to.be.greaterThan(0)
    await expectNobodyLeft(command)
  })

  it('bad-proof and no-proof are rejected for what they did, and the other four are paid', async () => {
    const { command, finish } = await testnet(['--nodes', '6', '--rounds', '3', '--fault', 'bad-proof:1', '--fault', 'no-proof:1'])
    const { code, summary } = await finish()
    expect(code).to.equal(0)
    expectHeld(command.events, summary)
    const nodes = nodesOf(command.events)
    const of = (fault: string | null) => nodes.filter((node) => node.fault === fault).map(({ staker }) => staker)
    const [bad] = of('bad-proof')
    const [none] = of('no-proof')
    const honest = of(null).sort()
    expect(honest).to.have.length(4)
    expect(summary.records.length).to.be.at.least(3)
    const rejectedOnce = new Set<string>()
    for (const { cycle, accepted, rejected } of summary.records as Event[]) {
      expect(accepted, `accepted in cycle ${cycle}`).not.to.include.oneOf([bad, none])
      const reasons = new Map<string, string>(rejected.map(({ staker, reason }: Event) => [staker, reason]))
      // a cycle that it was too late for has nothing of it to reject
      const submitted = (staker: string) =>
        command.events.some(({ event, node, cycle: of }) => event === 'submitted' && node === staker && of === cycle)
      expect(reasons.get(bad!) ?? '', `bad-proof in cycle ${cycle}`).to.match(submitted(bad!) ? /^invalid\b/ : /^$/)
      expect(reasons.get(none!) ?? '', `no-proof in cycle ${cycle}`).to.match(submitted(none!) ? /^unavailable\b/ : /^$/)
      for (const staker of reasons.keys()) {
        rejectedOnce.add(staker)
      }
    }
    expect([...rejectedOnce]).to.include.members([bad, none])
    expectAllAccepted(summary, honest)
    expect(Object.keys(summary.paid).sort()).to.deep.equal(honest)
    // somebody found out, and somebody said so
    for (const subject of [bad, none]) {
      expect(command.events.some(({ event, subject: about }) => event === 'challenged' && about === subject)).to.equal(true)
    }
  })

  it('an equivocator is rejected as one and slashed on K2, a silent node is missed, and cycles go on', async () => {
    const { command, finish } = await testnet(['--nodes', '6', '--rounds', '3', '--fault', 'equivocate:1', '--fault', 'silent:1'])
    const { code, summary } = await finish()
    expect(code).to.equal(0)
    expectHeld(command.events, summary)
    const nodes = nodesOf(command.events)
    const of = (fault: string | null) => nodes.filter((node) => node.fault === fault).map(({ staker }) => staker)
    const [equivocator] = of('equivocate')
    const [silent] = of('silent')
    const honest = of(null)
    let convictions = 0
    for (const { cycle, accepted, rejected } of summary.records as Event[]) {
      expect(accepted).not.to.include(equivocator)
      const found = rejected.find(({ staker }: Event) => staker === equivocator)
      const submitted = command.events.some(({ event, node, cycle: of }) => event === 'submitted' && node === equivocator && of === cycle)
      expect(found?.reason ?? '', `equivocator in cycle ${cycle}`).to.match(submitted ? /^equivocated\b/ : /^$/)
      convictions += found == null ? 0 : 1
    }
    expectAllAccepted(summary, honest)
    // it did its first round, and said nothing after it
    const spoke = summary.records.filter(({ accepted }: Event) => accepted.includes(silent)).map(({ cycle }: Event) => cycle)
    expect(spoke.length, `cycles of the silent node: ${spoke}`).to.be.at.most(1)
    expect(votesOf(command.events, silent!).length).to.be.at.most(1)
    expect(convictions).to.be.at.least(1)
    expect(summary.rewards[equivocator!] ?? '0').to.equal('0')
    // a tenth of its stake for each conviction; what it lost lies beside the pot for nobody, as the balances of the run add up with it
    expect(summary.slashed).to.deep.equal({ [equivocator!]: (BigInt(convictions) * 1_000_000_000n).toString() })
    // the nodes see to it themselves, each conviction once
    expect(summary.k2.byKind.applySlash).to.be.within(1, convictions)
  })

  it('stakers who lie, dawdle and split the mesh, most of them with little stake, take nothing from anybody honest', async () => {
    const attacks = ['false-verdict', 'late-challenge', 'quota-split', 'late-release', 'split-proposer']
    const { command, finish } = await testnet(['--nodes', '10', '--rounds', '3', ...attacks.flatMap((fault) => ['--fault', `${fault}:1`])])
    const { code, summary } = await finish()
    expect(code).to.equal(0)
    expectHeld(command.events, summary)
    const nodes = nodesOf(command.events)
    const honest = nodes.filter(({ fault }) => fault == null).map(({ staker }) => staker)
    const of = (fault: string) => nodes.find((node) => node.fault === fault)!.staker
    expect(honest).to.have.length(5)
    for (const { cycle, accepted, rejected } of summary.records as Event[]) {
      const turnedDown = rejected.map(({ staker }: Event) => staker)
      expect(turnedDown, `rejected in cycle ${cycle}`).not.to.include.any.members(honest)
      expect(accepted, `accepted in cycle ${cycle}`).not.to.include(of('late-release'))
    }
    expectAllAccepted(summary, honest)
    expect(Object.keys(summary.slashed)).not.to.include.any.members(honest)
    // what a small stake earns is a tenth of what the others do, at most: its share, and nothing of theirs
    const earned = (staker: string) => BigInt(summary.rewards[staker] ?? '0')
    for (const fault of attacks.slice(0, 3)) {
      const most = earned(of(fault)) * 5n
      expect(
        honest.every((staker) => most <= earned(staker)),
        `${fault} earned ${earned(of(fault))}`
      ).to.equal(true)
    }
    expect(summary.rewards[of('late-release')] ?? '0').to.equal('0')
  })

  it('a node without lamports for fees is heard by the others, who bring its votes to K2', async () => {
    const { command, finish } = await testnet(['--nodes', '4', '--rounds', '2', '--fault', 'no-fees:1'])
    const { code, summary } = await finish()
    expect(code).to.equal(0)
    expectHeld(command.events, summary)
    const poor = nodesOf(command.events).find((node) => node.fault === 'no-fees')!.staker
    expect(command.events.some(({ event, node }) => event === 'vote-handed-over' && node === poor)).to.equal(true)
    const batches = command.events.filter(({ event }) => event === 'batched')
    expect(batches.length).to.be.at.least(1)
    for (const { node, stakers } of batches) {
      expect(stakers).to.deep.equal([poor])
      expect(node).not.to.equal(poor)
    }
    expect(summary.k2.byKind.voteBatch).to.be.at.least(1)
    expectAllAccepted(summary, [poor])
  })
})

/** However busy the machine is: slots wait, and nobody misses a window. */
function expectAllAccepted(summary: Event, stakers: string[]): void {
  expect(summary.skipped, 'cycles that were lost').to.deep.equal([])
  for (const { cycle, accepted } of summary.records as Event[]) {
    expect(accepted, `accepted in cycle ${cycle}`).to.include.members(stakers)
  }
}
