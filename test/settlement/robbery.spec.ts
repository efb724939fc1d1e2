/**
 * Every way that we know of to rob such a program, tried: what the program (or K2 itself) says to it, and that no
 * account but the one that pays the fee has changed. docs/settlement.md has a table of threats whose rows name these tests.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TransactionInstruction } from '@solana/web3.js'
import { Ed25519Program, Keypair, PublicKey, SYSVAR_CLOCK_PUBKEY, SystemProgram } from '@solana/web3.js'
import { expect } from 'chai'
import {
  applySlash,
  bountyFor,
  claim,
  closeTask,
  createTask,
  fundTask,
  isSettled,
  type RefusalName,
  replaceStakingKey,
  STAKE_BYTES,
  setAddressHint,
  stake,
  stakeAddress,
  stakeWeight,
  TASK_BYTES,
  totalStake,
  unstake,
  updateTask,
  type VoteContent,
  vote,
  voteWindow,
  withdraw
} from '../../src/k2/settlement/index.ts'
import { ATTACK, batch, loadAttacker, messageOf, type Proof, precompile, throughAttacker } from './batch.ts'
import { ATTACKER_FILE, buildAttacker } from './build-attacker.ts'
import { buildLedger, innerHash, type LedgerEntry, leafHash } from './ledger.ts'
import { BOUNTY, b58, type Member, ROUND_SLOTS, Scene, type Sent } from './vm.ts'

const MAX = 2n ** 64n - 1n
const digest = new Uint8Array(32).fill(9)

/** A staker who is in another task with the same key. */
function joinAs(scene: Scene, { key, wallet }: Member, amount: bigint): string {
  const staker = b58(key)
  scene.must(stake({ task: scene.task, stakingKey: staker, payer: b58(wallet), amount, withdrawAuthority: b58(wallet) }), wallet, key)
  return stakeAddress({ task: scene.task, staker })
}

/** These lines of the ledger, with the votes of these members, in the cycle's round of voting. */
function finalize(scene: Scene, cycle: number, lines: LedgerEntry[], totalRewards: bigint, members: Member[], phase = 0) {
  const ledger = buildLedger(scene.task, lines)
  scene.toVote(cycle, phase)
  for (const { key, staker } of members) {
    scene.must(vote({ task: scene.task, stakingKey: staker, cycle, root: ledger.root, recordDigest: digest, totalRewards }), key)
  }
  expect(scene.state.finalized?.cycle).to.equal(cycle)
  return ledger
}

/**
 * A task with stakers, one finalized cycle and one that is open to votes; a second task, all Mallory's, in which Alice has a stake as well.
 * Mallory is the thief: a staker, and the manager and the majority of the second task.
 */
function build() {
  const scene = new Scene({ stakes: [4000n, 3000n, 2000n] })
  const [alice, bob, mallory] = scene.members as [Member, Member, Member]
  const carol = scene.join(1000n)
  const { vm } = scene
  const evil = new Scene({ vm, stakes: [9_000n] })
  const evilStake = joinAs(evil, mallory, 9000n)
  const aliceInEvil = joinAs(evil, alice, 1000n)
  const thief = vm.wallet()
  scene.toCycle(1)
  const own = ({ staker, wallet }: Member, task = scene.task) => ({ task, staker, withdrawAuthority: b58(wallet) })
  scene.must(unstake({ ...own(carol), amount: 1000n }), carol.wallet)
  const lines = [
    { staker: alice.staker, reward: 100n, slash: 0n },
    { staker: bob.staker, reward: 50n, slash: 500n },
    { staker: mallory.staker, reward: 10n, slash: 0n },
    { staker: carol.staker, reward: 0n, slash: 300n }
  ]
  const ledger = finalize(scene, 0, lines, 160n, [alice, bob])
  const evilLines = [
    { staker: alice.staker, reward: 5000n, slash: 900n },
    { staker: mallory.staker, reward: 90_000n, slash: 0n }
  ]
  const evilLedger = buildLedger(evil.task, evilLines)
  for (const { key, staker } of [...evil.members, mallory]) {
    const content = { cycle: 0, root: evilLedger.root, recordDigest: digest, totalRewards: 95_000n }
    evil.must(vote({ task: evil.task, stakingKey: staker, ...content }), key)
  }
  scene.toVote(1)
  const content: VoteContent = { cycle: 1, root: ledger.root, recordDigest: digest, totalRewards: 160n }
  const message = messageOf(scene.task, content)
  const attacker = loadAttacker(vm)
  /** a claim or a slash with this line of the finalized ledger */
  const claimOf = (member: Member, line = lines.find(({ staker }) => staker === member.staker)!) =>
    claim({ ...own(member), ...line, proof: ledger.proofs.get(line.staker)!, staker: member.staker })
  const slashOf = (member: Member, line = lines.find(({ staker }) => staker === member.staker)!) =>
    applySlash({ task: scene.task, ...line, proof: ledger.proofs.get(line.staker)!, staker: member.staker })
  const voteOf = (member: Member, what = content) => vote({ task: scene.task, stakingKey: member.staker, ...what })
  const batchOf = (stakes: string[], what: Uint8Array = message) => batch(scene.task, what, stakes, { programId: vm.programId })
  const close = closeTask({ task: scene.task, manager: b58(scene.manager) })
  /** every account there is, but programs and sysvars */
  const everyone = [
    ...[scene, evil].flatMap((one) => [one.task, b58(one.manager), ...one.members.flatMap((m) => [m.stake, m.staker, b58(m.wallet)])]),
    ...[carol.stake, carol.staker, b58(carol.wallet), evilStake, aliceInEvil, b58(thief)]
  ]
  return {
    ...{ scene, vm, alice, bob, mallory, carol, evil, evilStake, aliceInEvil, thief, own, lines, ledger, evilLines, evilLedger },
    ...{ content, message, attacker, claimOf, slashOf, voteOf, batchOf, close, everyone }
  }
}

type Stage = ReturnType<typeof build>
let built: { stage: Stage; saved: Uint8Array } | undefined

/** The same stage every time, as it was when it was built. */
function stage(): Stage {
  if (built == null) {
    const first = build()
    built = { stage: first, saved: first.vm.save() }
  }
  built.stage.vm.restore(built.saved)
  return built.stage
}

/** everything that is in these accounts */
function holdings({ vm, everyone }: Stage, but: string[] = []): Map<string, unknown> {
  return new Map(everyone.filter((key) => !but.includes(key)).map((key) => [key, vm.account(key)]))
}

/** Tries it: the refusal is this one, and nothing but the fee has moved. The first signer pays; none given, the thief does. */
function refused(
  s: Stage,
  name: RefusalName,
  instructions: TransactionInstruction | TransactionInstruction[],
  ...signers: Keypair[]
): Sent {
  const all = signers.length === 0 ? [s.thief] : signers
  const before = holdings(s, [b58(all[0]!)])
  const sent = s.vm.send(instructions, ...all)
  expect(sent.verdict, sent.logs.join('\n')).to.equal(name)
  expect(holdings(s, [b58(all[0]!)])).to.deep.equal(before)
  return sent
}

/** The same for what K2 itself refuses. */
function thrownOut(s: Stage, why: RegExp, instructions: TransactionInstruction | TransactionInstruction[], ...signers: Keypair[]): void {
  const all = signers.length === 0 ? [s.thief] : signers
  const before = holdings(s, [b58(all[0]!)])
  const { verdict, error, logs } = s.vm.send(instructions, ...all)

  expect(verdict, logs.join('\n')).to.equal('failed')
  expect(`${error} ${logs.join(' ')}`).to.match(why)
  expect(holdings(s, [b58(all[0]!)])).to.deep.equal(before)
}

function changed(instruction: TransactionInstruction, change: (instruction: TransactionInstruction) => void): TransactionInstruction {
  const keys = instruction.keys.map((meta) => ({ ...meta }))
  const copied = { programId: instruction.programId, keys, data: Buffer.from(instruction.data) } as TransactionInstruction
  change(copied)
  return copied
}

/** with other accounts in some places */
function swapped(instruction: TransactionInstruction, places: Record<number, string>): TransactionInstruction {
  return changed(instruction, ({ keys }) => {
    for (const [place, key] of Object.entries(places)) {
      keys[Number(place)]!.pubkey = new PublicKey(key)
    }
  })
}

/** without the signature of one account */
function unsigned(instruction: TransactionInstruction, place: number): TransactionInstruction {
  return changed(instruction, ({ keys }) => {
    keys[place]!.isSigner = false
  })
}

/** A copy of an account, all bytes the same, that another program owns. */
function forged({ vm }: Stage, of: string, owner: string, bend: (data: Buffer) => void = () => {}): string {
  const account = vm.account(of)!
  const at = b58(Keypair.generate())
  const data = Buffer.from(account.data)
  bend(data)
  vm.plant(at, { ...account, owner, data })
  return at
}

