/** Work is rejected by a share of all stake: not by whoever speaks last, alone, or while the others cannot be heard. */
import { expect } from 'chai'
import type { Adversary } from '../../sim/adversary.ts'
import { meshOf, times } from '../../sim/attacks.ts'
import { accusesAll, challengesLate } from '../../sim/attacks-timing.ts'
import { report, runWorld } from '../../sim/run.ts'
import { saidBy } from '../../sim/words.ts'
import { TESTNET_TIMING, type World, type WorldInit } from '../../sim/world.ts'

const CYCLES = 3
const BOUNTY = 1_000_000n

async function run(init: WorldInit): Promise<World> {
  const outcome = await runWorld({ timing: TESTNET_TIMING, bounty: BOUNTY, ...init }, CYCLES)
  expect(outcome.breaches, report(outcome, 'this test')).to.deep.equal([])
  return outcome.world
}

/** What each node was paid in a cycle, in their order. */
function paidIn(world: World, cycle: number): bigint[] {
  const { record } = world.history.cycle(cycle)
  expect(record, `cycle ${cycle} is finalized`).to.not.equal(null)
  const paid = new Map(record!.content.distribution.map(({ staker, amount }) => [staker, amount]))
  return world.nodes.map(({ key }) => paid.get(key.address) ?? 0n)
}

const rejectedIn = (world: World, cycle: number) =>
  world.history.cycle(cycle).record!.tally.rejected.map(({ staker, reason }) => `n${world.indexOf(staker)} ${reason}`)

/** Of whose work a node says what in its verdicts of a cycle. */
function verdictsOf(world: World, node: number, cycle: number): Map<number, string> {
  const said = world.history.cycle(cycle).said.filter(({ by, message }) => by === node && message.kind === 'verdicts')
  return new Map(
    said
      .flatMap(({ message }) => saidBy(message).about)
      .map(({ place, finding }) => [world.indexOf(world.placesOf(cycle)[place!]!), finding ?? 'nothing'])
  )
}

describe('case: one small staker takes every bounty', () => {
  const nodes = meshOf(times(4, 100), [1])
  const shares = [...times(4, 100), 1].map((stake) => (BOUNTY * BigInt(stake)) / 401n)
  const ways: Array<[string, Adversary, alsoPaid: boolean]> = [
    ['verdicts without a challenge', accusesAll(CYCLES, 'invalid', { sent: ({ audit }) => audit.from + 5 }), true],
    [
      'verdicts in the last slot that they have',
      accusesAll(CYCLES, 'invalid', { sent: ({ verdictsEndSlot }) => verdictsEndSlot - 0.1 }),
      true
    ],
    [
      'verdicts when the first record is proposed',
      accusesAll(CYCLES, 'unavailable', { sent: ({ proposalSlot }) => proposalSlot - 0.1 }),
      true
    ],
    [
      'challenges and verdicts that are sent in the last slot of the audit window',
      challengesLate(CYCLES, 'unavailable', { sent: ({ audit }) => audit.to - 0.1 }),
      true
    ],
    [
      'challenges in the last slot that they have, and verdicts',
      challengesLate(CYCLES, 'unavailable', { sent: ({ challengeSlot }) => challengeSlot - 0.1 }),
      true
    ],
    // a false word costs the pay of the cycle
    [
      'challenges of invalid work in the last slot that they have, and verdicts',
      challengesLate(CYCLES, 'invalid', { sent: ({ challengeSlot }) => challengeSlot - 0.1 }),
      false
    ]
  ]
  for (const [way, adversary, alsoPaid] of ways) {
    it(`1 of 401 calls all others’ work bad, by ${way}: nobody is rejected, and each has its share at the least`, async () => {
      const world = await run({ seed: 1, nodes, adversary })
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        expect(verdictsOf(world, 4, cycle).size, 'it spoke').to.equal(4)
        expect(rejectedIn(world, cycle)).to.deep.equal(alsoPaid ? [] : ['n4 refuted'])
        expect(paidIn(world, cycle)).to.deep.equal(alsoPaid ? shares : [...times(4, 250_000).map(BigInt), 0n])
      }
    })
  }

  it('3 of 7 are cut off from the others: they know it by the silence, call nobody’s work unavailable, and nobody loses a thing', async () => {
    const { submissionWindow, auditWindow, roundSlots, startingSlot } = TESTNET_TIMING
    const cutFrom = startingSlot + roundSlots + submissionWindow
    // nothing from n3 to n6 reaches n0 to n2 for an audit window: no words, no proofs, and no requests for theirs
    const connected = (from: number, to: number, at: number) => !(from > 2 && to <= 2 && at >= cutFrom && at < cutFrom + auditWindow)
    const world = await run({ seed: 1, nodes: meshOf(times(7, 10), []), network: { connected } })
    for (const node of times(7, 0).keys()) {
      expect([...verdictsOf(world, node, 0).values()], `n${node}`).not.to.include('unavailable')
    }
    for (const cycle of [0, 1, 2]) {
      expect(rejectedIn(world, cycle)).to.deep.equal([])
      expect(paidIn(world, cycle)).to.deep.equal(times(7, 142_857).map(BigInt))
    }
  })

  it('4 of 7 are down while work is looked at: more than any faulty may be, so that the others doubt themselves, and all are paid', async () => {
    const { submissionWindow, auditWindow, roundSlots, startingSlot } = TESTNET_TIMING
    const cutFrom = startingSlot + roundSlots + submissionWindow
    const down = (slot: number) => slot >= cutFrom && slot < cutFrom + auditWindow
    const world = await run({ seed: 1, nodes: meshOf(times(7, 10), []).map((node, i) => (i > 2 ? { ...node, down } : node)) })
    expect(times(7, 0).map((_, node) => [...verdictsOf(world, node, 0).values()].includes('unavailable'))).to.deep.equal(
      times(7, 0).map(() => false)
    )
    expect(rejectedIn(world, 0)).to.deep.equal([])
    expect(paidIn(world, 0)).to.deep.equal(times(7, 142_857).map(BigInt))
  })
})
