/** A whole life of a node whose key is in a signer: staked by hand, paid beside a testnet's nodes, with its signer killed on the way. */
import { join } from 'node:path'
import { expect } from 'chai'
import { killed, upSigner } from '../signer/signer-process.ts'
import { type Cli, cli, type Event, report, run } from './cli.ts'
import { cleanTestnets, RUN_TIMEOUT_MS, testnet } from './testnet.ts'

describe('a node with a signer, among others', function () {
  this.timeout(RUN_TIMEOUT_MS)
  const processes: Cli[] = []
  afterEach(async function () {
    const failed = this.currentTest?.state === 'failed'
    if (failed) {
      console.error(processes.map((process) => report(process, [])).join('\n\n'))
    }
    await Promise.all(processes.splice(0).map((process) => process.clean()))
    await cleanTestnets(failed)
  })

  it('works, audits, votes and is paid, before its signer is killed and after; nobody hears it contradict itself', async () => {
    const { command, dir } = await testnet(['--nodes', '3'])
    const timeoutMs = RUN_TIMEOUT_MS
    const { url } = await command.event('K2', ({ event }) => event === 'k2')
    const { task } = await command.event('task', ({ event, node }) => event === 'task' && node === null, { timeoutMs })

    const place = { dir, key: join(dir, 'late.json'), data: join(dir, 'late-signer'), socket: join(dir, 'late-socket', 's') }
    expect((await run(['keygen', '--out', place.key])).code).to.equal(0)
    const chain = ['--k2', url, '--task', task]
    const staked = await run(['stake', ...chain, '--amount', '10', '--key', place.key, '--accept-short-notice', '--airdrop', '--json'])
    expect(staked.code, staked.stderr).to.equal(0)
    const { staker } = JSON.parse(staked.stdout)
    const signerUp = async () => {
      const signer = await upSigner(place)
      processes.push(signer)
      return signer
    }
    const signer = await signerUp()
    const late = cli([
      ...['start', ...chain, '--signer', place.socket, '--data-dir', join(dir, 'late'), '--json'],
      ...['--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0']
    ])
    processes.push(late)
    const isPaid = (event: Event) => event.event === 'settled' && event.outcome === 'accepted' && BigInt(event.paid) > 0n
    const paid = await late.event('accepted submission', isPaid, { timeoutMs })
    await late.event('vote of its own', ({ event, signature }) => event === 'voted' && signature != null, { timeoutMs })

    // in the middle of a cycle
    await late.event('submission', ({ event, cycle }) => event === 'submitted' && cycle > paid.cycle, { timeoutMs })
    await killed(signer)
    await late.event('away', ({ event }) => event === 'signer-away', { timeoutMs })
    await signerUp()
    const from = late.events.length
    await late.event('back', ({ event }) => event === 'signer-back', { timeoutMs })
    const again = await late.event('accepted submission after that', isPaid, { from, timeoutMs })
    const voted = await late.event('vote after that', ({ event, cycle }) => event === 'voted' && cycle >= again.cycle, { from, timeoutMs })
    const finalized = await command.event(
      'the same record',
      ({ event, node, cycle }) => event === 'finalized' && node === null && cycle === again.cycle,
      { timeoutMs }
    )
    expect(finalized.accepted).to.include(staker)
    expect(voted.signature).not.to.equal(undefined)
    expect([...command.events, ...late.events].filter(({ event }) => event === 'equivocated')).to.deep.equal([])
    expect(late.events.filter(({ event }) => ['silent', 'key-conflict'].includes(event))).to.deep.equal([])
    late.signal('SIGTERM')
    expect((await late.ended).code, late.stderr()).to.equal(0)
  })
})