describe('robbery: accounts', () => {
  it('look-alikes of a task or a stake under another program', () => {
    const s = stage()
    const task = forged(s, s.scene.task, s.attacker)
    const stakeAt = forged(s, s.mallory.stake, s.attacker, (data) => data.writeBigUInt64LE(10n ** 12n, 272))
    refused(s, 'WrongOwnerError', swapped(s.claimOf(s.mallory), { 0: task }))
    refused(s, 'WrongOwnerError', swapped(s.claimOf(s.mallory), { 1: stakeAt }))
    refused(s, 'WrongOwnerError', swapped(s.slashOf(s.bob), { 0: task }))
    refused(s, 'WrongOwnerError', swapped(withdraw(s.own(s.mallory)), { 1: stakeAt }), s.mallory.wallet)
    refused(s, 'WrongOwnerError', swapped(s.voteOf(s.mallory), { 2: stakeAt }), s.mallory.key)
    refused(s, 'WrongOwnerError', [precompile(s.message, [s.mallory], 1), s.batchOf([stakeAt])])
    refused(s, 'WrongOwnerError', swapped(s.close, { 0: task }), s.scene.manager)
  })

  it('an account that its maker filled and then gave to the program', () => {
    const s = stage()
    const stakeAt = forged(s, s.mallory.stake, s.attacker, (data) => data.writeBigUInt64LE(10n ** 12n, 272))
    const call = swapped(withdraw(s.own(s.mallory)), { 1: stakeAt })
    // K2 lets go of an account only when it is empty
    thrownOut(
      s,
      /modified.*owner|ModifiedProgramId|instruction illegally modified/i,
      throughAttacker(s.attacker, call, { mode: ATTACK.giveAway }),
      s.thief,
      s.mallory.wallet
    )
  })

  it('an empty account of the program’s, of a task’s or a stake’s size', () => {
    const s = stage()
    const program = new PublicKey(s.vm.programId)
    for (const [space, place] of [
      [TASK_BYTES, 0],
      [STAKE_BYTES, 1]
    ] as const) {
      const fresh = Keypair.generate()
      const make = SystemProgram.createAccount({
        ...{ fromPubkey: s.thief.publicKey, newAccountPubkey: fresh.publicKey, programId: program },
        ...{ lamports: s.vm.rentExemption(space), space }
      })
      refused(s, 'WrongKindError', [make, swapped(s.claimOf(s.mallory), { [place]: b58(fresh) })], s.thief, fresh)
      refused(s, 'WrongKindError', [make, swapped(withdraw(s.own(s.mallory)), { [place]: b58(fresh) })], s.thief, fresh, s.mallory.wallet)
    }
  })

  it('a stake of another task, though it is the same staker’s', () => {
    const s = stage()
    refused(s, 'WrongTaskError', swapped(s.claimOf(s.alice), { 1: s.aliceInEvil }))
    refused(s, 'WrongTaskError', swapped(s.slashOf(s.bob), { 1: s.aliceInEvil }))
    refused(s, 'WrongTaskError', swapped(s.voteOf(s.mallory), { 2: s.evilStake }), s.mallory.key)
    refused(s, 'WrongTaskError', swapped(unstake({ ...s.own(s.mallory), amount: 1n }), { 1: s.evilStake }), s.mallory.wallet)
    refused(s, 'WrongTaskError', [precompile(s.message, [s.mallory], 1), s.batchOf([s.evilStake])])
  })

  it('another task, closed by its own manager, to get past the lock and the rule of open tasks', () => {
    const s = stage()
    s.vm.warp(s.evil.startingSlot + 3 * ROUND_SLOTS)
    s.evil.must(closeTask({ task: s.evil.task, manager: b58(s.evil.manager) }), s.evil.manager)
    s.vm.warp(s.evil.startingSlot + 9 * ROUND_SLOTS)
    expect(isSettled(s.evil.state, s.vm.slot)).to.equal(true)
    for (const close of [false, true]) {
      refused(s, 'WrongTaskError', swapped(withdraw({ ...s.own(s.carol), close }), { 0: s.evil.task }), s.carol.wallet)
    }
  })

  it('a stake in the task’s place, and a task in the stake’s', () => {
    const s = stage()
    refused(s, 'WrongKindError', swapped(s.claimOf(s.mallory), { 0: s.evilStake }))
    refused(s, 'WrongKindError', swapped(s.claimOf(s.mallory), { 1: s.evil.task }))
    refused(s, 'WrongKindError', swapped(withdraw(s.own(s.mallory)), { 1: s.evil.task }), s.mallory.wallet)
    refused(
      s,
      'WrongKindError',
      swapped(closeTask({ task: s.evil.task, manager: b58(s.evil.manager) }), { 0: s.mallory.stake }),
      s.evil.manager
    )
  })

  it('an account passed twice', () => {
    const s = stage()
    refused(s, 'DuplicateAccountError', swapped(s.claimOf(s.alice), { 2: s.scene.task }))
    refused(s, 'DuplicateAccountError', swapped(s.claimOf(s.alice), { 2: s.alice.stake }))
    refused(s, 'DuplicateAccountError', swapped(s.slashOf(s.bob), { 1: s.scene.task }))
    refused(s, 'DuplicateAccountError', unsigned(swapped(withdraw(s.own(s.carol)), { 2: s.carol.stake }), 2))
    refused(s, 'DuplicateAccountError', unsigned(swapped(s.close, { 1: s.scene.task }), 1))
    refused(s, 'DuplicateAccountError', [precompile(s.message, [s.mallory, s.mallory], 1), s.batchOf([s.mallory.stake, s.mallory.stake])])
  })

  it('a task that is made a second time, with himself as its manager', () => {
    const s = stage()
    const init = { name: 'mine', roundSlots: 2, submissionWindow: 1, auditWindow: 1, bountyPerRound: 0n, minStake: 1n, bundle: 'b' }
    refused(s, 'AlreadyInitializedError', createTask({ task: s.scene.task, manager: b58(s.thief), ...init }), s.thief, s.scene.taskKey)
  })

  it('a first stake at somebody else’s address, with himself as its withdraw authority', () => {
    const s = stage()
    const victim = s.vm.wallet()
    const init = { task: s.scene.task, stakingKey: b58(victim), payer: b58(s.thief), amount: 2000n, withdrawAuthority: b58(s.thief) }
    refused(s, 'MissingSignatureError', stake({ ...init, stakingKeySigns: false }))
    // or with his own key at the victim's address
    const own = stake({ ...init, stakingKey: b58(s.thief) })
    refused(s, 'WrongStakeAddressError', swapped(own, { 1: stakeAddress({ task: s.scene.task, staker: b58(victim) }) }))
  })
})

describe('robbery: signatures', () => {
  it('nobody but the withdraw authority takes money out or replaces the key', () => {
    const s = stage()
    const calls = [unstake({ ...s.own(s.alice), amount: 1n }), withdraw(s.own(s.carol)), withdraw({ ...s.own(s.carol), close: true })]
    for (const call of [...calls, changed(replaceStakingKey({ ...s.own(s.alice), newStakingKey: b58(s.thief) }), () => {})]) {
      refused(s, 'MissingSignatureError', unsigned(call, 2))
      for (const other of [s.mallory.wallet, s.alice.key, s.carol.key, s.scene.manager]) {
        const signers = call.keys.length === 4 ? [other, s.thief] : [other]
        refused(s, 'WrongWithdrawAuthorityError', swapped(call, { 2: b58(other) }), ...signers)
      }
    }
  })

  it('a claim pays the withdraw authority and nobody else', () => {
    const s = stage()
    for (const other of [b58(s.thief), s.alice.staker, b58(s.scene.manager)]) {
      refused(s, 'WrongWithdrawAuthorityError', swapped(s.claimOf(s.alice), { 2: other }))
    }
  })

  it('somebody else’s key is not hung on a stake without its signature', () => {
    const s = stage()
    const call = replaceStakingKey({ ...s.own(s.mallory), newStakingKey: s.alice.staker })
    refused(s, 'MissingSignatureError', unsigned(call, 3), s.mallory.wallet)
  })

  it('nobody but the staking key votes or sets the address hint', () => {
    const s = stage()
    refused(s, 'MissingSignatureError', unsigned(s.voteOf(s.alice), 0))
    const hint = setAddressHint({ task: s.scene.task, stakingKey: s.alice.staker, addressHint: '/ip4/203.0.113.66/tcp/1' })
    refused(s, 'MissingSignatureError', unsigned(hint, 2))
    for (const other of [s.mallory.key, s.alice.wallet, s.scene.manager]) {
      refused(s, 'WrongStakingKeyError', swapped(s.voteOf(s.alice), { 0: b58(other) }), other)
      refused(s, 'WrongStakingKeyError', swapped(hint, { 2: b58(other) }), other)
    }
    // a hint slipped in with a gift
    const gift = { task: s.scene.task, stakingKey: s.alice.staker, payer: b58(s.thief), amount: 1n, withdrawAuthority: b58(s.alice.wallet) }
    refused(s, 'HintNotSignedError', stake({ ...gift, addressHint: '/ip4/203.0.113.66/tcp/1', stakingKeySigns: false }))
  })

  it('a payer is not led to pay for a stake whose withdraw authority is another', () => {
    const s = stage()
    const call = { task: s.scene.task, stakingKey: s.mallory.staker, payer: b58(s.alice.wallet), amount: 1000n }
    const names = stake({ ...call, withdrawAuthority: b58(s.alice.wallet), stakingKeySigns: false })
    refused(s, 'WrongWithdrawAuthorityError', names, s.alice.wallet)
  })
})

