import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SolanaJSONRPCError } from '@solana/web3.js'
import { expect } from 'chai'
import { generateKeyPair } from '../../src/identity/index.ts'
import { asksForPatience, isBehind, isEndpointFault, isOverworked } from '../../src/k2/faults.ts'
import { createK2Client, K2UnreachableError } from '../../src/k2/index.ts'
import { failureOf } from './chain.ts'

/** All that was ever looked for in messages. */
const WORDS =
  'endpoint fault: silent: Minimum context slot MinContextSlot minContextSlot HTTP 429 HTTP 503 too many requests node is behind node is unhealthy internal error method not found StructError: TypeError: Expected the value to satisfy'

describe('k2: what an endpoint says in words', () => {
  let server: Server
  let asked: number
  let answer: (request: { id: unknown; text: string }) => { status?: number; text: string }
  beforeEach(async () => {
    asked = 0
    server = createServer((request, response) => {
      let text = ''
      request.on('data', (chunk) => {
        text += chunk
      })
      request.on('end', () => {
        asked++
        const { status = 200, text: said } = answer({ id: (JSON.parse(text) as { id: unknown }).id, text })
        response.writeHead(status).end(said)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })
  const open = (onWait?: (reason: string) => void) => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return createK2Client({
      url,
      timeoutMs: 600_000,
      limits: { firstPauseMs: 1, longestPauseMs: 1, waitToldMs: 50 },
      ...(onWait == null ? {} : { onWait })
    })
  }
  const address = generateKeyPair().address
  const failure = async (ask: (client: ReturnType<typeof open>) => Promise<unknown>) => {
    const client = open()
    const err = await failureOf(ask(client))
    client.close()
    return err as Error & { code?: unknown }
  }
  const READS: Array<[what: string, read: (client: ReturnType<typeof open>) => Promise<unknown>]> = [
    ['a task', (client) => client.task(address)],
    ['a balance', (client) => client.balance(address)],
    ['the network', (client) => client.genesisHash()],
    ['a price', (client) => client.marketPrice([address])]
  ]

  for (const [what, read] of READS) {
    it(`decides nothing when ${what} is asked for, and no question is put again for it`, async () => {
      answer = ({ text }) => ({ text: `you said ${text}, and I say ${WORDS}` })
      const echo = await failure(read)
      expect(echo).to.be.instanceOf(K2UnreachableError)
      expect(echo.message).to.match(/answered, but not as a K2 JSON-RPC endpoint \(not JSON-RPC: you said/)
      expect(asked).to.equal(1)

      asked = 0
      answer = () => ({ status: 404, text: WORDS })
      expect((await failure(read)).message).to.match(/\(HTTP 404 Not Found: /)
      expect(asked).to.equal(1)

      asked = 0
      answer = ({ id }) => ({ text: JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32602, message: WORDS } }) })
      const refused = await failure(read)
      expect(refused).to.be.instanceOf(SolanaJSONRPCError)
      expect(refused.code).to.equal(-32602)
      expect(asked).to.equal(1)
    })

    it(`is not needed when ${what} is asked for: the code says whether to ask again`, async () => {
      answer = ({ id }) => ({ text: JSON.stringify({ jsonrpc: '2.0', id, error: { code: 429, message: '' } }) })
      await failure(read)
      expect(asked).to.equal(3)

      asked = 0
      answer = () => ({ status: 503, text: '' })
      expect((await failure(read)).message).to.match(/HTTP 503/)
      expect(asked).to.equal(3)
    })
  }

  it('may cost a long wait, which tells why', async () => {
    const waits = Promise.withResolvers<string>()
    const client = open(waits.resolve)
    answer = ({ id }) => ({ text: JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32016, message: 'xyz' } }) })
    const end = client.task(address, 7).catch(() => {})
    expect(await waits.promise).to.match(/K2 is waited for \(http:\/\/127\.0\.0\.1:\d+: it has not reached slot 7 yet\)/)
    answer = () => ({ status: 404, text: '' })
    await end
    client.close()
  })

  it('makes no fault of one kind one of another', () => {
    for (const judge of [isBehind, isEndpointFault, isOverworked, asksForPatience]) {
      expect(judge(new Error(WORDS))).to.equal(false)
      expect(judge(new SolanaJSONRPCError({ code: -32602, message: WORDS } as never))).to.equal(false)
    }
    expect(isBehind(new K2UnreachableError(WORDS))).to.equal(false)
    expect(asksForPatience(new K2UnreachableError(WORDS))).to.equal(false)
  })

  it('of a refused transaction is told on, and its code judged', async () => {
    const refusal = async (code: number) => {
      answer = ({ id }) => ({ text: JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: WORDS } }) })
      const client = open()
      const outcome = await client.broadcast(new Uint8Array(100)).catch((err: unknown) => err)
      client.close()
      return outcome
    }
    expect(await refusal(-32002))
      .to.have.property('refused')
      .with.length(1)
    expect(await refusal(-32005)).to.have.property('code', -32005)
  })
})
