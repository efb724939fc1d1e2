import { Keypair, PublicKey, SystemProgram, Transaction, TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import { type Fixture, startK2 } from '../../k2-local/support.ts'

describe('cases: a call of what is no program', () => {
  let f: Fixture
  beforeEach(async () => {
    f = await startK2()
  })
  afterEach(() => f.close())

  async function call(programId: PublicKey, alice: Keypair) {
    const transaction = new Transaction({ feePayer: alice.publicKey, ...(await f.connection.getLatestBlockhash()) }).add(
      SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: Keypair.generate().publicKey, lamports: 1_000_000 }),
      new TransactionInstruction({ programId, keys: [], data: Buffer.from([1]) })
    )
    transaction.sign(alice)
    const text = transaction.serialize().toString('base64')
    const { error } = await f.call('sendTransaction', text, { encoding: 'base64' })
    const before = await f.connection.getBalance(alice.publicKey, 'processed')
    const { result: signature } = await f.call('sendTransaction', text, { encoding: 'base64', skipPreflight: true })
    const fee = before - (await f.connection.getBalance(alice.publicKey, 'processed'))
    f.slots()
    const landed = await f.connection.getTransaction(signature, { maxSupportedTransactionVersion: 0 })
    return { error: error!, fee, landed }
  }

  it('that does not exist is ProgramAccountNotFound, in a block and for its fee when preflight is skipped', async () => {
    const { error, fee, landed } = await call(Keypair.generate().publicKey, await f.funded(1_000_000_000))
    expect(error).to.include({
      code: -32002,
      message: 'Transaction simulation failed: Attempt to load a program that does not exist'
    })
    expect(error.data).to.include({ err: 'ProgramAccountNotFound', unitsConsumed: 0, fee: 5000 })
    expect(fee).to.equal(5000)
    expect(landed?.meta).to.deep.include({ err: 'ProgramAccountNotFound', fee: 5000, logMessages: [] })
    expect(landed!.meta!.preBalances[0]! - landed!.meta!.postBalances[0]!).to.equal(5000)
    expect(await f.connection.getTransactionCount()).to.equal(2)
  })

  it('that no loader owns is InvalidProgramForExecution', async () => {
    const wallet = await f.funded(1_000_000_000)
    const { error, fee, landed } = await call(wallet.publicKey, await f.funded(1_000_000_000))
    expect(error.message).to.equal('Transaction simulation failed: This program may not be used for executing instructions')
    expect(error.data).to.include({ err: 'InvalidProgramForExecution' })
    expect(fee).to.equal(5000)
    expect(landed?.meta?.err).to.equal('InvalidProgramForExecution')
  })

  it('that is a loader’s account but no program fails as one that is not deployed', async () => {
    const alice = await f.funded(10_000_000_000)
    const buffer = Keypair.generate()
    const loader = new PublicKey('BPFLoaderUpgradeab1e11111111111111111111111')
    const made = new Transaction({ feePayer: alice.publicKey, ...(await f.connection.getLatestBlockhash()) }).add(
      SystemProgram.createAccount({
        fromPubkey: alice.publicKey,
        newAccountPubkey: buffer.publicKey,
        lamports: 1_000_000_000,
        space: 137,
        programId: loader
      })
    )
    made.sign(alice, buffer)
    await f.connection.sendRawTransaction(made.serialize())
    f.slots()
    const { error, fee, landed } = await call(buffer.publicKey, alice)
    expect(error.message).to.equal('Transaction simulation failed: Error processing Instruction 1: Unsupported program id')
    expect(error.data.err).to.deep.equal({ InstructionError: [1, 'UnsupportedProgramId'] })
    expect(error.data.logs).to.include('Program is not deployed')
    expect(fee).to.equal(5000)
    expect(landed?.meta?.err).to.deep.equal({ InstructionError: [1, 'UnsupportedProgramId'] })
  })

  it('costs nobody anything whose payer is not good', async () => {
    const poor = Keypair.generate()
    const { error, landed } = await call(Keypair.generate().publicKey, poor)
    expect(error.data.err).to.equal('AccountNotFound')
    expect(landed).to.equal(null)
  })
})
