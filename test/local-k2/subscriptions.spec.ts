import { type AccountInfo, type Context, type KeyedAccountInfo, Keypair, type Logs, SystemProgram } from '@solana/web3.js'
import { expect } from 'chai'
import { eventually, type Fixture, pay, startK2, transfer } from './support.ts'

/** Collects what a subscription tells. */
function ear<T extends unknown[]>() {
  const heard: T[] = []
  return {
    heard,
    listen: (...args: T) => void heard.push(args),
    count: (n: number) => eventually(`${n} notifications`, () => (heard.length >= n ? heard : undefined))
  }
}

describe('local K2: subscriptions', () => {
  let f: Fixture
  beforeEach(async () => {
    f = await startK2()
  })
  afterEach(() => f.close())

  /** Waits until the server has so many subscriptions: web3.js subscribes in the background. */
  const subscribed = (n: number) => eventually(`${n} subscriptions`, () => (f.k2.subscriptionCount === n ? true : undefined))

  it('tells slots and roots as they come', async () => {
    const [slots, roots] = [ear<[{ slot: number; parent: number; root: number }]>(), ear<[number]>()]
    const slotId = f.connection.onSlotChange(slots.listen)
    const rootId = f.connection.onRootChange(roots.listen)
    await subscribed(2)
    f.slots(2)
    f.k2.warpTo(10)
    await slots.count(3)
    await roots.count(3)
    expect(slots.heard.map(([info]) => info)).to.deep.equal([
      { slot: 2, parent: 1, root: 1 },
      { slot: 3, parent: 2, root: 2 },
      { slot: 10, parent: 3, root: 3 }
    ])
    expect(roots.heard.flat()).to.deep.equal([1, 2, 3])
    await f.connection.removeSlotChangeListener(slotId)
    await f.connection.removeRootChangeListener(rootId)
    await subscribed(0)
    f.slots()
    expect(slots.heard).to.have.length(3)
  })

  it('tells of a signature once, when its slot is complete, whether subscribed before or after', async () => {
    const alice = await f.funded(1_000_000_000)
    const transaction = await transfer(f, alice, Keypair.generate().publicKey, 1_000_000)
    const signature = await f.connection.sendRawTransaction(transaction.serialize())
    const [during, processed, after] = [ear(), ear(), ear()]
    f.connection.onSignature(signature, during.listen, 'confirmed')
    f.connection.onSignature(signature, processed.listen, 'processed')
    await processed.count(1)
    await subscribed(1)
    expect(during.heard).to.have.length(0)
    f.slots()
    expect((await during.count(1))[0]).to.deep.equal([{ err: null }, { apiVersion: '4.1.0', slot: 2 }])
    f.connection.onSignature(signature, after.listen, 'finalized')
    expect((await after.count(1))[0]![0]).to.deep.equal({ err: null })
    await subscribed(0)
    f.slots(2)
    expect([during, processed, after].map(({ heard }) => heard.length)).to.deep.equal([1, 1, 1])
  })

  it('tells the error of a signature that failed', async () => {
    const alice = await f.funded(10_000_000)
    const transaction = await transfer(f, alice, Keypair.generate().publicKey, 90_000_000)
    const told = ear()
    await f.connection.sendRawTransaction(transaction.serialize(), { skipPreflight: true })
    const { default: bs58 } = await import('bs58')
    f.connection.onSignature(bs58.encode(transaction.signature!), told.listen, 'confirmed')
    await subscribed(1)
    f.slots()
    expect((await told.count(1))[0]![0]).to.deep.equal({ err: { InstructionError: [0, { Custom: 1 }] } })
  })

  it('tells of an account at once when processed, with its block when confirmed, and when it is closed', async () => {
    const alice = await f.funded(1_000_000_000)
    const bob = await f.funded(2_000_000)
    const [processed, confirmed] = [ear<[AccountInfo<Buffer>, Context]>(), ear<[AccountInfo<Buffer>, Context]>()]
    f.connection.onAccountChange(bob.publicKey, processed.listen, { commitment: 'processed' })
    f.connection.onAccountChange(bob.publicKey, confirmed.listen, { commitment: 'confirmed' })
    await subscribed(2)
    await f.connection.sendRawTransaction((await transfer(f, alice, bob.publicKey, 1_000_000)).serialize())
    await f.connection.sendRawTransaction((await transfer(f, alice, bob.publicKey, 1_000_001)).serialize())
    await processed.count(2)
    expect(confirmed.heard).to.have.length(0)
    f.slots()
    await confirmed.count(1)
    expect(processed.heard.map(([{ lamports }]) => lamports)).to.deep.equal([3_000_000, 4_000_001])
    expect(confirmed.heard.map(([{ lamports }, { slot }]) => [lamports, slot])).to.deep.equal([[4_000_001, 3]])
    await pay(f, bob, alice.publicKey, 3_995_001)
    expect((await confirmed.count(2))[1]![0]).to.include({ lamports: 0 })
  })

  it('tells of the accounts of a program that pass the filters', async () => {
    const alice = await f.funded(1_000_000_000)
    const [all, large] = [ear<[KeyedAccountInfo, Context]>(), ear<[KeyedAccountInfo, Context]>()]
    f.connection.onProgramAccountChange(SystemProgram.programId, all.listen, { commitment: 'confirmed' })
    f.connection.onProgramAccountChange(SystemProgram.programId, large.listen, { commitment: 'confirmed', filters: [{ dataSize: 10 }] })
    await subscribed(2)
    const bob = Keypair.generate().publicKey
    await pay(f, alice, bob, 5_000_000)
    const heard = await all.count(2)
    expect(heard.map(([{ accountId, accountInfo }]) => [accountId.toBase58(), accountInfo.lamports])).to.deep.equal([
      [alice.publicKey.toBase58(), 994_995_000],
      [bob.toBase58(), 5_000_000]
    ])
    expect(large.heard).to.have.length(0)
  })

  it('tells logs, of all or of those that mention an address', async () => {
    const alice = await f.funded(1_000_000_000)
    const [bob, carol] = [Keypair.generate().publicKey, Keypair.generate().publicKey]
    const [all, bobs] = [ear<[Logs, Context]>(), ear<[Logs, Context]>()]
    f.connection.onLogs('all', all.listen, 'confirmed')
    f.connection.onLogs(bob, bobs.listen, 'confirmed')
    await subscribed(2)
    const first = await pay(f, alice, bob, 1_000_000)
    const second = await pay(f, alice, carol, 1_000_000)
    await all.count(2)
    expect(all.heard.map(([{ signature }]) => signature)).to.deep.equal([first, second])
    expect(bobs.heard.map(([{ signature }]) => signature)).to.deep.equal([first])
    expect(bobs.heard[0]![0].logs[0]).to.equal('Program 11111111111111111111111111111111 invoke [1]')
  })

  it('tells a sysvar with every slot, and says so where data is too long for the encoding', async () => {
    const { default: WebSocket } = await import('ws')
    const socket = new WebSocket(f.k2.wsUrl)
    await new Promise((resolve) => socket.once('open', resolve))
    type Told = { params?: { subscription: number; result: { context: { slot: number }; value: { data: unknown; space: number } } } }
    const told: Told[] = []
    socket.on('message', (data) => told.push(JSON.parse(data.toString())))
    const watch = (key: string, config: object) =>
      socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'accountSubscribe', params: [key, config] }))
    watch('SysvarC1ock11111111111111111111111111111111', { commitment: 'processed', encoding: 'jsonParsed' })
    watch('SysvarC1ock11111111111111111111111111111111', { commitment: 'confirmed', encoding: 'jsonParsed' })
    watch('SysvarS1otHashes111111111111111111111111111', { commitment: 'confirmed', encoding: 'base58' })
    watch('SysvarS1otHashes111111111111111111111111111', { commitment: 'confirmed' })
    await subscribed(4)
    f.slots()
    await eventually('four answers and four notifications', () => (told.length === 8 ? true : undefined))
    const values = told.flatMap(({ params }) => (params === undefined ? [] : [[params.result.context.slot, params.result.value.data]]))
    const clockSlot = (data: unknown) => (data as { parsed?: { info: { slot: number } } }).parsed?.info.slot
    const words = 'error: data too large for bs58 encoding'
    expect(values.map(([slot, data]) => [slot, clockSlot(data) ?? data])).to.have.deep.members([
      [1, 1],
      [2, 2],
      [1, [words, 'base58']],
      [1, words]
    ])
    // the chain goes on
    expect(await pay(f, await f.funded(1_000_000_000), Keypair.generate().publicKey, 1_000_000)).to.be.a('string')
    socket.terminate()
  })

  it('forgets the subscriptions of a connection that is gone, and bounds those of one', async () => {
    const { default: WebSocket } = await import('ws')
    const socket = new WebSocket(f.k2.wsUrl)
    await new Promise((resolve) => socket.once('open', resolve))
    const answers: Array<{ error?: { message: string } }> = []
    socket.on('message', (data) => answers.push(JSON.parse(data.toString())))
    for (let id = 0; id <= 1000; id++) {
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'slotSubscribe' }))
    }
    await eventually('the answers', () => (answers.length === 1001 ? true : undefined))
    expect(answers[1000]!.error!.message).to.contain('Subscription refused')
    expect(f.k2.subscriptionCount).to.equal(1000)
    socket.terminate()
    await subscribed(0)
  })
})
