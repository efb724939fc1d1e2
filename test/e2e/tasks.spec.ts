/** One node with several tasks, and the commands that change which. */
import { expect } from 'chai'
import { ask, doorOf } from '../../src/control/client.ts'
import { peersSchema, statusSchema, type Task, tasksSchema } from '../../src/control/schemas.ts'
import { generateKeyPair } from '../../src/identity/index.ts'
import { run } from './cli.ts'
import { type LoneNode, loneNodeOfSuite, named } from './lone-node.ts'

const UNKNOWN = '9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin'

describe('a node with several tasks', function () {
  this.timeout(300_000)
  const suite = loneNodeOfSuite()

  const tasksOf = async ({ data }: LoneNode): Promise<Task[]> => (await ask(doorOf(data), tasksSchema, '/v1/tasks')).tasks
  const states = async (lone: LoneNode) => Object.fromEntries((await tasksOf(lone)).map(({ task, state }) => [task, state]))
  const order = (lone: LoneNode, ...words: string[]) => run(['task', ...words, '--data-dir', lone.data, '--json'])

  it('does the rounds of each, and tells of each by its name', async () => {
    const lone = suite()
    const second = await lone.chain.addTask('second')
    lone.chain.toRound(2, 1)
    const { node, events } = await lone.up(['--task', second])
    expect(await states(lone)).to.deep.equal({ [lone.chain.task]: 'running', [second]: 'running' })
    const begun = new Set([lone.chain.task, second])
    await node.event('work, or the want of it, in both tasks', ({ event, task }) => {
      if (['work-started', 'missed', 'waiting'].includes(event)) {
        begun.delete(task)
      }
      return begun.size === 0
    })
    expect(named(events, 'listening').map(({ task }) => task)).to.deep.equal([null])
    const status = await ask(doorOf(lone.data), statusSchema, '/v1/status')
    expect(status.task).to.equal(lone.chain.task)
    expect(status.tasks.map(({ task, taskName, staked }) => ({ task, taskName, staked }))).to.deep.equal([
      { task: lone.chain.task, taskName: 'test', staked: true },
      { task: second, taskName: 'second', staked: true }
    ])
    expect(await ask(doorOf(lone.data), peersSchema, '/v1/peers')).to.deep.equal({ peers: [] })

    // one rests, and the other does not
    const paused = await order(lone, 'pause', second)
    expect(paused.code, paused.stderr).to.equal(0)
    const rests = (await tasksOf(lone)).map(({ task, paused: since }) => [task, since != null])
    expect(rests).to.deep.equal([
      [lone.chain.task, false],
      [second, true]
    ])
    const unnamed = await order(lone, 'resume')
    expect([unnamed.code, unnamed.stderr]).to.satisfy(([code, text]: [number, string]) => code === 1 && text.includes(second))
    expect((await order(lone, 'resume', second)).code).to.equal(0)
    await lone.stop(node)
  })

  it('takes one more while it runs, keeps it over a restart, and lets it go', async () => {
    const lone = suite()
    const third = await lone.chain.addTask('third')
    const first = await lone.up()
    const none = await order(lone, 'add', UNKNOWN)
    expect([none.code, none.stderr]).to.satisfy(([code, text]: [number, string]) => code === 1 && text.includes(UNKNOWN))
    expect(await states(lone)).to.deep.equal({ [lone.chain.task]: 'running' })
    const added = await order(lone, 'add', third)
    expect(added.code, added.stderr).to.equal(0)
    expect(named(first.events, 'task-added').map(({ task, taskName }) => [task, taskName])).to.deep.equal([[third, 'third']])
    const again = await order(lone, 'add', third)
    expect([again.code, again.stderr]).to.satisfy(([code, text]: [number, string]) => code === 1 && /already/.test(text))
    expect(await lone.stop(first.node)).to.deep.equal({ code: 0, signal: null })

    const { node, events } = await lone.up()
    expect(await states(lone)).to.deep.equal({ [lone.chain.task]: 'running', [third]: 'running' })
    const gone = await order(lone, 'remove', third)
    expect(gone.code, gone.stderr).to.equal(0)
    expect(JSON.parse(gone.stdout)).to.include({ task: third, configured: false })
    expect(named(events, 'task-removed').map(({ task }) => task)).to.deep.equal([third])
    expect(await states(lone)).to.deep.equal({ [lone.chain.task]: 'running' })
    const last = await order(lone, 'remove', lone.chain.task)
    expect([last.code, last.stderr]).to.satisfy(([code, text]: [number, string]) => code === 1 && /stop the node/.test(text))
    expect(await lone.stop(node)).to.deep.equal({ code: 0, signal: null })
    const after = await lone.up()
    expect(await states(lone)).to.deep.equal({ [lone.chain.task]: 'running' })
    await lone.stop(after.node)
  })

  it('goes on with the others when one is no task, or none that can be done', async () => {
    const lone = suite()
    const { node, events } = await lone.up(['--task', UNKNOWN])
    expect(await states(lone)).to.deep.equal({ [lone.chain.task]: 'running', [UNKNOWN]: 'failed' })
    const status = await run(['status', '--data-dir', lone.data])
    expect(status.code, status.stderr).to.equal(0)
    expect(status.stdout).to.include(UNKNOWN)
    expect(named(events, 'listening')).to.have.length(1)
    const gone = await order(lone, 'remove', UNKNOWN)
    expect(gone.code, gone.stderr).to.equal(0)
    expect(JSON.parse(gone.stdout)).to.include({ task: UNKNOWN, configured: true })
    expect(await states(lone)).to.deep.equal({ [lone.chain.task]: 'running' })
    await lone.stop(node)
  })

  it('tells of one that is not on K2 yet, and does it as soon as it is', async () => {
    const lone = suite()
    const later = generateKeyPair()
    const { node, events } = await lone.up(['--task', later.address])
    const stopped = await node.event('the task that is not there', ({ event }) => event === 'task-stopped')
    expect(stopped.task).to.equal(later.address)
    await lone.chain.addTask('later', undefined, later)
    const begun = await node.event('the task when it is there', ({ event }) => event === 'task-added')
    expect([begun.task, begun.taskName]).to.deep.equal([later.address, 'later'])
    expect(await states(lone)).to.deep.equal({ [lone.chain.task]: 'running', [later.address]: 'running' })
    expect(named(events, 'task-stopped')).to.have.length(1)
    expect(await lone.stop(node)).to.deep.equal({ code: 0, signal: null })
  })
})
