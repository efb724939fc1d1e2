/** What small coalitions could do before nothing was decided among those who happened to speak: each with its exact numbers. */
import { expect } from 'chai'
import { hasQuorum } from '../../src/record/index.ts'
import type { RecordFacts } from '../../src/rounds/index.ts'
import { type Adversary, everyCycle } from './adversary.ts'
import { meshOf, seedWithProposer, times } from './attacks.ts'
import { splitsQuota } from './attacks-looks.ts'
import { floods, splitsProposals } from './attacks-record.ts'
import { type Release, releasesLate } from './attacks-timing.ts'
import { breachesOf } from './checker.ts'
import { report, runWorld } from './run.ts'
import { words } from './words.ts'
import { TESTNET_TIMING as timing, type World, type WorldInit } from './world.ts'

const SEED = 1
const small = meshOf(times(4, 100), [1])

async function run(init: WorldInit, cycles: number): Promise<World> {
  const outcome = await runWorld({ timing, ...init }, cycles)
  expect(outcome.breaches, report(outcome, 'this test')).to.deep.equal([])
  return outcome.world
}

const acceptedIn = (world: World, cycle: number) =>
  world.history
    .cycle(cycle)
    .record!.tally.accepted.map(({ signer }) => world.indexOf(signer))
    .sort((a, b) => a - b)

const rejectedIn = (world: World, cycle: number): Record<number, string> =>
  Object.fromEntries(world.history.cycle(cycle).record!.tally.rejected.map(({ staker, reason }) => [world.indexOf(staker), reason]))

const paidIn = (world: World, cycle: number, node: number): bigint =>
  world.history.cycle(cycle).record!.content.distribution.find(({ staker }) => world.indexOf(staker) === node)?.amount ?? 0n

/** The attempt that ran when the last vote was given that made the cycle final. */
function attemptOf(world: World, cycle: number): number {
  const { proposalSlot, attemptSlots } = world.power().schedule(cycle)
  return Math.floor((world.chain.finalized(cycle)!.at - proposalSlot) / attemptSlots)
}

/** Says *invalid* of all others: verdicts without a challenge, then challenges and verdicts signed, and sent, in slot 15 of the audit. */
function accuses(cycles: number): Adversary {
  return {
    name: 'accuses all',
    publish: (_power, _node, body) => !words.judges(body),
    start(power) {
      const accuse = (cycle: number, slot: number, challenge: boolean) => {
        const by = power.own[0]!
        const others = power.submissions(cycle).filter(({ signer }) => signer !== power.address(by))
        const verdicts = power.verdicts(
          { cycle, slot },
          others.map((about) => ({ about, finding: 'invalid' }))
        )
        const bodies = [...(challenge ? others.map((about) => words.challenge({ cycle, slot }, about, 'invalid')) : []), verdicts!]
        for (const body of bodies) {
          power.send(power.sign(by, body)!, by, power.honest)
        }
      }
      everyCycle(
        power,
        cycles,
        ({ finalSlot }) => finalSlot,
        (cycle) => accuse(cycle, power.slot(), false)
      )
      everyCycle(
        power,
        cycles,
        ({ audit }) => audit.from + 15,
        (cycle) => accuse(cycle, power.slot(), true)
      )
    }
  }
}