describe('robbery: closed and revived', () => {
  /** the task closed, settled, and carol's stake ready to be given up */
  function settledStage(): Stage {
    const s = stage()
    s.scene.must(s.close, s.scene.manager)
    s.scene.toCycle(9)
    s.scene.must(withdraw(s.own(s.carol)), s.carol.wallet)
    return s
  }

  it('a stake account that is given up and sent lamports in the same transaction', () => {
    const s = settledStage()
    const revive = SystemProgram.transfer({
      fromPubkey: s.carol.wallet.publicKey,
      toPubkey: new PublicKey(s.carol.stake),
      lamports: 5_000_000
    })
    const giveUp = withdraw({ ...s.own(s.carol), close: true })
    // what was an account of the program's is none any more within the transaction
    refused(s, 'WrongOwnerError', [giveUp, revive, giveUp], s.carol.wallet)
    refused(s, 'WrongOwnerError', [giveUp, revive, s.claimOf(s.carol)], s.carol.wallet)
    refused(s, 'WrongOwnerError', [giveUp, revive, s.slashOf(s.carol)], s.carol.wallet)
    const before = s.scene.state.stakerCount
    expect(s.vm.send([giveUp, revive], s.carol.wallet).verdict).to.equal('ok')
    expect(s.scene.state.stakerCount).to.equal(before - 1)
    const left = s.vm.account(s.carol.stake)!
    expect(left.owner).to.equal(b58(SystemProgram.programId))
    expect(left.data.every((byte) => byte === 0)).to.equal(true)
    refused(s, 'WrongOwnerError', giveUp, s.carol.wallet)
    refused(s, 'WrongOwnerError', s.claimOf(s.carol))
  })

  it('a stake account that is given up and opened again, to claim a second time', () => {
    const s = stage()
    s.scene.must(s.claimOf(s.mallory), s.thief)
    s.scene.must(unstake({ ...s.own(s.mallory), amount: 2000n }), s.mallory.wallet)
    s.scene.toCycle(9)
    // not while the task is open ...
    const giveUp = withdraw({ ...s.own(s.mallory), close: true })
    refused(s, 'TaskOpenError', giveUp, s.mallory.wallet)
    s.scene.must(s.close, s.scene.manager)
    refused(s, 'TaskOpenError', giveUp, s.mallory.wallet)
    s.scene.toCycle(12)
    s.scene.must(giveUp, s.mallory.wallet)
    // ... and never again once it is closed
    const { staker, key, wallet } = s.mallory
    const again = stake({ task: s.scene.task, stakingKey: staker, payer: b58(wallet), amount: 2000n, withdrawAuthority: b58(wallet) })
    refused(s, 'TaskClosedError', again, wallet, key)
    refused(s, 'WrongOwnerError', s.claimOf(s.mallory))
  })

  it('a stake account that is given up with a stake still in it', () => {
    const s = settledStage()
    refused(s, 'StillStakedError', withdraw({ ...s.own(s.alice), close: true }), s.alice.wallet)
  })

  it('a task account that is emptied and made again at its address', () => {
    const s = settledStage()
    s.scene.must(s.close, s.scene.manager)
    refused(s, 'NothingLeftError', s.close, s.scene.manager)
    expect(s.vm.account(s.scene.task)!.owner).to.equal(s.vm.programId)
    const init = { name: 'again', roundSlots: 2, submissionWindow: 1, auditWindow: 1, bountyPerRound: 0n, minStake: 1n, bundle: 'b' }
    const again = createTask({ task: s.scene.task, manager: b58(s.scene.manager), ...init })
    refused(s, 'AlreadyInitializedError', again, s.scene.manager, s.scene.taskKey)
    const make = SystemProgram.createAccount({
      ...{ fromPubkey: s.scene.manager.publicKey, newAccountPubkey: s.scene.taskKey.publicKey, programId: new PublicKey(s.vm.programId) },
      ...{ lamports: s.vm.rentExemption(TASK_BYTES), space: TASK_BYTES }
    })
    thrownOut(s, /already in use/, [make, again], s.scene.manager, s.scene.taskKey)
  })
})

describe('robbery: arithmetic at the edges', () => {
  it('the largest amounts that can be written', () => {
    const s = stage()
    const { scene, alice, mallory, thief } = s
    refused(s, 'OverflowError', fundTask({ task: scene.task, payer: b58(thief), amount: MAX }))
    refused(s, 'InsufficientFundsError', fundTask({ task: scene.task, payer: b58(thief), amount: MAX - scene.state.funded[0]!.value }))
    const more = { task: scene.task, stakingKey: mallory.staker, payer: b58(mallory.wallet), withdrawAuthority: b58(mallory.wallet) }
    refused(s, 'OverflowError', stake({ ...more, amount: MAX }), mallory.wallet, mallory.key)
    refused(s, 'InsufficientFundsError', stake({ ...more, amount: MAX - 10_000n }), mallory.wallet, mallory.key)
    const first = stake({ ...more, stakingKey: b58(thief), amount: MAX - 10_000n })
    refused(s, 'OverflowError', first, mallory.wallet, thief)
    refused(s, 'UnstakeTooMuchError', unstake({ ...s.own(mallory), amount: MAX }), mallory.wallet)
    refused(s, 'UnstakeTooMuchError', unstake({ ...s.own(mallory), amount: 2001n }), mallory.wallet)
    refused(s, 'RewardsAboveBountyError', s.voteOf(alice, { ...s.content, totalRewards: MAX }), alice.key)
    refused(
      s,
      'VoteTooEarlyError',
      changed(s.voteOf(alice), ({ data }) => data.writeBigUInt64LE(MAX, 1)),
      alice.key
    )
    refused(
      s,
      'BadProofError',
      changed(s.claimOf(alice), ({ data }) => data.writeBigUInt64LE(MAX, 1))
    )
    refused(
      s,
      'BadProofError',
      changed(s.slashOf(alice), ({ data }) => data.writeBigUInt64LE(MAX, 9))
    )
  })

  it('a finalized ledger whose rewards go past its own total, and past 2^64', () => {
    const s = stage()
    const { scene, alice, bob } = s
    const lines = [
      { staker: alice.staker, reward: MAX, slash: 0n },
      { staker: bob.staker, reward: 161n, slash: 0n }
    ]
    const { proofs } = finalize(scene, 1, lines, 161n, [alice, bob])
    const pay = (member: Member, at: number) => claim({ ...s.own(member), ...lines[at]!, proof: proofs.get(member.staker)! })
    refused(s, 'ClaimAboveRewardsError', pay(alice, 0))
    scene.must(pay(bob, 1), s.thief)
    expect(scene.state.claimedTotal).to.equal(161n)
    refused(s, 'ClaimAboveRewardsError', pay(alice, 0))
    refused(s, 'NothingToClaimError', pay(bob, 1))
  })

  it('a finalized slash of 2^64 - 1 takes the stake and not a lamport of the rent', () => {
    const s = stage()
    const { scene, alice, bob, carol } = s
    const lines = [alice, bob, carol].map(({ staker }) => ({ staker, reward: 0n, slash: MAX }))
    const { proofs } = finalize(scene, 1, lines, 160n, [alice, bob])
    const slash = (member: Member, at: number) => applySlash({ task: scene.task, ...lines[at]!, proof: proofs.get(member.staker)! })
    const pot = s.vm.balance(scene.task)
    for (const [at, member] of [alice, bob, carol].entries()) {
      scene.must(slash(member, at), s.thief)
      const { rentReserve, amount, unstaking } = s.vm.stake(member.stake)
      expect([s.vm.balance(member.stake), amount[0]!.value, unstaking]).to.deep.equal([rentReserve, 0n, 0n])
      refused(s, 'NothingToSlashError', slash(member, at))
    }
    expect(s.vm.balance(scene.task) - pot).to.equal(8000n)
    expect(totalStake(scene.state, 4)).to.equal(2000n)
    // what a later stake owes still fits into 64 bits
    const more = { task: scene.task, stakingKey: bob.staker, payer: b58(bob.wallet), amount: 1000n, withdrawAuthority: b58(bob.wallet) }
    scene.must(stake(more), bob.wallet, bob.key)
    refused(s, 'SlashLimitError', slash(bob, 1))
    finalize(scene, 2, lines, 160n, [alice, bob])
    scene.must(slash(bob, 1), s.thief)
    expect(s.vm.stake(bob.stake).appliedSlash).to.equal(4000n)
  })

  it('a bounty of 2^64 - 1 gives out what is in the pot and no more', () => {
    const s = stage()
    const { scene, alice, bob } = s
    scene.must(updateTask({ task: scene.task, manager: b58(scene.manager), bountyPerRound: MAX, minStake: 1000n }), scene.manager)
    scene.toVote(4)
    expect(bountyFor(scene.state, 4)).to.equal(100n * BOUNTY - 160n)
    refused(s, 'RewardsAboveBountyError', s.voteOf(alice, { ...s.content, cycle: 4, totalRewards: 100n * BOUNTY + 1n }), alice.key)
    finalize(scene, 4, s.lines, 100n * BOUNTY, [alice, bob])
    scene.toVote(5)
    expect(bountyFor(scene.state, 5)).to.equal(0n)
    refused(s, 'RewardsAboveBountyError', s.voteOf(alice, { ...s.content, cycle: 5, totalRewards: 100n * BOUNTY + 1n }), alice.key)
  })

  it('the largest stakes: no weight, total or quorum wraps around', () => {
    const scene = new Scene({ stakes: [1000n, 1000n] })
    const [alice, bob] = scene.members as [Member, Member]
    for (const [at, values] of [
      [alice.stake, [2n ** 63n]],
      [bob.stake, [2n ** 63n - 1n]]
    ] as const) {
      const account = scene.vm.account(at)!
      Buffer.from(account.data.buffer).writeBigUInt64LE(values[0], 136)
      scene.vm.plant(at, account)
    }
    const account = scene.vm.account(scene.task)!
    Buffer.from(account.data.buffer).writeBigUInt64LE(MAX, 296)
    scene.vm.plant(scene.task, account)
    scene.toVote(0)
    const content = { cycle: 0, root: digest, recordDigest: digest, totalRewards: 0n }
    scene.must(vote({ task: scene.task, stakingKey: alice.staker, ...content }), alice.key)
    // half and a lamport is not two thirds
    expect(scene.state.finalized).to.equal(undefined)
    const more = stake({ task: scene.task, stakingKey: bob.staker, payer: b58(bob.wallet), amount: 1n, withdrawAuthority: b58(bob.wallet) })
    expect(scene.vm.send(more, bob.wallet, bob.key).verdict).to.equal('OverflowError')
    scene.must(vote({ task: scene.task, stakingKey: bob.staker, ...content }), bob.key)
    expect(scene.state.tally?.entries).to.have.length(1)
    expect(scene.state.tally?.entries[0]?.weight).to.equal(MAX)
    expect(scene.state.finalized?.cycle).to.equal(0)
  })

  for (const [what, roundSlots, rounds] of [
    ['2^32 rounds of 3 slots', 3, 2n ** 32n],
    ['2^20 rounds of 2^32 slots', 2 ** 32, 2n ** 20n]
  ] as const) {
    it(`slots and cycles after ${what}`, () => {
      const scene = new Scene({ stakes: [1000n], roundSlots })
      const [alice] = scene.members as [Member]
      const cycle = Number(rounds)
      const slotOf = (round: bigint, phase = 0n) => BigInt(scene.startingSlot) + round * BigInt(roundSlots) + phase
      const voteOn = (at: number) =>
        scene.vm.send(
          vote({ task: scene.task, stakingKey: alice.staker, cycle: at, root: digest, recordDigest: digest, totalRewards: 0n }),
          alice.key
        ).verdict
      scene.vm.svm.warpToSlot(slotOf(rounds + 2n) - 1n)
      expect(voteOn(cycle)).to.equal('VoteTooEarlyError')
      scene.vm.svm.warpToSlot(slotOf(rounds + 2n))
      expect(voteOn(cycle - 1)).to.equal('VoteTooLateError')
      expect(voteOn(cycle)).to.equal('ok')
      expect(scene.state.finalized?.cycle).to.equal(cycle)
      const own = { task: scene.task, staker: alice.staker, withdrawAuthority: b58(alice.wallet) }
      scene.must(unstake({ ...own, amount: 1000n }), alice.wallet)
      scene.vm.svm.warpToSlot(slotOf(rounds + 8n) - 1n)
      expect(scene.vm.send(withdraw(own), alice.wallet).verdict).to.equal('StakeLockedError')
      scene.vm.svm.warpToSlot(slotOf(rounds + 8n))
      expect(scene.vm.send(withdraw(own), alice.wallet).verdict).to.equal('ok')
    })
  }
})

