import { Keypair, SystemProgram, Transaction } from '@solana/web3.js'
import { expect } from 'chai'
import type { RpcContext } from '../../src/local-k2/rpc/context.ts'
import { RpcError } from '../../src/local-k2/rpc/errors.ts'
import { methods } from '../../src/local-k2/rpc/methods.ts'

describe('local K2: when blocks cannot be stored', () => {
  const submitted: unknown[] = []
  /** A node that has taken a transaction into a block that it cannot store; a full disk is not easily had. */
  const sick = {
    healthy: () => false,
    submit: (wire: unknown) => void submitted.push(wire),
    ledger: { slot: () => 7 }
  } as unknown as RpcContext
  const codeOf = (work: () => unknown): number | undefined => {
    try {
      work()
    } catch (err) {
      expect(err).to.be.instanceOf(RpcError)
      return (err as RpcError).code
    }
    return undefined
  }

  it('says that it is unhealthy; what is sent without a trial is the chain’s own to refuse', () => {
    expect(codeOf(() => methods.getHealth.call(sick, [] as never))).to.equal(-32005)
    const alice = Keypair.generate()
    const transaction = new Transaction({ feePayer: alice.publicKey, recentBlockhash: alice.publicKey.toBase58() }).add(
      SystemProgram.transfer({ fromPubkey: alice.publicKey, toPubkey: Keypair.generate().publicKey, lamports: 1 })
    )
    transaction.sign(alice)
    const send = (skipPreflight: boolean) => () =>
      methods.sendTransaction.call(sick, [transaction.serialize().toString('base64'), { encoding: 'base64', skipPreflight }] as never)
    expect(codeOf(send(false))).to.equal(-32005)
    expect(submitted).to.have.length(0)
    expect(codeOf(send(true))).to.equal(undefined)
    expect(submitted).to.have.length(1)
  })
})
