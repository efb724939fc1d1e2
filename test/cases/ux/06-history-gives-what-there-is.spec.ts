/** Proofs go after three cycles; records and ledgers stay, over restarts, for strangers and for who joined late. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cli, cli, type Event, run, sleep } from '../../e2e/cli.ts'
import { cleanTestnets, RUN_TIMEOUT_MS, testnet } from '../../e2e/testnet.ts'

/** Of cycles that may be further apart: one in which all are killed may be skipped. */
const RECORDS = 8

const is =
  (event: string, fields: Event = {}) =>
  (one: Event) =>
    one.event === event && Object.entries(fields).every(([name, value]) => (value === null ? one[name] == null : one[name] === value))

describe('case: a stranger who wants to see every payment', function () {
  this.timeout(RUN_TIMEOUT_MS)
  let late: Cli | undefined
  afterEach(async function () {
    await late?.clean()
    await cleanTestnets(this.currentTest?.state === 'failed')
  })

  it('gets the chain from the newest record to the first, after a restart of every node, and proofs no more', async () => {
    const timeoutMs = RUN_TIMEOUT_MS
    const { command, dir } = await testnet(['--nodes', '3', '--keep-cycles', '3'])
    const { url } = await command.event('K2', is('k2'))
    const { task } = await command.event('task', is('task', { node: null }), { timeoutMs })
    const first = await command.event('first record', is('finalized', { node: null }), { timeoutMs })
    const old = command.events.find((event) => event.event === 'submitted' && event.cycle === first.cycle)
    const proof = /baf[a-z2-7]{50,}/.exec(JSON.stringify(old))?.[0]
    expect(proof, JSON.stringify(old)).to.be.a('string')
    const seen = new Set<number>()
    const enough = (event: Event) => is('finalized', { node: null })(event) && seen.add(event.cycle).size >= RECORDS
    await command.event('enough records', enough, { timeoutMs })

    const from = command.events.length
    const started = new Map(command.events.filter(is('node-started')).map((event) => [event.name as string, event.pid as number]))
    expect(started.size).to.equal(3)
    for (const pid of started.values()) {
      process.kill(pid, 'SIGKILL')
    }
    for (const name of started.keys()) {
      await command.event(`restart of ${name}`, is('listening', { name }), { from, timeoutMs })
    }
    const last = await command.event('a cycle after the restart', is('finalized', { name: 'node-1' }), { from, timeoutMs })

    // nobody told it the newest record: K2 did
    const shown = JSON.parse((await run(['task', 'show', task, '--k2', url, '--json'])).stdout)
    expect(shown.lastRecord).to.be.a('string')
    const ask = ['--k2', url, '--task', task, '--timeout', '300', '--json']
    const car = join(dir, 'payments.car')
    const got = await run(['proof', 'get', shown.lastRecord, ...ask, '--history', '--out', car])
    expect(got.code, got.stderr).to.equal(0)
    const history = JSON.parse(got.stdout)
    expect(history).to.include({ complete: true, stopped: null, previous: null, fromCycle: first.cycle })
    expect(history.cycle).to.be.at.least(last.cycle)
    const finalized = new Set(command.events.filter(is('finalized')).flatMap(({ cycle }) => (cycle <= history.cycle ? [cycle] : [])))
    expect(history.records).to.equal(finalized.size).and.at.least(RECORDS)

    // what it got can be given on, and says the same without any node
    const checked = await run(['proof', 'verify', car, '--json'])
    expect(checked.code, checked.stderr).to.equal(0)
    expect(JSON.parse(checked.stdout)).to.include({
      kind: 'records',
      root: shown.lastRecord,
      records: history.records,
      fromCycle: first.cycle,
      previous: null,
      others: 0
    })

    // one that joins now fetches the chain back, and lets others have it
    const data = join(dir, 'late')
    late = cli(['start', '--k2', url, '--task', task, '--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', '--data-dir', data, '--json'])
    const listening = await late.event('listening node', is('listening'), { timeoutMs })
    let records: Event = {}
    while (records.from !== first.cycle || records.gaps.length > 0) {
      await sleep(500)
      records = JSON.parse((await run(['status', '--data-dir', data, '--json'])).stdout).records
    }
    const json = join(dir, 'first.json')
    const again = await run(['proof', 'get', first.record, '--from', listening.multiaddrs[0], '--out', json, '--timeout', '300', '--json'])
    expect(again.code, again.stderr).to.equal(0)
    const { blocks } = JSON.parse(await readFile(json, 'utf8'))
    expect(blocks[first.record]).to.include({ cycle: first.cycle, previous: null })
    expect(blocks).to.have.property(blocks[first.record].ledger['/'])

    // only records are kept for long
    const gone = await run(['proof', 'get', proof!, '--k2', url, '--task', task, '--timeout', '3', '--out', join(dir, 'gone')])
    expect(gone.code, gone.stdout).to.equal(1)
    expect(gone.stderr).to.match(/is not to be had .*does not have it/)
  })
})
