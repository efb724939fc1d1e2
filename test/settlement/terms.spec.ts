/**
 * What the terms of a task are for: the largest slash and the notice of a new bundle, both fixed when it is created, and that nobody gains by
 * a slash. The manager is the thief here, and so is whoever wants to get out before his own slash.
 */
import type { TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import {
  applySlash,
  bountyFor,
  bundleOf,
  claim,
  closeTask,
  DEFAULT_BUNDLE_NOTICE,
  DEFAULT_LARGEST_SLASH,
  fundTask,
  replaceStakingKey,
  stake,
  unstake,
  updateTask,
  vote,
  withdraw
} from '../../src/k2/settlement/index.ts'
import { buildLedger, type LedgerEntry } from './ledger.ts'
import { BOUNTY, b58, type Member, MIN_STAKE, ROUND_SLOTS, Scene, type Vm } from './vm.ts'

const MAX = 2n ** 64n - 1n
const digest = new Uint8Array(32).fill(9)

/** These lines of the ledger, with the votes of these members, in the cycle's round of voting. */
function finalize(scene: Scene, cycle: number, lines: LedgerEntry[], totalRewards: bigint, members: Member[], phase = 0) {
  const ledger = buildLedger(scene.task, lines)
  scene.toVote(cycle, phase)
  for (const { key, staker } of members) {
    const stakingKey = b58(key)
    scene.must(vote({ task: scene.task, stakingKey, staker, cycle, root: ledger.root, recordDigest: digest, totalRewards }), key)
  }
  expect(scene.state.finalized?.cycle).to.equal(cycle)
  return ledger
}

/** A task with the terms that `koii-mesh task create` gives it, and its stakers. */
function settled({ stakes = [4000n, 3000n, 2000n], ...terms }: { stakes?: bigint[]; largestSlash?: number; bundleNotice?: number } = {}) {
  const scene = new Scene({ stakes, largestSlash: DEFAULT_LARGEST_SLASH, bundleNotice: DEFAULT_BUNDLE_NOTICE, ...terms })
  const { vm, task, manager } = scene
  const own = ({ staker, wallet }: Member) => ({ task, staker, withdrawAuthority: b58(wallet) })
  const close = closeTask({ task, manager: b58(manager) })
  const give = (bundle: string) =>
    vm.send(updateTask({ task, manager: b58(manager), bountyPerRound: BOUNTY, minStake: MIN_STAKE, bundle }), manager).verdict
  const held = (member: Member) => latestStake(vm, member) + vm.stake(member.stake).unstaking
  /** a slash by this ledger, sent by the manager */
  const slash = (member: Member, lines: LedgerEntry[]) => {
    const line = lines.find(({ staker }) => staker === member.staker)!
    const { proofs } = buildLedger(task, lines)
    return vm.send(applySlash({ task, ...line, proof: proofs.get(member.staker)! }), manager).verdict
  }
  const leave = (member: Member) => scene.must(unstake({ ...own(member), amount: latestStake(vm, member) }), member.wallet)
  const take = (member: Member) => vm.send(withdraw(own(member)), member.wallet).verdict
  return { scene, vm, task, manager, own, close, give, held, slash, leave, take }
}

function longer(instruction: TransactionInstruction, more: Buffer): TransactionInstruction {
  instruction.data = Buffer.concat([instruction.data, more])
  return instruction
}

function latestStake(vm: Vm, { stake: at }: Member): bigint {
  return vm.stake(at).amount[0]!.value
}

/** The ledger of a bundle that takes from each as much as it can write. */
const everybody = (members: Member[], rewards: bigint[] = []): LedgerEntry[] =>
  members.map(({ staker }, i) => ({ staker, reward: rewards[i] ?? 0n, slash: MAX }))

describe('robbery: the largest slash', () => {
  it('more than the largest slash at once: in one transaction, in two, after unstaking, after adding to the stake', () => {
    const s = settled()
    const { scene, vm } = s
    const [alice, bob, carol] = scene.members as [Member, Member, Member]
    const lines = everybody(scene.members)
    const { proofs } = finalize(scene, 0, lines, 0n, scene.members)
    const take = applySlash({ task: s.task, ...lines[1]!, proof: proofs.get(bob.staker)! })
    expect(vm.send([take, take], s.manager).verdict).to.equal('SlashLimitError')
    expect(s.held(bob)).to.equal(3000n)
    expect(s.slash(bob, lines)).to.equal('ok')
    expect(s.held(bob)).to.equal(2700n)
    expect(s.slash(bob, lines)).to.equal('SlashLimitError')
    s.leave(bob)
    expect(s.slash(bob, lines)).to.equal('SlashLimitError')
    const more = { task: s.task, stakingKey: bob.staker, payer: b58(s.manager), amount: 5000n, withdrawAuthority: b58(bob.wallet) }
    scene.must(stake({ ...more, stakingKeySigns: false }), s.manager)
    expect(s.slash(bob, lines)).to.equal('SlashLimitError')
    // another key of his is no other stake
    const next = vm.wallet()
    scene.must(replaceStakingKey({ ...s.own(bob), newStakingKey: b58(next) }), bob.wallet, next)
    expect(s.slash(bob, lines)).to.equal('SlashLimitError')
    expect(s.slash(alice, lines)).to.equal('ok')
    // the next cycle takes its share of what is there then
    finalize(scene, 1, lines, 0n, [alice, carol, { ...bob, key: next }], 1)
    expect(s.slash(bob, lines)).to.equal('ok')
    expect(s.held(bob)).to.equal(7700n - 770n)
  })

  it('every lamport of an honest stake within its lock: whoever leaves at the first slash keeps more than half', () => {
    const s = settled()
    const { scene, vm } = s
    const [alice, bob, carol] = scene.members as [Member, Member, Member]
    const lines = everybody(scene.members)
    let before = 3000n
    for (const cycle of [0, 1, 2, 3, 4, 5]) {
      finalize(scene, cycle, lines, 0n, [alice, carol, ...(cycle < 3 ? [bob] : [])])
      expect(s.slash(bob, lines)).to.equal('ok')
      expect(s.slash(bob, lines)).to.equal('SlashLimitError')
      expect(before - s.held(bob)).to.equal(before / 10n)
      before = s.held(bob)
      if (cycle === 0) {
        s.leave(bob)
      }
    }
    scene.toCycle(8)
    const account = vm.balance(bob.stake)
    expect(s.take(bob)).to.equal('ok')
    expect(account - vm.balance(bob.stake)).to.equal(before)
    expect(before).to.equal(1596n)
  })

  it('a fault in each of the last three cycles before leaving: all that was lost is taken before the lock ends, by one call a cycle', () => {
    const s = settled()
    const { scene } = s
    const [alice, bob, carol] = scene.members as [Member, Member, Member]
    scene.toCycle(2, ROUND_SLOTS - 1)
    s.leave(bob)
    // a tenth of what counted, in cycles 0, 1 and 2; nobody has called until the last of them is finalized, as late as can be
    const owes = (slash: bigint) => scene.members.map(({ staker }) => ({ staker, reward: 0n, slash: staker === bob.staker ? slash : 0n }))
    const lines = owes(900n)
    const taken: bigint[] = []
    for (const cycle of [2, 3, 4, 5]) {
      const before = s.held(bob)
      finalize(scene, cycle, lines, 0n, cycle === 2 ? [alice, bob, carol] : [alice, carol], ROUND_SLOTS - 1)
      expect(s.slash(bob, lines)).to.equal('ok')
      taken.push(before - s.held(bob))
      expect(s.take(bob)).to.equal('StakeLockedError')
    }
    expect(taken).to.deep.equal([300n, 270n, 243n, 87n])
    scene.toCycle(8)
    expect(s.take(bob)).to.equal('ok')
  })

  it('a largest slash or a notice that the manager changes: no instruction of his reaches them', () => {
    const s = settled()
    const { scene, vm } = s
    scene.toCycle(1)
    expect(s.give('bafyevil')).to.equal('ok')
    // what a new task says there, said to one that exists
    const terms = Buffer.alloc(16)
    terms.writeBigUInt64LE(10_000n, 0)
    terms.writeBigUInt64LE(1n, 8)
    const update = updateTask({ task: s.task, manager: b58(s.manager), bountyPerRound: BOUNTY, minStake: MIN_STAKE, bundle: 'bafyevil' })
    expect(vm.send(longer(update, terms), s.manager).verdict).to.equal('BadDataLengthError')
    scene.toCycle(20)
    expect(s.give('bafyworse')).to.equal('ok')
    scene.must(s.close, s.manager)
    expect(scene.state).to.include({ largestSlash: 1000, bundleNotice: 8 })
  })
})

describe('robbery: the manager’s bundle', () => {
  it('a bundle that takes from everybody: whoever leaves in the round of the news or the two after it is out before it runs', () => {
    const s = settled({ stakes: [3000n, 3000n, 3000n, 3000n, 3000n, 90_000n] })
    const { scene, vm } = s
    const stay = scene.members[5]!
    const news = 1
    scene.toCycle(news, ROUND_SLOTS - 1)
    expect(s.give('bafyevil')).to.equal('ok')
    const runs = scene.state.bundle.from
    expect(runs).to.equal(news + 8)
    // each leaves in the last slot of a round, the first in that of the news
    const out = new Map<number, number>()
    for (const [later, member] of scene.members.slice(0, 5).entries()) {
      scene.toCycle(news + later, ROUND_SLOTS - 1)
      s.leave(member)
      const { unlockSlot: slot } = vm.stake(member.stake)
      out.set(later, (slot - scene.startingSlot) / ROUND_SLOTS)
    }
    expect([...out]).to.deep.equal([0, 1, 2, 3, 4].map((later) => [later, news + later + 6]))
    // in the first slot in which the bundle runs, the first three are out; none of its records can be voted on
    scene.toCycle(runs)
    expect(scene.members.slice(0, 5).map(s.take)).to.deep.equal(['ok', 'ok', 'ok', 'StakeLockedError', 'StakeLockedError'])
    scene.toCycle(runs + 1)
    expect(s.take(scene.members[3]!)).to.equal('ok')
    // in the first slot in which its first record can be voted on, so is the last of them
    const lines = everybody(scene.members)
    const { root } = buildLedger(s.task, lines)
    const content = { cycle: runs, root, recordDigest: digest, totalRewards: 0n }
    const early = vote({ task: s.task, stakingKey: stay.staker, ...content })
    scene.toCycle(runs + 2, -1)
    expect(vm.send(early, stay.key).verdict).to.equal('VoteTooEarlyError')
    scene.toCycle(runs + 2)
    expect(s.take(scene.members[4]!)).to.equal('ok')
    finalize(scene, runs, lines, 0n, [stay])
    for (const member of scene.members.slice(0, 5)) {
      expect(s.slash(member, lines)).to.equal('NothingToSlashError')
      expect(vm.balance(member.stake)).to.equal(vm.stake(member.stake).rentReserve)
    }
    // and who stayed loses a tenth
    expect(s.slash(stay, lines)).to.equal('ok')
    expect(s.held(stay)).to.equal(81_000n)
  })

  it('a bundle at once, by way of another: each that takes a waiting one’s place waits as long', () => {
    const s = settled()
    const { scene } = s
    const first = scene.state.bundle.cid
    scene.toCycle(1)
    expect(s.give('bafygood')).to.equal('ok')
    // in the last slot before the good one runs
    scene.toCycle(8, ROUND_SLOTS - 1)
    expect(s.give('bafyevil')).to.equal('ok')
    scene.toCycle(9)
    for (const cycle of [8, 9, 15]) {
      expect(bundleOf(scene.state, cycle).cid).to.equal(first)
    }
    expect(scene.state.bundle).to.deep.equal({ cid: 'bafyevil', from: 16 })
  })

  it('in the last slot before the task begins, when nobody can leave any more: it waits, too', () => {
    const s = settled()
    const { scene } = s
    const first = scene.state.bundle.cid
    scene.vm.warp(scene.startingSlot - 1)
    expect(s.give('bafyevil')).to.equal('ok')
    expect([0, 6, 7].map((cycle) => bundleOf(scene.state, cycle).cid)).to.deep.equal([first, first, 'bafyevil'])
    // whoever leaves in the first round has it out in round 6
    scene.toCycle(0, ROUND_SLOTS - 1)
    s.leave(scene.members[1]!)
    scene.toCycle(6)
    expect(s.take(scene.members[1]!)).to.equal('ok')
  })

  it('a bundle that takes from everybody, close, close: he gets what he would have got without it, and what was slashed stays for ever', () => {
    /** What comes back to the manager, with or without the slashes. */
    const proceeds = (slashes: boolean) => {
      const s = settled()
      const { scene, vm, task } = s
      const [alice, bob, carol] = scene.members as [Member, Member, Member]
      scene.toCycle(1, ROUND_SLOTS - 1)
      expect(s.give('bafyevil')).to.equal('ok')
      const rewards = [100n, 50n, 10n]
      const lines = slashes
        ? everybody(scene.members, rewards)
        : scene.members.map(({ staker }, i) => ({ staker, reward: rewards[i]!, slash: 0n }))
      const total = [4000n, 3000n, 2000n]
      for (const cycle of [9, 10]) {
        finalize(scene, cycle, lines, 160n, [alice, bob, carol])
        for (const member of slashes ? scene.members : []) {
          expect(s.slash(member, lines)).to.equal('ok')
        }
        // it pays no bounty and no claim
        expect(bountyFor(scene.state, cycle + 3)).to.equal(BOUNTY)
        expect(scene.state.funded[0]!.value).to.equal(100n * BOUNTY)
      }
      const burnt = slashes ? total.reduce((sum, one) => sum + one / 10n + (one - one / 10n) / 10n, 0n) : 0n
      expect(scene.state.slashedTotal).to.equal(burnt)
      scene.must(s.close, s.manager)
      scene.toCycle(20)
      const { proofs } = buildLedger(task, lines)
      for (const [i, member] of scene.members.entries()) {
        scene.must(claim({ ...s.own(member), ...lines[i]!, proof: proofs.get(member.staker)! }), member.wallet)
      }
      const before = vm.balance(b58(s.manager))
      scene.must(s.close, s.manager)
      expect(vm.send(s.close, s.manager).verdict).to.equal('NothingLeftError')
      for (const member of scene.members) {
        s.leave(member)
      }
      scene.toCycle(40)
      for (const member of scene.members) {
        scene.must(withdraw({ ...s.own(member), close: true }), member.wallet)
      }
      // nobody has a stake account any more: all that could be claimed was, and what was slashed is not his
      expect(vm.send(s.close, s.manager).verdict).to.equal('NothingLeftError')
      expect(vm.balance(task)).to.equal(scene.state.rentReserve + burnt)
      // fees aside: he has sent as many transactions after the slashes in both
      return vm.balance(b58(s.manager)) - before
    }
    expect(proceeds(true) - proceeds(false)).to.equal(0n)
  })

  it('his own stakers take it out as rewards: what was slashed is in no bounty, and no claim reaches it', () => {
    const s = settled({ largestSlash: 10_000 })
    const { scene, vm, task } = s
    const [alice, bob, carol] = scene.members as [Member, Member, Member]
    // carol and alice are his, and more than two thirds with one more stake of his; bob is not
    const dave = scene.join(20_000n)
    scene.toCycle(1)
    scene.must(updateTask({ task, manager: b58(s.manager), bountyPerRound: MAX, minStake: MIN_STAKE }), s.manager)
    const all = 100n * BOUNTY
    const lines = [alice, bob, carol, dave].map((member) => ({
      staker: member.staker,
      reward: member === dave ? all : 0n,
      slash: member === bob ? MAX : 0n
    }))
    finalize(
      scene,
      1,
      lines.map((line) => ({ ...line, reward: 0n })),
      0n,
      [alice, carol, dave]
    )
    expect(
      s.slash(
        bob,
        lines.map((line) => ({ ...line, reward: 0n }))
      )
    ).to.equal('ok')
    expect(scene.state.slashedTotal).to.equal(3000n)
    // the whole pot and a lamport of bob's
    scene.toVote(2)
    const greedy = { cycle: 2, root: digest, recordDigest: digest, totalRewards: all + 1n }
    expect(vm.send(vote({ task, stakingKey: dave.staker, ...greedy }), dave.key).verdict).to.equal('RewardsAboveBountyError')
    const { proofs } = finalize(scene, 2, lines, all, [alice, carol, dave])
    scene.must(claim({ ...s.own(dave), ...lines[3]!, proof: proofs.get(dave.staker)! }), dave.wallet)
    expect(vm.balance(task)).to.equal(scene.state.rentReserve + 3000n)
    // he adds a lamport: it is the most that comes back
    scene.must(fundTask({ task, payer: b58(s.manager), amount: 1n }), s.manager)
    scene.toVote(6)
    expect(bountyFor(scene.state, 6)).to.equal(1n)
    scene.must(s.close, s.manager)
    scene.toCycle(30)
    scene.must(s.close, s.manager)
    expect(vm.balance(task)).to.equal(scene.state.rentReserve + 3000n)
  })
})