describe('robbery: proofs', () => {
  it('a proof for another staker’s leaf', () => {
    const s = stage()
    const [ofAlice] = s.lines as [LedgerEntry]
    refused(s, 'BadProofError', s.claimOf(s.mallory, ofAlice))
    // with the address of the one and the money of the other
    refused(
      s,
      'BadProofError',
      changed(s.claimOf(s.mallory), ({ data }) => data.writeBigUInt64LE(100n, 1))
    )
    refused(s, 'BadProofError', s.slashOf(s.alice, s.lines[1]))
    // reward and slash exchanged
    const exchanged = changed(s.claimOf(s.bob), ({ data }) => {
      data.writeBigUInt64LE(500n, 1)
      data.writeBigUInt64LE(50n, 9)
    })
    refused(s, 'BadProofError', exchanged)
  })

  it('an inner node as a leaf, and a leaf as an inner node', () => {
    const s = stage()
    const proof = s.ledger.proofs.get(s.mallory.staker)!
    expect(proof).to.have.length(2)
    const line = { ...s.own(s.mallory), staker: s.mallory.staker, slash: 0n }
    // proofs that are cut, lengthened, turned around, or climb from the wrong level
    const leaf = leafHash(s.scene.task, { staker: s.mallory.staker, reward: 10n, slash: 0n })
    const parent = innerHash(leaf, proof[0]!)
    for (const wrong of [
      [],
      [proof[0]!],
      [proof[1]!],
      proof.toReversed(),
      [parent, proof[1]!],
      [leaf, ...proof],
      [...proof, s.ledger.root],
      [s.ledger.root]
    ]) {
      refused(s, 'BadProofError', claim({ ...line, reward: 10n, proof: wrong }))
    }
  })

  it('another cycle’s root: one that is past, and one that is not finalized', () => {
    const s = stage()
    const { scene, alice, bob } = s
    const later = [{ staker: alice.staker, reward: 300n, slash: 0n }, ...s.lines.slice(1)]
    const { proofs, root } = buildLedger(scene.task, later)
    const early = claim({ ...s.own(alice), ...later[0]!, proof: proofs.get(alice.staker)! })
    refused(s, 'BadProofError', early)
    // voted for, but not by a quorum
    scene.must(s.voteOf(alice, { ...s.content, root, totalRewards: 360n }), alice.key)
    refused(s, 'BadProofError', early)
    scene.must(s.voteOf(bob, { ...s.content, root, totalRewards: 360n }), bob.key)
    refused(s, 'BadProofError', s.claimOf(alice))
    scene.must(early, s.thief)
  })

  it('another task’s proof, in a task where the thief writes the ledger', () => {
    const s = stage()
    for (const [member, line] of [
      [s.alice, s.evilLines[0]!],
      [s.mallory, s.evilLines[1]!]
    ] as const) {
      const proof = s.evilLedger.proofs.get(member.staker)!
      refused(s, 'BadProofError', claim({ ...s.own(member), ...line, proof }))
      refused(s, 'BadProofError', applySlash({ task: s.scene.task, ...line, proof }))
    }
  })

  it('a claim that is made twice, in one transaction or in two, or with an older ledger', () => {
    const s = stage()
    refused(s, 'NothingToClaimError', [s.claimOf(s.alice), s.claimOf(s.alice)])
    const before = s.vm.balance(b58(s.alice.wallet))
    s.scene.must(s.claimOf(s.alice), s.thief)
    expect(s.vm.balance(b58(s.alice.wallet)) - before).to.equal(100n)
    refused(s, 'NothingToClaimError', s.claimOf(s.alice))
    // a ledger in which she has less than she was paid
    const lines = [{ staker: s.alice.staker, reward: 99n, slash: 0n }, ...s.lines.slice(1)]
    const { proofs } = finalize(s.scene, 1, lines, 160n, [s.alice, s.bob])
    refused(s, 'NothingToClaimError', claim({ ...s.own(s.alice), ...lines[0]!, proof: proofs.get(s.alice.staker)! }))
  })

  it('a slash that is applied twice, in one transaction or in two', () => {
    const s = stage()
    refused(s, 'NothingToSlashError', [s.slashOf(s.bob), s.slashOf(s.bob)])
    s.scene.must(s.slashOf(s.bob), s.thief)
    expect(s.vm.stake(s.bob.stake).amount[0]!.value).to.equal(2500n)
    refused(s, 'NothingToSlashError', s.slashOf(s.bob))
    refused(s, 'NothingToSlashError', s.slashOf(s.alice))
  })

  it('a ledger of nobody', () => {
    const s = stage()
    const { scene, alice, bob } = s
    scene.toVote(1)
    for (const member of [alice, bob]) {
      scene.must(s.voteOf(member, { ...s.content, root: new Uint8Array(32) }), member.key)
    }
    refused(s, 'NothingFinalizedError', claim({ ...s.own(s.mallory), reward: 10n, slash: 0n, proof: [] }))
    refused(s, 'NothingFinalizedError', s.slashOf(bob))
  })
})

describe('robbery: votes', () => {
  /** the same vote, by a transaction and in a batch */
  const ways: Array<[string, (s: Stage, member: Member, content?: VoteContent) => [TransactionInstruction[], Keypair[]]]> = [
    ['by a transaction', (s, member, content = s.content) => [[s.voteOf(member, content)], [member.key]]],
    [
      'in a batch',
      (s, member, content = s.content) => {
        const message = messageOf(s.scene.task, content)
        return [[precompile(message, [member], 1), s.batchOf([member.stake], message)], [s.thief]]
      }
    ]
  ]

  for (const [how, make] of ways) {
    it(`outside the window, to the slot, ${how}`, () => {
      const s = stage()
      const go = (name: RefusalName) => {
        const [instructions, signers] = make(s, s.alice, { ...s.content, cycle: 2 })
        refused(s, name, instructions, ...signers)
      }
      s.scene.toVote(2)
      s.vm.warp(s.vm.slot - 1)
      go('VoteTooEarlyError')
      s.scene.toVote(3)
      go('VoteTooLateError')
      s.vm.warp(s.vm.slot - 1)
      const [instructions, signers] = make(s, s.alice, { ...s.content, cycle: 2 })
      expect(s.vm.send(instructions, ...signers).verdict).to.equal('ok')
    })

    it(`twice, for the same or another result, ${how}`, () => {
      const s = stage()
      const { alice, content } = s
      for (const [, first] of ways) {
        const s2 = stage()
        const [one, signers] = first(s2, alice)
        expect(s2.vm.send(one, ...signers).verdict).to.equal('ok')
        for (const other of [content, { ...content, totalRewards: 161n }, { ...content, root: digest }]) {
          const [again, by] = make(s2, alice, other)
          refused(s2, 'AlreadyVotedError', again, ...by)
        }
      }
    })

    it(`after the staking key was replaced, with the old key, ${how}`, () => {
      const s = stage()
      const next = s.vm.wallet()
      // signed while the key was good
      const [instructions, signers] = make(s, s.alice)
      s.scene.must(replaceStakingKey({ ...s.own(s.alice), newStakingKey: b58(next) }), s.alice.wallet, next)
      refused(s, 'WrongStakingKeyError', instructions, ...signers)
    })

    it(`a second time with the new key, after the staking key was replaced, ${how}`, () => {
      const s = stage()
      const next = s.vm.wallet()
      const [first, by] = make(s, s.alice)
      expect(s.vm.send(first, ...by).verdict).to.equal('ok')
      s.scene.must(replaceStakingKey({ ...s.own(s.alice), newStakingKey: b58(next) }), s.alice.wallet, next)
      const content = { ...s.content, root: digest }
      const message = messageOf(s.scene.task, content)
      const direct = vote({ task: s.scene.task, staker: s.alice.staker, stakingKey: b58(next), ...content })
      refused(s, 'AlreadyVotedError', direct, next)
      refused(s, 'AlreadyVotedError', [precompile(message, [{ key: next }], 1), s.batchOf([s.alice.stake], message)])
    })
  }

  it('twice in one transaction', () => {
    const s = stage()
    refused(s, 'AlreadyVotedError', [s.voteOf(s.alice), s.voteOf(s.alice, { ...s.content, root: digest })], s.alice.key)
  })

  it('for somebody else', () => {
    const s = stage()
    refused(s, 'WrongStakingKeyError', swapped(s.voteOf(s.mallory), { 2: s.alice.stake }), s.mallory.key)
    refused(s, 'WrongStakingKeyError', [precompile(s.message, [s.mallory], 1), s.batchOf([s.alice.stake])])
    // his signature first, hers never given
    refused(s, 'BadEd25519Error', [precompile(s.message, [s.mallory], 1), s.batchOf([s.mallory.stake, s.alice.stake])])
  })
})

