import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { generateKeyPair } from '../../src/identity/index.ts'
import { createK2Client, K2UnreachableError } from '../../src/k2/index.ts'
import { parseJson } from '../../src/k2/json.ts'
import { createLocalK2 } from '../../src/local-k2/index.ts'
import { U64_EDGES } from '../edges.ts'

describe('k2: amounts past 2^53 in JSON', () => {
  let server: Server
  let asked: string
  let balance: string
  beforeEach(async () => {
    server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => {
        asked = body
        const result = body.includes('getBalance') ? `{"context":{"slot":1},"value":${balance}}` : '{"context":{"slot":1},"value":null}'
        response.end(`{"jsonrpc":"2.0","id":1,"result":${result}}`)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })
  const clientOf = () => createK2Client({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })

  it('are read with all their digits', async () => {
    const client = clientOf()
    const { address } = generateKeyPair()
    for (const [, value] of U64_EDGES) {
      balance = `${value}`
      expect(await client.balance(address)).to.equal(value)
    }
    expect(parseJson(asked)).to.deep.include({ method: 'getBalance', params: [address, { commitment: 'confirmed' }] })
    client.close()
  })

  it('are refused when they are no amounts', async () => {
    const client = clientOf()
    for (const bad of ['-1', '1e300', '"7"', '18446744073709551616', '-9007199254740993']) {
      balance = bad
      const err = await client.balance(generateKeyPair().address).catch((error: unknown) => error)
      expect(err, bad).to.be.instanceOf(K2UnreachableError)
    }
    client.close()
  })

  it('are read no further than 64 bits go, as BigInt takes a minute for what fits into one answer', async () => {
    const client = clientOf()
    for (const digits of ['9'.repeat(21), `-${'9'.repeat(20)}`, '9'.repeat(8 * 1024 * 1024)]) {
      balance = digits
      expect(() => parseJson(`[${digits}]`)).to.throw(SyntaxError, `an integer of ${digits.length} characters`)
      const err = await client.balance(generateKeyPair().address).catch((error: unknown) => error)
      expect(err).to.be.instanceOf(K2UnreachableError)
      expect((err as Error).message).to.match(/answered, but not as a K2 JSON-RPC endpoint \(an integer of \d+ characters/)
    }
    // whatever is text, or no integer
    expect(parseJson(`["${'9'.repeat(30)}", 0.${'3'.repeat(30)}, 12345678901234567]`)).to.deep.equal([
      '9'.repeat(30),
      1 / 3,
      12345678901234567n
    ])
    client.close()
  })

  it('are read among a million values and no more: one by one they take their time', () => {
    const many = (count: number) => `[${'1,'.repeat(count)}9007199254740993]`
    expect((parseJson(many(1000)) as unknown[]).at(-1)).to.equal(9007199254740993n)
    expect(() => parseJson(many(1_000_000))).to.throw(SyntaxError, 'more than 1000000 values')
  })

  it('come back from the local K2, and airdrops arrive', async function () {
    this.timeout(30_000)
    const [rich, payee] = [generateKeyPair(), generateKeyPair()]
    const k2 = await createLocalK2({ slotMs: 50, port: 0, genesis: { funded: [{ address: rich.address, lamports: 2n ** 53n + 1n }] } })
    await k2.start()
    const client = createK2Client({ url: k2.url })
    try {
      expect(await client.balance(rich.address)).to.equal(2n ** 53n + 1n)
      await client.airdrop(payee.address, 2n ** 31n)
      expect(await client.balance(payee.address)).to.equal(2n ** 31n)
      for (const roe of [-1n, -(2n ** 53n) - 1n, 2n ** 64n]) {
        const err = await client.connection.requestExact('requestAirdrop', [payee.address, roe]).catch((error: unknown) => error)
        expect(err, `${roe}`).to.have.property('code', -32602)
      }
    } finally {
      client.close()
      await k2.stop()
    }
  })
})
