/** Nodes whose own network fails, wholly or in part, at any time of an audit window: they accuse nobody, and nobody escapes by it. */
import { expect } from 'chai'
import { scheduleFor } from '../../src/clock/index.ts'
import type { Adversary } from './adversary.ts'
import { meshOf, times } from './attacks.ts'
import type { NetworkModel } from './network.ts'
import { report, runWorld } from './run.ts'
import { words } from './words.ts'
import { timingOf, type World, type WorldInit } from './world.ts'

type Cut = NonNullable<NetworkModel['connected']>

const CYCLES = 3
/** Cycle that the cut lies over. */
const CYCLE = 1
const WINDOWS = [8, 16, 32]

async function run(init: WorldInit): Promise<World> {
  const outcome = await runWorld(init, CYCLES)
  expect(outcome.breaches, report(outcome, 'this test')).to.deep.equal([])
  return outcome.world
}

const rejectedIn = (world: World, cycle: number): Record<string, string> =>
  Object.fromEntries(
    world.history.cycle(cycle).record?.tally.rejected.map(({ staker, reason }) => [`n${world.indexOf(staker)}`, reason]) ?? []
  )

/** What the nodes said against work in a cycle. */
const accusations = (world: World, cycle: number) =>
  world.history
    .cycle(cycle)
    .said.filter(({ message }) => words.judges(message.body))
    .map(({ by, message }) => `n${by} ${message.kind}`)

/** Of seven, with equal stakes. */
const CUTS: Record<string, Cut> = {
  'one that nothing reaches and that reaches nobody': (a, b) => a !== 3 && b !== 3,
  'one that hears and is not heard': (a) => a !== 3,
  'one that is heard and hears nothing': (_, b) => b !== 3,
  'one that keeps two of its peers': (a, b) => (a !== 3 && b !== 3) || [a, b].some((one) => one === 0 || one === 1),
  'three that four do not hear': (a, b) => !(a < 3 && b >= 3),
  'three that do not hear four': (a, b) => !(a >= 3 && b < 3),
  'three and four': (a, b) => a < 3 === b < 3
}

describe('sim: nodes that are cut off', () => {
  for (const [what, cut] of Object.entries(CUTS)) {
    it(`${what}: nobody else is rejected, and who is cut off from a third of the stake accuses nobody`, async () => {
      for (const auditWindow of WINDOWS) {
        const timing = timingOf(auditWindow)
        const { submission, audit, sampleSlot, challengeSlot, finalSlot } = scheduleFor(timing, CYCLE)
        for (const from of [submission.to - 1, sampleSlot - 0.5, sampleSlot + 0.3, challengeSlot + 1]) {
          for (const to of [challengeSlot - 0.5, finalSlot, audit.to]) {
            if (to <= from) {
              continue
            }
            const connected: Cut = (a, b, at) => at < from || at >= to || cut(a, b, at)
            const world = await run({ seed: 7, timing, nodes: meshOf(times(7, 10), []), network: { connected } })
            // a proof that nobody could get is not paid for
            const rejected = Object.keys(rejectedIn(world, CYCLE)).filter((node) => node !== 'n3' || !what.startsWith('one'))
            expect(rejected, `W ${auditWindow}, cut from ${from} to ${to}`).to.deep.equal([])
          }
        }
      }
    }).timeout(120_000)
  }

  it('a whole network that fails for a round: nobody accuses anybody', async () => {
    const timing = timingOf(16)
    const { submission, audit } = scheduleFor(timing, CYCLE)
    const connected: Cut = (_a, _b, at) => at < submission.to - 1 || at >= audit.to
    const world = await run({ seed: 3, timing, nodes: meshOf(times(7, 10), []), network: { connected } })
    expect(accusations(world, CYCLE)).to.deep.equal([])
  })

  for (const answers of [false, true]) {
    it(`those who keep their proofs and ${answers ? 'answer when they are asked for life' : 'go silent as if the others were cut off'} are found out by all, a third of the stake of them`, async () => {
      const adversary: Adversary = {
        name: 'keeps its proofs',
        answers,
        work: () => ({ quality: 'missing' }),
        publish: (_power, _node, body) => !words.judges(body)
      }
      for (const auditWindow of WINDOWS) {
        for (const nodes of [
          meshOf(times(7, 10), times(3, 10)),
          meshOf(times(4, 17), [32]),
          meshOf(times(2, 10), [9]),
          meshOf([100], times(6, 8))
        ]) {
          const world = await run({ seed: 5, timing: timingOf(auditWindow), nodes, adversary })
          const faulty = world.nodes.filter(({ honest }) => !honest).map(({ index }) => [`n${index}`, 'unavailable'])
          expect(rejectedIn(world, CYCLE), `W ${auditWindow}, ${nodes.length} nodes`).to.deep.equal(Object.fromEntries(faulty))
        }
      }
    }).timeout(60_000)
  }

  it('one who keeps its proofs is found out by the others while an honest one is cut off', async () => {
    const timing = timingOf(16)
    const { audit, submission } = scheduleFor(timing, CYCLE)
    const connected: Cut = (a, b, at) => at < submission.to || at >= audit.to || (a !== 0 && b !== 0)
    const adversary: Adversary = { name: 'keeps its proofs', work: () => ({ quality: 'missing' }) }
    const world = await run({ seed: 5, timing, nodes: meshOf(times(6, 10), [10]), network: { connected }, adversary })
    expect(rejectedIn(world, CYCLE)).to.include({ n6: 'unavailable' })
  })
})
