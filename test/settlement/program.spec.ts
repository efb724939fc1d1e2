import { Keypair, type TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import fc from 'fast-check'
import {
  bountyFor,
  claim,
  fundTask,
  STAKE_BYTES,
  stake,
  stakeAddress,
  stakeWeight,
  totalStake,
  vote
} from '../../src/k2/settlement/index.ts'
import { buildLedger, climb, type LedgerEntry } from './ledger.ts'
import { BOUNTY, b58, type Member, MIN_STAKE, Scene, Vm } from './vm.ts'

/** A result with a root and digest of its own. */
function result(seed: number, totalRewards = 0n): { root: Uint8Array; recordDigest: Uint8Array; totalRewards: bigint } {
  return { root: new Uint8Array(32).fill(seed), recordDigest: new Uint8Array(32).fill(seed + 100), totalRewards }
}

function voteBy(scene: Scene, { staker }: Member, cycle: number, what = result(1)): TransactionInstruction {
  return vote({ task: scene.task, stakingKey: staker, cycle, ...what, programId: scene.vm.programId })
}

function cast(scene: Scene, member: Member, cycle: number, what = result(1)): string {
  return scene.vm.send(voteBy(scene, member, cycle, what), member.key).verdict
}

/** Everyone votes for the ledger in the cycle's round. */
function finalize(scene: Scene, cycle: number, entries: LedgerEntry[]): ReturnType<typeof buildLedger> {
  const ledger = buildLedger(scene.task, entries)
  const totalRewards = entries.reduce((sum, { reward }) => sum + reward, 0n)
  scene.toVote(cycle)
  for (const member of scene.members) {
    expect(cast(scene, member, cycle, { root: ledger.root, recordDigest: new Uint8Array(32).fill(cycle), totalRewards })).to.equal('ok')
  }
  expect(scene.state.finalized?.cycle).to.equal(cycle)
  return ledger
}

function claimBy(scene: Scene, { staker, wallet }: Member, entry: LedgerEntry, proof: readonly Uint8Array[]): TransactionInstruction {
  return claim({ ...entry, task: scene.task, staker, withdrawAuthority: b58(wallet), proof })
}

describe('settlement: create, fund, stake', () => {
  it('creates a task as asked', () => {
    const scene = new Scene({ funded: 0n })
    const task = scene.state
    expect(task).to.include({ manager: b58(scene.manager), name: 'a task', roundSlots: 30, submissionWindow: 10, auditWindow: 10 })
    expect(task).to.include({ startingSlot: scene.startingSlot, minStake: MIN_STAKE, stakerCount: 0, totalRewards: 0n })
    expect(task.finalized).to.equal(undefined)
    expect(task.tally).to.equal(undefined)
    expect(task.bounty[0]).to.deep.equal({ value: BOUNTY, from: 0 })
    expect(task.rentReserve).to.equal(scene.vm.balance(scene.task))
  })

  it('starts a task whose starting slot is past in the slot of its creation', () => {
    const vm = new Vm()
    vm.warp(1000)
    const scene = new Scene({ vm, startIn: -500 })
    expect(scene.state.startingSlot).to.equal(1000)
  })

  it('runs at any address and knows its own accounts there', () => {
    const scene = new Scene({ vm: new Vm(b58(Keypair.generate())), stakes: [2000n] })
    scene.toVote(0)
    expect(cast(scene, scene.members[0]!, 0)).to.equal('ok')
  })

  it('takes funds from anyone, to count from the next cycle', () => {
    const scene = new Scene({ funded: 5n * BOUNTY })
    const stranger = scene.vm.wallet()
    const before = scene.vm.balance(scene.task)
    scene.toCycle(1)
    scene.must(fundTask({ task: scene.task, payer: b58(stranger), amount: 7n }), stranger)
    expect(scene.vm.balance(scene.task)).to.equal(before + 7n)
    expect(scene.state.funded.slice(0, 2)).to.deep.equal([
      { value: 5n * BOUNTY + 7n, from: 2 },
      { value: 5n * BOUNTY, from: 0 }
    ])
  })

  it('makes a stake account that holds the stake over its rent', () => {
    const scene = new Scene()
    const { stake: at, staker, wallet } = scene.join(5000n)
    const account = scene.vm.stake(at)
    expect(account).to.include({ task: scene.task, staker, stakingKey: staker, withdrawAuthority: b58(wallet) })
    expect(account).to.include({ addressHint: '/ip4/127.0.0.1/tcp/4001', claimedReward: 0n, appliedSlash: 0n, unlockSlot: 0 })
    expect(account.rentReserve).to.equal(BigInt(scene.vm.rentExemption(STAKE_BYTES)))
    expect(scene.vm.balance(at)).to.equal(account.rentReserve + 5000n)
    expect(scene.state.stakerCount).to.equal(1)
    expect([stakeWeight(account, 0), totalStake(scene.state, 0)]).to.deep.equal([5000n, 5000n])
  })

  it('lets a staking key pay for its own stake, and be its own withdraw authority', () => {
    const scene = new Scene()
    const key = scene.vm.wallet()
    const staker = b58(key)
    scene.must(stake({ task: scene.task, stakingKey: staker, payer: staker, amount: 2000n, withdrawAuthority: staker }), key)
    expect(scene.vm.stake(stakeAddress({ task: scene.task, staker })).addressHint).to.equal(undefined)
  })

  it('makes the account though a stranger has sent lamports to its address', () => {
    const scene = new Scene()
    const [key, wallet] = [scene.vm.wallet(0n), scene.vm.wallet()]
    const at = stakeAddress({ task: scene.task, staker: b58(key) })
    scene.vm.give(at, 1_000_000n)
    const init = { task: scene.task, stakingKey: b58(key), payer: b58(wallet), amount: 2000n, withdrawAuthority: b58(wallet) }
    scene.must(stake(init), wallet, key)
    const account = scene.vm.stake(at)
    expect(scene.vm.balance(at)).to.equal(account.rentReserve + 2000n + 1_000_000n)
    expect(stakeWeight(account, 0)).to.equal(2000n)
  })

  it('adds to a stake for anyone who pays and names the withdraw authority', () => {
    const scene = new Scene({ stakes: [5000n] })
    const [member, stranger] = [scene.members[0]!, scene.vm.wallet()]
    const init = { task: scene.task, stakingKey: member.staker, payer: b58(stranger), amount: 1n, withdrawAuthority: b58(member.wallet) }
    const before = scene.vm.balance(member.stake)
    scene.must(stake({ ...init, stakingKeySigns: false }), stranger)
    expect(scene.vm.balance(member.stake)).to.equal(before + 1n)
    expect(scene.vm.stake(member.stake)).to.deep.include({ addressHint: '/ip4/127.0.0.1/tcp/4001' })
    expect(stakeWeight(scene.vm.stake(member.stake), 0)).to.equal(5001n)
    expect(totalStake(scene.state, 0)).to.equal(5001n)
    expect(scene.state.stakerCount).to.equal(1)
  })

  it('takes a new address hint from the staking key, and leaves nothing of a longer one', () => {
    const scene = new Scene({ stakes: [5000n] })
    const member = scene.members[0]!
    const init = {
      task: scene.task,
      stakingKey: member.staker,
      payer: b58(member.wallet),
      amount: 1n,
      withdrawAuthority: b58(member.wallet)
    }
    for (const addressHint of ['x'.repeat(127), '/dns4/é/tcp/1']) {
      scene.must(stake({ ...init, addressHint }), member.wallet, member.key)
      expect(scene.vm.stake(member.stake).addressHint).to.equal(addressHint)
    }
    expect(Buffer.from(scene.vm.account(member.stake)!.data).includes('xx')).to.equal(false)
  })

  it('reckons rent as the network does, for both thresholds that networks use', () => {
    for (const [price, threshold] of [
      [3480n, 2],
      [6960n, 1],
      [5000n, 1.5],
      [3n, 0.25]
    ] as const) {
      const vm = new Vm()
      const rent = vm.svm.getRent()
      rent.lamportsPerByteYear = price
      rent.exemptionThreshold = threshold
      vm.svm.setRent(rent)
      const scene = new Scene({ vm, stakes: [2000n] })
      expect(scene.state.rentReserve).to.equal(BigInt(vm.rentExemption(1280)))
      expect(vm.stake(scene.members[0]!.stake).rentReserve).to.equal(BigInt(vm.rentExemption(STAKE_BYTES)))
    }
  })
})

describe('settlement: what counts when', () => {
  it('a stake that comes in the middle changes nothing for the open cycles', () => {
    const scene = new Scene({ stakes: [4000n, 3000n] })
    scene.toCycle(2, 5)
    const late = scene.join(1_000_000n)
    // cycle 0 is being voted on, 1 audited, 2 worked on: the newcomer counts in none of them
    for (const cycle of [0, 1, 2]) {
      expect(totalStake(scene.state, cycle)).to.equal(7000n)
      expect(stakeWeight(scene.vm.stake(late.stake), cycle)).to.equal(0n)
      scene.toVote(cycle)
      expect(cast(scene, late, cycle)).to.equal('NoWeightError')
      expect(cast(scene, scene.members[0]!, cycle)).to.equal('ok')
      expect(cast(scene, scene.members[1]!, cycle)).to.equal('ok')
      expect(scene.state.finalized?.cycle).to.equal(cycle)
    }
    scene.toVote(3)
    expect(totalStake(scene.state, 3)).to.equal(1_007_000n)
    expect(cast(scene, late, 3)).to.equal('ok')
    expect(scene.state.finalized?.cycle).to.equal(3)
  })

  it('a stake of each of the four rounds that a ring must bridge leaves the oldest readable', () => {
    const scene = new Scene({ stakes: [1000n] })
    const member = scene.members[0]!
    const more = { task: scene.task, stakingKey: member.staker, payer: b58(member.wallet), withdrawAuthority: b58(member.wallet) }
    const expected = [1000n]
    for (let round = 0; round <= 12; round++) {
      scene.toCycle(round, 29)
      if (round >= 2) {
        const cycle = round - 2
        expect(stakeWeight(scene.vm.stake(member.stake), cycle)).to.equal(expected[cycle])
        expect(cast(scene, member, cycle)).to.equal('ok')
        expect(scene.state.tally?.entries[0]?.weight).to.equal(expected[cycle])
      }
      // twice in a round: the second takes the first one's place
      const amount = BigInt(round + 1)
      scene.must(stake({ ...more, amount }), member.wallet, member.key)
      scene.must(stake({ ...more, amount }), member.wallet, member.key)
      expected.push(expected.at(-1)! + 2n * amount)
    }
  })

  it('funds that come late raise no open cycle’s bounty', () => {
    const scene = new Scene({ stakes: [1000n], funded: 10n })
    const member = scene.members[0]!
    scene.toVote(0)
    scene.must(fundTask({ task: scene.task, payer: b58(member.wallet), amount: 1000n }), member.wallet)
    expect(bountyFor(scene.state, 0)).to.equal(10n)
    expect(cast(scene, member, 0, result(1, 11n))).to.equal('RewardsAboveBountyError')
    expect(cast(scene, member, 0, result(1, 10n))).to.equal('ok')
    // and stays what it was when the cycle is finalized
    expect(bountyFor(scene.state, 0)).to.equal(10n)
    scene.toVote(1)
    expect(bountyFor(scene.state, 1)).to.equal(0n)
    expect(cast(scene, member, 1, result(1, 11n))).to.equal('RewardsAboveBountyError')
    scene.toVote(2)
    expect(cast(scene, member, 2, result(1, 11n))).to.equal('RewardsAboveBountyError')
    scene.toVote(3)
    expect(bountyFor(scene.state, 3)).to.equal(1000n)
    expect(cast(scene, member, 3, result(1, 1011n))).to.equal('RewardsAboveBountyError')
    expect(cast(scene, member, 3, result(1, 1010n))).to.equal('ok')
  })

  it('no cycle gives out more than the bounty per round, skipped ones included', () => {
    const scene = new Scene({ stakes: [1000n] })
    const member = scene.members[0]!
    scene.toVote(4)
    expect(cast(scene, member, 4, result(1, BOUNTY + 1n))).to.equal('RewardsAboveBountyError')
    expect(cast(scene, member, 4, result(1, BOUNTY))).to.equal('ok')
    scene.toVote(5)
    expect(cast(scene, member, 5, result(1, BOUNTY - 1n))).to.equal('RewardsShrinkError')
    expect(cast(scene, member, 5, result(1, 2n * BOUNTY + 1n))).to.equal('RewardsAboveBountyError')
    expect(cast(scene, member, 5, result(1, 2n * BOUNTY))).to.equal('ok')
  })
})

describe('settlement: vote', () => {
  it('exactly two thirds do not finalize, one lamport more does', () => {
    for (const [stakes, finalizes] of [
      [[4000n, 2000n], false],
      [[4001n, 2000n], true],
      [[4000n, 1999n], true],
      [[3999n, 2000n], false]
    ] as const) {
      const scene = new Scene({ stakes: [...stakes] })
      scene.toVote(0)
      expect(cast(scene, scene.members[0]!, 0)).to.equal('ok')
      expect(scene.state.finalized?.cycle, String(stakes)).to.equal(finalizes ? 0 : undefined)
    }
  })

  it('does not overflow at the largest stakes', () => {
    const max = (1n << 64n) - 1n
    for (const [weight, total, finalizes] of [
      [(max / 3n) * 2n, max, false],
      [(max / 3n) * 2n + 1n, max, true],
      // more than all of it: cannot be, and is no quorum
      [max, 5n, false]
    ] as const) {
      const scene = new Scene({ stakes: [1000n] })
      const member = scene.members[0]!
      const [task, staked] = [scene.vm.account(scene.task)!, scene.vm.account(member.stake)!]
      new DataView(task.data.buffer).setBigUint64(296, total, true)
      new DataView(staked.data.buffer).setBigUint64(136, weight, true)
      scene.vm.plant(scene.task, task)
      scene.vm.plant(member.stake, staked)
      scene.toVote(0)
      expect(cast(scene, member, 0)).to.equal('ok')
      expect(scene.state.finalized?.cycle).to.equal(finalizes ? 0 : undefined)
    }
  })

  it('adds up votes for one result, each of whose three parts counts', () => {
    const scene = new Scene({ stakes: [2000n, 2000n, 2000n, 2000n] })
    const [a, b, c, d] = scene.members as [Member, Member, Member, Member]
    scene.toVote(0)
    expect(cast(scene, a, 0, result(1, 5n))).to.equal('ok')
    expect(cast(scene, b, 0, { ...result(1, 5n), root: new Uint8Array(32).fill(1).fill(2, 31) })).to.equal('ok')
    expect(cast(scene, c, 0, { ...result(1, 5n), recordDigest: new Uint8Array(32).fill(101).fill(2, 31) })).to.equal('ok')
    expect(cast(scene, d, 0, result(1, 6n))).to.equal('ok')
    expect(scene.state.tally?.entries.map(({ weight }) => weight)).to.deep.equal([2000n, 2000n, 2000n, 2000n])
    expect(scene.state.finalized).to.equal(undefined)
  })

  it('finalizes root, digest and total; later votes are still weighed, and change nothing', () => {
    const scene = new Scene({ stakes: [3000n, 3000n, 1000n, 1000n] })
    scene.toVote(0)
    const [a, b, c, d] = scene.members as [Member, Member, Member, Member]
    expect([cast(scene, a, 0, result(7, 9n)), cast(scene, b, 0, result(7, 9n))]).to.deep.equal(['ok', 'ok'])
    expect(scene.state.finalized).to.deep.equal({ cycle: 0, root: result(7).root, recordDigest: result(7).recordDigest })
    expect(scene.state.totalRewards).to.equal(9n)
    expect([cast(scene, c, 0, result(7, 9n)), cast(scene, d, 0, result(8, 3n))]).to.deep.equal(['ok', 'ok'])
    expect(scene.state.totalRewards).to.equal(9n)
    expect(scene.state.finalized?.root).to.deep.equal(result(7).root)
    expect(scene.state.tally).to.deep.include({ cycle: 0, baseRewards: 0n })
    expect(new Set(scene.state.tally?.entries.map(({ weight }) => weight))).to.deep.equal(new Set([7000n, 1000n]))
  })

  it('is taken once for a staker and cycle, whatever it is for', () => {
    const scene = new Scene({ stakes: [4000n, 4000n] })
    const member = scene.members[0]!
    scene.toVote(3)
    expect(cast(scene, member, 3)).to.equal('ok')
    expect(cast(scene, member, 3)).to.equal('AlreadyVotedError')
    expect(cast(scene, member, 3, result(2))).to.equal('AlreadyVotedError')
    expect(scene.state.tally?.entries.map(({ weight }) => weight)).to.deep.equal([4000n])
    const { lastVote } = scene.vm.stake(member.stake)
    expect(lastVote).to.deep.equal({ cycle: 3, recordDigest: result(1).recordDigest })
  })

  it('is taken from the first to the last slot of the cycle’s round and in no other', () => {
    const scene = new Scene({ stakes: [1000n, 1000n, 1000n] })
    const [a, b, c] = scene.members as [Member, Member, Member]
    for (const [round, phase, verdict] of [
      [-1, 29, 'VoteTooEarlyError'],
      [0, 0, 'VoteTooEarlyError'],
      [1, 29, 'VoteTooEarlyError'],
      [2, 29, 'VoteTooEarlyError'],
      [4, 0, 'VoteTooLateError'],
      [40, 0, 'VoteTooLateError']
    ] as const) {
      scene.toCycle(round, phase)
      expect(cast(scene, a, 1), `round ${round} slot ${phase}`).to.equal(verdict)
    }
    scene.toCycle(3, 0)
    expect(cast(scene, b, 1)).to.equal('ok')
    scene.toCycle(3, 29)
    expect(cast(scene, c, 1)).to.equal('ok')
    expect(cast(scene, a, Number.MAX_SAFE_INTEGER)).to.equal('VoteTooEarlyError')
  })

  it('a new cycle’s tally forgets the old one’s weights', () => {
    const scene = new Scene({ stakes: [2000n, 2000n] })
    scene.toVote(0)
    cast(scene, scene.members[0]!, 0)
    scene.toVote(1)
    expect(cast(scene, scene.members[1]!, 1)).to.equal('ok')
    expect(scene.state.tally).to.deep.include({ cycle: 1 })
    expect(scene.state.tally?.entries.map(({ weight }) => weight)).to.deep.equal([2000n])
    expect(scene.state.finalized).to.equal(undefined)
  })

  it('a table full of other results keeps no result with most of the stake out', () => {
    // ten attackers with a quarter of the stake, each heavier than any honest staker, all of them first
    const [attackers, honest] = [10, 30]
    const scene = new Scene({ stakes: [...Array<bigint>(attackers).fill(3000n), ...Array<bigint>(honest).fill(2900n)] })
    scene.toVote(0)
    scene.members.slice(0, attackers).forEach((member, i) => {
      expect(cast(scene, member, 0, result(i + 10))).to.equal('ok')
    })
    const before = scene.state.tally!.entries.length
    expect(before).to.be.at.most(8)
    for (const member of scene.members.slice(attackers)) {
      expect(cast(scene, member, 0, result(1))).to.equal('ok')
    }
    const entry = scene.state.tally!.entries.find(({ root }) => root[0] === 1)!
    expect(scene.state.finalized?.root).to.deep.equal(result(1).root)
    expect(entry.weight <= BigInt(honest) * 2900n).to.equal(true)
  })

  it('never overrates a result, nor underrates it by more than an eighth of the others', () => {
    const count = 24
    const scene = new Scene({ stakes: Array.from({ length: count }, (_, i) => 1000n + BigInt((i * 7919) % 5000)) })
    const weights = scene.members.map(({ stake: at }) => stakeWeight(scene.vm.stake(at), 0))
    // the same choices in every run
    const choices = fc.sample(fc.array(fc.nat(14), { minLength: count, maxLength: count }), { numRuns: 8, seed: 3 })
    let crowded = 0
    choices.forEach((choice, cycle) => {
      scene.toVote(cycle)
      const truth = new Map<number, bigint>()
      let voted = 0n
      scene.members.forEach((member, i) => {
        expect(cast(scene, member, cycle, result(choice[i]! + 1))).to.equal('ok')
        truth.set(choice[i]! + 1, (truth.get(choice[i]! + 1) ?? 0n) + weights[i]!)
        voted += weights[i]!
      })
      const table = new Map(scene.state.tally!.entries.map(({ root, weight }) => [root[0]!, weight]))
      crowded += truth.size > 8 ? 1 : 0
      for (const [what, weight] of truth) {
        const weighed = table.get(what) ?? 0n
        expect(weighed <= weight).to.equal(true)
        expect(weight - weighed <= (voted - weight) / 8n).to.equal(true)
      }
    })
    expect(crowded).to.be.above(4)
  })

  it('weighs a ninth result off against the other eight', () => {
    const scene = new Scene({ stakes: [10_000n, 20_000n, 30_000n, 40_000n, 50_000n, 60_000n, 70_000n, 80_000n, 25_000n, 5000n] })
    scene.toVote(0)
    scene.members.forEach((member, i) => {
      expect(cast(scene, member, 0, result(i + 1))).to.equal('ok')
    })
    const weights = new Map(scene.state.tally!.entries.map(({ root, weight }) => [root[0], weight]))
    // the ninth took 10,000 from each and the first one's place; the tenth, lighter than all, took 5,000 and got none
    const expected = [5000n, 15_000n, 25_000n, 35_000n, 45_000n, 55_000n, 65_000n].map((weight, i) => [i + 2, weight] as const)
    expect(weights).to.deep.equal(new Map([...expected, [9, 10_000n]]))
  })

  it(`costs at most 3,000 compute units, the table full, and 320 bytes`, () => {
    const scene = new Scene({ stakes: Array.from({ length: 9 }, (_, i) => 1000n + BigInt(i)) })
    scene.toVote(0)
    const costs = scene.members.map((member, i) => {
      // as alike as they can be: they differ in the last byte that is compared
      const what = { ...result(1), totalRewards: BigInt(i) << 8n }
      return scene.must(voteBy(scene, member, 0, what), member.key)
    })
    for (const { computeUnits, bytes } of costs) {
      expect(computeUnits).to.be.at.most(3000)
      expect(bytes).to.be.at.most(320)
    }
  })
})

describe('settlement: claim', () => {
  function paid(): { scene: Scene; entries: LedgerEntry[]; ledger: ReturnType<typeof buildLedger> } {
    const scene = new Scene({ stakes: [1000n, 1000n, 1000n, 1000n, 1000n] })
    const entries = scene.members.map(({ staker }, i) => ({ staker, reward: BigInt(i + 1) * 1000n, slash: BigInt(i) }))
    return { scene, entries, ledger: finalize(scene, 0, entries) }
  }

  it('pays each its reward, sent by anyone', () => {
    const { scene, entries, ledger } = paid()
    const stranger = scene.vm.wallet()
    scene.members.forEach((member, i) => {
      const before = scene.vm.balance(b58(member.wallet))
      const { computeUnits } = scene.must(claimBy(scene, member, entries[i]!, ledger.proofs.get(member.staker)!), stranger)
      expect(computeUnits).to.be.below(5000)
      expect(scene.vm.balance(b58(member.wallet))).to.equal(before + entries[i]!.reward)
      expect(scene.vm.stake(member.stake).claimedReward).to.equal(entries[i]!.reward)
    })
    expect(scene.state.claimedTotal).to.equal(15_000n)
    expect(scene.vm.balance(scene.task)).to.equal(scene.state.rentReserve + 100n * BOUNTY - 15_000n)
  })

  it('pays once, and later the difference', () => {
    const { scene, entries, ledger } = paid()
    const [member, entry] = [scene.members[2]!, entries[2]!]
    const stranger = scene.vm.wallet()
    const first = claimBy(scene, member, entry, ledger.proofs.get(member.staker)!)
    scene.must(first, stranger)
    expect(scene.vm.send(first, stranger).verdict).to.equal('NothingToClaimError')
    const later = entries.map((other) => ({ ...other, reward: other.reward + 10n }))
    const next = finalize(scene, 1, later)
    expect(scene.vm.send(first, stranger).verdict).to.equal('BadProofError')
    const before = scene.vm.balance(b58(member.wallet))
    scene.must(claimBy(scene, member, later[2]!, next.proofs.get(member.staker)!), stranger)
    expect(scene.vm.balance(b58(member.wallet))).to.equal(before + 10n)
    expect(scene.vm.send(claimBy(scene, member, later[2]!, next.proofs.get(member.staker)!), stranger).verdict).to.equal(
      'NothingToClaimError'
    )
    expect(scene.vm.stake(member.stake).claimedReward).to.equal(later[2]!.reward)
  })

  it('pays the one staker of a ledger with an empty proof', () => {
    const scene = new Scene({ stakes: [1000n] })
    const entry = { staker: scene.members[0]!.staker, reward: 5n, slash: 0n }
    finalize(scene, 0, [entry])
    scene.must(claimBy(scene, scene.members[0]!, entry, []), scene.vm.wallet())
  })

  it('takes a proof of 24 hashes', () => {
    const scene = new Scene({ stakes: [1000n] })
    const member = scene.members[0]!
    const entry = { staker: member.staker, reward: 5n, slash: 0n }
    const proof = Array.from({ length: 24 }, (_, i) => new Uint8Array(32).fill(i * 10))
    const root = climb(buildLedger(scene.task, [entry]).root, proof)
    scene.toVote(0)
    expect(cast(scene, member, 0, { ...result(1, 5n), root })).to.equal('ok')
    const { computeUnits } = scene.must(claimBy(scene, member, entry, proof), scene.vm.wallet())
    expect(computeUnits).to.be.below(20_000)
  })

  it('refuses every change to a proven leaf', () => {
    const { scene, entries, ledger } = paid()
    const [member, entry] = [scene.members[1]!, entries[1]!]
    const proof = ledger.proofs.get(member.staker)!
    const stranger = scene.vm.wallet()
    const bent = proof.map((node) => Uint8Array.from(node))
    bent[0]![31]! ^= 1
    for (const [what, instruction] of Object.entries({
      'more reward': claimBy(scene, member, { ...entry, reward: entry.reward + 1n }, proof),
      'less slash': claimBy(scene, member, { ...entry, slash: entry.slash - 1n }, proof),
      'amounts swapped': claimBy(scene, member, { ...entry, reward: entry.slash, slash: entry.reward }, proof),
      'a bit of the proof': claimBy(scene, member, entry, bent),
      'a hash too few': claimBy(scene, member, entry, proof.slice(0, -1)),
      'a hash too many': claimBy(scene, member, entry, [...proof, new Uint8Array(32)]),
      'an inner node as leaf': claimBy(scene, member, entry, proof.slice(1)),
      'no proof': claimBy(scene, member, entry, []),
      'another’s leaf': claimBy(scene, scene.members[0]!, entry, proof)
    })) {
      expect(scene.vm.send(instruction, stranger).verdict, what).to.equal('BadProofError')
    }
  })

  it('never pays more than is finalized, whatever the ledger says', () => {
    const scene = new Scene({ stakes: [1000n, 1000n] })
    const [a, b] = scene.members as [Member, Member]
    const entries = [a, b].map(({ staker }) => ({ staker, reward: 600n, slash: 0n }))
    const { root, proofs } = buildLedger(scene.task, entries)
    scene.toVote(0)
    for (const member of [a, b]) {
      expect(cast(scene, member, 0, { ...result(1, 1000n), root })).to.equal('ok')
    }
    const stranger = scene.vm.wallet()
    scene.must(claimBy(scene, a, entries[0]!, proofs.get(a.staker)!), stranger)
    expect(scene.vm.send(claimBy(scene, b, entries[1]!, proofs.get(b.staker)!), stranger).verdict).to.equal('ClaimAboveRewardsError')
    expect(scene.state.claimedTotal).to.equal(600n)
  })
})
