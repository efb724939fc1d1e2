/** What no single attack gains by, and the promises rest on: windows, quotas and limits at their edges. */
import { expect } from 'chai'
import { type Adversary, everyCycle, type Power } from './adversary.ts'
import { meshOf, times } from './attacks.ts'
import { accusesAll } from './attacks-timing.ts'
import { report, runWorld } from './run.ts'
import { words } from './words.ts'
import { TESTNET_TIMING as timing, World, type WorldInit } from './world.ts'

const small = meshOf(times(4, 100), [1])
const tens = meshOf(times(7, 10), times(3, 10))

async function run(init: WorldInit, cycles: number): Promise<World> {
  const outcome = await runWorld({ timing, ...init }, cycles)
  expect(outcome.breaches, report(outcome, 'this test')).to.deep.equal([])
  return outcome.world
}

const rejectedIn = (world: World, cycle: number): Record<number, string> =>
  Object.fromEntries(world.history.cycle(cycle).record!.tally.rejected.map(({ staker, reason }) => [world.indexOf(staker), reason]))

/** A second submission of each of its nodes, sent when nobody takes it into a record any more. */
function twins(power: Power, cycle: number): void {
  const { submission, challengeSlot } = power.schedule(cycle)
  power.at(challengeSlot + 0.5, () => {
    for (const by of power.own) {
      power.send(power.sign(by, words.submission({ cycle, slot: submission.from }, 'twin'))!, by, power.honest)
    }
  })
}

describe('sim: edges', () => {
  it('rejects nobody as unavailable while the faulty and mistaken honest stake come to half at most', async () => {
    const world = await run(
      {
        seed: 1,
        nodes: meshOf(times(4, 17), [32]),
        adversary: accusesAll(2, 'unavailable', { sent: ({ finalSlot }) => finalSlot + 0.1 }),
        mistaken: (node, author) => node === 3 && author === 0
      },
      2
    )
    expect(rejectedIn(world, 0)).to.deep.equal({})
    expect(rejectedIn(world, 1)).to.deep.equal({})
  })

  it('takes nothing in that is signed outside of its window', async () => {
    const said: string[] = []
    const adversary: Adversary = {
      name: 'outside',
      start: (power) =>
        everyCycle(
          power,
          1,
          ({ proposalSlot }) => proposalSlot + 1,
          (cycle) => {
            const { submission, challengeSlot, finalSlot, verdictsEndSlot } = power.schedule(cycle)
            const by = power.own[0]!
            const own = power.submissions(cycle).find(({ signer }) => signer === power.address(by))!
            const other = power.submissions(cycle).find(({ signer }) => signer !== power.address(by))!
            const bodies = [
              words.submission({ cycle, slot: submission.to }, 'after'),
              words.challenge({ cycle, slot: challengeSlot }, other, 'invalid'),
              words.response({ cycle, slot: finalSlot }, own),
              ...[finalSlot - 1, verdictsEndSlot, verdictsEndSlot + 1].map(
                (slot) => power.verdicts({ cycle, slot }, [{ about: other, finding: 'invalid' }])!
              )
            ]
            for (const body of bodies) {
              const message = power.sign(by, body)!
              said.push(message.id)
              power.send(message, by, power.honest)
            }
          }
        )
    }
    const world = new World({ seed: 1, nodes: small, timing, adversary })
    await world.runTo(world.power().schedule(0).distribution.to)
    expect(said).to.have.length(6)
    expect(said.filter((id) => world.nodes.some(({ honest, pool }) => honest && pool.has(id)))).to.deep.equal([])
  })

  it('has nobody look at what is challenged too late', async () => {
    const adversary: Adversary = {
      name: 'too late',
      start: (power) =>
        everyCycle(
          power,
          1,
          ({ challengeSlot, deliverySlots }) => challengeSlot + deliverySlots,
          (cycle) => {
            for (const about of power.submissions(cycle).slice(0, 8)) {
              const message = power.sign(
                power.own[0]!,
                words.challenge({ cycle, slot: power.schedule(cycle).audit.from }, about, 'invalid')
              )
              power.send(message!, power.own[0]!, power.honest)
            }
          }
        )
    }
    const world = await run({ seed: 1, nodes: meshOf(times(20, 20), [1]), adversary }, 1)
    expect(world.history.cycle(0).audits.filter(({ purpose }) => purpose === 'challenge')).to.deep.equal([])
  })

  it('convicts each of several who submit twice late, whoever tells of them', async () => {
    const world = await run({ seed: 1, nodes: tens, adversary: { name: 'twins', start: (power) => twins(power, 0) } }, 1)
    expect(rejectedIn(world, 0)).to.deep.equal({ 7: 'equivocated', 8: 'equivocated', 9: 'equivocated' })
  })

  it('punishes an offence once, however often it is told', async () => {
    const adversary: Adversary = {
      name: 'tells again',
      start(power) {
        twins(power, 0)
        for (const cycle of [1, 2]) {
          power.at(power.schedule(cycle).finalSlot, () => {
            const pair = power.heard(0).filter(({ kind, signer }) => kind === 'submission' && signer === power.address(power.own[0]!))
            const evidence = pair[1] == null ? null : words.evidence({ cycle, slot: power.slot() }, pair[0]!, pair[1])
            const kept = evidence == null ? null : power.sign(power.own[1]!, evidence)
            if (kept != null) {
              power.publish(kept, power.own[1]!)
            }
          })
        }
      }
    }
    const world = await run({ seed: 1, nodes: tens, adversary }, 3)
    const slashed = [0, 1, 2].flatMap((cycle) =>
      world.history.cycle(cycle).record!.content.slashes.map(({ staker }) => world.indexOf(staker))
    )
    expect(slashed.sort()).to.deep.equal([7, 8, 9])
  })

  it('builds no record that nobody could read', async () => {
    const world = new World({ seed: 1, nodes: meshOf(times(5, 10), []), timing, maxRecordBytes: 1_000 })
    await world.runCycles(2)
    expect([0, 1].map((cycle) => world.chain.finalized(cycle))).to.deep.equal([undefined, undefined])
  })
})
