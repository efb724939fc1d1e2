import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Keypair, PublicKey, SystemProgram, Transaction, TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import { programDataAddress } from '../../../src/k2/loader/index.ts'
import { readProgramFile } from '../../../src/local-k2/index.ts'
import { type Fixture, startK2, tokenElf } from '../../local-k2/support.ts'

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

  describe('of the upgradeable loader', () => {
    const program = Keypair.fromSeed(new Uint8Array(32).fill(9)).publicKey
    const authority = Keypair.fromSeed(new Uint8Array(32).fill(8))
    const loader = new PublicKey('BPFLoaderUpgradeab1e11111111111111111111111')
    let dir: string
    beforeEach(async () => {
      await f.close()
      dir = await mkdtemp(join(tmpdir(), 'koii-mesh-program-'))
      const so = join(dir, 'program.so')
      await writeFile(so, tokenElf())
      f = await startK2({ genesis: { accounts: readProgramFile(program.toBase58(), so, authority.publicKey.toBase58()) } })
    })
    afterEach(() => rm(dir, { recursive: true }))

    const data = new PublicKey(programDataAddress(program.toBase58()))
    const writable = (pubkey: PublicKey) => ({ pubkey, isSigner: false, isWritable: true })
    async function closeProgram(alice: Keypair) {
      const close = new Transaction({ feePayer: alice.publicKey, ...(await f.connection.getLatestBlockhash()) }).add(
        new TransactionInstruction({
          programId: loader,
          keys: [
            writable(data),
            writable(alice.publicKey),
            { pubkey: authority.publicKey, isSigner: true, isWritable: false },
            writable(program)
          ],
          data: Buffer.from([5, 0, 0, 0])
        })
      )
      close.sign(alice, authority)
      await f.connection.sendRawTransaction(close.serialize())
    }

    it('that was closed fails as one that is not deployed', async () => {
      const alice = await f.funded(10_000_000_000)
      await closeProgram(alice)
      f.slots()
      const { error, fee, landed } = await call(program, alice)
      expect(error.message).to.equal('Transaction simulation failed: Error processing Instruction 1: Unsupported program id')
      expect(error.data.logs).to.include('Program is not deployed')
      expect(fee).to.equal(5000)
      expect(landed?.meta?.err).to.deep.equal({ InstructionError: [1, 'UnsupportedProgramId'] })
    })

    it('that was changed in this very slot costs its fee, and runs in the next', async () => {
      const alice = await f.funded(10_000_000_000)
      // a program's data that is made longer is deployed anew
      const extend = new Transaction({ feePayer: alice.publicKey, ...(await f.connection.getLatestBlockhash()) }).add(
        new TransactionInstruction({
          programId: loader,
          keys: [
            ...[writable(data), writable(program), { pubkey: PublicKey.default, isSigner: false, isWritable: false }],
            { pubkey: alice.publicKey, isSigner: true, isWritable: true }
          ],
          data: Buffer.from([6, 0, 0, 0, 0, 64, 0, 0])
        })
      )
      extend.sign(alice)
      await f.connection.sendRawTransaction(extend.serialize())
      const { error, fee, landed } = await call(program, alice)
      expect(error.data.err).to.deep.equal({ InstructionError: [1, 'UnsupportedProgramId'] })
      expect(fee).to.equal(5000)
      expect(landed?.meta).to.deep.include({ err: { InstructionError: [1, 'UnsupportedProgramId'] }, fee: 5000 })
      // it has a word of its own for a call that it does not know
      expect((await call(program, alice)).error.data.logs).not.to.include('Program is not deployed')
    })
  })
})
