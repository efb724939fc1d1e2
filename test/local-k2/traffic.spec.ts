import { PublicKey } from '@solana/web3.js'
import { expect } from 'chai'
import fc from 'fast-check'
import { createTraffic } from '../../src/local-k2/index.ts'
import { startK2 } from './support.ts'

describe('local K2: traffic', () => {
  const plan = (seed: string, slots: number) => {
    const traffic = createTraffic({ seed, accounts: 7, transfersPerSlot: 3 })
    return Array.from({ length: slots }, () =>
      traffic.next().map(({ from, to, lamports, fails }) => ({ from: from.address, to: to.address, lamports, fails }))
    )
  }

  it('is decided by its seed', () => {
    expect(plan('a', 20)).to.deep.equal(plan('a', 20))
    expect(plan('a', 20)).to.not.deep.equal(plan('b', 20))
    expect(createTraffic({ seed: 'a' }).funded).to.deep.equal(createTraffic({ seed: 'a' }).funded)
  })

  it('goes among its own accounts, never from one to itself', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 2, max: 12 }), (seed, accounts) => {
        const traffic = createTraffic({ seed, accounts, transfersPerSlot: 8 })
        const own = new Set(traffic.funded.map(({ address }) => address))
        for (const { from, to, lamports } of traffic.next()) {
          expect(own.has(from.address) && own.has(to.address) && from.address !== to.address && lamports > 0n).to.equal(true)
        }
      })
    )
    expect(() => createTraffic({ seed: 'a', accounts: 1 })).to.throw(RangeError)
  })

  it('fills blocks with transfers of which some fail, to the lamport', async () => {
    const traffic = createTraffic({ seed: 'blocks', accounts: 5, transfersPerSlot: 4, failEvery: 5 })
    const f = await startK2({ genesis: { funded: traffic.funded } })
    try {
      const stop = traffic.follow(f.k2)
      f.slots(30)
      stop()
      f.slots(3)
      const balances = new Map(traffic.funded.map(({ address, lamports }) => [address, lamports]))
      const again = createTraffic({ seed: 'blocks', accounts: 5, transfersPerSlot: 4, failEvery: 5 })
      let failures = 0
      for (const transfers of Array.from({ length: 30 }, () => again.next())) {
        for (const { from, to, lamports, fails } of transfers) {
          failures += fails ? 1 : 0
          balances.set(from.address, balances.get(from.address)! - 5000n - (fails ? 0n : lamports))
          balances.set(to.address, balances.get(to.address)! + (fails ? 0n : lamports))
        }
      }
      expect(failures).to.be.within(5, 60)
      expect(f.k2.counters()).to.include({ transactions: 120, failed: failures })
      for (const [address, lamports] of balances) {
        expect(BigInt(await f.connection.getBalance(new PublicKey(address)))).to.equal(lamports)
      }
      const counts = await Promise.all(
        (await f.connection.getBlocks(0)).map(async (slot) => (await f.connection.getBlockSignatures(slot)).signatures.length)
      )
      expect(counts.reduce((sum, count) => sum + count, 0)).to.equal(120)
    } finally {
      await f.close()
    }
  })

  it('goes over RPC as well', async () => {
    const traffic = createTraffic({ seed: 'rpc', transfersPerSlot: 5, failEvery: 2 })
    const f = await startK2({ genesis: { funded: traffic.funded } })
    try {
      const target = {
        latestBlockhash: async () => (await f.connection.getLatestBlockhash()).blockhash,
        send: (bytes: Uint8Array) => f.connection.sendRawTransaction(bytes, { skipPreflight: true })
      }
      expect(await traffic.sendTo(target)).to.equal(5)
      expect(f.k2.counters().transactions).to.equal(5)
    } finally {
      await f.close()
    }
  })
})
