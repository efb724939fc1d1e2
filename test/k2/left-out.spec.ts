import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import fc from 'fast-check'
import { generateKeyPair } from '../../src/identity/index.ts'
import { createK2Client } from '../../src/k2/index.ts'
import { decodeStake, decodeTask, STAKE_BYTES, TASK_BYTES } from '../../src/k2/settlement/index.ts'
import { run } from '../e2e/cli.ts'
import { type Chain, startChain } from './chain.ts'

interface Listed {
  pubkey: string
  account: { data: [string, string] }
}

describe('k2: accounts that cannot be read', function () {
  this.timeout(60_000)
  let chain: Chain
  let server: Server
  let url: string
  before(async () => {
    chain = await startChain({ stakers: 2 })
    // K2 as it is, with accounts of another version and damaged ones in its lists
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) {
        chunks.push(chunk as Buffer)
      }
      const body = Buffer.concat(chunks).toString()
      const answer = (await (
        await fetch(chain.k2.url, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
      ).json()) as {
        result: Listed[] | { value: Listed[] }
      }
      if (body.includes('getProgramAccounts')) {
        const list = Array.isArray(answer.result) ? answer.result : answer.result.value
        list.unshift(...list.flatMap(damaged))
      }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(answer))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(async () => {
    server?.close()
    await chain?.close()
  })

  const damaged = (one: Listed): Listed[] => {
    const bytes = Buffer.from(one.account.data[0], 'base64')
    const changes: Array<(data: Buffer) => Buffer> = [
      () => Buffer.alloc(0),
      (data) => data.subarray(1),
      (data) => Buffer.alloc(data.length, 0xff),
      (data) => data.fill(data[0] === 1 ? 2 : 1, 0, 1),
      (data) => data.fill(2, 1, 2),
      (data) => data.fill(255, data.length - 200)
    ]
    return changes.map((change) => ({
      pubkey: generateKeyPair().address,
      account: { ...one.account, data: [change(Buffer.from(bytes)).toString('base64'), 'base64'] }
    }))
  }

  it('are left out of the lists, and told of once', async () => {
    const told: string[] = []
    const client = createK2Client({ url, onLeftOut: (address, reason) => told.push(`${address} ${reason}`) })
    expect((await client.tasks()).map(({ address }) => address)).to.include(chain.task)
    const stakers = (await client.stakes(chain.task)).map(({ staker }) => staker)
    expect(stakers).to.include.members(chain.stakers.map(({ address }) => address))
    expect(told.length).to.be.within(5, 16)
    expect(told.some((text) => /version/.test(text))).to.equal(true)
    expect(new Set(told.map((text) => text.split(' ')[0])).size).to.equal(told.length)
  })

  it('do not cost task list and task show the others', async () => {
    for (const args of [
      ['task', 'list'],
      ['task', 'show', chain.task]
    ]) {
      const { code, stdout, stderr } = await run([...args, '--k2', url])
      expect(code, stderr).to.equal(0)
      expect(stdout).to.include(chain.task)
      expect(stderr).to.match(/^koii-mesh: left out the account \w+ of K2, which cannot be read/)
    }
  })

  it('no bytes bring more out of a reader than an account or its refusal', () => {
    const any = (length: number, kind: number) =>
      fc.oneof(
        fc.uint8Array({ maxLength: 64 }),
        fc.uint8Array({ minLength: length, maxLength: length }),
        fc.uint8Array({ minLength: length - 4, maxLength: length - 4 }).map((rest) => Uint8Array.from([kind, 1, 255, 127, ...rest]))
      )
    const check = (read: (data: Uint8Array) => unknown) => (data: Uint8Array) => {
      try {
        read(data)
      } catch (err) {
        expect((err as Error).name).to.match(/^Account(Length|Kind|Version|Value)Error$/)
      }
    }
    fc.assert(
      fc.property(
        any(TASK_BYTES, 1),
        check((data) => decodeTask('task', data))
      )
    )
    fc.assert(
      fc.property(
        any(STAKE_BYTES, 2),
        check((data) => decodeStake('stake', data))
      )
    )
  })
})
