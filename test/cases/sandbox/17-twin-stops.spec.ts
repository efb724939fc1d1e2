/** Two nodes with one staking key: whoever notices stops, with a status that is not 0, and nobody is slashed from then on. */
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cli, cli, type Event, report, run, sleep } from '../../e2e/cli.ts'
import { cleanTestnets, nodesOf, RUN_TIMEOUT_MS, SLOT_MS, type Testnet, testnet } from '../../e2e/testnet.ts'

const ROUND_SLOTS = 30

const is =
  (wanted: string, more: Record<string, unknown> = {}) =>
  (event: Event) =>
    event.event === wanted && Object.entries(more).every(([key, value]) => event[key] === value)

describe('case: two nodes with one staking key', function () {
  this.timeout(RUN_TIMEOUT_MS)
  let twin: Cli | undefined
  afterEach(async function () {
    const failed = this.currentTest?.state === 'failed'
    if (twin != null && failed) {
      console.error(report(twin, []))
    }
    await twin?.clean()
    twin = undefined
    await cleanTestnets(failed)
  })

  /** A mesh that has finalized its first cycle, and what `start` needs to be the twin of its second node. */
  const meshed = async () => {
    const net = await testnet(['--nodes', '4'])
    const { url } = await net.command.event('K2', is('k2'))
    const { task } = await net.command.event('task', is('task', { node: null }), { timeoutMs: RUN_TIMEOUT_MS })
    await net.command.event('finalized cycle', is('finalized', { node: null }), { timeoutMs: RUN_TIMEOUT_MS })
    const victim = nodesOf(net.command.events)[1]!
    const base = ['start', '--k2', url, '--task', task, '--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', '--json']
    return { net, base, victim, key: join(net.dir, victim.name, 'key.json') }
  }
  const twinOf = async ({ net, base, key }: { net: Testnet; base: string[]; key: string }, more: string[]) => {
    const data = join(net.dir, 'twin')
    await mkdir(data)
    await copyFile(key, join(data, 'staking-key.json'))
    twin = cli([...base, '--data-dir', data, ...more])
    return twin
  }
  /** Nothing that was signed twice is found in the cycles that begin after `slot`. */
  const expectNoSlashAfter = async (net: Testnet, staker: string, slot: number) => {
    await sleep(2.5 * ROUND_SLOTS * SLOT_MS)
    const twice = net.command.events.filter(
      (event) => event.event === 'equivocated' && event.staker === staker && event.slot > slot + ROUND_SLOTS
    )
    expect(twice).to.deep.equal([])
  }

  it('the same key file is refused at the start, naming who has it', async () => {
    const { net, base, key, victim } = await meshed()
    const { pid } = net.command.events.find(is('node-started', { name: victim.name }))
    const { code, stderr } = await run([...base, '--key', key, '--data-dir', join(net.dir, 'twin')])
    expect(code, stderr).to.equal(3)
    expect(stderr).to.match(
      new RegExp(`^koii-mesh: the staking key [^\n]* is in use by another node \\(process ${pid} [^\n]*Stop that node[^\n]*\n$`)
    )
  })

  it('a copy of the key with an empty data directory listens, hears its twin and stops; the twin goes on', async () => {
    const mesh = await meshed()
    const second = await twinOf(mesh, [])
    const silent = await second.event('silence', is('silent'), { timeoutMs: RUN_TIMEOUT_MS })
    expect(silent.until).to.be.within(silent.slot + 3 * ROUND_SLOTS - 2, silent.slot + 3 * ROUND_SLOTS)
    const conflict = await second.event('conflict', is('key-conflict'), { timeoutMs: RUN_TIMEOUT_MS })
    const { code } = await second.ended
    expect(code).to.equal(3)
    expect(second.stderr()).to.match(/koii-mesh: another node signs with the staking key [^\n]*Find the other node and stop it[^\n]*\n$/)
    expect(second.events.filter(({ event }) => ['submitted', 'approved', 'voted'].includes(event))).to.deep.equal([])
    await expectNoSlashAfter(mesh.net, mesh.victim.staker, conflict.slot)
    expect(mesh.net.command.events.filter(is('node-ended'))).to.deep.equal([])
    expect(mesh.net.command.events.filter(is('equivocated', { staker: mesh.victim.staker }))).to.deep.equal([])
  })

  it('a copy that is told that its key is idle makes at least one of them stop, before they are slashed again', async () => {
    const mesh = await meshed()
    const second = await twinOf(mesh, ['--key-is-idle'])
    const ended = mesh.net.command.event('end of the first node', is('node-ended', { name: mesh.victim.name }), {
      timeoutMs: RUN_TIMEOUT_MS
    })
    ended.catch(() => {})
    const first = await Promise.race([second.ended.then(({ code }) => `exit status ${code}`), ended.then(({ reason }) => String(reason))])
    expect(first).to.match(/exit status 3/)
    const { slot } = mesh.net.command.events.at(-1)
    await expectNoSlashAfter(mesh.net, mesh.victim.staker, slot)
  })
})
