/** The upgradeable loader on the local K2, instruction by instruction. */
import { readFileSync } from 'node:fs'
import { Keypair, Transaction, TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import { SETTLEMENT_SO } from '../../src/cli/common.ts'
import { createBuffer, deployBuffer, upgradeProgram, writeBuffer } from '../../src/k2/loader/instructions.ts'
import { type Fixture, startK2 } from './support.ts'

const CHUNK_BYTES = 1000

describe('local K2: the upgradeable loader', () => {
  const elf = readFileSync(SETTLEMENT_SO)
  let f: Fixture
  let payer: Keypair
  beforeEach(async () => {
    f = await startK2()
    payer = await f.funded(100_000_000_000)
  })
  afterEach(() => f.close())

  /** Sends into the slot in progress. */
  const send = async (instructions: TransactionInstruction[], ...signers: Keypair[]) => {
    const transaction = new Transaction({ feePayer: payer.publicKey, ...(await f.connection.getLatestBlockhash()) }).add(...instructions)
    transaction.sign(payer, ...signers)
    return f.k2.send(transaction.serialize()).err
  }
  const bufferOf = async (bytes: Uint8Array) => {
    const buffer = Keypair.generate()
    const [address, owner] = [buffer.publicKey.toBase58(), payer.publicKey.toBase58()]
    const lamports = await f.connection.getMinimumBalanceForRentExemption(37 + bytes.length)
    expect(
      await send(createBuffer({ payer: owner, buffer: address, authority: owner, lamports, elfBytes: bytes.length }), buffer)
    ).to.equal(null)
    for (let offset = 0; offset < bytes.length; offset += CHUNK_BYTES) {
      const chunk = bytes.subarray(offset, offset + CHUNK_BYTES)
      expect(await send([writeBuffer({ buffer: address, authority: owner, offset, bytes: chunk })])).to.equal(null)
    }
    return address
  }
  const deploy = async (program: Keypair) => {
    const owner = payer.publicKey.toBase58()
    const init = { payer: owner, program: program.publicKey.toBase58(), buffer: await bufferOf(elf), authority: owner }
    const lamports = await f.connection.getMinimumBalanceForRentExemption(36)
    return send(deployBuffer({ ...init, lamports, maxBytes: elf.length }), program)
  }
  const upgrade = async (program: Keypair, bytes: Uint8Array) => {
    const owner = payer.publicKey.toBase58()
    const buffer = await bufferOf(bytes)
    return send([upgradeProgram({ program: program.publicKey.toBase58(), buffer, authority: owner, spill: owner })])
  }
  /** An instruction that the program does not know: its own error 100 shows that it ran. */
  let calls = 0
  const call = (program: Keypair) =>
    send([new TransactionInstruction({ programId: program.publicKey, keys: [], data: Buffer.from([250, calls++]) })])
  const unsigned = async (program: Keypair) => {
    const transaction = new Transaction({ feePayer: payer.publicKey, ...(await f.connection.getLatestBlockhash()) })
    return transaction.add(new TransactionInstruction({ programId: program.publicKey, keys: [], data: Buffer.from([250]) }))
  }
  const logsOf = async (program: Keypair) => (await f.connection.simulateTransaction(await unsigned(program))).value.logs
  const NOT_YET = { InstructionError: [0, 'UnsupportedProgramId'] }
  const RAN = { InstructionError: [0, { Custom: 100 }] }

  it('lets a program be called from the slot after its deployment on, and not before', async () => {
    const program = Keypair.generate()
    expect(await deploy(program)).to.equal(null)
    const simulated = await f.connection.simulateTransaction(await unsigned(program))
    expect(simulated.value.err).to.deep.equal(NOT_YET)
    expect(await call(program)).to.deep.equal(NOT_YET)
    f.slots()
    expect(await call(program)).to.deep.equal(RAN)
  })

  it('lets a program be changed once in a slot, and runs the new code from the next', async () => {
    const program = Keypair.generate()
    const other = Buffer.from(elf)
    other[other.indexOf('UnknownInstructionError')] = 'X'.charCodeAt(0)
    expect(await deploy(program)).to.equal(null)
    expect(await upgrade(program, other)).to.deep.equal({ InstructionError: [0, 'InvalidArgument'] })
    f.slots()
    expect(await logsOf(program)).to.include('Program log: UnknownInstructionError')
    expect(await upgrade(program, other)).to.equal(null)
    expect(await call(program)).to.deep.equal(NOT_YET)
    f.slots()
    expect(await logsOf(program)).to.include('Program log: XnknownInstructionError')
  })

  it('refuses who is not the authority', async () => {
    const program = Keypair.generate()
    expect(await deploy(program)).to.equal(null)
    f.slots()
    const thief = await f.funded(100_000_000_000)
    const owner = payer
    payer = thief
    expect(await upgrade(program, elf)).to.deep.equal({ InstructionError: [0, 'IncorrectAuthority'] })
    payer = owner
    expect(await upgrade(program, elf)).to.equal(null)
  })
})