describe('robbery: the Ed25519 instruction', () => {
  /** Mallory's own signature is good; in the second place stands Alice's key, with a signature that she never gave. */
  const forgery = (s: Stage, offsets: (canonical: number[]) => number[]): Proof[] => [
    { key: s.mallory.key },
    { key: s.mallory.key, claimedKey: s.alice.key.publicKey.toBytes(), offsets }
  ]
  const both = (s: Stage) => s.batchOf([s.mallory.stake, s.alice.stake])

  it('a forged signature, told as it is', () => {
    const s = stage()
    // the precompile itself finds it out
    thrownOut(s, /Custom\(2\)/, [
      precompile(
        s.message,
        forgery(s, (same) => same),
        1
      ),
      both(s)
    ])
  })

  it('offsets of the second signature and key that point at the first', () => {
    const s = stage()
    const first = 2 + 2 * 14
    refused(s, 'BadEd25519Error', [
      precompile(
        s.message,
        forgery(s, ([, a, , b, ...rest]) => [first, a!, first + 64, b!, ...rest]),
        1
      ),
      both(s)
    ])
  })

  it('a key’s offset alone that points at the first key, so that the second is shown and never used', () => {
    const s = stage()
    const first = 2 + 2 * 14
    const keyElsewhere = forgery(s, (same) => same.with(2, first + 64))
    refused(s, 'BadEd25519Error', [precompile(s.message, keyElsewhere, 1), both(s)])
  })

  it('a signature’s offset alone that points at the first signature, so that the second is shown and never used', () => {
    const s = stage()
    const first = 2 + 2 * 14
    // one key for two stakes
    s.scene.must(replaceStakingKey({ ...s.own(s.bob), newStakingKey: s.mallory.staker }), s.bob.wallet, s.mallory.key)
    const signatureElsewhere = { key: s.mallory.key, offsets: (same: number[]) => same.with(0, first) }
    const stakes = [s.mallory.stake, s.bob.stake]
    refused(s, 'BadEd25519Error', [precompile(s.message, [s.mallory, signatureElsewhere], 1), s.batchOf(stakes)])
    // told as it is, it is good
    expect(s.vm.send([precompile(s.message, [s.mallory, s.mallory], 1), s.batchOf(stakes)], s.thief).verdict).to.equal('ok')
  })

  it('offsets that point into a second precompile instruction', () => {
    const s = stage()
    // instruction 0 holds a good signature of the thief's; instruction 1 verifies that one and shows Alice's key
    const at = 2 + 14
    const aside = precompile(s.message, [s.mallory], 2)
    const shown = precompile(
      s.message,
      [{ key: s.mallory.key, claimedKey: s.alice.key.publicKey.toBytes(), offsets: ([, , , , ...rest]) => [at, 0, at + 64, 0, ...rest] }],
      2
    )
    refused(s, 'BadEd25519Error', [aside, shown, s.batchOf([s.alice.stake])])
    // key and signature apart
    const keyAside = precompile(
      s.message,
      [
        { key: s.mallory.key, claimedKey: s.alice.key.publicKey.toBytes(), offsets: ([a, b, , , ...rest]) => [a!, b!, at + 64, 0, ...rest] }
      ],
      2
    )
    refused(s, 'BadEd25519Error', [aside, keyAside, s.batchOf([s.alice.stake])])
    const signatureAside = precompile(s.message, [{ key: s.mallory.key, offsets: ([, , c, d, ...rest]) => [at, 0, c!, d!, ...rest] }], 2)
    refused(s, 'BadEd25519Error', [aside, signatureAside, s.batchOf([s.mallory.stake])])
  })

  it('offsets that name the precompile’s own instruction by number', () => {
    const s = stage()
    for (const field of [1, 3]) {
      const offsets = (same: number[]) => same.with(field, 0)
      refused(s, 'BadEd25519Error', [precompile(s.message, [{ key: s.alice.key, offsets }], 1), s.batchOf([s.alice.stake])])
    }
  })

  it('a message that lies elsewhere: one that she did sign, in another instruction', () => {
    const s = stage()
    // Alice's true vote lies in instruction 0 as the data of a call that does nothing; the batch says something else
    const lie = { ...s.content, totalRewards: 150_000n }
    const lieMessage = messageOf(s.scene.task, lie)
    const carrier = precompile(s.message, [s.mallory], 0)
    carrier.data = Buffer.concat([carrier.data, Buffer.of(10), s.message])
    const messageAt = carrier.data.length - s.message.length
    carrier.data.writeUInt16LE(messageAt, 2 + 8)
    const shown = (offsets: (same: number[]) => number[]) => precompile(lieMessage, [{ key: s.alice.key, message: s.message, offsets }], 2)
    const pointing = shown((same) => [...same.slice(0, 4), messageAt, s.message.length, 0])
    refused(s, 'BadEd25519Error', [carrier, pointing, s.batchOf([s.alice.stake], lieMessage)])
  })

  it('a message of which a part is signed: another start or another length', () => {
    const s = stage()
    const call = s.batchOf([s.mallory.stake])
    for (const [start, length] of [
      [0, 129],
      [0, 128],
      [2, 127],
      [1, 127],
      [1, 0],
      [129, 0]
    ] as const) {
      const part = call.data.subarray(start, start + length)
      const offsets = (same: number[]) => [...same.slice(0, 4), start, length, 1]
      refused(s, 'BadEd25519Error', [precompile(s.message, [{ key: s.mallory.key, message: part, offsets }], 1), call])
    }
  })

  it('a message of another instruction, at the very place, or of no instruction’s number', () => {
    const s = stage()
    const lie = s.batchOf([s.alice.stake], messageOf(s.scene.task, { ...s.content, totalRewards: 150_000n }))
    // what Alice did sign lies at byte 1 of a call that does nothing
    const carrier = throughAttacker(s.attacker, s.claimOf(s.bob), { mode: ATTACK.nothing, carried: s.message })
    refused(s, 'BadEd25519Error', [carrier, precompile(s.message, [s.alice], 0), lie])
    // or in a second batch, after the one that lies
    refused(s, 'BadEd25519Error', [precompile(s.message, [s.alice], 2), lie, s.batchOf([s.alice.stake])])
    thrownOut(s, /Custom\(3\)/, [precompile(s.message, [s.alice], 0xffff), s.batchOf([s.alice.stake])])
  })

  it('fewer or more signatures than votes, or none', () => {
    const s = stage()
    refused(s, 'BadEd25519Error', [precompile(s.message, [s.mallory], 1), both(s)])
    refused(s, 'BadEd25519Error', [precompile(s.message, [s.mallory, s.bob], 1), s.batchOf([s.mallory.stake])])
    // a count of 0 and nothing else; and with the keys of a real one behind it
    const empty = { programId: Ed25519Program.programId, keys: [], data: Buffer.of(0, 0) } as unknown as TransactionInstruction
    refused(s, 'BadEd25519Error', [empty, s.batchOf([s.alice.stake])])
    const unchecked = precompile(s.message, [{ key: s.mallory.key, claimedKey: s.alice.key.publicKey.toBytes() }], 1)
    unchecked.data[0] = 0
    // K2's own precompile takes a count of 0 with data behind it for malformed
    thrownOut(s, /Custom\(\d\)/, [unchecked, s.batchOf([s.alice.stake])])
    // one that is checked, and Alice's place behind it
    const one = precompile(s.message, [{ key: s.mallory.key }, { key: s.mallory.key, claimedKey: s.alice.key.publicKey.toBytes() }], 1)
    one.data[0] = 1
    refused(s, 'BadEd25519Error', [one, both(s)])
  })

  it('trailing bytes', () => {
    const s = stage()
    refused(s, 'BadEd25519Error', [precompile(s.message, [s.alice], 1, new Uint8Array(1)), s.batchOf([s.alice.stake])])
    refused(s, 'BadEd25519Error', [precompile(s.message, [s.alice], 1, new Uint8Array(110)), s.batchOf([s.alice.stake])])
  })

  it('not directly before the batch, after it, or not there', () => {
    const s = stage()
    const nothing = SystemProgram.transfer({ fromPubkey: s.thief.publicKey, toPubkey: s.thief.publicKey, lamports: 1 })
    refused(s, 'BadEd25519Error', s.batchOf([s.alice.stake]))
    refused(s, 'BadEd25519Error', [nothing, s.batchOf([s.alice.stake])])
    refused(s, 'BadEd25519Error', [precompile(s.message, [s.alice], 2), nothing, s.batchOf([s.alice.stake])])
    refused(s, 'BadEd25519Error', [s.batchOf([s.alice.stake]), precompile(s.message, [s.alice], 0)])
    // one precompile instruction for two batches
    const two = [precompile(s.message, [s.alice], 1), s.batchOf([s.alice.stake]), s.batchOf([s.alice.stake])]
    refused(s, 'BadEd25519Error', two)
  })

  it('the same bytes under another program', () => {
    const s = stage()
    const unchecked = precompile(s.message, [{ key: s.mallory.key, claimedKey: s.alice.key.publicKey.toBytes() }], 1)
    // the precompile would find the signature out; the hostile program is told, in the byte that nobody looks at, to do nothing
    unchecked.programId = new PublicKey(s.attacker)
    unchecked.data[1] = ATTACK.nothing
    unchecked.keys = s.batchOf([s.alice.stake]).keys.slice(0, 2)
    refused(s, 'BadEd25519Error', [unchecked, s.batchOf([s.alice.stake])])
  })

  it('a signature by another key', () => {
    const s = stage()
    refused(s, 'WrongStakingKeyError', [precompile(s.message, [s.mallory], 1), s.batchOf([s.alice.stake])])
    refused(s, 'WrongStakingKeyError', [precompile(s.message, [{ key: s.alice.wallet }], 1), s.batchOf([s.alice.stake])])
    // the right ones in the wrong places
    refused(s, 'WrongStakingKeyError', [precompile(s.message, [s.alice, s.mallory], 1), both(s)])
  })

  it('a good signature for another task, another cycle or another purpose', () => {
    const s = stage()
    const elsewhere = messageOf(s.evil.task, s.content)
    refused(s, 'WrongMessageError', [precompile(elsewhere, [s.alice], 1), s.batchOf([s.alice.stake], elsewhere)])
    for (const [cycle, name] of [
      [0, 'VoteTooLateError'],
      [2, 'VoteTooEarlyError']
    ] as const) {
      const message = messageOf(s.scene.task, { ...s.content, cycle })
      refused(s, name, [precompile(message, [s.alice], 1), s.batchOf([s.alice.stake], message)])
    }
    for (const domain of ['koii-mesh/vote/2', 'koii-mesh/gossip', '\0'.repeat(16)]) {
      const message = messageOf(s.scene.task, s.content, domain)
      refused(s, 'WrongMessageError', [precompile(message, [s.alice], 1), s.batchOf([s.alice.stake], message)])
    }
    // in its own task it is good, once
    expect(
      s.vm.send(
        [precompile(elsewhere, [s.alice], 1), batch(s.evil.task, elsewhere, [s.aliceInEvil], { programId: s.vm.programId })],
        s.thief
      ).verdict
    ).to.equal('RewardsShrinkError')
  })

  it('a spoofed instructions sysvar', () => {
    const s = stage()
    const layout = (program: string, data: Uint8Array) => {
      const head = Buffer.alloc(2)
      const length = Buffer.alloc(2)
      length.writeUInt16LE(data.length)
      return Buffer.concat([head, new PublicKey(program).toBytes(), length, data])
    }
    // what the sysvar would hold had Alice signed
    const call = s.batchOf([s.alice.stake])
    const forgedProof = precompile(s.message, [{ key: s.mallory.key, claimedKey: s.alice.key.publicKey.toBytes() }], 1)
    const parts = [layout(b58(Ed25519Program.programId), forgedProof.data), layout(s.vm.programId, call.data)]
    const head = Buffer.alloc(6)
    head.writeUInt16LE(2, 0)
    head.writeUInt16LE(6, 2)
    head.writeUInt16LE(6 + parts[0]!.length, 4)
    const data = Buffer.concat([head, ...parts, Buffer.of(1, 0)])
    for (const owner of ['Sysvar1111111111111111111111111111111111111', s.vm.programId, s.attacker, b58(SystemProgram.programId)]) {
      const at = b58(Keypair.generate())
      s.vm.plant(at, { lamports: 10n ** 9n, owner, data })
      refused(s, 'WrongSysvarError', swapped(call, { 1: at }))
    }
    refused(s, 'WrongSysvarError', swapped(call, { 1: b58(SYSVAR_CLOCK_PUBKEY) }))
    refused(s, 'WrongSysvarError', swapped(call, { 1: s.bob.stake }))
  })
})

