import { createServer, type Server } from 'node:net'
import { createSolanaRpc, createSolanaRpcSubscriptions, address as toAddress } from '@solana/kit'
import { Keypair } from '@solana/web3.js'
import { expect } from 'chai'
import WebSocket from 'ws'
import { createLocalK2, PortInUseError, StoppedError } from '../../src/local-k2/index.ts'
import { eventually, type Fixture, failureOf, pay, post, startK2 } from './support.ts'

describe('local K2: the server', () => {
  let f: Fixture
  beforeEach(async () => {
    f = await startK2()
  })
  afterEach(() => f.close())

  const ask = async (body: unknown) => {
    const response = await fetch(f.k2.url, post(body))
    return { status: response.status, body: await response.json() }
  }

  it('stops though one does not say goodbye and others dial again at once, and takes nothing meanwhile', async () => {
    const { url, wsUrl } = f.k2
    // says nothing more once it is a WebSocket, as a process that was stopped
    const mute = new WebSocket(wsUrl)
    await new Promise((resolve) => mute.once('open', resolve))
    ;(mute as unknown as { _socket: { pause(): void } })._socket.pause()
    let [dials, opened] = [0, 0]
    const redials = (to: string): void => {
      const one = new WebSocket(to)
      dials++
      one.on('error', () => {})
      one.once('open', () => {
        opened++
        one.once('close', () => redials(to))
      })
    }
    redials(wsUrl)
    redials(url.replace('http', 'ws'))
    await eventually('two WebSockets', () => (opened === 2 ? true : undefined))
    const stopped = f.k2.stop()
    const answered = await fetch(url, post({ jsonrpc: '2.0', id: 1, method: 'getSlot' })).then(
      ({ status }) => status,
      () => 'nobody'
    )
    expect(answered).to.be.oneOf(['nobody', 503])
    await stopped
    await eventually('one who dials again', () => (dials > 2 ? true : undefined))
    mute.terminate()
  })

  it('answers a method that it does not have as Solana does', async () => {
    for (const method of ['getFlux', 'toString', '__proto__', 'constructor', 'slotSubscribe']) {
      expect((await f.call(method)).error, method).to.deep.equal({ code: -32601, message: 'Method not found' })
    }
  })

  it('answers malformed JSON and malformed requests with their codes', async () => {
    const refused = async (body: unknown) => (await ask(body)).body
    expect(await refused('{"jsonrpc":"2.0", nonsense')).to.deep.equal({
      jsonrpc: '2.0',
      error: { code: -32700, message: 'Parse error' },
      id: null
    })
    for (const body of [
      {},
      'null',
      '7',
      [],
      { jsonrpc: '1.0', id: 1, method: 'getSlot' },
      { jsonrpc: '2.0', id: 1 },
      { jsonrpc: '2.0', id: {}, method: 'getSlot' }
    ]) {
      expect((await refused(body)).error, JSON.stringify(body)).to.include({ code: -32600 })
    }
    const byName = await refused({ jsonrpc: '2.0', id: 'x', method: 'getSlot', params: { commitment: 'processed' } })
    expect(byName).to.deep.include({ id: 'x' })
    expect(byName.error.code).to.equal(-32602)
    expect((await refused({ jsonrpc: '2.0', id: null, method: 'getSlot' })).result).to.equal(0)
  })

  it('answers wrong parameters with -32602 and says what is wrong', async () => {
    const key = f.k2.faucetAddress
    const wrong: Array<[string, unknown[], string]> = [
      ['getBalance', [], 'Invalid params'],
      ['getBalance', ['not base58 0OIl'], 'Invalid param: Invalid'],
      ['getBalance', ['abc'], 'Invalid param: WrongSize'],
      ['getBalance', [key, { commitment: 'soon' }], 'commitment'],
      ['getBalance', [key, {}, 1], 'Invalid params'],
      ['getBlock', [-1], 'Invalid params'],
      ['getBlock', ['1'], 'Invalid params'],
      ['getBlocks', [0, 1, { commitment: 'processed' }], 'below `confirmed`'],
      ['getMultipleAccounts', [Array.from({ length: 101 }, () => key)], 'Too many inputs provided; max 100'],
      ['getSignatureStatuses', [['abc']], 'WrongSize'],
      ['sendTransaction', ['AAAA', { encoding: 'base64' }], 'failed to deserialize'],
      ['sendTransaction', ['!!!!', { encoding: 'base64' }], 'invalid base64 encoding: InvalidByte(0, 33)'],
      ['sendTransaction', ['AAA', { encoding: 'base64' }], 'invalid base64 encoding: InvalidPadding'],
      ['sendTransaction', ['AAAAA', { encoding: 'base64' }], 'invalid base64 encoding: InvalidLength(5)'],
      ['sendTransaction', ['AB==', { encoding: 'base64' }], 'invalid base64 encoding: InvalidLastSymbol(1, 66)'],
      ['sendTransaction', ['11O1'], "invalid base58 encoding: InvalidCharacter { character: 'O', index: 2 }"],
      ['getFeeForMessage', ['someInvalidMessage'], 'invalid base64 encoding: InvalidPadding'],
      ['getTokenSupply', [key, {}], 'Invalid params: missing field `commitment`.'],
      ['getMinimumBalanceForRentExemption', [0, {}], 'Invalid params: missing field `commitment`.'],
      ['sendTransaction', ['A'.repeat(3000), { encoding: 'base64' }], 'too large'],
      ['requestAirdrop', [key, -1], 'Invalid params'],
      ['getFeeForMessage', ['AAAA'], 'failed to deserialize']
    ]
    for (const [method, params, says] of wrong) {
      const { error } = await f.call(method, ...params)
      expect(error, method).to.include({ code: -32602 })
      expect(error!.message, method).to.contain(says)
    }
    expect((await f.call('getSlot', { commitment: 'confirmed', minContextSlot: 5 })).error).to.deep.equal({
      code: -32016,
      message: 'Minimum context slot has not been reached',
      data: { contextSlot: 0 }
    })
  })

  it('answers batches in order, leaves notifications unanswered, and bounds both length and size', async () => {
    const get = (id: unknown) => ({ jsonrpc: '2.0', id, method: 'getHealth' })
    const { body } = await ask([get(1), get('two'), { ...get(undefined) }, { jsonrpc: '2.0', id: 4, method: 'nothing' }, 5])
    expect(
      body.map(({ id, result, error }: { id: unknown; result?: unknown; error?: { code: number } }) => [id, result ?? error?.code])
    ).to.deep.equal([
      [1, 'ok'],
      ['two', 'ok'],
      [4, -32601],
      [null, -32600]
    ])
    expect((await ask(Array.from({ length: 250 }, (_, i) => get(i)))).body).to.have.length(250)
    expect((await ask(Array.from({ length: 251 }, (_, i) => get(i)))).body.error).to.include({ code: -32600 })
    expect((await fetch(f.k2.url, post(get(undefined)))).status).to.equal(204)
    expect((await fetch(f.k2.url, post('x'.repeat(600_000)))).status).to.equal(413)
    expect((await fetch(f.k2.url, { ...post(get(1)), headers: { 'content-type': 'text/plain' } })).status).to.equal(415)
    expect(await (await fetch(`${f.k2.url}/health`)).text()).to.equal('ok')
  })

  it('names itself', async () => {
    expect((await f.connection.getVersion())['solana-core']).to.match(/^\d+\.\d+\.\d+$/)
    expect((await f.call('getIdentity')).result.identity).to.match(/^\w{32,44}$/)
    expect(await f.connection.getGenesisHash()).to.equal(f.k2.genesisHash)
    expect(await f.connection.getMinimumBalanceForRentExemption(0)).to.equal(890_880)
  })

  it('takes WebSockets on the HTTP port as well as on the next', async () => {
    for (const url of [f.k2.wsUrl, f.k2.url.replace('http', 'ws')]) {
      const socket = new WebSocket(url)
      const told: Array<{ method?: string; result?: unknown; error?: { code: number } }> = []
      socket.on('message', (data) => told.push(JSON.parse(data.toString())))
      await new Promise((resolve) => socket.once('open', resolve))
      socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'rootSubscribe' }))
      await eventually('the subscription', () => (told.length === 1 ? true : undefined))
      f.slots()
      await eventually('the notification', () => (told.length === 2 ? true : undefined))
      expect(told[1]).to.include({ method: 'rootNotification' })
      socket.send('{ nonsense')
      socket.send(JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'getSlot' }))
      socket.send(JSON.stringify({ jsonrpc: '2.0', id: 3, method: 'rootUnsubscribe', params: [999] }))
      // web3.js v1's sign of life is a notification, and is not answered
      socket.send(JSON.stringify({ jsonrpc: '2.0', method: 'ping' }))
      socket.send(JSON.stringify({ jsonrpc: '2.0', id: 4, method: 'rootUnsubscribe', params: [told[0]!.result] }))
      await eventually('the answers', () => (told.length === 6 ? true : undefined))
      expect(told.slice(2).map(({ result, error }) => error?.code ?? result)).to.deep.equal([-32700, -32601, -32602, true])
      f.slots()
      socket.terminate()
      expect(told).to.have.length(6)
    }
  })

  it('serves @solana/kit as well', async () => {
    const rpc = createSolanaRpc(f.k2.url)
    const alice = await f.funded(1_000_000_000)
    const to = Keypair.generate().publicKey
    const signature = await pay(f, alice, to, 3_000_000)
    expect((await rpc.getBalance(toAddress(to.toBase58())).send()).value).to.equal(3_000_000n)
    expect(await rpc.getSlot().send()).to.equal(2n)
    const read = await rpc.getTransaction(signature as never, { maxSupportedTransactionVersion: 0, encoding: 'json' }).send()
    expect(read!.meta!.fee).to.equal(5000n)
    const account = await rpc.getAccountInfo(toAddress(alice.publicKey.toBase58()), { encoding: 'base64' }).send()
    expect(account.value).to.include({ lamports: 996_995_000n, executable: false })
    expect((await rpc.getLatestBlockhash().send()).value.lastValidBlockHeight).to.equal(152n)
    // more than the faucet has: sent all the same, and to no avail
    expect(await rpc.requestAirdrop(toAddress(to.toBase58()), (2n ** 53n - 1n) as never).send()).to.be.a('string')
    await rpc.requestAirdrop(toAddress(to.toBase58()), 1_000_000_000n as never).send()
    f.slots()
    expect((await rpc.getBalance(toAddress(to.toBase58())).send()).value).to.equal(1_003_000_000n)
    const abort = new AbortController()
    const slots = await createSolanaRpcSubscriptions(f.k2.wsUrl).slotNotifications().subscribe({ abortSignal: abort.signal })
    f.slots()
    for await (const notification of slots) {
      expect(notification).to.deep.equal({ slot: 5n, parent: 4n, root: 4n })
      break
    }
    abort.abort()
  })

  describe('ports', () => {
    let taken: Server
    let port: number
    beforeEach(async () => {
      taken = createServer()
      await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
      port = (taken.address() as { port: number }).port
    })
    afterEach(() => new Promise((resolve) => taken.close(resolve)))

    it('says which port is in use and what to do', async () => {
      for (const [wanted, words] of [
        [port, `port ${port} on 127.0.0.1 is in use, and the local K2 needs it for HTTP`],
        [port - 1, `port ${port} on 127.0.0.1 is in use, and the local K2 needs it for WebSocket`]
      ] as const) {
        const k2 = await createLocalK2({ port: wanted })
        const error = await failureOf(k2.start())
        expect(error).to.be.instanceOf(PortInUseError)
        expect(error).to.include({ name: 'PortInUseError', port })
        expect(error.message).to.contain(words).and.to.contain('--port')
        await k2.stop()
      }
    })
  })

  it('is over once stopped, and leaves nothing behind', async () => {
    const { url } = f.k2
    await f.k2.stop()
    await f.k2.stop()
    expect((await failureOf(fetch(url, post({})))).cause.code).to.equal('ECONNREFUSED')
    expect(() => f.k2.warpTo(100)).to.throw(StoppedError)
    expect(await failureOf(f.k2.start())).to.be.instanceOf(StoppedError)
  })
})
