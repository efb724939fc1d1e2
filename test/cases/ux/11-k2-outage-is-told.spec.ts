/** The only K2 endpoint goes away for a while: health, status, log and events say so, and say when it is back. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { cli, run } from '../../e2e/cli.ts'
import { loneNodeOfSuite, named } from '../../e2e/lone-node.ts'
import { terminal } from '../../e2e/terminal.ts'
import { eventually } from '../../k2/chain.ts'
import { type FaultProxy, startFaultProxy } from '../../k2/fault-proxy.ts'

describe('case ux/11: K2 goes away', function () {
  this.timeout(180_000)
  const suite = loneNodeOfSuite()
  let proxies: FaultProxy[]
  before(async () => {
    const target = suite().chain.k2.url
    proxies = await Promise.all([1, 2].map(() => startFaultProxy({ target, random: Math.random })))
  })
  after(() => Promise.all(proxies.map((proxy) => proxy.close())))

  const health = async () => {
    const { url } = JSON.parse(await readFile(join(suite().data, 'api.json'), 'utf8')) as { url: string }
    const response = await fetch(`${url}/healthz`)
    return { status: response.status, ...((await response.json()) as { ok: boolean; reason: string }) }
  }
  const says = (words: RegExp) => eventually(`${words}`, async () => (words.test(await status()) ? true : undefined))
  const status = async () => (await run(['status', '--data-dir', suite().data])).stdout

  it('and comes back', async () => {
    const lone = suite()
    const [only] = proxies as [FaultProxy]
    const { node, events } = await lone.up([], [only.url])
    await says(new RegExp(`^k2 +${only.url} answers, slot \\d+$`, 'm'))
    expect((await health()).reason).not.to.include('K2')

    only.set({ down: true })
    const away = await node.event('the outage', ({ event }) => event === 'k2-away')
    expect(away.reason).to.match(/^K2 has not answered since slot \d+, for \d+ s$/)
    expect(await health()).to.deep.include({ status: 503, ok: false })
    expect((await health()).reason).to.match(/^K2 has not answered since slot \d+, for \d+ s$/)
    expect(await status()).to.match(new RegExp(`^k2 +${only.url} has not answered since slot \\d+, for \\d+ s$`, 'm'))

    only.set({})
    const back = await node.event('the end of it', ({ event }) => event === 'k2-back')
    expect(back.seconds).to.be.at.least(3)
    expect((await health()).reason).not.to.include('K2')
    // its slots come by WebSocket again before a request is tried again
    await says(new RegExp(`^k2 +${only.url} answers`, 'm'))
    expect([named(events, 'k2-away').length, named(events, 'k2-back').length]).to.deep.equal([1, 1])
    await lone.stop(node)
    const lines = node
      .stderr()
      .split('\n')
      .filter((line) => /K2 (has not answered|answers again)/.test(line))
    expect(lines).to.have.length(2)
    expect(lines[0]).to.match(/"level":40.*K2 has not answered since slot \d+/)
    expect(lines[1]).to.match(/"level":30.*K2 answers again, after \d+ s/)
  })

  it('with one of its endpoints only: status tells it, and the node is as healthy as before', async () => {
    const lone = suite()
    const [first, second] = proxies as [FaultProxy, FaultProxy]
    const { node, events } = await lone.up([], [first.url, second.url])
    second.set({ down: true })
    await eventually('the word of it', async () =>
      (await status()).includes(`${second.url} has not answered since slot`) ? true : undefined
    )
    expect(await status()).to.match(
      new RegExp(`^k2 +${first.url} answers, slot \\d+\n +${second.url} has not answered since slot \\d+, for \\d+ s$`, 'm')
    )
    expect((await health()).reason).not.to.include('K2')
    expect(named(events, 'k2-away')).to.deep.equal([])
    second.set({})
    await lone.stop(node)
  })

  it('is told to people in words', async () => {
    const lone = suite()
    const [only] = proxies as [FaultProxy]
    only.set({})
    const person = cli([
      ...['start', '--k2', only.url, '--task', lone.chain.task, '--key', lone.key, '--data-dir', `${lone.data}-2`],
      ...['--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0']
    ])
    await eventually('its start', () => (person.stdout().includes('listening on') ? true : undefined))
    only.set({ down: true })
    await eventually('the word', () =>
      /K2 has not answered since slot \d+, for \d+ s: the node asks on/.test(person.stdout()) ? true : undefined
    )
    only.set({})
    await eventually('the end', () => (/K2 answers again, after \d+ s/.test(person.stdout()) ? true : undefined))
    await lone.stop(person)
    await person.clean()
  })

  it('is told once on a terminal, which shows the events and the log on one page', async () => {
    const lone = suite()
    const [only] = proxies as [FaultProxy]
    only.set({})
    const start = [
      ...['start', '--k2', only.url, '--task', lone.chain.task, '--key', lone.key, '--data-dir', `${lone.data}-3`],
      ...['--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0']
    ]
    const page = terminal(start, { columns: 300 })
    try {
      await page.shows(/listening on/)
      only.set({ down: true })
      await page.shows(/K2 has not answered since slot \d+, for \d+ s: the node asks on/)
      only.set({})
      await page.shows(/K2 answers again, after \d+ s/)
      // what is said later is there, so that all of this is, too
      only.set({ down: true })
      await page.shows(/(?:K2 has not answered[\s\S]*){2}/)
    } finally {
      await page.close()
    }
    expect(page.output().match(/K2 answers again/g)).to.have.length(1)
    expect(page.output().match(/K2 has not answered/g)).to.have.length(2)
  })
})
