/** What each instruction is for, walked through with honest people; how it can be misused is in refusals and robbery. */
import { ComputeBudgetProgram, Keypair, type TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import { signEd25519 } from '../../src/identity/index.ts'
import {
  applySlash,
  bundleCycle,
  bundleOf,
  claim,
  closeTask,
  isSettled,
  largestSlashOf,
  replaceStakingKey,
  setAddressHint,
  stake,
  unlockSlot,
  unstake,
  updateTask,
  type VoteContent,
  vote,
  voteBatch,
  voteMessage,
  withdraw
} from '../../src/k2/settlement/index.ts'
import { buildLedger } from './ledger.ts'
import { BOUNTY, b58, type Member, ROUND_SLOTS, Scene, Vm } from './vm.ts'

const NEW_BUNDLE = 'bafkreidon73zkcrwdb5iafqtijxildoonbwnpv7dyd6ef3qdgads2jc4su'
const digest = new Uint8Array(32).fill(9)

/** Finalizes a cycle with these lines of the ledger: all members vote. */
function finalize(
  scene: Scene,
  cycle: number,
  lines: Array<{ staker: string; reward: bigint; slash: bigint }>,
  totalRewards: bigint,
  members = scene.members
) {
  const ledger = buildLedger(scene.task, lines)
  scene.toVote(cycle)
  for (const { key, staker } of members) {
    scene.must(vote({ task: scene.task, stakingKey: staker, cycle, root: ledger.root, recordDigest: digest, totalRewards }), key)
  }
  expect(scene.state.finalized?.cycle).to.equal(cycle)
  return ledger
}

function signed(scene: Scene, content: VoteContent, members: Member[]) {
  const message = voteMessage({ task: scene.task, ...content })
  return members.map(({ key, staker }) => ({ staker, stakingKey: staker, signature: signEd25519(message, key.secretKey) }))
}

describe('settlement: lifecycle', () => {
  it('update task: bounty and bundle count from the next cycle, the minimum stake at once', () => {
    const scene = new Scene({ stakes: [5000n] })
    scene.toCycle(1)
    const first = scene.state.bundle.cid
    scene.must(
      updateTask({ task: scene.task, manager: b58(scene.manager), bountyPerRound: 7n, minStake: 3000n, bundle: NEW_BUNDLE }),
      scene.manager
    )
    const { bounty, bundle, formerBundle, minStake } = scene.state
    expect(bounty.slice(0, 2)).to.deep.equal([
      { value: 7n, from: 2 },
      { value: BOUNTY, from: 0 }
    ])
    expect(bundle).to.deep.equal({ cid: NEW_BUNDLE, from: 2 })
    expect(formerBundle).to.deep.equal({ cid: first, from: 0 })
    expect(minStake).to.equal(3000n)
  })

  it('update task: a second bundle in one round takes the first one’s place; the next must wait until the former is out of use', () => {
    const scene = new Scene()
    const change = (bundle: string) =>
      scene.vm.send(updateTask({ task: scene.task, manager: b58(scene.manager), bountyPerRound: 1n, minStake: 1n, bundle }), scene.manager)
        .verdict
    const first = scene.state.bundle.cid
    scene.toCycle(3)
    expect(change('bafya')).to.equal('ok')
    expect(change('bafyb')).to.equal('ok')
    expect(scene.state).to.deep.include({ bundle: { cid: 'bafyb', from: 4 }, formerBundle: { cid: first, from: 0 } })
    // cycle 3, with the first bundle, is voted on in round 5
    scene.toCycle(5, ROUND_SLOTS - 1)
    expect(change('bafyc')).to.equal('BundleChangeTooSoonError')
    scene.toCycle(6)
    expect(change('bafyc')).to.equal('ok')
    expect(scene.state).to.deep.include({ bundle: { cid: 'bafyc', from: 7 }, formerBundle: { cid: 'bafyb', from: 4 } })
  })

  describe('update task: a bundle counts after the notice of the task', () => {
    const give = (scene: Scene, bundle: string) =>
      scene.vm.send(updateTask({ task: scene.task, manager: b58(scene.manager), bountyPerRound: 1n, minStake: 1n, bundle }), scene.manager)
        .verdict
    const runs = (scene: Scene, cycle: number) => bundleOf(scene.state, cycle).cid

    it('given in round k with a notice of n it is run from cycle k + n on, its predecessor until then', () => {
      const scene = new Scene({ bundleNotice: 8 })
      const first = scene.state.bundle.cid
      expect(scene.state).to.include({ bundleNotice: 8, largestSlash: 10_000 })
      scene.toCycle(3, ROUND_SLOTS - 1)
      expect(bundleCycle(scene.state, scene.vm.slot)).to.equal(11)
      expect(give(scene, NEW_BUNDLE)).to.equal('ok')
      expect(scene.state).to.deep.include({ bundle: { cid: NEW_BUNDLE, from: 11 }, formerBundle: { cid: first, from: 0 } })
      expect([3, 4, 10, 11].map((cycle) => runs(scene, cycle))).to.deep.equal([first, first, first, NEW_BUNDLE])
      // the bounty does not wait
      expect(scene.state.bounty[0]).to.deep.equal({ value: 1n, from: 4 })
    })

    it('one that waits gives up its place to another, with the whole notice again; the one that runs is never lost', () => {
      const scene = new Scene({ bundleNotice: 3 })
      const first = scene.state.bundle.cid
      scene.toCycle(3)
      expect(give(scene, 'bafya')).to.equal('ok')
      scene.toCycle(5, ROUND_SLOTS - 1)
      expect(give(scene, 'bafyb')).to.equal('ok')
      expect(scene.state).to.deep.include({ bundle: { cid: 'bafyb', from: 8 }, formerBundle: { cid: first, from: 0 } })
      // in the first slot of its cycle it runs, and cycles with the former one are open for two rounds more
      scene.toCycle(8)
      expect(give(scene, 'bafyc')).to.equal('BundleChangeTooSoonError')
      scene.toCycle(9, ROUND_SLOTS - 1)
      expect(give(scene, 'bafyc')).to.equal('BundleChangeTooSoonError')
      expect(runs(scene, 7)).to.equal(first)
      scene.toCycle(10)
      expect(give(scene, 'bafyc')).to.equal('ok')
      expect(scene.state).to.deep.include({ bundle: { cid: 'bafyc', from: 13 }, formerBundle: { cid: 'bafyb', from: 8 } })
      expect([8, 12, 13].map((cycle) => runs(scene, cycle))).to.deep.equal(['bafyb', 'bafyb', 'bafyc'])
    })

    it('one that is given before the first round counts as given in the round before it', () => {
      const scene = new Scene({ bundleNotice: 3 })
      const first = scene.state.bundle.cid
      scene.vm.warp(scene.startingSlot - 1)
      expect(give(scene, 'bafya')).to.equal('ok')
      expect(give(scene, 'bafyb')).to.equal('ok')
      expect(scene.state).to.deep.include({ bundle: { cid: 'bafyb', from: 2 }, formerBundle: { cid: first, from: 0 } })
      scene.toCycle(0)
      expect(give(scene, 'bafyc')).to.equal('ok')
      expect([0, 2, 3].map((cycle) => runs(scene, cycle))).to.deep.equal([first, first, 'bafyc'])
      expect(scene.state.formerBundle).to.deep.equal({ cid: first, from: 0 })
    })

    it('a task of revision 2, which says nothing of it, has a notice of one round and a largest slash of a tenth', () => {
      const scene = new Scene({ bundleNotice: 8, stakes: [5000n] })
      const [alice] = scene.members as [Member]
      const { data, ...account } = scene.vm.account(scene.task)!
      scene.vm.plant(scene.task, { ...account, data: data.fill(0, 1240) })
      expect(scene.state).to.include({ bundleNotice: 1, largestSlash: 1000 })
      scene.toCycle(3)
      expect(give(scene, NEW_BUNDLE)).to.equal('ok')
      expect(scene.state.bundle.from).to.equal(4)
      const line = { staker: alice.staker, reward: 0n, slash: 5000n }
      const { proofs } = finalize(scene, 1, [line], 0n)
      scene.must(applySlash({ ...line, task: scene.task, proof: proofs.get(alice.staker)! }), alice.wallet)
      expect(scene.vm.stake(alice.stake).appliedSlash).to.equal(500n)
    })
  })

  it('close task: the open cycles are decided, what stakers may claim stays, the manager gets the rest', () => {
    const scene = new Scene({ stakes: [5000n], funded: 10n * BOUNTY })
    const [alice] = scene.members as [Member]
    scene.toCycle(1)
    const close = () => scene.vm.send(closeTask({ task: scene.task, manager: b58(scene.manager) }), scene.manager)
    expect(close().verdict).to.equal('ok')
    expect(scene.state.closedFrom).to.equal(2)
    expect(scene.state.bounty[0]).to.deep.equal({ value: 0n, from: 2 })
    const lines = [{ staker: alice.staker, reward: 300n, slash: 0n }]
    const { proofs } = finalize(scene, 1, lines, 300n)
    expect(isSettled(scene.state, scene.vm.slot)).to.equal(false)
    expect(close().verdict).to.equal('CloseTooEarlyError')
    scene.toCycle(4)
    expect(isSettled(scene.state, scene.vm.slot)).to.equal(true)
    const before = scene.vm.balance(b58(scene.manager))
    expect(close().verdict).to.equal('ok')
    expect(scene.vm.balance(b58(scene.manager)) - before).to.equal(10n * BOUNTY - 300n - 5000n)
    expect(close().verdict).to.equal('NothingLeftError')
    scene.must(
      claim({ ...lines[0]!, task: scene.task, withdrawAuthority: b58(alice.wallet), proof: proofs.get(alice.staker)! }),
      alice.wallet
    )
    expect(scene.vm.balance(scene.task)).to.equal(scene.state.rentReserve)
  })

  it('a cycle of a closed task is not voted on', () => {
    const scene = new Scene({ stakes: [5000n] })
    const [alice] = scene.members as [Member]
    scene.toCycle(1)
    scene.must(closeTask({ task: scene.task, manager: b58(scene.manager) }), scene.manager)
    scene.toVote(2)
    const nothing = { root: new Uint8Array(32), recordDigest: digest, totalRewards: 0n }
    expect(scene.vm.send(vote({ task: scene.task, stakingKey: alice.staker, cycle: 2, ...nothing }), alice.key).verdict).to.equal(
      'TaskClosedError'
    )
  })

  it('unstake and withdraw: the weight goes with the next cycle, the money three rounds after its last vote', () => {
    const scene = new Scene({ stakes: [5000n, 4000n] })
    const [alice] = scene.members as [Member]
    const own = { task: scene.task, staker: alice.staker, withdrawAuthority: b58(alice.wallet) }
    scene.toCycle(2, 3)
    scene.must(unstake({ ...own, amount: 2000n }), alice.wallet)
    const at = scene.vm.stake(alice.stake)
    expect(at.amount[0]).to.deep.equal({ value: 3000n, from: 3 })
    expect(at.unstaking).to.equal(2000n)
    expect(at.unlockSlot).to.equal(unlockSlot(scene.state, scene.vm.slot))
    expect(at.unlockSlot).to.equal(scene.startingSlot + 8 * ROUND_SLOTS)
    expect(scene.state.stake[0]).to.deep.equal({ value: 7000n, from: 3 })
    scene.vm.warp(at.unlockSlot - 1)
    expect(scene.vm.send(withdraw(own), alice.wallet).verdict).to.equal('StakeLockedError')
    scene.vm.warp(at.unlockSlot)
    const before = scene.vm.balance(b58(alice.wallet))
    expect(scene.vm.send(withdraw(own), alice.wallet).verdict).to.equal('ok')
    expect(scene.vm.balance(b58(alice.wallet)) - before).to.equal(2000n - 5000n)
    expect(scene.vm.send(withdraw(own), alice.wallet).verdict).to.equal('NothingUnstakedError')
  })

  it('who takes out a part goes on voting with the rest, and gets it all the same', () => {
    const scene = new Scene({ stakes: [5000n] })
    const [alice] = scene.members as [Member]
    const own = { task: scene.task, staker: alice.staker, withdrawAuthority: b58(alice.wallet) }
    scene.toCycle(2)
    scene.must(unstake({ ...own, amount: 2000n }), alice.wallet)
    const { unlockSlot: locked } = scene.vm.stake(alice.stake)
    for (let cycle = 0; cycle <= 5; cycle++) {
      scene.toVote(cycle, ROUND_SLOTS - 1)
      if (scene.vm.slot < locked) {
        scene.must(
          vote({ task: scene.task, stakingKey: alice.staker, cycle, root: digest, recordDigest: digest, totalRewards: 0n }),
          alice.key
        )
      }
    }
    expect(scene.vm.stake(alice.stake)).to.deep.include({ unlockSlot: locked, lastVote: { cycle: 5, recordDigest: digest } })
    scene.vm.warp(locked)
    expect(scene.vm.send(withdraw(own), alice.wallet).verdict).to.equal('ok')
  })

  it('the stake account goes, rent and all, once its task is closed and settled', () => {
    const scene = new Scene({ stakes: [5000n] })
    const [alice] = scene.members as [Member]
    const own = { task: scene.task, staker: alice.staker, withdrawAuthority: b58(alice.wallet) }
    scene.toCycle(1)
    scene.must(unstake({ ...own, amount: 5000n }), alice.wallet)
    scene.toCycle(9)
    expect(scene.vm.send(withdraw({ ...own, close: true }), alice.wallet).verdict).to.equal('TaskOpenError')
    scene.must(closeTask({ task: scene.task, manager: b58(scene.manager) }), scene.manager)
    scene.toCycle(12)
    const before = scene.vm.balance(b58(alice.wallet))
    const held = scene.vm.balance(alice.stake)
    expect(scene.vm.send(withdraw({ ...own, close: true }), alice.wallet).verdict).to.equal('ok')
    expect(scene.vm.balance(b58(alice.wallet)) - before).to.equal(held - 5000n)
    expect(scene.vm.account(alice.stake)).to.equal(undefined)
    expect(scene.state.stakerCount).to.equal(0)
  })

  it('replace staking key: the old one signs nothing more, the staker stays who it is', () => {
    const scene = new Scene({ stakes: [5000n] })
    const [alice] = scene.members as [Member]
    const next = scene.vm.wallet()
    scene.toCycle(1)
    scene.must(
      replaceStakingKey({ task: scene.task, staker: alice.staker, withdrawAuthority: b58(alice.wallet), newStakingKey: b58(next) }),
      alice.wallet,
      next
    )
    expect(scene.vm.stake(alice.stake)).to.include({ staker: alice.staker, stakingKey: b58(next), formerKey: alice.staker, keyFrom: 2 })
    scene.toVote(0)
    const content = { task: scene.task, staker: alice.staker, cycle: 0, root: digest, recordDigest: digest, totalRewards: 0n }
    expect(scene.vm.send(vote({ ...content, stakingKey: alice.staker }), alice.key).verdict).to.equal('WrongStakingKeyError')
    expect(scene.vm.send(vote({ ...content, stakingKey: b58(next) }), next).verdict).to.equal('ok')
    const again = (key: Keypair) =>
      scene.vm.send(
        replaceStakingKey({ task: scene.task, staker: alice.staker, withdrawAuthority: b58(alice.wallet), newStakingKey: b58(key) }),
        alice.wallet,
        key
      ).verdict
    // cycle 1, in which the mesh knows the first key, is voted on in round 3
    scene.toCycle(3, ROUND_SLOTS - 1)
    expect(again(scene.vm.wallet())).to.equal('KeyChangeTooSoonError')
    scene.toCycle(4)
    expect(again(scene.vm.wallet())).to.equal('ok')
    // a second thought in the same round takes the first one's place
    const last = scene.vm.wallet()
    expect(again(last)).to.equal('ok')
    expect(scene.vm.stake(alice.stake)).to.include({ stakingKey: b58(last), formerKey: b58(next), keyFrom: 5 })
  })

  it('set address hint: set and taken away by the staking key', () => {
    const scene = new Scene({ stakes: [5000n] })
    const [alice] = scene.members as [Member]
    const set = (addressHint: string) => scene.must(setAddressHint({ task: scene.task, stakingKey: alice.staker, addressHint }), alice.key)
    set('/dns4/node.example/tcp/4001')
    expect(scene.vm.stake(alice.stake).addressHint).to.equal('/dns4/node.example/tcp/4001')
    set('')
    expect(scene.vm.stake(alice.stake).addressHint).to.equal(undefined)
  })

  it('vote batch: as many votes as a transaction holds finalize a cycle, sent by somebody without stake', () => {
    const scene = new Scene({ stakes: [1000n, 1000n, 1000n, 1000n, 1000n] })
    const content = { cycle: 0, root: digest, recordDigest: digest, totalRewards: 5n }
    scene.toVote(0)
    const helper = scene.vm.wallet()
    const sent = scene.must(voteBatch({ task: scene.task, ...content, votes: signed(scene, content, scene.members) }), helper)
    expect(sent.bytes).to.be.at.most(1232)
    expect(scene.state.finalized?.cycle).to.equal(0)
    for (const member of scene.members) {
      expect(scene.vm.stake(member.stake).lastVote?.cycle).to.equal(0)
    }
    // the default limit is 200,000 for each instruction
    expect(sent.computeUnits).to.be.below(200_000)
  })

  it('vote batch: passes over those whose vote is in, and stands anywhere in a transaction', () => {
    const scene = new Scene({ stakes: [1000n, 1000n, 1000n] })
    const content = { cycle: 0, root: digest, recordDigest: digest, totalRewards: 5n }
    scene.toVote(0)
    const [alice] = scene.members as [Member]
    scene.must(vote({ task: scene.task, stakingKey: alice.staker, ...content }), alice.key)
    const votes = signed(scene, content, scene.members)
    const limit: TransactionInstruction = ComputeBudgetProgram.setComputeUnitLimit({ units: 100_000 })
    scene.must([limit, ...voteBatch({ task: scene.task, ...content, votes, before: 1 })], scene.vm.wallet())
    expect(scene.state.tally?.entries.map(({ weight }) => weight)).to.deep.equal([3000n])
    expect(scene.vm.send(voteBatch({ task: scene.task, ...content, votes }), scene.vm.wallet()).verdict).to.equal('AlreadyVotedError')
  })

  it('apply slash: out of the stake, then out of what is on its way out; it stays in the task account, and in no pot', () => {
    const scene = new Scene({ stakes: [9000n, 3000n] })
    const [alice, bob] = scene.members as [Member, Member]
    const own = { task: scene.task, staker: bob.staker, withdrawAuthority: b58(bob.wallet) }
    scene.toCycle(1)
    scene.must(unstake({ ...own, amount: 2000n }), bob.wallet)
    const lines = [
      { staker: alice.staker, reward: 10n, slash: 0n },
      { staker: bob.staker, reward: 0n, slash: 1500n }
    ]
    const { proofs } = finalize(scene, 1, lines, 10n)
    const pot = scene.vm.balance(scene.task)
    const slash = () => scene.vm.send(applySlash({ ...lines[1]!, task: scene.task, proof: proofs.get(bob.staker)! }), alice.wallet)
    expect(slash().verdict).to.equal('ok')
    expect(scene.vm.balance(scene.task) - pot).to.equal(1500n)
    const at = scene.vm.stake(bob.stake)
    expect(at.amount[0]).to.deep.equal({ value: 0n, from: 4 })
    expect(at.unstaking).to.equal(1500n)
    expect(at.appliedSlash).to.equal(1500n)
    expect(scene.state.slashedTotal).to.equal(1500n)
    expect(scene.state.funded[0]).to.deep.equal({ value: 100n * BOUNTY, from: 0 })
    expect(at.slashedIn).to.equal(1)
    expect(scene.state.stake[0]).to.deep.equal({ value: 9000n, from: 4 })
    expect(slash().verdict).to.equal('NothingToSlashError')
  })

  it('a slash above the stake takes all there is, and the rest when there is more', () => {
    const scene = new Scene({ stakes: [9000n, 3000n] })
    const [alice, bob] = scene.members as [Member, Member]
    const lines = [
      { staker: alice.staker, reward: 0n, slash: 0n },
      { staker: bob.staker, reward: 0n, slash: 4000n }
    ]
    const { proofs } = finalize(scene, 0, lines, 0n)
    const slash = () => scene.vm.send(applySlash({ ...lines[1]!, task: scene.task, proof: proofs.get(bob.staker)! }), alice.wallet)
    expect(slash().verdict).to.equal('ok')
    expect(scene.vm.stake(bob.stake)).to.deep.include({ appliedSlash: 3000n })
    expect(slash().verdict).to.equal('NothingToSlashError')
    scene.must(
      stake({ task: scene.task, stakingKey: bob.staker, payer: b58(bob.wallet), amount: 1500n, withdrawAuthority: b58(bob.wallet) }),
      bob.wallet,
      bob.key
    )
    expect(slash().verdict).to.equal('SlashLimitError')
    finalize(scene, 1, lines, 0n)
    expect(slash().verdict).to.equal('ok')
    expect(scene.vm.stake(bob.stake)).to.deep.include({ appliedSlash: 4000n, slashedIn: 1 })
    expect(scene.vm.stake(bob.stake).amount[0]?.value).to.equal(500n)
  })

  it('apply slash: in each finalized cycle at most the largest slash of what the stake holds, rounded down; the rest stays owed', () => {
    const scene = new Scene({ stakes: [90_000n, 9999n], largestSlash: 1000 })
    const [alice, bob] = scene.members as [Member, Member]
    const lines = [
      { staker: alice.staker, reward: 0n, slash: 0n },
      { staker: bob.staker, reward: 0n, slash: 2000n }
    ]
    scene.toCycle(1)
    // what is on its way out is held, too
    scene.must(unstake({ task: scene.task, staker: bob.staker, withdrawAuthority: b58(bob.wallet), amount: 8000n }), bob.wallet)
    const { proofs } = buildLedger(scene.task, lines)
    const slash = () => scene.vm.send(applySlash({ ...lines[1]!, task: scene.task, proof: proofs.get(bob.staker)! }), alice.wallet).verdict
    const taken: bigint[] = []
    for (const cycle of [0, 1, 2]) {
      finalize(scene, cycle, lines, 0n, [alice])
      const before = scene.vm.stake(bob.stake)
      const held = before.amount[0]!.value + before.unstaking
      expect(slash()).to.equal('ok')
      const { appliedSlash } = scene.vm.stake(bob.stake)
      taken.push(appliedSlash - before.appliedSlash)
      expect(taken.at(-1)! <= largestSlashOf(scene.state, held)).to.equal(true)
      expect(slash()).to.equal(appliedSlash === 2000n ? 'NothingToSlashError' : 'SlashLimitError')
    }
    expect(taken).to.deep.equal([999n, 900n, 101n])
  })

  it('runs at any address', () => {
    const vm = new Vm(b58(Keypair.generate()))
    const scene = new Scene({ vm, stakes: [1000n] })
    const content = { cycle: 0, root: digest, recordDigest: digest, totalRewards: 5n }
    scene.toVote(0)
    scene.must(
      voteBatch({ task: scene.task, ...content, votes: signed(scene, content, scene.members), programId: vm.programId }),
      vm.wallet()
    )
    expect(scene.state.finalized?.cycle).to.equal(0)
  })
})
