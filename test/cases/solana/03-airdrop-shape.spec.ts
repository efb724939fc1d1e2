import { Keypair } from '@solana/web3.js'
import { expect } from 'chai'
import { eventually, type Fixture, startK2 } from '../../local-k2/support.ts'

describe('cases: airdrops', () => {
  let f: Fixture
  beforeEach(async () => {
    f = await startK2()
  })
  afterEach(() => f.close())

  it('are one transfer, with two lines of log', async () => {
    const alice = Keypair.generate().publicKey
    const told: string[][] = []
    const id = f.connection.onLogs(alice, ({ logs }) => void told.push(logs), 'processed')
    await eventually('the subscription', () => (f.k2.subscriptionCount === 1 ? true : undefined))
    const signature = await f.connection.requestAirdrop(alice, 1_000_000_000)
    const [logs] = await eventually('the log', () => (told.length === 0 ? undefined : told))
    expect(logs).to.deep.equal(['Program 11111111111111111111111111111111 invoke [1]', 'Program 11111111111111111111111111111111 success'])
    f.slots()
    const landed = await f.connection.getTransaction(signature, { maxSupportedTransactionVersion: 0 })
    expect(landed?.transaction.message.compiledInstructions).to.have.length(1)
    await f.connection.removeOnLogsListener(id)
  })

  it('that are equal land all, on blockhashes of their own', async () => {
    const alice = Keypair.generate().publicKey
    f.slots(4)
    const signatures: string[] = []
    for (let i = 0; i < 3; i++) {
      signatures.push(await f.connection.requestAirdrop(alice, 1_000_000))
    }
    f.slots()
    signatures.push(await f.connection.requestAirdrop(alice, 1_000_000))
    f.slots()
    expect(await f.connection.getBalance(alice)).to.equal(4_000_000)
    const landed = await Promise.all(
      signatures.map((signature) => f.connection.getTransaction(signature, { maxSupportedTransactionVersion: 0 }))
    )
    expect(new Set(landed.map((one) => one!.transaction.message.recentBlockhash)).size).to.equal(4)
    for (const one of landed) {
      expect(one!.meta!.logMessages).to.have.length(2)
    }
  })

  it('go without preflight: one that fails is answered with its signature', async () => {
    const alice = Keypair.generate().publicKey
    const tooLittle = await f.connection.requestAirdrop(alice, 1)
    const tooMuch = await f.call('requestAirdrop', alice.toBase58(), 6_000_000_000_000_000)
    expect(tooMuch.error).to.equal(undefined)
    f.slots()
    const statuses = await f.connection.getSignatureStatuses([tooLittle, tooMuch.result])
    expect(statuses.value.map((status) => status?.err)).to.deep.equal([
      { InsufficientFundsForRent: { account_index: 1 } },
      { InstructionError: [0, { Custom: 1 }] }
    ])
    expect(await f.connection.getBalance(alice)).to.equal(0)
  })

  it('are built on the blockhash that is asked for', async () => {
    const alice = Keypair.generate().publicKey
    const { blockhash } = await f.connection.getLatestBlockhash()
    f.slots(2)
    const ask = () => f.call('requestAirdrop', alice.toBase58(), 1_000_000, { recentBlockhash: blockhash })
    const [first, second] = [await ask(), await ask()]
    f.slots()
    expect(second.result).to.equal(first.result)
    const landed = await f.connection.getTransaction(first.result, { maxSupportedTransactionVersion: 0 })
    expect(landed?.transaction.message.recentBlockhash).to.equal(blockhash)
    expect(await f.connection.getBalance(alice)).to.equal(1_000_000)
  })
})
