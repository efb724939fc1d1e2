import { expect } from 'chai'
import type { Adversary } from './adversary.ts'
import { report, runWorld } from './run.ts'
import { words } from './words.ts'
import type { World, WorldInit } from './world.ts'

const TIMING = { startingSlot: 10, roundSlots: 30, submissionWindow: 10, auditWindow: 18 }

const equal = (n: number, faulty: number[] = []) => Array.from({ length: n }, (_, i) => ({ stake: 10n, faulty: faulty.includes(i) }))

/** Runs, and expects every promise kept. */
async function run(init: WorldInit, cycles = 3): Promise<World> {
  const outcome = await runWorld({ timing: TIMING, ...init }, cycles)
  expect(outcome.breaches, report(outcome, 'this test')).to.deep.equal([])
  return outcome.world
}

const finalizedIn = (world: World, cycles: number): number[] =>
  Array.from({ length: cycles }, (_, cycle) => cycle).filter((cycle) => world.chain.finalized(cycle) != null)

const rejectedIn = (world: World, cycle: number): Record<string, string> =>
  Object.fromEntries(
    world.history.cycle(cycle).record!.tally.rejected.map(({ staker, reason }) => [`n${world.indexOf(staker)}`, reason] as const)
  )

describe('sim: whole rounds with a virtual clock', () => {
  it('finalizes every cycle with one vote from each node', async () => {
    const world = await run({ seed: 1, nodes: equal(5) })
    expect(finalizedIn(world, 3)).to.deep.equal([0, 1, 2])
    expect([0, 1, 2].map((cycle) => world.chain.votes(cycle).size)).to.deep.equal([5, 5, 5])
    expect(world.history.cycle(1).record!.tally.accepted).to.have.length(5)
  })

  it('comes to the same with records that each node makes, fetches and checks itself, over blocks that others give', async () => {
    const [own, shared] = await Promise.all([true, false].map((ownRecords) => run({ seed: 9, nodes: equal(5), ownRecords })))
    for (const cycle of [0, 1, 2]) {
      expect(own!.chain.finalized(cycle)?.cid, `cycle ${cycle}`).to.be.a('string').and.equal(shared!.chain.finalized(cycle)?.cid)
    }
    expect(own!.nodes.every(({ disk }) => disk.blocks.size > 0)).to.equal(true)
  })

  it('gives the same run for the same seed, and another for another, on a rough network', async () => {
    const network = { loss: 0.2, jitterSlots: 3 }
    const [a, b, c] = await Promise.all([7, 7, 8].map((seed) => run({ seed, nodes: equal(4), network })))
    expect(a!.digest()).to.equal(b!.digest())
    expect(a!.digest()).to.not.equal(c!.digest())
  })

  it('rejects a bad and a missing proof, each for what it is', async () => {
    const adversary: Adversary = {
      name: 'bad work',
      work: (_power, node) => ({ quality: node === 4 ? 'bad' : 'missing', value: `work of ${node}` })
    }
    const world = await run({ seed: 2, nodes: equal(7, [4, 5]), adversary })
    expect(rejectedIn(world, 1)).to.deep.equal({ n4: 'invalid', n5: 'unavailable' })
  })

  it('convicts who submits two things, whoever heard which', async () => {
    const adversary: Adversary = {
      name: 'equivocate',
      start: (power) =>
        power.at(power.schedule(0).submission.to - 1, () => {
          const body = words.submission({ cycle: 0, slot: power.slot() }, 'another')
          power.send(power.sign(2, body)!, 2, [3])
        })
    }
    const world = await run({ seed: 3, nodes: equal(5, [2]), adversary })
    expect(rejectedIn(world, 0)).to.deep.equal({ n2: 'equivocated' })
    expect(world.history.cycle(0).record!.content.slashes).to.have.length(1)
    expect(rejectedIn(world, 1)).to.deep.equal({})
  })

  it('goes on without one that goes away and one that is stubborn, below a third of the stake', async () => {
    const nodes = equal(7, [1]).map((node, i) => (i === 0 ? { ...node, down: (slot: number) => slot >= 100 } : node))
    const adversary: Adversary = {
      name: 'deny',
      audit: () => 'invalid',
      publish: (_power, _node, body) => words.attemptOf(body) == null,
      vote: () => false
    }
    const world = await run({ seed: 4, nodes, adversary }, 4)
    expect(finalizedIn(world, 4)).to.deep.equal([0, 1, 2, 3])
  })

  it('finalizes nothing when a third of the stake is away', async () => {
    const world = await run({ seed: 5, nodes: equal(6, [0, 1]), adversary: { name: 'absent', absent: true } })
    expect(finalizedIn(world, 3)).to.deep.equal([])
  })

  it('never finalizes on either side of a partition, and goes on after it heals', async () => {
    const connected = (a: number, b: number, at: number) => at < 100 || at > 160 || a < 3 === b < 3
    const world = await run({ seed: 6, nodes: equal(6), network: { connected } }, 7)
    // the cut lies over the distribution of cycles 1 and 2; neither half holds more than two thirds of the stake
    const cycles = finalizedIn(world, 7)
    expect(cycles).to.include.members([0, 4, 5, 6])
    expect(cycles).to.not.include.members([1])
    expect(cycles).to.not.include.members([2])
  })

  it('stands half of the messages lost and delays of three slots, over 100 seeds', async () => {
    let finalized = 0
    for (let seed = 100; seed < 200; seed++) {
      const world = await run({ seed, nodes: equal(5), network: { loss: 0.5, jitterSlots: 3 } }, 2)
      finalized += finalizedIn(world, 2).length
    }
    expect(finalized).to.equal(200)
  }).timeout(120_000)
})