describe('robbery: calls by another program', () => {
  it('the hostile program is what its source gives', function () {
    if (spawnSync('clang-14', ['--version']).status !== 0) {
      this.skip()
    }
    expect(Buffer.compare(readFileSync(ATTACKER_FILE), buildAttacker())).to.equal(0)
  })

  it('and passes on what is allowed', () => {
    const s = stage()
    expect(s.vm.send(throughAttacker(s.attacker, s.claimOf(s.alice)), s.thief).verdict).to.equal('ok')
    expect(s.vm.send(throughAttacker(s.attacker, unstake({ ...s.own(s.mallory), amount: 500n })), s.mallory.wallet).verdict).to.equal('ok')
    expect(s.vm.stake(s.mallory.stake).unstaking).to.equal(500n)
  })

  it('a batch with another vote, while the signed one lies in the caller’s data', () => {
    const s = stage()
    const lie = messageOf(s.scene.task, { ...s.content, totalRewards: 150_000n })
    const inner = throughAttacker(s.attacker, s.batchOf([s.alice.stake], lie), { carried: s.message })
    // canonical offsets: byte 1, 128 bytes, of the instruction after the precompile's
    refused(s, 'InnerBatchError', [precompile(s.message, [s.alice], 1), inner])
    // not even with the message that is signed
    refused(s, 'InnerBatchError', [
      precompile(s.message, [s.alice], 1),
      throughAttacker(s.attacker, s.batchOf([s.alice.stake]), { carried: s.message })
    ])
  })

  it('signatures that were not given', () => {
    const s = stage()
    const calls: Array<[TransactionInstruction, number]> = [
      [withdraw(s.own(s.carol)), 2],
      [unstake({ ...s.own(s.alice), amount: 4000n }), 2],
      [s.close, 1],
      [updateTask({ task: s.scene.task, manager: b58(s.scene.manager), bountyPerRound: MAX, minStake: 1n }), 1],
      [s.voteOf(s.alice), 0],
      [setAddressHint({ task: s.scene.task, stakingKey: s.alice.staker, addressHint: 'x' }), 2],
      [fundTask({ task: s.scene.task, payer: b58(s.alice.wallet), amount: 1n }), 1]
    ]
    s.scene.toCycle(6)
    for (const [call, place] of calls) {
      refused(s, 'MissingSignatureError', throughAttacker(s.attacker, unsigned(call, place)))
      const claimed = throughAttacker(s.attacker, unsigned(call, place), { mode: ATTACK.claimSignatures })
      thrownOut(s, /signer privilege escalated/i, claimed)
    }
    const key = replaceStakingKey({ ...s.own(s.alice), newStakingKey: b58(s.thief) })
    refused(s, 'MissingSignatureError', throughAttacker(s.attacker, unsigned(key, 2)))
    thrownOut(s, /signer privilege escalated/i, throughAttacker(s.attacker, unsigned(key, 2), { mode: ATTACK.claimSignatures }))
  })

  it('lamports taken and bytes written behind a call', () => {
    const s = stage()
    const take = (call: TransactionInstruction) => throughAttacker(s.attacker, call, { mode: ATTACK.takeLamport })
    thrownOut(s, /spent.*lamports|ExternalAccountLamportSpend|unauthorized/i, take(s.claimOf(s.mallory)))
    const write = throughAttacker(s.attacker, s.claimOf(s.mallory), { mode: ATTACK.writeByte })
    thrownOut(s, /modified data|ExternalAccountDataModified|access violation/i, write)
  })
})

describe('robbery: withdrawals', () => {
  it('while the stake is locked, to the slot', () => {
    const s = stage()
    const { unlockSlot } = s.vm.stake(s.carol.stake)
    expect(unlockSlot).to.equal(s.scene.startingSlot + 7 * ROUND_SLOTS)
    s.vm.warp(unlockSlot - 1)
    refused(s, 'StakeLockedError', withdraw(s.own(s.carol)), s.carol.wallet)
    refused(s, 'StakeLockedError', withdraw({ ...s.own(s.carol), close: true }), s.carol.wallet)
    s.vm.warp(unlockSlot)
    expect(s.vm.send(withdraw(s.own(s.carol)), s.carol.wallet).verdict).to.equal('ok')
  })

  it('before unstaking, twice, or more than was unstaked', () => {
    const s = stage()
    s.scene.toCycle(7)
    refused(s, 'NothingUnstakedError', withdraw(s.own(s.alice)), s.alice.wallet)
    refused(s, 'NothingUnstakedError', [withdraw(s.own(s.carol)), withdraw(s.own(s.carol))], s.carol.wallet)
    const [paid, held] = [s.vm.balance(b58(s.carol.wallet)), s.vm.balance(s.carol.stake)]
    s.scene.must(withdraw(s.own(s.carol)), s.thief, s.carol.wallet)
    expect([s.vm.balance(b58(s.carol.wallet)) - paid, held - s.vm.balance(s.carol.stake)]).to.deep.equal([1000n, 1000n])
    refused(s, 'NothingUnstakedError', withdraw(s.own(s.carol)), s.carol.wallet)
  })

  it('a part that is unstaked later locks what was unstaked before', () => {
    const s = stage()
    s.scene.toCycle(2)
    s.scene.must(unstake({ ...s.own(s.mallory), amount: 500n }), s.mallory.wallet)
    s.scene.toCycle(6)
    s.scene.must(unstake({ ...s.own(s.mallory), amount: 500n }), s.mallory.wallet)
    s.scene.toCycle(11, ROUND_SLOTS - 1)
    refused(s, 'StakeLockedError', withdraw(s.own(s.mallory)), s.mallory.wallet)
    s.scene.toCycle(12)
    const before = s.vm.balance(s.mallory.stake)
    s.scene.must(withdraw(s.own(s.mallory)), s.mallory.wallet)
    expect(before - s.vm.balance(s.mallory.stake)).to.equal(1000n)
  })

  it('a lock outlasts the last vote that the stake counts in by three rounds, and no vote shortens it', () => {
    const s = stage()
    const round = Math.floor((s.vm.slot - s.scene.startingSlot) / ROUND_SLOTS)
    s.scene.must(unstake({ ...s.own(s.alice), amount: 1000n }), s.alice.wallet)
    const { unlockSlot } = s.vm.stake(s.alice.stake)
    expect(unlockSlot).to.equal(voteWindow(s.scene.state, round).lastSlot + 1 + 3 * ROUND_SLOTS)
    s.scene.toVote(2)
    s.scene.must(s.voteOf(s.alice, { ...s.content, cycle: 2 }), s.alice.key)
    expect(s.vm.stake(s.alice.stake).unlockSlot).to.equal(unlockSlot)
  })

  it('to somebody else', () => {
    const s = stage()
    s.scene.toCycle(6)
    for (const other of [s.thief, s.carol.key, s.scene.manager]) {
      refused(s, 'WrongWithdrawAuthorityError', swapped(withdraw(s.own(s.carol)), { 2: b58(other) }), other)
    }
    refused(s, 'WrongWithdrawAuthorityError', swapped(withdraw(s.own(s.carol)), { 1: s.alice.stake }), s.carol.wallet)
  })

  it('what a stranger sent to a stake account is nobody’s stake and does not come out with it', () => {
    const s = stage()
    s.vm.give(s.carol.stake, 5_000_000n)
    s.scene.toCycle(7)
    const before = s.vm.balance(s.carol.stake)
    s.scene.must(withdraw(s.own(s.carol)), s.carol.wallet)
    expect(before - s.vm.balance(s.carol.stake)).to.equal(1000n)
  })
})

