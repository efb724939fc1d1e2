import { Keypair } from '@solana/web3.js'
import { expect } from 'chai'
import { type Fixture, startK2, transfer } from '../../local-k2/support.ts'

describe('cases: a wrong signature', () => {
  let f: Fixture
  beforeEach(async () => {
    f = await startK2()
  })
  afterEach(() => f.close())

  for (const blockhash of [undefined, '4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM']) {
    it(`is told by err, as Agave does since 3${blockhash === undefined ? '' : ', before a blockhash that nobody knows'}`, async () => {
      const bytes = (await transfer(f, await f.funded(1_000_000_000), Keypair.generate().publicKey, 1_000_000, blockhash)).serialize()
      bytes[10]! ^= 1
      const text = bytes.toString('base64')
      const simulated = await f.call('simulateTransaction', text, { encoding: 'base64', sigVerify: true })
      expect(simulated.error).to.equal(undefined)
      expect(simulated.result.value).to.deep.include({ err: 'SignatureFailure', logs: [], unitsConsumed: 0 })
      const { error } = await f.call('sendTransaction', text, { encoding: 'base64' })
      expect(error).to.include({
        code: -32002,
        message: 'Transaction simulation failed: Transaction did not pass signature verification'
      })
      expect(error!.data).to.deep.include({ err: 'SignatureFailure', logs: [], accounts: null })
    })
  }
})