describe('sim: scenarios', () => {
  for (const [who, nodes] of [
    ['one of 1/401', small],
    ['32 of 100 in one coalition', meshOf(times(4, 17), [32])]
  ] as const) {
    it(`1. ${who} calls all others' work invalid, without a challenge and in the last slot: all five are accepted, three times`, async () => {
      const world = await run({ seed: SEED, nodes, adversary: accuses(3) }, 3)
      for (const cycle of [0, 1, 2]) {
        const { accepted, rejected } = world.history.cycle(cycle).record!.tally
        expect(accepted.filter(({ signer }) => world.nodes[world.indexOf(signer)]!.honest)).to.have.length(4)
        // the liar's own work stands unless all others said that it lied
        expect(rejected.every(({ staker, reason }) => world.indexOf(staker) === 4 && reason === 'refuted')).to.equal(true)
      }
    })
  }

  it('2. one of 1/401 challenges 16 of 20 towards ten, and 16 others towards ten: finalized in attempt 0', async () => {
    const world = await run({ seed: SEED, nodes: meshOf(times(20, 20), [1]), adversary: splitsQuota(2, 'real') }, 2)
    for (const cycle of [0, 1]) {
      expect(acceptedIn(world, cycle).slice(0, 20)).to.deep.equal(Array.from({ length: 20 }, (_, i) => i))
      expect(world.proposerOf(cycle, 0) === world.nodes[20]!.key.address || attemptOf(world, cycle) === 0).to.equal(true)
    }
  })

  const past =
    (slots: number): Release['at'] =>
    ({ audit }) =>
      audit.from + slots - 0.2 // when it is there
  for (const [name, releases, caught] of [
    ['3a. garbage at 9.5', [{ at: past(9.5), to: 'all' }], false],
    ['3b. garbage at 3.0', [{ at: past(3.05), to: 'all' }], false],
    ['3c. garbage at 1.5', [{ at: past(1.5), to: 'all' }], true],
    [
      '3d. garbage at 0.9 to two, at 1.9 to the others',
      [
        { at: past(0.9), to: 'two' },
        { at: past(1.9), to: 'rest' }
      ],
      true
    ]
  ] as Array<[string, Release[], boolean]>) {
    it(`${name}: ${caught ? 'audited and rejected' : 'left out'}, not paid, finalized in attempt 0`, async () => {
      const world = await run({ seed: SEED, nodes: small, adversary: releasesLate(3, releases) }, 3)
      for (const cycle of [0, 1, 2]) {
        expect(acceptedIn(world, cycle)).to.deep.equal([0, 1, 2, 3])
        expect(rejectedIn(world, cycle)).to.deep.equal(caught ? { 4: 'invalid' } : {})
        expect(paidIn(world, cycle, 4)).to.equal(0n)
        expect(world.proposerOf(cycle, 0) === world.nodes[4]!.key.address || attemptOf(world, cycle) === 0).to.equal(true)
      }
    })
  }

  it('4. three of ten propose two records, one to four and one to three, approve both, and bring a third: one record is final', async () => {
    const nodes = meshOf(times(7, 10), times(3, 10))
    const world = await run({ seed: seedWithProposer(SEED, nodes, 7), nodes, adversary: splitsProposals() }, 1)
    const votes = new Set(world.history.cycle(0).votes.map(({ cid }) => cid))
    expect([...votes]).to.deep.equal([world.chain.finalized(0)!.cid])
    expect(hasQuorum(BigInt(world.history.cycle(0).votes.length), 10n)).to.equal(true)
  })

  it('5. who proposes signs its own submission 2,000 times, with and without late verdicts: the seeds stay the same', async () => {
    const nodes = meshOf(times(4, 100), [1])
    const records: RecordFacts[] = []
    const proposers = new Set<string | null>()
    const adversary: Adversary = {
      name: 'vary',
      build(power, node, effect) {
        const own = effect.messages.find(({ kind, signer }) => kind === 'submission' && signer === power.address(node))
        if (effect.cycle > 0 || own == null) {
          return
        }
        const { verdictsEndSlot } = power.schedule(0)
        const about = power.submissions(0).find(({ signer }) => signer === power.address(0))!
        const verdict = power.sign(node, power.verdicts({ cycle: 0, slot: verdictsEndSlot - 1 }, [{ about, finding: 'valid' }])!)!
        const others = effect.messages.filter((message) => message !== own)
        power.wait(
          (async () => {
            for (let variant = 0; variant < 2_000; variant++) {
              const again = power.sign(node, own.body, { variant })!
              records.push(await power.build(effect, [...others, again, ...(variant % 20 === 0 ? [verdict] : [])]))
              proposers.add(power.proposer(1, 0))
            }
          })()
        )
      }
    }
    const world = await run({ seed: SEED, nodes, adversary }, 2)
    expect(new Set(records.map(({ cid }) => cid)).size).to.equal(2_000)
    expect(proposers.size).to.equal(1)
    expect(new Set(world.records.seedsOf(0)).size).to.equal(1)
    expect(world.records.seedsOf(0).length).to.be.at.least(2_000)
  }).timeout(120_000)

  it('6. 180 small ones beside twelve say all they may, bodies padded: the record is small, and the next builds on it', async () => {
    const nodes = meshOf(times(12, 100), times(180, 1)).map((node, i) => ({ ...node, idle: i > 12 }))
    const world = await run({ seed: SEED, nodes, adversary: floods(1, { pad: 1_780, about: 'standing' }) }, 2)
    const [first, second] = [0, 1].map((cycle) => world.history.cycle(cycle).record!)
    expect(first!.messages.filter(({ signer }) => !world.nodes[world.indexOf(signer)]!.honest).length).to.be.at.least(180)
    expect(first!.messageBytes).to.be.at.most(192 * 4_100)
    expect(second!.content.previous!.toString()).to.equal(world.chain.finalized(0)!.cid)
  }).timeout(120_000)

  for (const approves of [true, false]) {
    it(`8. four equal, one away, one with a bad proof that ${approves ? 'approves: rejected as invalid' : 'is silent: no record'}`, async () => {
      const nodes: WorldInit['nodes'] = [{ stake: 10n }, { stake: 10n }, { stake: 10n, down: () => true }, { stake: 10n, faulty: true }]
      const adversary: Adversary = {
        name: 'bad',
        work: () => ({ quality: 'bad', value: 'garbage' }),
        publish: (_power, _node, body) => approves || words.attemptOf(body) == null,
        vote: () => approves
      }
      const { world } = await runWorld({ seed: SEED, nodes, timing, adversary }, 2)
      expect(breachesOf(world, 2)).to.deep.equal([])
      for (const cycle of [0, 1]) {
        if (approves) {
          expect(rejectedIn(world, cycle)).to.deep.equal({ 3: 'invalid' })
          expect(acceptedIn(world, cycle)).to.deep.equal([0, 1])
        } else {
          expect(world.chain.finalized(cycle)).to.equal(undefined)
        }
      }
    })
  }
})
