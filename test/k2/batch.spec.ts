import { expect } from 'chai'
import fc from 'fast-check'
import { windowOf } from '../../src/clock/index.ts'
import { generateKeyPair, type KeyPair, signEd25519, verifyEd25519 } from '../../src/identity/index.ts'
import { createVoteBatcher, type HeardVote, planBatches, turnOf, VOTES_IN_TRANSACTION, type VoteBatcher } from '../../src/k2/index.ts'
import { EMPTY_RING, type StakeAccount, voteMessage } from '../../src/k2/settlement/index.ts'
import { type Chain, eventually, KOII, signerOf, silent, startChain } from './chain.ts'

const timing = { startingSlot: 100, roundSlots: 40, submissionWindow: 10, auditWindow: 20 }

function account(stakingKey: string, amount = 10n, voted?: number): StakeAccount {
  return {
    address: stakingKey,
    bump: 255,
    task: stakingKey,
    staker: stakingKey,
    stakingKey,
    withdrawAuthority: stakingKey,
    amount: [{ value: amount, from: 0 }, ...EMPTY_RING.slice(1)],
    lastVote: voted == null ? undefined : { cycle: voted, recordDigest: new Uint8Array(32) },
    claimedReward: 0n,
    appliedSlash: 0n,
    slashedIn: undefined,
    unlockSlot: 0,
    formerKey: undefined,
    keyFrom: 0,
    unstaking: 0n,
    rentReserve: 0n,
    addressHint: undefined
  }
}

const ballot = (stakingKey: string, fill = 1): HeardVote => ({
  cycle: 3,
  root: new Uint8Array(32).fill(fill),
  recordDigest: new Uint8Array(32).fill(fill),
  totalRewards: 5n,
  stakingKey,
  signature: new Uint8Array(64)
})

