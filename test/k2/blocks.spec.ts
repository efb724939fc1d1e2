import { expect } from 'chai'
import { createK2Client, type K2Client } from '../../src/k2/index.ts'
import { randomFrom } from '../sim/random.ts'
import { type Chain, eventually, failureOf, startChain } from './chain.ts'
import { type FaultProxy, type Faults, startFaultProxy } from './fault-proxy.ts'

const LIMITS = { timeoutMs: 1000, firstPauseMs: 20, longestPauseMs: 200, patienceMs: 300 }

describe('k2: the first block at or after a slot', () => {
  let chain: Chain
  let proxies: FaultProxy[]
  const opened: K2Client[] = []
  before(async () => {
    chain = await startChain({ stakers: 1 })
    proxies = await Promise.all([1, 2, 3].map((seed) => startFaultProxy({ target: chain.k2.url, random: randomFrom(seed) })))
  })
  after(async () => {
    for (const client of opened) {
      client.close()
    }
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await chain.close()
  })
  beforeEach(() => {
    for (const proxy of proxies) {
      proxy.set({})
    }
  })
  const open = (count: number) => {
    const client = createK2Client({ url: proxies.slice(0, count).map(({ url }) => url), limits: LIMITS, random: randomFrom(9) })
    opened.push(client)
    return client
  }
  const requests = (client: K2Client) => client.endpoints().reduce((sum, one) => sum + one.requests, 0)
  const truth = async (slot: number) => {
    const [at] = await chain.client.connection.getBlocks(slot, chain.k2.slot(), 'confirmed')
    const block = await chain.client.connection.getBlock(at!, {
      transactionDetails: 'none',
      rewards: false,
      commitment: 'confirmed'
    })
    return { slot: at!, blockhash: block!.blockhash }
  }
  const reached = (slot: number) => eventually('the slot', () => (chain.k2.slot() > slot + 2 ? true : undefined))
  /** As a node does: asks again when it was too early, or nobody could tell who is right. */
  const patient = (client: K2Client, slot: number) =>
    eventually('a block', () =>
      client.blockAtOrAfter(slot).catch((err: Error) => {
        if (!['K2NotYetError', 'K2ContradictionError'].includes(err.name)) {
          throw err
        }
        return undefined
      })
    )

  it('is that of the slot, or the next one where slots have none, for one endpoint and for three', async () => {
    const slot = chain.k2.slot()
    await reached(slot)
    const gap = chain.k2.slot() + 1
    chain.k2.warpTo(gap + 400)
    await reached(gap + 400)
    for (const count of [1, 3]) {
      const client = open(count)
      expect(await client.blockAtOrAfter(slot)).to.deep.equal({ ...(await truth(slot)), slot })
      const after = await client.blockAtOrAfter(gap + 2)
      expect(after).to.deep.equal(await truth(gap + 2))
      expect(after.slot).to.equal(gap + 400)
      // the same at every later time
      await reached(gap + 405)
      expect(await client.blockAtOrAfter(gap + 2)).to.deep.equal(after)
    }
  })

  it('takes one request where the endpoint has just told that it is past the slot, and is the next one where that has none', async () => {
    const client = open(1)
    let told = 0
    client.slotSources[0]!.onSlot((slot) => {
      told = slot
    })
    const counts = () => [proxies[0]!.requests().getBlock ?? 0, proxies[0]!.requests().getBlocks ?? 0, proxies[0]!.requests().getSlot ?? 0]
    // what was told a while ago counts for nothing, and a machine may be slow
    await eventually('one that took one request', async () => {
      const slot = told
      await eventually('the slot', () => (told > slot + 2 ? true : undefined))
      const [blocks, lists, slots] = counts()
      expect(await client.blockAtOrAfter(slot)).to.deep.equal(await truth(slot))
      return counts().join() === [blocks! + 1, lists!, slots!].join() ? true : undefined
    })
    const gap = chain.k2.slot() + 1
    chain.k2.warpTo(gap + 40)
    await eventually('the slot', () => (told > gap + 43 ? true : undefined))
    expect(await client.blockAtOrAfter(gap + 2)).to.deep.equal(await truth(gap + 2))
  })

  it('is not there yet when the chain has not come to it, which is said at once', async () => {
    for (const count of [1, 2, 3]) {
      const client = open(count)
      for (const ahead of [20, 100_000]) {
        const before = requests(client)
        const err = await failureOf(client.blockAtOrAfter(chain.k2.slot() + ahead))
        expect(err.name, `${count} endpoints, ${ahead} ahead`).to.equal('K2NotYetError')
        expect(err.message).to.match(/slot \d+ or later yet: ask again/)
        expect(requests(client) - before, 'asked some times, and not until it comes').to.be.below(40 * count)
      }
    }
    // whoever is a slot ahead of the others contradicts nobody
    expect(
      opened
        .at(-1)!
        .endpoints()
        .map(({ contradictions }) => contradictions)
    ).to.deep.equal([0, 0, 0])
  })

  it('that one alone has is not believed yet, nor held against it', async () => {
    const client = open(3)
    await client.blockAtOrAfter(0)
    proxies[0]!.set({ frozen: 'cached' })
    proxies[1]!.set({ frozen: 'cached' })
    // what they are frozen at is known once they have answered
    expect((await failureOf(client.blockAtOrAfter(chain.k2.slot() + 100_000))).name).to.equal('K2NotYetError')
    const slot = chain.k2.slot() + 5
    await reached(slot)
    for (let i = 0; i < 4; i++) {
      expect((await failureOf(client.blockAtOrAfter(slot))).name).to.equal('K2NotYetError')
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(client.endpoints().map(({ contradictions }) => contradictions)).to.deep.equal([0, 0, 0])
  })

  it('is asked for by a slot', async () => {
    for (const slot of [-1, 1.5, Number.NaN, 2 ** 60]) {
      expect((await failureOf(chain.client.blockAtOrAfter(slot))).name).to.equal('K2ArgumentError')
    }
  })

  const FAULTS: Faults[] = [
    { lies: ['block'] },
    { lies: ['hidden block'] },
    { lies: ['lost block'] },
    { lies: ['slot'] },
    { down: true },
    { garbage: 1 },
    { httpStatus: 500 },
    { frozen: 'cached' },
    { dropRequest: 1 }
  ]

  it('is what two of three say, whatever is wrong with the third', async () => {
    for (const faults of FAULTS) {
      const client = open(3)
      await client.blockAtOrAfter(0)
      proxies[1]!.set(faults)
      const slot = chain.k2.slot() + 3
      const told = await patient(client, slot)
      expect(told, JSON.stringify(faults)).to.deep.equal(await truth(slot))
      proxies[1]!.set({})
    }
  })

  it('is nowhere where one of three runs ahead and shows a block of its own', async () => {
    const client = open(3)
    await client.blockAtOrAfter(0)
    proxies[0]!.set({ lies: ['slot', 'block'] })
    for (let i = 0; i < 3; i++) {
      const err = await failureOf(client.blockAtOrAfter(chain.k2.slot() + 1000))
      expect(err.name).to.equal('K2NotYetError')
    }
  })

  it('of two: nobody is believed while they contradict each other; one that is far behind or away is no witness', async () => {
    for (const lie of ['block', 'hidden block'] as const) {
      const client = open(2)
      proxies[0]!.set({ lies: [lie] })
      const slot = chain.k2.slot()
      await reached(slot + 1)
      expect((await failureOf(client.blockAtOrAfter(slot))).name, lie).to.equal('K2ContradictionError')
    }
    for (const faults of [{ frozen: 'cached' }, { down: true }, { lies: ['lost block'] }] as Faults[]) {
      proxies[0]!.set({})
      const client = open(2)
      await client.blockAtOrAfter(0)
      proxies[0]!.set(faults)
      const slot = chain.k2.slot() + 40
      await reached(slot)
      expect(await patient(client, slot), JSON.stringify(faults)).to.deep.equal(await truth(slot))
    }
  })

  it('that nobody keeps any more is said to be so', async () => {
    const client = open(1)
    const slot = chain.k2.slot()
    await reached(slot + 1)
    proxies[0]!.set({ lies: ['lost block'] })
    expect((await failureOf(client.blockAtOrAfter(slot))).name).to.equal('K2LacksBlockError')
  })
})
