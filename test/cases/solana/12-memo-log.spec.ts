import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { PublicKey, Transaction, TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import { type Fixture, startK2 } from '../../local-k2/support.ts'

const MEMO = new PublicKey('MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr')
const ELF = new URL('../../../src/local-k2/programs/spl-memo-3.0.0.so', import.meta.url)

describe('cases: the Memo program', () => {
  let f: Fixture
  beforeEach(async () => {
    f = await startK2()
  })
  afterEach(() => f.close())

  it('logs what a test validator’s logs', async () => {
    const alice = await f.funded(1_000_000_000)
    const transaction = new Transaction({ feePayer: alice.publicKey, ...(await f.connection.getLatestBlockhash()) }).add(
      new TransactionInstruction({
        programId: MEMO,
        keys: [{ pubkey: alice.publicKey, isSigner: true, isWritable: false }],
        data: Buffer.from('test')
      })
    )
    transaction.sign(alice)
    const signature = await f.connection.sendRawTransaction(transaction.serialize())
    f.slots()
    const landed = await f.connection.getTransaction(signature, { maxSupportedTransactionVersion: 0 })
    const { logMessages } = landed!.meta!
    expect(logMessages!.slice(1, 3)).to.deep.equal([
      `Program log: Signed by ${alice.publicKey.toBase58()}`,
      'Program log: Memo (len 4): "test"'
    ])
    expect(logMessages).to.have.length(5)
    expect((await f.connection.getSignaturesForAddress(alice.publicKey))[0]!.memo).to.equal('[4] test')
  })

  it('is the build that Agave carries', async () => {
    expect(createHash('sha256').update(readFileSync(ELF)).digest('hex')).to.equal(
      'f520eaf096361abbb9639ea4dc3e5388a87b9330e121f476607b87c46ef67954'
    )
    expect((await f.connection.getAccountInfo(MEMO))!.data.equals(readFileSync(ELF))).to.equal(true)
  })
})
