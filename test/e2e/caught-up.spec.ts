/** A node that was away when its work was settled: what it was paid is in its table all the same, and told once. */
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cli, cli, run, tempDir } from './cli.ts'

describe('e2e: a settlement that was missed', function () {
  this.timeout(300_000)
  const all: Cli[] = []
  let dir: string
  let remove: () => Promise<void>
  before(async () => {
    ;({ dir, remove } = await tempDir())
  })
  after(async () => {
    for (const one of all.reverse()) {
      await one.clean()
    }
    await remove?.()
  })

  const started = (args: string[]): Cli => {
    const one = cli([...args, '--json'])
    all.push(one)
    return one
  }

  it('is told at the next start, in the order of the cycles', async () => {
    const testnet = started(['testnet', '--nodes', '4', '--slot-ms', '100', '--data-dir', join(dir, 'testnet')])
    const { url } = await testnet.event('K2', ({ event }) => event === 'k2')
    const { task } = await testnet.event('the task', ({ event, task: id }) => event === 'task' && id != null)
    const data = join(dir, 'alice')
    const start = ['start', '--k2', url, '--task', task, '--data-dir', data, '--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0']
    const alice = started([...start, '--stake', '10', '--accept-short-notice', '--airdrop'])
    const { cycle } = await alice.event('work that is accepted', ({ event, outcome }) => event === 'settled' && outcome === 'accepted')
    await alice.event('work after it', (line) => line.event === 'submitted' && line.cycle > cycle + 1)
    const submitted = alice.events.filter(({ event }) => event === 'submitted').map((line) => line.cycle)
    const last = Math.max(...submitted)
    alice.signal('SIGINT')
    await alice.ended
    await testnet.event('the end of that cycle', (line) => line.event === 'finalized' && line.node === null && line.cycle >= last)

    const again = started(start)
    await again.event('what was missed', (line) => line.event === 'settled' && line.cycle === last)
    const told = again.events.filter(({ event }) => event === 'settled').map((line) => line.cycle)
    expect(told).to.deep.equal([...new Set(told)].sort((a, b) => a - b))
    const { cycles } = JSON.parse((await run(['status', '--data-dir', data, '--json'])).stdout)
    const rows = new Map<number, { outcome?: string }>(cycles.map((row: { cycle: number; entry: object }) => [row.cycle, row.entry]))
    for (const one of submitted.filter((of) => of > cycle)) {
      expect(rows.get(one)?.outcome, `cycle ${one}`).to.be.a('string')
    }
  })
})
