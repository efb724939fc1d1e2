/** An endpoint that lists no stakes, though the task has some: the node believes it neither at the start nor later. */
import { expect } from 'chai'
import { generateKeyPair } from '../../src/identity/index.ts'
import { createK2Client } from '../../src/k2/index.ts'
import { KOII } from '../k2/chain.ts'
import { type FaultProxy, startFaultProxy } from '../k2/fault-proxy.ts'
import { loneNodeOfSuite, named } from './lone-node.ts'

describe('a K2 that keeps no index of stakes', function () {
  this.timeout(180_000)
  const suite = loneNodeOfSuite()
  let proxy: FaultProxy
  before(async () => {
    proxy = await startFaultProxy({ target: suite().chain.k2.url, random: Math.random })
  })
  after(() => proxy.close())

  it('is told of and asked again at the start, and at a new stake; the node goes on when it is well', async () => {
    const lone = suite()
    const { chain } = lone
    proxy.set({ lies: ['no stakes'] })
    const node = lone.start([], [proxy.url])
    const doubt = await node.event('the doubt', ({ event }) => event === 'k2-doubt')
    expect(doubt).to.include({ list: 'stakes', endpoint: proxy.url })
    expect(doubt.reason).to.match(/it lists 0 stakes, and the task has 2|it lists stakes of 0 ROE/)
    expect(named(node.events, 'listening')).to.deep.equal([])

    proxy.set({})
    const listening = await node.event('the start', ({ event }) => event === 'listening')
    expect(listening.staked).to.equal(true)
    await node.event('the end of the doubt', ({ event, reason }) => event === 'k2-doubt' && reason == null)

    // those that are known are read one by one; a new one is not among them
    proxy.set({ lies: ['no stakes'] })
    const from = node.events.length
    const newcomer = generateKeyPair()
    const client = createK2Client({ url: chain.k2.url })
    await client.airdrop(newcomer.address, KOII)
    client.close()
    await chain.stake(newcomer, 5n * KOII)
    await node.event('the second doubt', ({ event, reason }) => event === 'k2-doubt' && reason != null, { from })
    proxy.set({})
    await node.event('its end', ({ event, reason }) => event === 'k2-doubt' && reason == null, { from })
    await lone.stop(node)
  })
})