describe('k2: batches of votes', () => {
  it('gives every staker a turn of its own, between a quarter and three quarters of the window', () => {
    const stakers = Array.from({ length: 20 }, () => generateKeyPair().address)
    const { from, to } = windowOf(timing, 7, 'distribution')
    const turns = stakers.map((self) => turnOf({ timing, cycle: 7, self, stakers }))
    expect(new Set(turns).size).to.equal(20)
    expect(Math.min(...turns)).to.equal(from + 10)
    expect(Math.max(...turns)).to.be.below(from + 30)
    expect(to).to.equal(from + 40)
    expect(turns).not.to.deep.equal(stakers.map((self) => turnOf({ timing, cycle: 8, self, stakers }) - timing.roundSlots))
  })

  it('plans every vote that K2 lacks once, results apart, no batch too large', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ fill: fc.nat(2), voted: fc.option(fc.nat(6), { nil: undefined }), amount: fc.nat(9) }), { maxLength: 30 }),
        (list) => {
          const keys = list.map((_, i) => `key${i}`)
          const votes = list.map(({ fill }, i) => ballot(keys[i]!, fill))
          const accounts = list.map(({ voted, amount }, i) => account(keys[i]!, BigInt(amount), voted))
          const plan = planBatches(votes, accounts)
          const planned = plan.flatMap(({ votes: batch }) => batch.map(({ stakingKey }) => stakingKey))
          const lacking = keys.filter((_, i) => (list[i]!.voted ?? -1) < 3)
          expect(planned.toSorted()).to.deep.equal(lacking.toSorted())
          for (const { content, votes: batch } of plan) {
            expect(batch.length).to.be.within(1, VOTES_IN_TRANSACTION)
            for (const { stakingKey } of batch) {
              expect(votes.find((vote) => vote.stakingKey === stakingKey)!.root).to.deep.equal(content.root)
            }
          }
        }
      )
    )
  })

  it('passes over keys that have no stake', () => {
    expect(planBatches([ballot('stranger')], [account('alice')])).to.deep.equal([])
  })

  describe('on K2', () => {
    let chain: Chain
    let batcher: VoteBatcher
    let sent: Array<{ stakers: string[]; bytes: number }>
    const payer = generateKeyPair()

    beforeEach(async () => {
      // slots long enough for a busy machine to send two transactions in the rest of a window
      chain = await startChain({ stakers: 7, slotMs: 100 })
      await chain.client.airdrop(payer.address, KOII)
      sent = []
      batcher = createVoteBatcher({
        k2: chain.client,
        task: chain.task,
        timing: chain.timing,
        self: first(),
        payer: signerOf(payer),
        stakers: () => chain.stakers.map(({ address }) => address),
        verify: verifyEd25519,
        log: silent,
        onSent: (_, stakers, { bytes }) => sent.push({ stakers, bytes })
      })
    })
    afterEach(async () => {
      await batcher.stop()
      await chain.close()
    })

    /** whose turn comes first in cycle 0 */
    const first = () => {
      const stakers = chain.stakers.map(({ address }) => address)
      const turn = (self: string) => turnOf({ timing: chain.timing, cycle: 0, self, stakers })
      return stakers.toSorted((a, b) => turn(a) - turn(b))[0]!
    }
    const contentOf = (cycle = 0, fill = 1) => ({
      cycle,
      root: Buffer.alloc(32, fill),
      recordDigest: Buffer.alloc(32, 2),
      totalRewards: 0n
    })
    const heard = (pair: KeyPair, cycle = 0, fill = 1): HeardVote => {
      const content = contentOf(cycle, fill)
      return { ...content, stakingKey: pair.address, signature: signEd25519(voteMessage({ task: chain.task, ...content }), pair.secretKey) }
    }
    /** until the batcher has nothing under way, a slot at a time */
    const run = async (until: () => boolean) =>
      eventually('the batches', () => {
        batcher.onSlot(chain.k2.slot())
        return until() ? true : undefined
      })

    it('brings what it heard to K2 at its turn, and what had landed before does not come twice', async () => {
      for (const staker of chain.stakers) {
        expect(batcher.add(heard(staker))).to.equal(true)
      }
      batcher.decided(contentOf())
      chain.toRound(2)
      batcher.onSlot(chain.k2.slot())
      expect(sent).to.deep.equal([])
      chain.toRound(2, 25)
      await run(() => sent.length === 2)
      expect(sent.map(({ stakers }) => stakers.length)).to.deep.equal([5, 2])
      expect(Math.max(...sent.map(({ bytes }) => bytes))).to.be.at.most(1232)
      const stakes = await chain.client.stakes(chain.task)
      expect(stakes.map(({ lastVote }) => lastVote?.cycle)).to.deep.equal(Array(7).fill(0))
      expect((await chain.client.task(chain.task)).finalized?.cycle).to.equal(0)
    })

    it('pays for no vote but those for what the node itself votes for, and for none before it has decided', async () => {
      const honest = chain.stakers[6]!
      const before = await chain.client.balance(payer.address)
      for (const [i, junk] of chain.stakers.slice(0, 6).entries()) {
        expect(batcher.add(heard(junk, 0, 10 + i))).to.equal(true)
      }
      // one differs in the total alone
      const odd = { ...contentOf(), totalRewards: 1n }
      const last = chain.stakers[5]!
      batcher.add({ ...odd, stakingKey: last.address, signature: signEd25519(voteMessage({ task: chain.task, ...odd }), last.secretKey) })
      batcher.add(heard(honest))
      chain.toRound(2, 30)
      const pass = async (slots: number) => {
        const until = chain.k2.slot() + slots
        await run(() => chain.k2.slot() >= until)
      }
      await pass(5)
      expect(sent).to.deep.equal([])
      batcher.decided(contentOf())
      await run(() => sent.length > 0)
      await pass(8)
      expect(sent.map(({ stakers }) => stakers)).to.deep.equal([[honest.address]])
      // two signatures
      expect(before - (await chain.client.balance(payer.address))).to.equal(10_000n)
    })

    it('takes no vote whose inner signature does not hold', () => {
      const [alice, bob] = chain.stakers as [KeyPair, KeyPair]
      expect(batcher.add({ ...heard(alice), stakingKey: bob.address })).to.equal(false)
      expect(batcher.add({ ...heard(alice), cycle: 1 })).to.equal(false)
      expect(batcher.add(heard(alice))).to.equal(true)
    })
  })
})
