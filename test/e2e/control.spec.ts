/** A running node and the commands that speak with it. */
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { ask, doorOf } from '../../src/control/client.ts'
import { cyclesSchema, peersSchema, statusSchema, tasksSchema } from '../../src/control/schemas.ts'
import { PAUSED } from '../../src/node/pause.ts'
import { nodeEventSchema } from '../../src/observe/events.ts'
import { cli, run } from './cli.ts'
import { loneNodeOfSuite, named } from './lone-node.ts'

describe('a running node and its control API', function () {
  this.timeout(180_000)
  const suite = loneNodeOfSuite()

  it('tells how it is, and what happens, and ends in order with a reader', async () => {
    const lone = suite()
    const { node } = await lone.up()
    const door = doorOf(lone.data)
    expect(door.socket).to.equal(join(lone.data, 'api.sock'))
    for (const name of ['api.json', 'api-token', 'api.sock']) {
      expect((await stat(join(lone.data, name))).mode & 0o777, name).to.equal(0o600)
    }
    const status = await ask(door, statusSchema, '/v1/status')
    expect(status.task).to.equal(lone.chain.task)
    const { task, taskName, node: staker, stake } = status
    expect(status.tasks).to.have.length(1)
    expect(status.tasks[0]).to.include({ task, taskName, node: staker, stake, state: 'running', reason: null })
    const { tasks } = await ask(door, tasksSchema, '/v1/tasks')
    expect(tasks.map(({ task, staked }) => ({ task, staked }))).to.deep.equal([{ task: lone.chain.task, staked: true }])
    expect(await ask(door, peersSchema, '/v1/peers')).to.deep.equal({ peers: [] })
    await ask(door, cyclesSchema, `/v1/tasks/${lone.chain.task}/cycles`)

    const past = await run(['events', '--data-dir', lone.data, '--json'])
    expect(past.code, past.stderr).to.equal(0)
    const told = past.stdout
      .trim()
      .split('\n')
      .map((line) => nodeEventSchema.parse(JSON.parse(line)))
    expect(told.map(({ event }) => event)).to.include('listening')
    for (const one of told) {
      const isOfNode = ['listening', 'unhandled', 'stopped'].includes(one.event) || /^(k2|disk)-/.test(one.event)
      expect(one.task, one.event).to.equal(isOfNode ? null : lone.chain.task)
    }
    expect((await run(['events', '--data-dir', lone.data])).stdout).to.match(/^\d\d:\d\d:\d\d +slot \d+ +listening on /m)

    const reader = cli(['events', '--data-dir', lone.data, '--follow', '--json'])
    await reader.event('what was before', ({ event }) => event === 'listening')
    reader.signal('SIGINT')
    expect(await reader.ended, reader.stderr()).to.deep.equal({ code: 0, signal: null })
    expect(reader.stderr()).to.equal('')

    const last = cli(['events', '--data-dir', lone.data, '--follow', '--json'])
    await last.event('what was before', ({ event }) => event === 'listening')
    expect(await lone.stop(node)).to.deep.equal({ code: 0, signal: null })
    expect(await last.ended).to.deep.equal({ code: 1, signal: null })
    expect(last.stderr()).to.match(/^koii-mesh: the node at [^\n]* has stopped[^\n]*koii-mesh status --data-dir[^\n]*\n$/)
    for (const name of ['api.json', 'api-token', 'api.sock']) {
      expect(existsSync(join(lone.data, name)), name).to.equal(false)
    }
    expect(node.stderr()).not.to.include(door.token)
    expect(node.stdout()).not.to.include(door.token)
  })

  it('pauses its task over a restart, says so, and goes on', async () => {
    const lone = suite()
    lone.chain.toRound(2, 1)
    const first = await lone.up()
    const paused = await run(['task', 'pause', '--data-dir', lone.data, '--json'])
    expect(paused.code, paused.stderr).to.equal(0)
    const { from } = JSON.parse(paused.stdout).paused as { from: number }
    expect(named(first.events, 'task-paused')).to.have.length(1)
    expect(JSON.parse((await run(['task', 'pause', lone.chain.task, '--data-dir', lone.data, '--json'])).stdout).paused.from).to.equal(from)
    expect(await lone.stop(first.node)).to.deep.equal({ code: 0, signal: null })

    lone.chain.toRound(from, 1)
    const { node, events } = await lone.up()
    const missed = await node.event('the cycle that is left out', ({ event, cycle }) => event === 'missed' && cycle >= from)
    expect([missed.stage, missed.reason]).to.deep.equal(['work', PAUSED])
    expect(named(events, 'work-started').filter(({ cycle }) => cycle >= from)).to.deep.equal([])
    expect((await run(['status', '--data-dir', lone.data])).stdout).to.match(
      /^NOTICE +the operator has paused the task from cycle \d+ on.*koii-mesh task resume/m
    )
    const { cycles } = await ask(doorOf(lone.data), cyclesSchema, `/v1/tasks/${lone.chain.task}/cycles`)
    const left = cycles.find(({ cycle }) => cycle === missed.cycle)!
    expect([left.submission.state, left.submission.reason]).to.deep.equal(['missed', PAUSED])

    const resumed = await run(['task', 'resume', '--data-dir', lone.data])
    expect(resumed.stdout, resumed.stderr).to.match(new RegExp(`^resumed ${lone.chain.task}`))
    expect(named(events, 'task-resumed')).to.have.length(1)
    expect((await ask(doorOf(lone.data), statusSchema, '/v1/status')).paused).to.equal(null)
    const other = await run(['task', 'pause', '9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin', '--data-dir', lone.data])
    expect(other.code).to.equal(1)
    expect(other.stderr).to.match(/^koii-mesh: the node at [^\n]* does not run that task: [^\n]*\n$/)
    await lone.stop(node)
  })
})
