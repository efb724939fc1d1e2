import { PublicKey, Transaction, TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import { type Fixture, startK2 } from '../../local-k2/support.ts'

const TOKEN_2022 = new PublicKey('TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb')
const NATIVE_2022 = new PublicKey('9pan9bMn5HatX4EJdBwg9VgCa7Uz5HL8N1m5D3NdXejP')

describe('cases: the accounts of a new chain', () => {
  let f: Fixture
  beforeEach(async () => {
    f = await startK2()
  })
  afterEach(() => f.close())

  const read = async (address: string) => (await f.call('getAccountInfo', address, { encoding: 'base64' })).result.value

  it('have the stake configuration as a validator writes it', async () => {
    const config = await read('StakeConfig11111111111111111111111111111111')
    expect(config).to.deep.include({ data: ['AAAAAAAAANA/DA==', 'base64'], space: 10, lamports: 960_480 })
    expect(config.owner).to.equal('Config1111111111111111111111111111111111111')
  })

  it('have wrapped lamports of Token, and those of Token-2022 once somebody makes them', async () => {
    expect(await read('So11111111111111111111111111111111111111112')).to.include({ lamports: 1_000_000_000, space: 82 })
    expect(await read(NATIVE_2022.toBase58())).to.equal(null)
    const alice = await f.funded(1_000_000_000)
    const make = new Transaction({ feePayer: alice.publicKey, ...(await f.connection.getLatestBlockhash()) }).add(
      new TransactionInstruction({
        programId: TOKEN_2022,
        keys: [
          { pubkey: alice.publicKey, isSigner: true, isWritable: true },
          { pubkey: NATIVE_2022, isSigner: false, isWritable: true },
          { pubkey: PublicKey.default, isSigner: false, isWritable: false }
        ],
        data: Buffer.from([31])
      })
    )
    make.sign(alice)
    await f.connection.sendRawTransaction(make.serialize())
    f.slots()
    expect(await read(NATIVE_2022.toBase58())).to.include({ owner: TOKEN_2022.toBase58(), space: 82 })
    expect(await f.connection.getTokenSupply(NATIVE_2022)).to.have.nested.property('value.decimals', 9)
  })
})
