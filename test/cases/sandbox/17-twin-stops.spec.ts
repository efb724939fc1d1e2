/** Two nodes with one staking key: whoever notices stops, with a status that is not 0, and nobody is slashed from then on. */
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cli, cli, type Event, report, run } from '../../e2e/cli.ts'
import { cleanTestnets, nodesOf, RUN_TIMEOUT_MS, type Testnet, testnet } from '../../e2e/testnet.ts'

const ROUND_SLOTS = 30

const is =
  (wanted: string, more: Record<string, unknown> = {}) =>
  (event: Event) =>
    event.event === wanted && Object.entries(more).every(([key, value]) => event[key] === value)

describe('case: two nodes with one staking key', function () {
  this.timeout(RUN_TIMEOUT_MS)
  let twin: Cli | undefined
  let net: Testnet
  let base: string[]
  let victim: ReturnType<typeof nodesOf>[number]
  let key: string
  let failed = false

  // a mesh that has finalized its first cycle; the twin is that of its second node
  before(async () => {
    net = await testnet(['--nodes', '4'])
    const { url } = await net.command.event('K2', is('k2'))
    const { task } = await net.command.event('task', is('task', { node: null }), { timeoutMs: RUN_TIMEOUT_MS })
    await net.command.event('finalized cycle', is('finalized', { node: null }), { timeoutMs: RUN_TIMEOUT_MS })
    victim = nodesOf(net.command.events)[1]!
    key = join(net.dir, victim.name, 'key.json')
    base = ['start', '--k2', url, '--task', task, '--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', '--json']
  })
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') {
      failed = true
      console.error(twin == null ? '' : report(twin, []))
    }
    await twin?.clean()
    twin = undefined
  })
  after(() => cleanTestnets(failed))

  /** A node with a copy of the key and a data directory of its own. */
  const twinOf = async (name: string, more: string[] = []) => {
    const data = join(net.dir, name)
    await mkdir(data)
    await copyFile(key, join(data, 'staking-key.json'))
    twin = cli([...base, '--data-dir', data, ...more])
    return twin
  }
  /** Nothing that was signed twice is found in the rounds that begin after `slot`. */
  const expectNoSlashAfter = async (slot: number) => {
    // K2's slots wait for the nodes: they are counted, and not the time
    await net.command.event('two and a half rounds more', (event) => event.slot >= slot + 2.5 * ROUND_SLOTS, { timeoutMs: RUN_TIMEOUT_MS })
    const twice = net.command.events.filter(
      (event) => event.event === 'equivocated' && event.staker === victim.staker && event.slot > slot + ROUND_SLOTS
    )
    expect(twice).to.deep.equal([])
  }

  it('the same key file is refused at the start, naming who has it', async () => {
    const { pid } = net.command.events.find(is('node-started', { name: victim.name }))
    const { code, stderr } = await run([...base, '--key', key, '--data-dir', join(net.dir, 'second')])
    expect(code, stderr).to.equal(3)
    expect(stderr).to.match(
      new RegExp(`^koii-mesh: the staking key [^\n]* is in use by another node \\(process ${pid} [^\n]*Stop that node[^\n]*\n$`)
    )
  })

  it('a copy of the key with an empty data directory listens, hears its twin and stops; the twin goes on', async () => {
    const second = await twinOf('copy')
    const silent = await second.event('silence', is('silent'), { timeoutMs: RUN_TIMEOUT_MS })
    expect(silent.until).to.be.within(silent.slot + 3 * ROUND_SLOTS - 2, silent.slot + 3 * ROUND_SLOTS)
    const conflict = await second.event('conflict', is('key-conflict'), { timeoutMs: RUN_TIMEOUT_MS })
    const { code } = await second.ended
    expect(code).to.equal(3)
    expect(second.stderr()).to.match(/koii-mesh: another node signs with the staking key [^\n]*Find the other node and stop it[^\n]*\n$/)
    expect(second.events.filter(({ event }) => ['submitted', 'approved', 'voted'].includes(event))).to.deep.equal([])
    await expectNoSlashAfter(conflict.slot)
    expect(net.command.events.filter(is('node-ended'))).to.deep.equal([])
    expect(net.command.events.filter(is('equivocated', { staker: victim.staker }))).to.deep.equal([])
  })

  it('a copy that is told that its key is idle makes at least one of them stop, before they are slashed again', async () => {
    const second = await twinOf('forced', ['--key-is-idle'])
    const ended = net.command.event('end of the first node', is('node-ended', { name: victim.name }), {
      timeoutMs: RUN_TIMEOUT_MS
    })
    ended.catch(() => {})
    const first = await Promise.race([second.ended.then(({ code }) => `exit status ${code}`), ended.then(({ reason }) => String(reason))])
    expect(first).to.match(/exit status 3/)
    const { slot } = net.command.events.at(-1)
    await expectNoSlashAfter(slot)
  })
})
