import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cli, cli, type Event, report, run } from './cli.ts'
import { cleanTestnets, expectHeld, expectNobodyLeft, nodesOf, RUN_TIMEOUT_MS, testnet, votesOf } from './testnet.ts'

const is =
  (wanted: string, more: Record<string, unknown> = {}) =>
  (event: Event) =>
    event.event === wanted && Object.entries(more).every(([key, value]) => event[key] === value)

describe('a testnet of real processes, and people who meddle with it', function () {
  this.timeout(RUN_TIMEOUT_MS)
  let late: Cli | undefined
  afterEach(async function () {
    const failed = this.currentTest?.state === 'failed'
    if (late != null && failed) {
      console.error(report(late, []))
    }
    await late?.clean()
    late = undefined
    await cleanTestnets(failed)
  })

  it('a node that is killed in the middle of a round comes back and votes again, once a cycle', async () => {
    const { command, finish } = await testnet(['--nodes', '5', '--rounds', '5'])
    const timeoutMs = RUN_TIMEOUT_MS
    const victim = await command.event('second node', is('node-started', { name: 'node-2' }))
    // in the middle of a round: it has said what it did in cycle 1, and has not voted on it
    await command.event('submission', is('submitted', { name: 'node-2', cycle: 1 }), { timeoutMs })
    process.kill(victim.pid, 'SIGKILL')
    const from = command.events.length
    await command.event('kill', is('node-killed', { name: 'node-2' }))
    const back = await command.event('restart', is('node-started', { name: 'node-2' }), { from })
    expect(back.pid).not.to.equal(victim.pid)
    expect(back.node).to.equal(victim.node)
    const again = await command.event('vote after the restart', is('voted', { name: 'node-2' }), { from, timeoutMs })
    const accepted = await command.event(
      'submission that counts after the restart',
      (event) => event.event === 'settled' && event.name === 'node-2' && event.cycle > again.cycle && event.outcome === 'accepted',
      { from, timeoutMs }
    )
    expect(BigInt(accepted.paid) > 0n).to.equal(true)

    const { code, summary } = await finish()
    expect(code).to.equal(0)
    expectHeld(command.events, summary)
    const votes = votesOf(command.events, victim.node).map(({ cycle }) => cycle)
    expect(votes).to.deep.equal([...new Set(votes)])
    // those who were left alone missed none
    for (const { staker, name } of nodesOf(command.events).filter(({ staker: one }) => one !== victim.node)) {
      const voted = votesOf(command.events, staker).map(({ cycle }) => cycle)
      expect(voted, name).to.include.members(summary.records.map(({ cycle }: Event) => cycle))
    }
    await expectNobodyLeft(command)
  })

  it('a node that hangs for longer than anybody waits costs the others nothing, and is one of them again when it goes on', async () => {
    const { command, finish } = await testnet(['--nodes', '5', '--rounds', '5'])
    const timeoutMs = RUN_TIMEOUT_MS
    const victim = await command.event('second node', is('node-started', { name: 'node-2' }))
    await command.event('submission', is('submitted', { name: 'node-2', cycle: 1 }), { timeoutMs })
    const from = command.events.length
    process.kill(victim.pid, 'SIGSTOP')
    const passed = await command.event('that nobody waits for it', is('passed-over', { name: 'node-2' }), { from, timeoutMs })
    expect(passed.waitedMs).to.be.at.least(10_000)
    // the others go on without it
    await command.event('finalized cycle', is('finalized', { node: null }), { from: command.events.length, timeoutMs })
    process.kill(victim.pid, 'SIGCONT')
    const back = command.events.length
    await command.event('submission of the one that was stopped', is('submitted', { name: 'node-2' }), { from: back, timeoutMs })

    const { code, summary } = await finish()
    expect(code).to.equal(0)
    expectHeld(command.events, summary)
    // it was waited for in vain once, and not in every slot
    expect(command.events.filter(is('passed-over'))).to.have.length(1)
    expect(summary.skipped).to.deep.equal([])
    const others = nodesOf(command.events).filter(({ staker }) => staker !== victim.node)
    for (const { cycle, accepted } of summary.records as Event[]) {
      expect(accepted, `accepted in cycle ${cycle}`).to.include.members(others.map(({ staker }) => staker))
    }
    const again = summary.records.filter(({ accepted }: Event) => accepted.includes(victim.node)).map(({ cycle }: Event) => cycle)
    expect(Math.max(...again), `cycles of the one that was stopped: ${again}`).to.be.greaterThan(1)
    await expectNobodyLeft(command)
  })

  it('a node that is started late by hand catches up, is paid, and serves and claims; Ctrl+C ends everything', async () => {
    const { command, dir } = await testnet(['--nodes', '4'])
    const timeoutMs = RUN_TIMEOUT_MS
    const { url } = await command.event('K2', is('k2'))
    const { task } = await command.event('task', is('task', { node: null }), { timeoutMs })
    await command.event('finalized cycle', is('finalized', { node: null }), { timeoutMs })

    const data = join(dir, 'late')
    late = cli([
      ...['start', '--k2', url, '--task', task, '--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0'],
      ...['--stake', '10', '--accept-short-notice', '--airdrop', '--json', '--data-dir', data]
    ])
    const listening = await late.event('listening node', is('listening'), { timeoutMs })
    // it has no bundle of its own: this one came from a peer
    await late.event('bundle', is('task'), { timeoutMs })
    const settled = await late.event(
      'accepted submission',
      (event) => event.event === 'settled' && event.outcome === 'accepted' && BigInt(event.paid) > 0n,
      { timeoutMs }
    )
    // all say the same of that cycle, and it was not the first one
    const finalized = await command.event('the same record', is('finalized', { node: null, cycle: settled.cycle }), { timeoutMs })
    expect(settled.record).to.equal(finalized.record)
    expect(finalized.accepted).to.include(listening.node)
    expect(settled.cycle).to.be.greaterThan(1)
    await late.event('vote', is('voted'), { timeoutMs })

    const status = await run(['status', '--data-dir', data, '--json'])
    expect(status.code, status.stderr).to.equal(0)
    const told = JSON.parse(status.stdout)
    expect(told).to.include({ node: listening.node, task, staked: true, stake: '10000000000' })
    expect(told.peers.staked).to.equal(4)
    expect(told.cycles.map(({ cycle }: Event) => cycle)).to.include(settled.cycle)

    const submitted = late.events.findLast(is('submitted'))
    const cid = /"(baf[a-z2-7]{50,})"/.exec(typeof submitted.value === 'string' ? submitted.value : JSON.stringify(submitted))?.[1]
    expect(cid, JSON.stringify(submitted)).to.be.a('string')
    const out = join(dir, 'proof')
    const got = await run(['proof', 'get', cid!, '--from', listening.multiaddrs[0], '--out', out, '--json'])
    expect(got.code, got.stderr).to.equal(0)
    expect(JSON.parse(got.stdout)).to.include({ cid, path: out })
    expect((await stat(out)).size).to.be.greaterThan(0)

    // the own node's address need not be known to its operator
    const nearby = await run(['proof', 'get', cid!, '--data-dir', data, '--out', join(dir, 'nearby'), '--json'])
    expect(nearby.code, nearby.stderr).to.equal(0)
    expect(await readFile(join(dir, 'nearby'))).to.deep.equal(await readFile(out))

    const claimed = await run(['claim', '--k2', url, '--task', task, '--key', join(data, 'staking-key.json'), '--data-dir', data, '--json'])
    expect(claimed.code, claimed.stderr).to.equal(0)
    const claim = JSON.parse(claimed.stdout)
    expect(claim).to.include({ staker: listening.node, to: listening.node })
    expect(BigInt(claim.amount) >= BigInt(settled.paid)).to.equal(true)
    expect(claim.signature).to.be.a('string')

    late.signal('SIGINT')
    expect(await late.ended).to.deep.equal({ code: 0, signal: null })
    command.signal('SIGINT')
    const { code } = await command.ended
    const summary = command.events.at(-1)
    expect(summary.reason).to.equal(null)
    expect(code).to.equal(0)
    expect(summary).to.include({ event: 'summary', ok: true })
    expect(summary.rewards).to.have.property(listening.node)
    await expectNobodyLeft(command)
  })

  it('Ctrl+C in a terminal, which reaches the nodes as well, ends it all the same', async () => {
    const { command } = await testnet(['--nodes', '2'])
    await command.event('finalized cycle', is('finalized', { node: null }), { timeoutMs: RUN_TIMEOUT_MS })
    command.signal('SIGINT', 'group')
    expect(await command.ended).to.deep.equal({ code: 0, signal: null })
    expect(command.events.at(-1)).to.include({ event: 'summary', ok: true, reason: null })
    await expectNobodyLeft(command)
  })

  it('site-archive: pages of a local site are archived, audited and paid', async () => {
    const { command, finish } = await testnet(['--nodes', '4', '--rounds', '2', '--task', 'site-archive'])
    const { code, summary } = await finish()
    expect(code).to.equal(0)
    expectHeld(command.events, summary)
    expect(summary.finalized).to.be.at.least(2)
    expect(Object.keys(summary.rewards)).to.have.length(4)
    expect(summary.proofs.fetched).to.be.greaterThan(0)
    expect(command.events.some(({ event, finding }) => event === 'audited' && finding === 'valid')).to.equal(true)
  })
})
