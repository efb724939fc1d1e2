import { expect } from 'chai'
import { type Fault, Simulation, type SimulationInit } from './simulation.ts'

const equal = (n: number, faults: Partial<Record<number, Fault>> = {}) =>
  Array.from({ length: n }, (_, i) => ({ stake: 10n, fault: faults[i] ?? ('honest' as const) }))

async function run(init: SimulationInit, cycles = 3): Promise<Simulation> {
  const sim = new Simulation(init)
  await sim.runCycles(cycles)
  expect(sim.contradictions, `seed ${init.seed}: an honest node contradicted itself`).to.deep.equal([])
  return sim
}

describe('sim: whole rounds with a virtual clock', () => {
  it('finalizes every cycle with one vote from each node', async () => {
    const sim = await run({ seed: 1, nodes: equal(5) })
    expect([...sim.finalized.keys()]).to.deep.equal([0, 1, 2])
    expect(sim.votes.size).to.equal(15)
    expect(sim.submitters(1)).to.have.length(5)
  })

  it('gives the same trace for the same seed, and another for another', async () => {
    const [a, b, c] = await Promise.all([7, 7, 8].map((seed) => run({ seed, nodes: equal(4), loss: 0.2, delaySlots: 3 })))
    expect(a!.digest()).to.equal(b!.digest())
    expect(a!.digest()).to.not.equal(c!.digest())
  })

  it('challenges a bad and a missing proof, and everybody hears of both', async () => {
    const sim = await run({ seed: 2, nodes: equal(6, { 4: 'bad-proof', 5: 'no-proof' }) })
    expect([...sim.finalized.keys()]).to.deep.equal([0, 1, 2])
    for (const node of sim.nodes.slice(0, 4)) {
      const challenged = node.notes
        .filter(({ cycle, note }) => cycle === 1 && note.event === 'challenged')
        .map(({ note }) => (note as { subject: string }).subject)
      expect(challenged.sort()).to.deep.equal([sim.address(4), sim.address(5)].sort())
    }
    // and each honest node's verdict on both is in the record
    const ids = new Set(sim.finalized.get(1)!.ids)
    for (const subject of [4, 5]) {
      const verdicts = [...sim.nodes[0]!.pool.values()].filter(
        (m) => m.kind === 'verdict' && ids.has(m.id) && Buffer.from(m.body.verdict!.subject).equals(sim.nodes[subject]!.pair.publicKey)
      )
      expect(verdicts.filter((m) => m.body.verdict!.finding !== 1).length).to.be.at.least(4)
    }
  })

  it('spreads the evidence of an equivocation to every node', async () => {
    const sim = await run({ seed: 3, nodes: equal(5, { 2: 'equivocate' }) })
    expect([...sim.finalized.keys()]).to.deep.equal([0, 1, 2])
    for (const node of sim.nodes.filter((other) => other.fault === 'honest')) {
      expect(node.notes.some(({ cycle, note }) => cycle === 0 && note.event === 'equivocated' && note.staker === sim.address(2))).to.equal(
        true
      )
    }
  })

  it('goes on without the silent ones and with the stubborn ones, below a third of the stake', async () => {
    const sim = await run({ seed: 4, nodes: equal(7, { 0: 'silent', 1: 'deny' }) }, 4)
    expect([...sim.finalized.keys()]).to.deep.equal([0, 1, 2, 3])
  })

  it('finalizes nothing when a third of the stake is away, and never two records', async () => {
    const sim = await run({ seed: 5, nodes: equal(6, { 0: 'absent', 1: 'absent' }) })
    expect([...sim.finalized.keys()]).to.deep.equal([])
  })

  it('never finalizes on the smaller side of a partition, and goes on after it heals', async () => {
    const cut = (a: number, b: number, slot: number) => slot < 100 || slot > 160 || a < 3 === b < 3
    const sim = await run({ seed: 6, nodes: equal(6), connected: cut }, 7)
    // the cut lies over the distribution of cycles 1 and 2; neither half holds more than two thirds of the stake
    const cycles = [...sim.finalized.keys()]
    expect(cycles).to.include.members([0, 4, 5, 6])
    expect(cycles).to.not.include.members([1])
    expect(cycles).to.not.include.members([2])
  })

  it('stands half of the messages lost and delays of three slots, over 200 seeds', async () => {
    let finalized = 0
    for (let seed = 100; seed < 300; seed++) {
      const sim = await run({ seed, nodes: equal(5), loss: 0.5, delaySlots: 3 }, 2)
      finalized += sim.finalized.size
    }
    expect(finalized).to.equal(400)
  }).timeout(120_000)
})
