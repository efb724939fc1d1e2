import { createServer } from 'node:net'
import { expect } from 'chai'
import { WebSocketServer } from 'ws'
import { createK2Client, createSlots, type K2Client, type K2ClientInit, type Slots } from '../../src/k2/index.ts'
import { fundTask } from '../../src/k2/settlement/index.ts'
import { randomFrom } from '../sim/random.ts'
import { type Chain, eventually, failureOf, KOII, signerOf, silent, startChain } from './chain.ts'
import { type FaultProxy, otherGenesisHash, startFaultProxy } from './fault-proxy.ts'

/** Long enough for what a busy machine answers late, and short enough to wait for what never answers. */
const LIMITS = { timeoutMs: 5000, firstPauseMs: 20, longestPauseMs: 200, patienceMs: 300, maxResponseBytes: 1024 * 1024 }

describe('k2: several endpoints', () => {
  let chain: Chain
  let proxies: FaultProxy[]
  let client: K2Client
  let unhandled: unknown[]
  const onUnhandled = (err: unknown) => unhandled.push(err)
  before(async () => {
    chain = await startChain({ stakers: 2 })
  })
  after(() => chain.close())
  beforeEach(async () => {
    unhandled = []
    process.on('unhandledRejection', onUnhandled)
    proxies = await Promise.all([1, 2, 3].map((seed) => startFaultProxy({ target: chain.k2.url, random: randomFrom(seed) })))
    client = open()
  })
  afterEach(async () => {
    client.close()
    await Promise.all(proxies.map((proxy) => proxy.close()))
    process.off('unhandledRejection', onUnhandled)
    expect(unhandled).to.deep.equal([])
  })
  const open = (init: Partial<K2ClientInit> = {}) =>
    createK2Client({ url: proxies.map(({ url }) => url), limits: LIMITS, random: randomFrom(9), ...init })
  const stateOf = (i: number) => client.endpoints()[i]!

  it('are given as a list or with commas, and told apart by name', () => {
    expect(
      createK2Client({ url: 'http://a:1, https://b/key?x=y,http://a:1' })
        .endpoints()
        .map(({ name }) => name)
    ).to.deep.equal(['http://a:1', 'https://b/...', 'http://a:1 (3)'])
    expect(() => createK2Client({ url: [] })).to.throw('--k2')
  })

  it('one after the other fails in its own way: reads go on', async () => {
    const [first, second, third] = proxies as [FaultProxy, FaultProxy, FaultProxy]
    const read = async () => (await client.balance(chain.stakers[0]!.address)) > 0n
    expect(await read()).to.equal(true)
    for (const faults of [
      { down: true },
      { httpStatus: 500 },
      { httpStatus: 429 },
      { garbage: 1 },
      { hugeBytes: 4 * 1024 * 1024 },
      { dropRequest: 1 },
      { slowMs: 60_000 }
    ]) {
      first.set(faults)
      second.set(faults)
      // what never answers takes a whole time limit each time
      const times = 'dropRequest' in faults || 'slowMs' in faults ? 1 : 3
      for (let i = 0; i < times; i++) {
        expect(await read(), JSON.stringify(faults)).to.equal(true)
        expect((await client.stakes(chain.task)).length).to.equal(2)
      }
      third.set({})
      first.set({})
      second.set({})
      await eventually('both again', () => client.endpoints().every(({ state }) => state === 'good') || undefined)
    }
  })

  it('fail all: the error names one and what to do; they come back: so do the answers', async () => {
    await client.genesisHash()
    for (const proxy of proxies) {
      proxy.set({ down: true })
    }
    const err = await failureOf(client.balance(chain.wallet.address))
    expect(err.name).to.equal('K2UnreachableError')
    expect(err.message).to.match(/http:\/\/127\.0\.0\.1:\d+ does not answer/)
    for (const proxy of proxies) {
      proxy.set({})
    }
    expect(await eventually('an answer', () => client.balance(chain.wallet.address).catch(() => undefined))).to.be.a('bigint')
  })

  it('an answer without end is cut off', async () => {
    const one = createK2Client({ url: proxies[0]!.url, limits: { ...LIMITS, timeoutMs: 60_000 } })
    proxies[0]!.set({ hugeBytes: 64 * 1024 * 1024 })
    expect((await failureOf(one.balance(chain.wallet.address))).message).to.include('more than 1048576 bytes')
    one.close()
  })

  it('429 is waited out as long as it asks, without asking meanwhile', async () => {
    const only = proxies[0]!
    const one = createK2Client({ url: only.url, limits: { ...LIMITS, timeoutMs: 30_000 } })
    only.set({ httpStatus: 429, retryAfterS: 1 })
    const startMs = performance.now()
    setTimeout(() => only.set({}), 300)
    expect(await one.balance(chain.wallet.address)).to.be.a('bigint')
    expect(performance.now() - startMs).to.be.at.least(990)
    expect(only.counters().httpStatus).to.equal(1)
    one.close()
  })

  it('holds to its limits: requests under way, and each second', async () => {
    let under = 0
    let most = 0
    const slow = createServer((socket) => {
      most = Math.max(most, ++under)
      socket.on('close', () => under--)
      socket.on('error', () => {})
      setTimeout(() => socket.destroy(), 50)
    })
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve))
    const { port } = slow.address() as { port: number }
    const one = createK2Client({ url: `http://127.0.0.1:${port}`, limits: { ...LIMITS, concurrency: 2, longestPauseMs: 20 } })
    await Promise.allSettled(Array.from({ length: 12 }, () => one.balance(chain.wallet.address)))
    expect(most).to.equal(2)
    one.close()
    slow.close()

    const paced = createK2Client({ url: chain.k2.url, limits: { requestsPerSecond: 5, timeoutMs: 60_000 } })
    const startMs = performance.now()
    await Promise.all(Array.from({ length: 11 }, () => paced.balance(chain.wallet.address)))
    expect(performance.now() - startMs).to.be.at.least(1500)
    paced.close()
  })

  it('one of another network is dropped, whenever it turns up', async () => {
    proxies[1]!.set({ genesisHash: otherGenesisHash() })
    expect(await client.genesisHash()).to.equal(chain.k2.genesisHash)
    await client.task(chain.task)
    await eventually('the drop', () => (stateOf(1).state === 'of another network' ? true : undefined))
    expect((await client.stakes(chain.task)).length).to.equal(2)
    // two against one that was down at first
    const late = open()
    proxies[1]!.set({ down: true })
    expect(await late.genesisHash()).to.equal(chain.k2.genesisHash)
    proxies[1]!.set({ genesisHash: otherGenesisHash() })
    await eventually('the drop', async () => {
      await late.task(chain.task)
      return late.endpoints()[1]!.state === 'of another network' ? true : undefined
    })
    late.close()
    // two of different networks: nobody can tell
    const two = createK2Client({ url: [proxies[0]!.url, proxies[1]!.url], limits: LIMITS })
    expect((await failureOf(two.genesisHash())).name).to.equal('K2ContradictionError')
    two.close()
  })

  it('another chain in the place of the first is noticed when they are asked again; the lie of one stops nobody', async () => {
    expect(await client.otherNetwork(), 'nothing is known yet').to.equal(undefined)
    await client.genesisHash()
    expect(await client.otherNetwork()).to.equal(undefined)
    proxies[1]!.set({ down: true })
    proxies[2]!.set({ down: true })
    proxies[0]!.set({ genesisHash: otherGenesisHash() })
    expect(await client.otherNetwork()).to.equal(undefined)
    proxies[1]!.set({ genesisHash: otherGenesisHash() })
    expect(await client.otherNetwork()).to.match(/another network now: its genesis hash is \w+, and this process began with \w+/)
    const one = createK2Client({ url: proxies[2]!.url, limits: LIMITS })
    proxies[2]!.set({})
    await one.genesisHash()
    proxies[2]!.set({ genesisHash: otherGenesisHash() })
    expect(await one.otherNetwork()).to.match(/another network now/)
    one.close()
    for (const proxy of proxies) {
      proxy.set({})
    }
  })

  it('one of three lies about stakes and task: the others are believed, and it is told on', async () => {
    chain.toRound(0, 2)
    const before = await client.stakes(chain.task)
    proxies[0]!.set({ lies: ['stakes', 'task'] })
    for (let i = 0; i < 4; i++) {
      const stakes = await client.stakes(chain.task)
      expect(stakes.map(({ amount }) => amount[0]!.value)).to.deep.equal(before.map(({ amount }) => amount[0]!.value))
      const task = await client.task(chain.task)
      expect(task.manager).to.equal(chain.wallet.address)
      expect(task.finalized).to.equal(undefined)
      expect((await client.stake(chain.task, chain.stakers[0]!.address))!.amount[0]!.value).to.equal(10n * KOII)
    }
    await eventually('the suspicion', () => (stateOf(0).state === 'suspect' ? true : undefined))
    expect(stateOf(0).contradictions).to.be.at.least(3)
    expect(proxies[0]!.counters().lie).to.be.at.least(3)
    await eventually('two good ones', () => [1, 2].every((i) => stateOf(i).state === 'good') || undefined)
    expect([stateOf(1).contradictions, stateOf(2).contradictions]).to.deep.equal([0, 0])
    // caught, it counts for nothing even where only one honest is left
    proxies[1]!.set({ down: true })
    expect((await client.task(chain.task)).manager).to.equal(chain.wallet.address)
  })

  it('two that contradict each other: nothing is believed', async () => {
    const two = createK2Client({ url: [proxies[0]!.url, proxies[1]!.url], limits: LIMITS })
    proxies[1]!.set({ lies: ['task'] })
    const err = await failureOf(two.task(chain.task))
    expect(err.name).to.equal('K2ContradictionError')
    expect(err.message).to.include(proxies[0]!.url).and.include(proxies[1]!.url)
    two.close()
  })

  it('two that contradict each other about stakes: the one whose list is what both say of the task is believed', async () => {
    const two = createK2Client({ url: [proxies[0]!.url, proxies[1]!.url], limits: LIMITS })
    for (const lie of ['stakes', 'no stakes', 'short stakes'] as const) {
      proxies[1]!.set({ lies: [lie] })
      expect((await two.stakes(chain.task)).length, lie).to.equal(2)
    }
    two.close()
  })

  it('state never goes back, though two of three are frozen', async () => {
    const staker = chain.stakers[1]!
    await client.stake(chain.task, staker.address)
    for (const frozen of ['honest', 'cached'] as const) {
      proxies[0]!.set({ frozen })
      await client.stake(chain.task, staker.address)
      const before = (await client.stake(chain.task, staker.address))!.amount[0]!.value
      await chain.stake(staker, KOII)
      const added = before + KOII
      await eventually('the new stake', async () =>
        (await client.stake(chain.task, staker.address))!.amount[0]!.value === added ? true : undefined
      )
      for (let i = 0; i < 5; i++) {
        expect((await client.stake(chain.task, staker.address))!.amount[0]!.value, frozen).to.equal(added)
      }
      proxies[0]!.set({})
    }
    expect(proxies[0]!.counters().frozen).to.be.at.least(1)
  })

  it('an answer from before the slot that was asked for is none, though the endpoint does not care', async () => {
    const two = createK2Client({ url: [proxies[0]!.url, proxies[1]!.url], limits: LIMITS })
    await two.task(chain.task)
    proxies[0]!.set({ frozen: 'cached' })
    proxies[1]!.set({ down: true })
    expect((await failureOf(two.task(chain.task, chain.k2.slot() + 3))).name).to.equal('K2BehindError')
    proxies[0]!.set({})
    await two.task(chain.task, chain.k2.slot() + 1)
    two.close()
  })

  it('one with a private blockhash is not followed', async () => {
    proxies[0]!.set({ lies: ['blockhash'] })
    for (let i = 0; i < 3; i++) {
      const { blockhash } = await client.prepare(
        [fundTask({ task: chain.task, payer: chain.wallet.address, amount: KOII })],
        [signerOf(chain.wallet)]
      )
      expect((await chain.client.connection.isBlockhashValid(blockhash, { commitment: 'processed' })).value).to.equal(true)
    }
  })

  describe('the slot clock', () => {
    let slots: Slots | undefined
    afterEach(() => slots?.stop())
    const start = async (from = client) => {
      slots = createSlots({ k2: from, log: silent })
      await slots.start()
      return slots
    }
    const near = () => Math.abs(slots!.now()! - chain.k2.slot()) <= 5

    it('is not moved by one of three that runs ahead', async () => {
      proxies[2]!.set({ lies: ['slot'] })
      await start()
      expect(near()).to.equal(true)
      await eventually('40 slots', () => (proxies[2]!.counters().lie! > 40 ? true : undefined))
      expect(slots!.now()! - chain.k2.slot()).to.be.below(60)
    })

    it('goes on through lost, half-open and babbling WebSockets, and subscribes again', async () => {
      const one = createK2Client({ url: proxies[0]!.url, limits: LIMITS })
      await start(one)
      await eventually('a subscription', () => (proxies[0]!.webSockets() === 1 ? true : undefined))
      proxies[0]!.cutWebSockets()
      const lost = slots!.now()!
      await eventually('slots after the loss', () => (slots!.now()! > lost + 5 && proxies[0]!.webSockets() === 1 ? true : undefined))
      proxies[0]!.set({ halfOpen: true })
      await eventually('silence', () => (proxies[0]!.counters().silence! > 2 ? true : undefined))
      const deaf = slots!.now()!
      await eventually('slots by polling', () => (slots!.now()! > deaf + 30 ? true : undefined))
      proxies[0]!.set({})
      // only by a new connection does it hear again
      const notices = proxies[0]!.counters().notice!
      await eventually('slots by subscription', () => (proxies[0]!.counters().notice! > notices + 5 ? true : undefined))
      proxies[0]!.set({ garbage: 0.5 })
      await eventually('garbage', () => (proxies[0]!.counters()['garbage notice']! > 10 ? true : undefined))
      expect(near()).to.equal(true)
      one.close()
    })

    it('starts with one of three alive', async () => {
      proxies[0]!.set({ down: true })
      proxies[1]!.set({ dropRequest: 1 })
      await start()
      await eventually('the present', () => near() || undefined)
    })
  })

  it('tells of a change of the task, by whoever tells it first', async () => {
    const heard: bigint[] = []
    const leave = client.watchTask(chain.task, (task) => heard.push(task.funded[0]!.value))
    await eventually('subscriptions', () => (proxies.every((proxy) => proxy.webSockets() === 1) ? true : undefined))
    proxies[0]!.set({ halfOpen: true })
    proxies[1]!.set({ lies: ['task'] })
    const before = (await chain.client.task(chain.task)).funded[0]!.value
    await eventually('an open subscription', async () => {
      await chain.client.send([fundTask({ task: chain.task, payer: chain.wallet.address, amount: KOII })], [signerOf(chain.wallet)])
      return heard.length > 0 ? true : undefined
    })
    expect(heard[0]! > before).to.equal(true)
    leave()
    await eventually('no subscription', () => (proxies.every((proxy) => proxy.webSockets() === 0) ? true : undefined))
  })

  it('survives a WebSocket that says anything, and too much', async () => {
    const hostile = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await new Promise((resolve) => hostile.once('listening', resolve))
    const { port } = hostile.address() as { port: number }
    let connections = 0
    hostile.on('connection', (socket) => {
      connections++
      socket.on('error', () => {})
      socket.on('message', (data) => {
        const { id } = JSON.parse(data.toString()) as { id: number }
        socket.send(JSON.stringify({ id, result: 7 }))
        for (const result of [
          null,
          7,
          'x',
          [],
          {},
          { slot: 'x' },
          { slot: -1 },
          { slot: 1e300 },
          { value: null },
          { value: { data: 7 } }
        ]) {
          socket.send(JSON.stringify({ method: 'n', params: { subscription: 7, result } }))
        }
        socket.send('x'.repeat(100))
        socket.send(Buffer.alloc(10))
        socket.send(' '.repeat(2 * 1024 * 1024))
      })
    })
    const one = createK2Client({ url: `http://127.0.0.1:${port - 1}`, limits: LIMITS })
    const slots: number[] = []
    one.slotSources[0]!.onSlot((slot) => slots.push(slot))
    one.watchTask(chain.task, () => slots.push(-2))
    await eventually('a second dial after the giant', () => (connections >= 2 ? true : undefined))
    expect(slots).to.not.include(-2)
    one.close()
    for (const socket of hostile.clients) {
      socket.terminate()
    }
    await new Promise((resolve) => hostile.close(resolve))
  })
})
