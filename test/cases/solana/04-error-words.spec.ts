import { ComputeBudgetProgram, Keypair, SystemProgram, Transaction } from '@solana/web3.js'
import { expect } from 'chai'
import { type Fixture, failureOf, startK2 } from '../../local-k2/support.ts'

// every word there is: test/local-k2/error-words.spec.ts
describe('cases: the words of errors', () => {
  let f: Fixture
  beforeEach(async () => {
    f = await startK2()
  })
  afterEach(() => f.close())

  it('are Solana’s where nothing was logged, so that web3.js tells them', async () => {
    const alice = await f.funded(1_000_000_000)
    const transaction = new Transaction().add(
      SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: Keypair.generate().publicKey, lamports: 1_000_000 }),
      ComputeBudgetProgram.requestHeapFrame({ bytes: 1024 })
    )
    const err = await failureOf(f.connection.sendTransaction(transaction, [alice]))
    expect(err.message).to.contain('Error processing Instruction 1: invalid instruction data')
  })

  it('are the error’s own where a program logged why it ran out', async () => {
    const alice = await f.funded(1_000_000_000)
    const transaction = new Transaction().add(
      ComputeBudgetProgram.setComputeUnitLimit({ units: 1000 }),
      ...Array.from({ length: 8 }, () =>
        SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: Keypair.generate().publicKey, lamports: 1_000_000 })
      )
    )
    const err = await failureOf(f.connection.sendTransaction(transaction, [alice]))
    expect(err.message).to.match(/Error processing Instruction \d: Computational budget exceeded/)
  })
})