describe('robbery: slashes', () => {
  it('unstaking does not help: what is on its way out is taken too', () => {
    const s = stage()
    s.scene.must(unstake({ ...s.own(s.bob), amount: 3000n }), s.bob.wallet)
    const pot = s.vm.balance(s.scene.task)
    s.scene.must([s.slashOf(s.bob), s.slashOf(s.carol)], s.thief)
    expect(s.vm.balance(s.scene.task) - pot).to.equal(800n)
    expect([s.vm.stake(s.bob.stake).unstaking, s.vm.stake(s.carol.stake).unstaking]).to.deep.equal([2500n, 700n])
    s.scene.toCycle(9)
    const before = s.vm.balance(s.carol.stake)
    s.scene.must(withdraw(s.own(s.carol)), s.carol.wallet)
    expect(before - s.vm.balance(s.carol.stake)).to.equal(700n)
  })

  it('unstaking in the last slot in which a fault counts: the lock outlasts its slash', () => {
    const s = stage()
    const { scene, bob, alice, mallory } = s
    // at fault in cycle 3; he asks for his money in its last slot
    scene.toCycle(3, ROUND_SLOTS - 1)
    scene.must(unstake({ ...s.own(bob), amount: 3000n }), bob.wallet)
    // the record of cycle 3 is finalized as late as can be, and the slash applied as late as can be
    const lines = [...s.lines.slice(0, 1), { staker: bob.staker, reward: 50n, slash: 1500n }, ...s.lines.slice(2)]
    const { proofs } = finalize(scene, 3, lines, 160n, [alice, bob, mallory], ROUND_SLOTS - 1)
    scene.toCycle(8, ROUND_SLOTS - 1)
    refused(s, 'StakeLockedError', withdraw(s.own(bob)), bob.wallet)
    scene.must(applySlash({ task: scene.task, ...lines[1]!, proof: proofs.get(bob.staker)! }), s.thief)
    expect(s.vm.stake(bob.stake)).to.deep.include({ unstaking: 1500n, appliedSlash: 1500n })
    scene.toCycle(9)
    scene.must(withdraw(s.own(bob)), bob.wallet)
    expect(s.vm.balance(bob.stake)).to.equal(s.vm.stake(bob.stake).rentReserve)
  })

  it('what could not be taken stays owed by the account', () => {
    const s = stage()
    const { scene, bob } = s
    const lines = [...s.lines.slice(0, 1), { staker: bob.staker, reward: 50n, slash: 3600n }, ...s.lines.slice(2)]
    const { proofs } = finalize(scene, 1, lines, 160n, [s.alice, s.bob])
    const slash = applySlash({ task: scene.task, ...lines[1]!, proof: proofs.get(bob.staker)! })
    scene.must(slash, s.thief)
    refused(s, 'NothingToSlashError', slash)
    const more = { task: scene.task, stakingKey: bob.staker, payer: b58(bob.wallet), amount: 1000n, withdrawAuthority: b58(bob.wallet) }
    scene.must(stake(more), bob.wallet, bob.key)
    refused(s, 'SlashLimitError', slash)
    finalize(scene, 2, lines, 160n, [s.alice, s.bob])
    scene.must(slash, s.thief)
    expect(s.vm.stake(bob.stake).appliedSlash).to.equal(3600n)
    expect(s.vm.stake(bob.stake).amount[0]!.value).to.equal(400n)
  })

  it('a slash of somebody whom the ledger does not name', () => {
    const s = stage()
    const line = { task: s.scene.task, staker: s.alice.staker, reward: 100n, slash: 4000n }
    refused(s, 'BadProofError', applySlash({ ...line, proof: s.ledger.proofs.get(s.alice.staker)! }))
    refused(s, 'BadProofError', applySlash({ ...line, proof: [] }))
    refused(s, 'NothingToSlashError', s.slashOf(s.alice))
  })
})

describe('robbery: the manager', () => {
  it('has no key to a stake', () => {
    const s = stage()
    const manager = s.scene.manager
    s.scene.toCycle(6)
    for (const call of [
      unstake({ ...s.own(s.alice), amount: 1n }),
      withdraw(s.own(s.carol)),
      withdraw({ ...s.own(s.carol), close: true })
    ]) {
      refused(s, 'WrongWithdrawAuthorityError', swapped(call, { 2: b58(manager) }), manager)
    }
    const key = replaceStakingKey({ ...s.own(s.alice), newStakingKey: b58(s.thief) })
    refused(s, 'WrongWithdrawAuthorityError', swapped(key, { 2: b58(manager) }), manager, s.thief)
    // stakes in the place of the pot
    refused(s, 'WrongKindError', swapped(s.close, { 0: s.alice.stake }), manager)
  })

  it('is nobody else, and not the manager of another task', () => {
    const s = stage()
    const update = updateTask({ task: s.scene.task, manager: b58(s.thief), bountyPerRound: 0n, minStake: 1n, bundle: 'bafyevil' })
    for (const other of [s.thief, s.evil.manager, s.alice.key]) {
      refused(s, 'WrongManagerError', swapped(update, { 1: b58(other) }), s.thief, ...(other === s.thief ? [] : [other]))
      refused(s, 'WrongManagerError', swapped(s.close, { 1: b58(other) }), s.thief, ...(other === s.thief ? [] : [other]))
    }
  })

  it('closes early: the open cycles are decided and paid, and every stake comes out', () => {
    const s = stage()
    const { scene, alice, bob } = s
    scene.must(s.close, scene.manager)
    refused(s, 'CloseTooEarlyError', s.close, scene.manager)
    const lines = [{ staker: alice.staker, reward: 1000n, slash: 0n }, ...s.lines.slice(1)]
    for (const cycle of [1, 2]) {
      finalize(scene, cycle, s.lines, 160n, [alice, bob])
    }
    const { proofs } = finalize(scene, 3, lines, 1060n, [alice, bob])
    scene.toVote(3, ROUND_SLOTS - 1)
    refused(s, 'CloseTooEarlyError', s.close, scene.manager)
    scene.toVote(4)
    // a cycle that nobody worked on, with a reward for whoever is still there
    refused(s, 'TaskClosedError', s.voteOf(alice, { ...s.content, cycle: 4, totalRewards: 1060n }), alice.key)
    const message = messageOf(scene.task, { ...s.content, cycle: 4, totalRewards: 1060n })
    refused(s, 'TaskClosedError', [precompile(message, [alice], 1), s.batchOf([alice.stake], message)])
    scene.must(s.close, scene.manager)
    // what is left is what may be claimed, to the lamport
    expect(s.vm.balance(scene.task) - scene.state.rentReserve).to.equal(1060n)
    scene.must(claim({ ...s.own(alice), ...lines[0]!, proof: proofs.get(alice.staker)! }), s.thief)
    scene.must(unstake({ ...s.own(alice), amount: 4000n }), alice.wallet)
    scene.toCycle(12)
    scene.must(withdraw({ ...s.own(alice), close: true }), alice.wallet)
    expect(s.vm.account(alice.stake)).to.equal(undefined)
  })

  it('cannot take out of the pot what stakers may claim, however often he closes', () => {
    const s = stage()
    const { scene } = s
    scene.must(s.close, scene.manager)
    scene.toCycle(8)
    scene.must(s.close, scene.manager)
    refused(s, 'NothingLeftError', s.close, scene.manager)
    refused(s, 'NothingLeftError', [s.close, s.close], scene.manager)
    for (const member of [s.alice, s.bob, s.mallory]) {
      scene.must(s.claimOf(member), s.thief)
      refused(s, 'NothingLeftError', s.close, scene.manager)
    }
    expect(s.vm.balance(scene.task)).to.equal(scene.state.rentReserve)
  })

  it('funds and closes in turn: nothing comes out that he did not put in', () => {
    const s = stage()
    const { scene, vm } = s
    const manager = b58(scene.manager)
    refused(s, 'TaskClosedError', [s.close, fundTask({ task: scene.task, payer: manager, amount: 5n })], scene.manager)
    scene.must(s.close, scene.manager)
    scene.toCycle(8)
    scene.must(s.close, scene.manager)
    refused(s, 'TaskClosedError', fundTask({ task: scene.task, payer: manager, amount: 5n }), scene.manager)
    const before = vm.balance(manager)
    const gift = SystemProgram.transfer({ fromPubkey: scene.manager.publicKey, toPubkey: new PublicKey(scene.task), lamports: 7 })
    scene.must([gift, s.close], scene.manager)
    expect(before - vm.balance(manager)).to.equal(5000n)
    expect(vm.balance(scene.task) - scene.state.rentReserve).to.equal(160n)
  })

  it('raises the minimum stake beyond all money: every stake still comes out whole', () => {
    const s = stage()
    const { scene, alice } = s
    scene.must(updateTask({ task: scene.task, manager: b58(scene.manager), bountyPerRound: 0n, minStake: MAX }), scene.manager)
    refused(s, 'StakeTooSmallError', unstake({ ...s.own(alice), amount: 1000n }), alice.wallet)
    scene.must(unstake({ ...s.own(alice), amount: 4000n }), alice.wallet)
    scene.toCycle(9)
    scene.must(withdraw(s.own(alice)), alice.wallet)
    expect(s.vm.balance(alice.stake)).to.equal(s.vm.stake(alice.stake).rentReserve)
  })

  it('changes the bounty: not that of a cycle that has begun', () => {
    const s = stage()
    const { scene, alice, bob } = s
    scene.must(updateTask({ task: scene.task, manager: b58(scene.manager), bountyPerRound: 0n, minStake: 1000n }), scene.manager)
    for (const cycle of [1, 2, 3]) {
      scene.toVote(cycle)
      expect(bountyFor(scene.state, cycle)).to.equal(BOUNTY)
    }
    finalize(scene, 3, s.lines, 160n + BOUNTY, [alice, bob])
    scene.toVote(4)
    refused(s, 'RewardsAboveBountyError', s.voteOf(alice, { ...s.content, cycle: 4, totalRewards: 161n + BOUNTY }), alice.key)
  })

  it('takes all, the rewards too, only when no stake account is left', () => {
    const scene = new Scene({ stakes: [5000n], funded: 1000n })
    const [alice] = scene.members as [Member]
    const lines = [{ staker: alice.staker, reward: 300n, slash: 0n }]
    finalize(scene, 0, lines, 300n, [alice])
    const close = closeTask({ task: scene.task, manager: b58(scene.manager) })
    scene.must(close, scene.manager)
    const own = { task: scene.task, staker: alice.staker, withdrawAuthority: b58(alice.wallet) }
    scene.must(unstake({ ...own, amount: 5000n }), alice.wallet)
    scene.toCycle(9)
    scene.must(close, scene.manager)
    expect(scene.vm.balance(scene.task) - scene.state.rentReserve).to.equal(300n)
    expect(scene.vm.send(close, scene.manager).verdict).to.equal('NothingLeftError')
    // she gives up her account, and with it what she has not claimed
    scene.must(withdraw({ ...own, close: true }), alice.wallet)
    scene.must(close, scene.manager)
    expect(scene.vm.balance(scene.task)).to.equal(scene.state.rentReserve)
  })
})

