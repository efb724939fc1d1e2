/** `task add` and `task remove` while K2 does not tell a task's stakes: neither holds up the other, and nothing of a task that was left lives on. */
import { expect } from 'chai'
import { ask, CHANGE_MS, doorOf } from '../../src/control/client.ts'
import { removedSchema, taskSchema, tasksSchema } from '../../src/control/schemas.ts'
import { type FaultProxy, startFaultProxy } from '../k2/fault-proxy.ts'
import { eventually } from '../k2/waits.ts'
import { loneNodeOfSuite } from './lone-node.ts'

describe('more and fewer tasks while a list of stakes is not whole', function () {
  this.timeout(300_000)
  const suite = loneNodeOfSuite()
  let proxy: FaultProxy
  let others: string[]
  before(async () => {
    const { chain } = suite()
    proxy = await startFaultProxy({ target: chain.k2.url, random: Math.random })
    others = [await chain.addTask('second'), await chain.addTask('third')]
  })
  after(() => proxy.close())
  const add = (task: string) =>
    ask(doorOf(suite().data), taskSchema, '/v1/tasks', { method: 'POST', body: JSON.stringify({ task }), answerMs: CHANGE_MS })
  const remove = (task: string) => ask(doorOf(suite().data), removedSchema, `/v1/tasks/${task}`, { method: 'DELETE', answerMs: CHANGE_MS })
  const states = async () => {
    const { tasks } = await ask(doorOf(suite().data), tasksSchema, '/v1/tasks')
    return Object.fromEntries(tasks.map(({ task, state }) => [task, state]))
  }

  it('leaves nothing of a task that is removed before it has begun', async () => {
    const lone = suite()
    const [second] = others as [string, string]
    proxy.set({ lies: ['no stakes'] })
    const node = lone.start(['--task', second], [proxy.url])
    const { task } = lone.chain
    await eventually('both tasks that wait', async () =>
      Object.values(await states().catch(() => ({}))).join() === 'starting,starting' ? true : undefined
    )
    await node.event('the doubt', ({ event }) => event === 'k2-doubt')
    await remove(second)
    const from = node.events.length
    proxy.set({})
    await eventually('the start of the other', async () => ((await states())[task] === 'running' ? true : undefined))
    await node.event('the end of the doubt', ({ event, reason }) => event === 'k2-doubt' && reason == null)
    expect(node.events.slice(from).filter((event) => event.task === second)).to.deep.equal([])

    expect((await add(second)).state).to.equal('running')
    expect(await states()).to.deep.equal({ [task]: 'running', [second]: 'running' })
    await remove(second)
    expect(await lone.stop(node)).to.deep.equal({ code: 0, signal: null })
  })

  it('adds one that begins when its list is whole, and meanwhile removes it and others', async () => {
    const lone = suite()
    const [second, third] = others as [string, string]
    const { node } = await lone.up(['--task', second], [proxy.url])
    proxy.set({ lies: ['no stakes'] })
    const adding = add(third)
    await eventually('the task that waits', async () => ((await states())[third] === 'starting' ? true : undefined))
    const removing = remove(second)
    expect((await adding).state).to.equal('starting')
    expect(await removing).to.deep.equal({ task: second, configured: true })
    expect(await states()).to.deep.equal({ [lone.chain.task]: 'running', [third]: 'starting' })
    proxy.set({})
    await eventually('its start', async () => ((await states())[third] === 'running' ? true : undefined))
    expect(node.events.filter(({ event }) => event === 'unhandled' || event === 'task-stopped')).to.deep.equal([])
    expect(await lone.stop(node)).to.deep.equal({ code: 0, signal: null })
  })
})
