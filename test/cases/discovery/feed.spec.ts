/** An endpoint that serves no slots by subscription: the account subscriptions of the same connection live on. */
import { expect } from 'chai'
import { createFeed } from '../../../src/k2/feed.ts'
import { createSlots } from '../../../src/k2/index.ts'
import { eventually, silent } from '../../k2/chain.ts'
import { startSocketServer } from '../../k2/socket-server.ts'

describe('case discovery/feed: renewals of one subscription', () => {
  it('cost no other one its connection, and the slot is asked for instead', async () => {
    const server = await startSocketServer({
      answer: ({ method }) =>
        method === 'slotSubscribe' ? { error: { code: -32601, message: 'Subscriptions unsupported' } } : { result: 7 }
    })
    // time goes by twenty times as fast: a renewal is due five times a second
    const nowMs = () => performance.now() * 20
    const feed = createFeed({
      url: server.url,
      name: 'x',
      log: silent,
      nowMs,
      random: Math.random,
      pauses: { firstPauseMs: 20, longestPauseMs: 200 }
    })
    let renewals = 0
    const start = nowMs()
    const source = {
      name: 'x',
      dropped: () => false,
      renew(reason: string) {
        renewals++
        feed.renew(reason)
      },
      slot: async () => Math.floor((nowMs() - start) / 400),
      onSlot: (listener: (slot: number) => void) => feed.on('slotSubscribe', [], (result) => listener((result as { slot: number }).slot))
    }
    const slots = createSlots({ k2: { slotSources: [source] }, log: silent, nowMs })
    feed.on('accountSubscribe', ['x'], () => {})
    try {
      await slots.start()
      await eventually('six renewals', () => (renewals >= 6 ? true : undefined))
      await eventually('slots by asking', () => (slots.now()! > 10 ? true : undefined))
      expect(server.connections()).to.equal(1)
      expect(server.asked.filter(({ method }) => method === 'accountSubscribe')).to.have.length(1)
    } finally {
      await slots.stop()
      feed.close()
      await server.close()
    }
  })
})