describe('robbery: weight within a cycle', () => {
  it('a stake that comes after a cycle began weighs nothing in it', () => {
    const s = stage()
    const { scene } = s
    const whale = scene.join(1_000_000n)
    for (const cycle of [1, 2, 3]) {
      scene.toVote(cycle)
      refused(s, 'NoWeightError', s.voteOf(whale, { ...s.content, cycle }), whale.key)
      expect(totalStake(scene.state, cycle)).to.equal(cycle === 1 ? 10_000n : 9000n)
    }
  })

  it('a stake that leaves lowers no quorum of a cycle that has begun', () => {
    const s = stage()
    const { scene, alice, bob, mallory } = s
    // mallory and bob have 5,000 of 10,000; alice leaves before the votes
    scene.must(unstake({ ...s.own(alice), amount: 4000n }), alice.wallet)
    for (const member of [bob, mallory]) {
      scene.must(s.voteOf(member), member.key)
    }
    expect(totalStake(scene.state, 1)).to.equal(10_000n)
    expect(scene.state.finalized?.cycle).to.equal(0)
    // and she still has her say
    scene.must(s.voteOf(alice), alice.key)
    expect(scene.state.finalized?.cycle).to.equal(1)
  })

  it('vote, unstake, stake again under another key: the money counts once', () => {
    const s = stage()
    const { scene, mallory, vm } = s
    scene.must(s.voteOf(mallory), mallory.key)
    scene.must(unstake({ ...s.own(mallory), amount: 2000n }), mallory.wallet)
    refused(s, 'StakeLockedError', withdraw(s.own(mallory)), mallory.wallet)
    const second = vm.wallet()
    const init = {
      task: scene.task,
      stakingKey: b58(second),
      payer: b58(mallory.wallet),
      amount: 2000n,
      withdrawAuthority: b58(mallory.wallet)
    }
    scene.must(stake(init), mallory.wallet, second)
    const again = (cycle: number) => vote({ task: scene.task, stakingKey: b58(second), ...s.content, cycle })
    refused(s, 'NoWeightError', again(1), second)
    scene.toVote(3)
    refused(s, 'NoWeightError', again(3), second)
    scene.toVote(4)
    refused(s, 'NoWeightError', s.voteOf(mallory, { ...s.content, cycle: 4 }), mallory.key)
    scene.must(again(4), second)
    expect(scene.state.tally?.entries[0]?.weight).to.equal(2000n)
  })

  it('one key on two stakes: each weighs once', () => {
    const s = stage()
    const { scene, mallory, bob } = s
    // bob lends his stake to mallory's key, which signs that it takes it
    scene.must(replaceStakingKey({ ...s.own(bob), newStakingKey: mallory.staker }), bob.wallet, mallory.key)
    const forBob = vote({ task: scene.task, staker: bob.staker, stakingKey: mallory.staker, ...s.content })
    scene.must([s.voteOf(mallory), forBob], mallory.key)
    expect(scene.state.tally?.entries.map(({ weight }) => weight)).to.deep.equal([5000n])
    refused(s, 'AlreadyVotedError', forBob, mallory.key)
    refused(s, 'AlreadyVotedError', [precompile(s.message, [mallory, mallory], 1), s.batchOf([mallory.stake, bob.stake])])
  })

  it('a slash changes no weight of a cycle that has begun', () => {
    const s = stage()
    const { scene, bob } = s
    scene.must(s.slashOf(bob), s.thief)
    for (const cycle of [1, 2, 3]) {
      expect(stakeWeight(s.vm.stake(bob.stake), cycle)).to.equal(3000n)
    }
    expect(stakeWeight(s.vm.stake(bob.stake), 4)).to.equal(2500n)
    expect([totalStake(scene.state, 3), totalStake(scene.state, 4)]).to.deep.equal([9000n, 8500n])
  })

  it('stakes, unstakings and slashes in all four rounds of an open cycle leave its weights as they were', () => {
    const s = stage()
    const { scene, alice, bob, mallory } = s
    const weigh = (cycle: number) => [
      ...[alice, bob, mallory].map(({ stake: at }) => stakeWeight(s.vm.stake(at), cycle)),
      totalStake(scene.state, cycle)
    ]
    const more = (member: Member) => ({
      task: scene.task,
      stakingKey: member.staker,
      payer: b58(member.wallet),
      withdrawAuthority: b58(member.wallet)
    })
    const known = new Map<number, bigint[]>()
    for (let round = 4; round < 12; round++) {
      scene.toCycle(round)
      known.set(round, weigh(round))
      scene.must(stake({ ...more(alice), amount: 10n }), alice.wallet, alice.key)
      scene.must(unstake({ ...s.own(bob), amount: 7n }), bob.wallet)
      scene.toCycle(round, ROUND_SLOTS - 1)
      if (round === 6) {
        scene.must(s.slashOf(bob), s.thief)
      }
      for (const cycle of [round - 2, round - 1, round].filter((one) => known.has(one))) {
        expect(weigh(cycle), `cycle ${cycle} in round ${round}`).to.deep.equal(known.get(cycle))
      }
    }
  })
})

describe('robbery: the table of threats in docs/settlement.md', () => {
  const folder = import.meta.dirname
  const table = readFileSync(join(folder, '..', '..', 'docs', 'settlement.md'), 'utf8')
    .split('\n## Threats\n')[1]!
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
  /** a title that is made of parts is named by its beginning */
  const titles = (file: string) =>
    [...readFileSync(join(folder, file), 'utf8').matchAll(/^ +it\((?:'([^']+)'|`([^`$]+))/gm)].map(([, whole, start]) => whole ?? start!)
  const named = table.flatMap((row) => {
    let file = 'robbery.spec.ts'
    return [...row.matchAll(/`([\w-]+\.spec\.ts)`|“([^”]+)”/g)].flatMap(([, other, title]) => {
      file = other ?? file
      return title == null ? [] : [{ row, file, title }]
    })
  })

  it('names tests in every row, and only such as there are', () => {
    expect(table.length).to.be.greaterThan(20)
    expect(table.filter((row) => !named.some((one) => one.row === row))).to.deep.equal([])
    expect(named.filter(({ file, title }) => !titles(file).includes(title)).map(({ title }) => title)).to.deep.equal([])
  })

  it('names every test of this file and of the terms that is a robbery', () => {
    const others = ['the hostile program is what its source gives', 'and passes on what is allowed']
    const here = titles('robbery.spec.ts').filter((title) => !others.includes(title) && !title.startsWith('names '))
    expect(here.length).to.be.greaterThan(75)
    const all = [...here, ...titles('terms.spec.ts')]
    expect(all.filter((title) => !named.some((one) => one.title === title))).to.deep.equal([])
  })
})
