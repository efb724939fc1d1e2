import { expect } from 'chai'
import { createStakeFollow, type StakeFollow } from '../../src/k2/index.ts'
import type { StakeAccount } from '../../src/k2/settlement/index.ts'
import { silent } from './chain.ts'

const stake = (address: string, change: Partial<StakeAccount> = {}) =>
  ({ address, staker: address, stakingKey: address, amount: [{ value: 10n, from: 0 }], lastVote: undefined, ...change }) as StakeAccount

describe('k2: stakes between the rounds', () => {
  let live: boolean
  let told: (account: StakeAccount) => void
  let reads: number[]
  let fails: boolean
  let slot: number
  let follow: StakeFollow
  beforeEach(() => {
    live = true
    reads = []
    fails = false
    slot = 1000
    const stakes = {
      accounts: () => [stake('alice')],
      refresh: async () => {
        reads.push(slot)
        if (fails) {
          throw new Error('away')
        }
      }
    }
    const k2 = {
      watchStakes: (_task: string, listener: typeof told) => {
        told = listener
        return Object.assign(() => {}, { live: () => live })
      }
    }
    follow = createStakeFollow({ k2, task: 'task', stakes, log: silent })
  })
  const pass = async (slots: number, wanted: boolean) => {
    for (const end = slot + slots; slot < end; slot++) {
      follow.onSlot(slot, wanted)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  it('are not read while nothing is new and nobody is missing, and votes are nothing new', async () => {
    await pass(100, false)
    told(stake('alice', { lastVote: { cycle: 3, recordDigest: new Uint8Array(32) } }))
    await pass(100, false)
    expect(reads).to.deep.equal([])
  })

  it('are read at news of them, once, and no more often than every five slots however much an endpoint tells', async () => {
    told(stake('bob'))
    await pass(10, false)
    expect(reads).to.deep.equal([1000])
    for (let i = 0; i < 20; i++) {
      told(stake('alice', { amount: [{ value: 11n, from: 4 }] }))
      await pass(1, false)
    }
    expect(reads).to.deep.equal([1000, 1010, 1015, 1020, 1025])
  })

  it('are read again when K2 did not answer', async () => {
    fails = true
    told(stake('bob'))
    await pass(3, false)
    fails = false
    await pass(20, false)
    expect(reads).to.deep.equal([1000, 1005])
  })

  it('are looked for every five slots while somebody is missing and nothing can be told, and else at once and seldom', async () => {
    live = false
    await pass(26, true)
    expect(reads).to.deep.equal([1000, 1005, 1010, 1015, 1020, 1025])
    live = true
    reads = []
    await pass(600, true)
    expect(reads.length).to.be.within(1, 2)
    // another stranger: at once
    reads = []
    await pass(10, false)
    await pass(1, true)
    expect(reads).to.have.length(1)
  })
})
