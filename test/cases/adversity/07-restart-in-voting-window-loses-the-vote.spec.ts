/** Nodes that are killed while a cycle is voted on, or audited, more than a third at once, vote in every cycle that had time left. */
import { expect } from 'chai'
import { type CycleSchedule, scheduleFor, type Timing } from '../../../src/clock/index.ts'
import { createK2Client, type K2Client } from '../../../src/k2/index.ts'
import { type Event, sleep } from '../../e2e/cli.ts'
import { cleanTestnets, nodesOf, RUN_TIMEOUT_MS, SLOT_MS, testnet } from '../../e2e/testnet.ts'

const NODES = 5
/** A node that was killed is back within a window of so long slots, on an idle machine; on a busy one fewer cycles say something. */
const UNHURRIED_SLOT_MS = Math.max(500, SLOT_MS)

describe('case: nodes that are killed in the middle of a round', function () {
  this.timeout(2 * RUN_TIMEOUT_MS)
  let client: K2Client | undefined
  afterEach(async function () {
    client?.close()
    await cleanTestnets(this.currentTest?.state === 'failed')
  })

  /** The slots in which each node was down, from its kill until it listened again. */
  function downtimes(events: Event[]): Map<string, Array<{ from: number; to: number }>> {
    const down = new Map<string, Array<{ from: number; to: number }>>(nodesOf(events).map(({ staker }) => [staker, []]))
    for (const { event, node, slot } of events) {
      if (event === 'node-killed') {
        down.get(node)!.push({ from: slot, to: Number.POSITIVE_INFINITY })
      } else if (event === 'listening' && down.get(node)?.at(-1)?.to === Number.POSITIVE_INFINITY) {
        down.get(node)!.at(-1)!.to = slot
      }
    }
    return down
  }

  it('three of five at once, in the distribution and in the audit window, and one at random: nobody loses a vote that had time', async () => {
    const { command, finish } = await testnet(['--nodes', String(NODES), '--rounds', '5', '--slot-ms', String(UNHURRIED_SLOT_MS)])
    const { url } = await command.event('K2', ({ event }) => event === 'k2')
    const { task } = await command.event('the task', ({ event, node }) => event === 'task' && node == null)
    const k2 = createK2Client({ url })
    client = k2
    await command.event('all nodes', ({ event }) => event === 'ready', { timeoutMs: RUN_TIMEOUT_MS })
    const account = await k2.task(task)
    const timing: Timing = account
    const reached = async (slot: number) => {
      while ((await k2.connection.getSlot('processed')) < slot) {
        await sleep(UNHURRIED_SLOT_MS / 4)
      }
    }
    const kill = (...names: string[]) => {
      for (const name of names) {
        process.kill(command.events.findLast(({ event, name: of }) => event === 'node-started' && of === name).pid, 'SIGKILL')
      }
    }
    const back = async (count: number, from: number) => {
      for (let seen = 0, at = from; seen < count; seen++) {
        const event = await command.event('a node that is back', ({ event }) => event === 'listening', {
          from: at,
          timeoutMs: RUN_TIMEOUT_MS
        })
        at = command.events.indexOf(event) + 1
      }
    }
    const first = await command.event('a record', ({ event }) => event === 'finalized', { timeoutMs: RUN_TIMEOUT_MS })

    // a vote is a matter of a slot or two: they go down when the record is about to be agreed on
    const voting = scheduleFor(timing, first.cycle + 1)
    await reached(voting.proposalSlot)
    let from = command.events.length
    kill('node-1', 'node-2', 'node-3')
    await back(3, from)
    const auditing = scheduleFor(timing, first.cycle + 2)
    const next = (await k2.connection.getSlot('processed')) < auditing.sampleSlot ? auditing : scheduleFor(timing, first.cycle + 3)
    await reached(next.sampleSlot)
    from = command.events.length
    kill('node-3', 'node-4', 'node-5')
    await back(3, from)
    await sleep(UNHURRIED_SLOT_MS * timing.roundSlots * Math.random())
    from = command.events.length
    kill('node-2')
    await back(1, from)
    const { summary } = await finish()

    const { events } = command
    expect(events.filter(({ event }) => event === 'vote-lost' || event === 'build-failed')).to.deep.equal([])
    const down = downtimes(events)
    /** Up while one proposer more than the one that runs may still have a turn. */
    const mayVote = (staker: string, { proposalSlot, attemptSlots, lastCallSlot }: CycleSchedule) =>
      down
        .get(staker)!
        .every(({ from, to }) => to + attemptSlots < Math.min(lastCallSlot, proposalSlot + 3 * attemptSlots) || from > lastCallSlot)
    const done = events.filter(({ event }) => event === 'closed').map(({ cycle }) => cycle)
    let checked = 0
    for (const cycle of new Set<number>(done.filter((cycle) => cycle > first.cycle))) {
      const schedule = scheduleFor(timing, cycle)
      const voters = nodesOf(events).filter(({ staker }) => mayVote(staker, schedule))
      if (3 * voters.length > 2 * NODES) {
        checked++
        expect(
          summary.records.map((record: Event) => record.cycle),
          `cycle ${cycle}, of ${voters.length} nodes that had time`
        ).to.include(cycle)
        for (const { name, staker } of voters) {
          const voted = events.some((one) => one.event === 'voted' && one.node === staker && one.cycle === cycle)
          expect(voted, `${name} votes in cycle ${cycle}`).to.equal(true)
        }
      }
    }
    expect(checked).to.be.at.least(1)
    expect(summary.invariants.filter(({ broken }: Event) => broken != null)).to.deep.equal([])
  })
})
