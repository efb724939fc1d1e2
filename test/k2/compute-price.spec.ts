import { PublicKey, SystemProgram, Transaction } from '@solana/web3.js'
import { expect } from 'chai'
import fc from 'fast-check'
import { BID_UNITS, bidInstructions, bidOf, largestPrice, nextPrice, recentPrice } from '../../src/k2/compute-price.ts'
import { feeOf } from '../../src/local-k2/fees.ts'
import { decodeBareMessage } from '../../src/local-k2/transaction.ts'

const MAX_FEE = 50_000n
const KEY = new PublicKey(new Uint8Array(32).fill(7))

describe('k2: what a transaction bids', () => {
  it('begins small, or at what others pay, doubles with each try, and never passes what is allowed', () => {
    const roe = fc.bigInt({ min: 0n, max: 10n ** 12n })
    fc.assert(
      fc.property(roe, fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1, maxLength: 40 }), (maxFeeRoe, market) => {
        let former = 0n
        for (const recent of market) {
          const price = nextPrice({ former, recent, maxFeeRoe })
          expect(bidOf(price) <= maxFeeRoe, `${bidOf(price)} of ${maxFeeRoe}`).to.equal(true)
          expect(price >= former).to.equal(true)
          expect(price === largestPrice(maxFeeRoe) || (price >= recent && price >= 2n * former && price > 0n)).to.equal(true)
          former = price
        }
      })
    )
    expect(
      [1, 2, 3].reduce<bigint[]>((all) => [...all, nextPrice({ former: all.at(-1) ?? 0n, recent: 0n, maxFeeRoe: MAX_FEE })], [])
    ).to.deep.equal([10_000n, 20_000n, 40_000n])
    expect(nextPrice({ former: 0n, recent: 700_000n, maxFeeRoe: MAX_FEE })).to.equal(700_000n)
  })

  it('costs what it says: the fee by the rules of K2', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: largestPrice(MAX_FEE) }), (price) => {
        const transaction = new Transaction({ feePayer: KEY, blockhash: KEY.toBase58(), lastValidBlockHeight: 1 })
        transaction.add(...bidInstructions(price), SystemProgram.transfer({ fromPubkey: KEY, toPubkey: KEY, lamports: 1 }))
        expect(feeOf(decodeBareMessage(transaction.serializeMessage())) - 5000n).to.equal(bidOf(price))
      }),
      { numRuns: 20 }
    )
    expect(BID_UNITS).to.be.greaterThan(8200)
  })

  it('takes of the last blocks the dearest, of whatever an endpoint answers', () => {
    const blocks = Array.from({ length: 30 }, (_, i) => ({ slot: i, prioritizationFee: i < 10 ? 999 : i }))
    expect(recentPrice(blocks)).to.equal(29n)
    expect(recentPrice([{ slot: 1, prioritizationFee: 2n ** 60n }])).to.equal(2n ** 60n)
    for (const nonsense of [
      null,
      undefined,
      7,
      'x',
      {},
      [null],
      [{ slot: 'x', prioritizationFee: 5 }],
      [{ slot: 1, prioritizationFee: 'x' }]
    ]) {
      expect(recentPrice(nonsense), JSON.stringify(nonsense)).to.equal(0n)
    }
  })
})
