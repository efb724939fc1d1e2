/** A task with 10,000 stakers, every one of them staked, voting and paid by real instructions. */
import { expect } from 'chai'
import { stakeSetOf } from '../../src/k2/index.ts'
import { claim, decodeStake, ringAt, vote } from '../../src/k2/settlement/index.ts'
import { merkleProof, merkleRoot } from '../../src/record/index.ts'
import { BOUNTY, b58, type Member, Scene } from './vm.ts'

const STAKERS = 10_000

describe('settlement: a task with 10,000 stakers', function () {
  // twenty thousand transactions
  this.timeout(600_000)

  it('counts them all, finalizes with the first vote past two thirds, and pays whoever claims', () => {
    const scene = new Scene({ funded: 10n * BOUNTY })
    const members: Member[] = Array.from({ length: STAKERS }, () => scene.join(1000n))
    expect(scene.state.stakerCount).to.equal(STAKERS)
    expect(ringAt(scene.state.stake, 0)).to.equal(BigInt(STAKERS) * 1000n)
    // as a node reads them
    const accounts = members.map((member) => decodeStake(member.stake, scene.vm.account(member.stake)!.data))
    const { weights, total } = stakeSetOf(accounts, 0)
    expect(weights.size).to.equal(STAKERS)
    expect(total).to.equal(ringAt(scene.state.stake, 0))

    const ledger = new Map(members.map(({ staker }, i) => [staker, { reward: BigInt(i % 100), slash: 0n }]))
    const content = {
      cycle: 0,
      root: merkleRoot(ledger, scene.task),
      recordDigest: new Uint8Array(32).fill(7),
      totalRewards: [...ledger.values()].reduce((sum, { reward }) => sum + reward, 0n)
    }
    scene.toVote(0)
    const quorum = Math.floor((STAKERS * 2) / 3)
    const cast = ({ key, staker }: Member) => scene.must(vote({ task: scene.task, stakingKey: staker, ...content }), key).computeUnits
    let most = 0
    for (const member of members.slice(0, quorum)) {
      most = Math.max(most, cast(member))
    }
    expect(scene.state.finalized).to.equal(undefined)
    most = Math.max(most, cast(members[quorum]!))
    expect(scene.state.finalized?.cycle).to.equal(0)
    expect(most).to.be.at.most(3000)

    for (const member of [members[1]!, members[STAKERS / 2 + 1]!, members[STAKERS - 1]!]) {
      const { staker, wallet } = member
      const { reward } = ledger.get(staker)!
      const before = scene.vm.balance(b58(wallet))
      const proof = merkleProof(ledger, scene.task, staker)!
      expect(proof.length).to.be.within(12, 14)
      const { computeUnits } = scene.must(
        claim({ task: scene.task, staker, withdrawAuthority: b58(wallet), reward, slash: 0n, proof }),
        scene.manager
      )
      expect(computeUnits).to.be.at.most(25_000)
      expect(scene.vm.balance(b58(wallet)) - before).to.equal(reward)
    }
  })
})
