/** The small ones of a terminal: what is too wide for it, rounded for nobody, or more than one. The picture of a testnet is in test/testnet. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { generateKeyPair } from '../../../src/identity/index.ts'
import { widthOf } from '../../../src/observe/shown-text.ts'
import { clip } from '../../../src/rounds/text.ts'
import { LIMITS } from '../../../src/wire/index.ts'
import { runOnTerminal } from '../../e2e/terminal.ts'
import { type Chain, startChain } from '../../k2/chain.ts'

const REASON = `the task threw: Error: ${'x'.repeat(70)} ${'東京'.repeat(10)} ${'more than a line takes, and '.repeat(12)}`

describe('cases: ux/10, on a terminal', function () {
  this.timeout(300_000)
  let chain: Chain
  const staker = generateKeyPair()
  before(async () => {
    chain = await startChain({ stakers: 0 })
    await chain.stake(staker, 48_666_666_666n, `/ip4/203.0.113.7/tcp/4001/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5`)
  })
  after(() => chain.close())

  /** Every line fits, but for a word that must be copied whole. */
  const expectFits = (output: string, columns: number) => {
    for (const line of output.split('\n')) {
      expect(widthOf(line) <= columns || /^ *(\S+ {2,})?[!-~]{60,}$/.test(line), line).to.equal(true)
    }
  }

  it('status fits 80 columns, with fractions of KOII, and its reasons are bounded', async () => {
    const status = {
      ...{ node: staker.address, taskName: 'count', task: chain.task, slot: 200, cycle: 5, staked: true, stake: '48666666666' },
      ...{ finalizedCycle: 4, bundles: [], notices: [REASON], rssBytes: 1, multiaddrs: [] },
      ...{ peers: { staked: 2, connected: 2, mesh: 2 } },
      k2: [{ name: 'http://127.0.0.1:8899', state: 'behind', slot: 3, lagSlots: 1 }],
      cycles: [
        { cycle: 4, entry: { outcome: 'no submission', missed: REASON, paid: '48666666666', total: '148666666666' } },
        { cycle: 3, entry: { outcome: 'unavailable', reason: REASON, paid: '0', total: '1' } }
      ]
    }
    const server = createServer((_request, response) => response.end(JSON.stringify(status)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      for (const columns of [80, 120]) {
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        const { code, output } = await runOnTerminal(['status', '--url', url], { columns })
        expect(code, output).to.equal(0)
        expectFits(output, columns)
        expect(output)
          .to.match(/│ cycle │ submission/)
          .and.to.match(/answers, 1 slot behind/)
        expect(output.match(/more than a line/g)!.length).to.be.below(30)
      }
    } finally {
      server.close()
    }
  })

  it('task list and task show fit 80 columns, addresses whole', async () => {
    for (const args of [['list'], ['show', chain.task]]) {
      for (const columns of [80, 120]) {
        const { code, output } = await runOnTerminal(['task', ...args, '--k2', chain.k2.url], { columns })
        expect(code, output).to.equal(0)
        expectFits(output, columns)
        expect(output)
          .to.include(chain.task)
          .and.to.match(/\d+\.666666666/)
      }
    }
    const { output } = await runOnTerminal(['task', 'show', chain.task, '--k2', chain.k2.url])
    expect(output).to.match(/of 1 staker,/)
  })

  it('a reason on the wire ends after a whole word', () => {
    const reason = `not here in time: the round gives 8 s to fetch, 11 s in all (0 of 1 blocks came). Asked: ${'12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'} sent nothing for 5000 ms`
    const clipped = clip(reason)
    expect(Buffer.byteLength(clipped)).to.be.at.most(LIMITS.reasonBytes)
    expect(clipped).to.match(/ …$/)
    expect(`${reason} `).to.satisfy((whole: string) => whole.startsWith(`${clipped.slice(0, -2)} `))
    expect(clip('short')).to.equal('short')
    expect(clip('東'.repeat(100))).to.match(/^東+ …$/)
  })
})
