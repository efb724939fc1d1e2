import { SendTransactionError } from '@solana/web3.js'
import { expect } from 'chai'
import { wordsOf } from '../../src/k2/transactions.ts'

const simulated = (transactionMessage: string, logs?: string[]) =>
  new SendTransactionError({ action: 'simulate', signature: '', transactionMessage, ...(logs == null ? {} : { logs }) })

describe('K2: words of a refusal', () => {
  it('are those of K2, without what its client wraps around them', () => {
    expect(wordsOf(simulated('Transaction simulation failed: Blockhash not found', ['Program x invoke [1]']))).to.equal(
      'Transaction simulation failed: Blockhash not found'
    )
    expect(wordsOf(new SendTransactionError({ action: 'send', signature: 'abc', transactionMessage: 'Node is behind' }))).to.equal(
      'Node is behind'
    )
    expect(wordsOf(new Error('{"InstructionError":[0,"InvalidArgument"]}'))).to.equal('{"InstructionError":[0,"InvalidArgument"]}')
  })

  it('are never empty: the log has some, or it is said that nobody does', () => {
    for (const empty of ['', '. ', '   ']) {
      expect(wordsOf(simulated(empty))).to.equal('its simulation failed, and the endpoint does not say why')
      expect(
        wordsOf(simulated(empty, ['Program 11111111111111111111111111111111 invoke [1]', 'Program Abc failed: out of compute']))
      ).to.equal('out of compute')
    }
    expect(wordsOf(new Error(''))).to.match(/does not say why/)
    expect(wordsOf(new Error('Simulation failed. '))).to.match(/does not say why/)
  })
})
