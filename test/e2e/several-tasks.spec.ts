/** Nodes that do several tasks, each in one process: all are paid in all of them, also the one that was killed on the way. */
import { expect } from 'chai'
import type { Event } from './cli.ts'
import { cleanTestnets, expectHeld, expectNobodyLeft, nodesOf, RUN_TIMEOUT_MS, testnet, votesOf } from './testnet.ts'

const NODES = 5
/** The same bundle twice is two tasks. */
const TASKS = ['k2-index', 'site-archive', 'k2-index']
const KILLED = 'node-3'

describe('a testnet of several tasks', function () {
  this.timeout(RUN_TIMEOUT_MS)
  afterEach(async function () {
    await cleanTestnets(this.currentTest?.state === 'failed')
  })

  it('pays five nodes in three tasks, and one of them was killed in the middle and came back', async () => {
    const { command, finish } = await testnet(['--tasks', TASKS.join(','), '--nodes', String(NODES), '--rounds', '4'])
    const timeoutMs = RUN_TIMEOUT_MS
    const { pid, node: killed } = await command.event('the node', ({ event, name }) => event === 'node-started' && name === KILLED, {
      timeoutMs
    })
    // in the middle of a round: it has handed in its work, and others audit it
    await command.event('its work', ({ event, node, cycle }) => event === 'submitted' && node === killed && cycle === 1, { timeoutMs })
    process.kill(pid, 'SIGKILL')
    const from = command.events.length
    await command.event('the end of it', ({ event, name }) => event === 'node-killed' && name === KILLED, { from, timeoutMs })
    const again = await command.event('its return', ({ event, name }) => event === 'node-started' && name === KILLED, { from, timeoutMs })
    expect(again.pid).not.to.equal(pid)

    const { code, summary } = await finish()
    expect(summary.reason).to.equal(null)
    expect(code).to.equal(0)
    expect(summary).to.include({ ok: true, nodes: NODES })
    expect(summary.tasks.map(({ name }: Event) => name)).to.deep.equal(['k2-index 1', 'site-archive', 'k2-index 2'])
    expect(new Set(summary.tasks.map(({ task }: Event) => task)).size).to.equal(TASKS.length)
    expect(summary.finalized).to.equal(summary.tasks.reduce((all: number, { finalized }: Event) => all + finalized, 0))

    const stakers = nodesOf(command.events).map(({ staker }) => staker)
    for (const one of summary.tasks as Event[]) {
      const own = command.events.filter(({ event, task }) => task === one.task || event === 'node-started')
      expectHeld(own, one)
      expect(one.finalized, one.name).to.be.at.least(4)
      expect(Object.keys(one.paid).sort(), `paid in ${one.name}`).to.deep.equal([...stakers].sort())
      for (const roe of Object.values<string>(one.paid)) {
        expect(BigInt(roe) > 0n, `paid in ${one.name}`).to.equal(true)
      }
      expectOthersUndisturbed(own, one, stakers, killed)
      // it is itself again, in this task as in the others
      const back = one.records.filter(({ cycle, accepted }: Event) => cycle > 1 && accepted.includes(killed))
      expect(back.length, `cycles of ${one.name} with the work of ${KILLED} after its return`).to.be.at.least(1)
    }
    expect(command.events.filter(({ event }) => ['equivocated', 'silent', 'unhandled', 'task-stopped'].includes(event))).to.deep.equal([])
    const { stake, createTask, fundTask, claim } = summary.k2.byKind
    expect({ stake, createTask, fundTask, claim }).to.deep.equal({
      ...{ stake: NODES * TASKS.length, createTask: TASKS.length, fundTask: TASKS.length, claim: NODES * TASKS.length }
    })
    await expectNobodyLeft(command)
  })

  it('rejects a bad proof in each of them, and in none the work of anybody else', async () => {
    const { command, finish } = await testnet([
      '--tasks',
      'k2-index,site-archive',
      '--nodes',
      '5',
      '--rounds',
      '2',
      '--fault',
      'bad-proof:1'
    ])
    const { code, summary } = await finish()
    expect(summary.reason).to.equal(null)
    expect(code).to.equal(0)
    const nodes = nodesOf(command.events)
    const bad = nodes.find(({ fault }) => fault === 'bad-proof')!.staker
    for (const { name, records, paid } of summary.tasks as Event[]) {
      expect(
        records.some(({ rejected }: Event) => rejected.some(({ staker, reason }: Event) => staker === bad && /^invalid\b/.test(reason))),
        name
      ).to.equal(true)
      expect(Object.keys(paid).sort(), name).to.deep.equal(
        nodes
          .map(({ staker }) => staker)
          .filter((staker) => staker !== bad)
          .sort()
      )
    }
  })
})

/** Each cycle has the work and the vote of everybody but the one who was killed. */
function expectOthersUndisturbed(events: Event[], { name, skipped, records }: Event, stakers: string[], killed: string): void {
  expect(skipped, `cycles of ${name} that were lost`).to.deep.equal([])
  for (const staker of stakers.filter((other) => other !== killed)) {
    const voted = votesOf(events, staker).map(({ cycle }) => cycle)
    for (const { cycle, accepted } of records as Event[]) {
      expect(accepted, `accepted in cycle ${cycle} of ${name}`).to.include(staker)
      expect(voted, `votes of ${staker} in ${name}`).to.include(cycle)
    }
  }
}
