/** A running node follows what the manager of its task changes on K2: another bundle, and the end. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, writeKeyFile } from '../../src/identity/index.ts'
import { type Cli, cli, run, tempDir } from '../e2e/cli.ts'

const bundle = (value: string) => `
  export const manifest = { name: 'changes', version: '1' }
  export function task () {}
  export function submission () { return { value: '${value}', proofs: [] } }
  export function audit () { return true }
`

describe('CLI: a task that changes', function () {
  this.timeout(240_000)
  let dir: string
  let remove: () => Promise<void>
  const running: Cli[] = []
  before(async () => {
    ;({ dir, remove } = await tempDir())
  })
  after(async () => {
    for (const one of running.reverse()) {
      await one.clean()
    }
    await remove()
  })
  const started = (args: string[]) => {
    const one = cli([...args, '--json'])
    running.push(one)
    return one
  }
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await run([...args, '--json'])
    expect(code, stderr).to.equal(0)
    return JSON.parse(stdout)
  }

  it('runs the new bundle from its cycle on, stops working when the task is closed, and tells its operator what to do', async () => {
    const wallet = join(dir, 'wallet.json')
    await writeKeyFile(wallet, generateKeyPair())
    const [first, second] = [join(dir, 'first.mjs'), join(dir, 'second.mjs')]
    await writeFile(first, bundle('first'))
    await writeFile(second, bundle('second'))
    const k2 = started(['k2', '--port', '0', '--slot-ms', '100'])
    const { url } = await k2.event('listening K2', ({ event }) => event === 'listening')
    const { task } = await json(
      ...['task', 'create', '--k2', url, '--bundle', first, '--round-slots', '40', '--wallet', wallet, '--airdrop'],
      ...['--bundle-notice', '4', '--short-notice']
    )
    const start = ['start', '--k2', url, '--task', task, '--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', '--log-level', 'warn']
    const data = join(dir, 'node')
    const node = started([...start, '--data-dir', data, '--bundle', first, '--stake', '10', '--accept-short-notice', '--airdrop'])
    await node.event('first submission', ({ event, value }) => event === 'submitted' && value === 'first')

    const careful = started([...start, '--data-dir', join(dir, 'careful'), '--no-follow-bundle'])
    await careful.event('its bundle', ({ event }) => event === 'task')

    // somebody has the new one, and needs no stake for that
    started([...start, '--data-dir', join(dir, 'author'), '--bundle', second, '--key', wallet])
    const { bundle: cid, fromCycle: told } = await json('task', 'update', task, '--k2', url, '--bundle', second, '--wallet', wallet)
    // as K2 has it: the round may have ended while the change was sent
    const { from: fromCycle } = await node.event('change', ({ event, bundle: to }) => event === 'bundle-changed' && to === cid)
    expect(told).to.equal(fromCycle)
    const shown = await json('task', 'show', task, '--k2', url)
    expect(shown).to.deep.include({ bundleNotice: 4, nextBundle: { bundle: cid, fromCycle } })
    expect(shown.bundle).not.to.equal(cid)
    // whoever starts during the notice is told, too
    const newcomer = started([...start, '--data-dir', join(dir, 'late')])
    expect((await newcomer.event('the news', ({ event }) => event === 'bundle-changed')).from).to.equal(fromCycle)
    await node.event('new bundle', ({ event, bundle: here }) => event === 'task' && here === cid)
    const changed = await node.event('second submission', ({ event, value }) => event === 'submitted' && value === 'second')
    expect(changed.cycle).to.be.at.least(fromCycle)
    const values = node.events.filter(({ event }) => event === 'submitted')
    for (const { cycle, value } of values) {
      expect(value, `cycle ${cycle}`).to.equal(cycle < fromCycle ? 'first' : 'second')
    }

    const refused = await careful.event('the refusal', ({ event }) => event === 'task-failed')
    expect(refused.reason)
      .to.include(cid)
      .and.to.match(/--no-follow-bundle.*start the node again/)

    const { closedFromCycle, settledFromSlot } = await json('task', 'close', task, '--k2', url, '--wallet', wallet)
    const closed = await node.event('closed', ({ event }) => event === 'task-closed')
    expect(closed).to.include({ from: closedFromCycle, settledFromSlot })
    const status = await run(['status', '--data-dir', data])
    expect(status.stdout).to.match(
      new RegExp(`NOTICE +the task is closed: no work and no votes from cycle ${closedFromCycle} on.*slot ${settledFromSlot}.*unstake`)
    )
    await node.event('a slot of a cycle that is not', ({ slot }) => slot >= settledFromSlot)
    const late = node.events.filter(
      ({ event, cycle }) => ['work-started', 'submitted', 'voted'].includes(event) && cycle >= closedFromCycle
    )
    expect(late).to.deep.equal([])
    expect(node.events.some(({ event, cycle }) => event === 'work-started' && cycle === closedFromCycle - 1)).to.equal(true)
    // it stays, for those who want its proofs
    expect((await run(['status', '--data-dir', data])).code).to.equal(0)
  })
})
