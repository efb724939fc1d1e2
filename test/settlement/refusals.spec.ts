import { Keypair, PublicKey, SystemProgram, TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import fc from 'fast-check'
import {
  applySlash,
  claim,
  closeTask,
  createTask,
  createTaskAccount,
  fundTask,
  REFUSALS,
  type RefusalName,
  replaceStakingKey,
  SettlementError,
  STAKE_BYTES,
  setAddressHint,
  stake,
  stakeAddress,
  TAGS,
  TASK_BYTES,
  unstake,
  updateTask,
  vote,
  withdraw
} from '../../src/k2/settlement/index.ts'
import { batch, loadAttacker, messageOf, precompile, throughAttacker } from './batch.ts'
import { buildLedger } from './ledger.ts'
import { BOUNTY, b58, ROUND_SLOTS, Scene, type Sent } from './vm.ts'

/** One of each instruction, all of which go through, with who signs; the scene stands in the round in which cycle 1 is voted on. */
function build() {
  const scene = new Scene({ stakes: [4000n, 3000n] })
  const [alice, bob] = [scene.members[0]!, scene.members[1]!]
  const entries = scene.members.map(({ staker }, i) => ({ staker, reward: 10n, slash: 5n * BigInt(i) }))
  // thought better of it before the task began: weighs nothing, and may withdraw
  const carol = scene.join(1000n)
  scene.must(unstake({ task: scene.task, staker: carol.staker, withdrawAuthority: b58(carol.wallet), amount: 1000n }), carol.wallet)
  const { root, proofs } = buildLedger(scene.task, entries)
  scene.toVote(0)
  const recordDigest = new Uint8Array(32).fill(9)
  for (const { key, staker } of [alice, bob]) {
    scene.must(vote({ task: scene.task, stakingKey: staker, cycle: 0, root, recordDigest, totalRewards: 20n }), key)
  }
  scene.toVote(1)
  const { vm } = scene
  const [payer, fresh, other] = [vm.wallet(), Keypair.generate(), new Scene({ vm, stakes: [2000n] })]
  const [newcomer, nextKey] = [Keypair.generate(), vm.wallet()]
  const manager = scene.manager
  const ofAlice = { task: scene.task, staker: alice.staker, withdrawAuthority: b58(alice.wallet) }
  const message = messageOf(scene.task, { cycle: 1, root, recordDigest, totalRewards: 20n })
  const times = { roundSlots: 30, submissionWindow: 10, auditWindow: 20 }
  const init = { name: 'n', ...times, bountyPerRound: 1n, minStake: 1n, bundle: 'bafy' }
  const good = {
    createTask: createTask({ task: b58(fresh), manager: b58(payer), ...init }),
    fundTask: fundTask({ task: scene.task, payer: b58(payer), amount: 5n }),
    stake: stake({
      task: scene.task,
      stakingKey: b58(newcomer),
      payer: b58(payer),
      amount: 1000n,
      withdrawAuthority: b58(payer),
      addressHint: 'hint'
    }),
    topUp: stake({ task: scene.task, stakingKey: alice.staker, payer: b58(payer), amount: 1n, withdrawAuthority: b58(alice.wallet) }),
    vote: vote({ task: scene.task, stakingKey: alice.staker, cycle: 1, root, recordDigest, totalRewards: 20n }),
    claim: claim({ ...entries[0]!, task: scene.task, withdrawAuthority: b58(alice.wallet), proof: proofs.get(alice.staker)! }),
    updateTask: updateTask({ task: scene.task, manager: b58(manager), bountyPerRound: 1n, minStake: 1000n, bundle: 'bafynext' }),
    closeTask: closeTask({ task: scene.task, manager: b58(manager) }),
    unstake: unstake({ ...ofAlice, amount: 1000n }),
    withdraw: withdraw({ task: scene.task, staker: carol.staker, withdrawAuthority: b58(carol.wallet) }),
    replaceStakingKey: replaceStakingKey({ ...ofAlice, newStakingKey: b58(nextKey) }),
    setAddressHint: setAddressHint({ task: scene.task, stakingKey: alice.staker, addressHint: 'another' }),
    voteBatch: batch(scene.task, message, [alice.stake, bob.stake], { programId: vm.programId }),
    applySlash: applySlash({ ...entries[1]!, task: scene.task, proof: proofs.get(bob.staker)! })
  }
  const signers = {
    updateTask: [manager],
    closeTask: [manager],
    unstake: [alice.wallet],
    withdraw: [carol.wallet],
    replaceStakingKey: [alice.wallet, nextKey],
    setAddressHint: [alice.key],
    voteBatch: [],
    applySlash: [],
    createTask: [payer, fresh],
    fundTask: [payer],
    stake: [payer, newcomer],
    topUp: [payer, alice.key],
    vote: [alice.key],
    claim: [payer]
  }
  type Name = keyof typeof good
  const wallets = [alice, bob, carol, other.members[0]!].map(({ wallet }) => wallet)
  /** sends one of them, changed, with no more signers than it asks for */
  const send = (name: Name, change: (instruction: TransactionInstruction) => void = () => {}, space = TASK_BYTES, lamports = 0): Sent => {
    const instruction = changed(good[name], change)
    const wanted = new Set(instruction.keys.filter(({ isSigner }) => isSigner).map(({ pubkey }) => b58(pubkey)))
    const everyone = [...signers[name], newcomer, alice.key, bob.key, carol.key, payer, manager, nextKey, ...wallets]
    const all = everyone.filter((key, i, list) => list.findIndex((k) => b58(k) === b58(key)) === i)
    const list = all.filter((key) => wanted.has(b58(key)))
    if (name === 'createTask') {
      const rent = lamports === 0 ? vm.rentExemption(space) : lamports
      const account = createTaskAccount({ payer: b58(payer), task: b58(fresh), lamports: rent })
      account.data.writeBigUInt64LE(BigInt(space), 12)
      const others = list.filter((key) => key !== payer && key !== fresh)
      return vm.send([account, instruction], payer, fresh, ...others)
    }
    if (name === 'voteBatch' && instruction.data.length > message.length) {
      // the precompile itself throws out a message that is not all there, so a cut one goes alone
      return vm.send([precompile(instruction.data.subarray(1, 129), [alice, bob], 1), instruction], vm.wallet())
    }
    return list.some((key) => vm.balance(b58(key)) > 0n) ? vm.send(instruction, ...list) : vm.send(instruction, vm.wallet(), ...list)
  }
  return { scene, vm, good, signers, send, payer, fresh, alice, bob, carol, other, newcomer, nextKey, manager, message, ofAlice }
}

type Stage = ReturnType<typeof build>
type Name = keyof Stage['good']
const NAMES = [
  'createTask',
  'fundTask',
  'stake',
  'topUp',
  'vote',
  'claim',
  'updateTask',
  'closeTask',
  'unstake',
  'withdraw',
  'replaceStakingKey',
  'setAddressHint',
  'voteBatch',
  'applySlash'
] as const satisfies readonly Name[]
/** where the task and the stake stand among an instruction's accounts */
const taskAt = (name: Name) => (name === 'vote' ? 1 : 0)
const stakeAt = (name: Name) => (name === 'vote' || name === 'voteBatch' ? 2 : 1)
/** their data is no more than the tag */
const TAG_ALONE: readonly Name[] = ['closeTask', 'replaceStakingKey']
/** those that take a stake that is there already */
const ON_STAKES = NAMES.filter((name) => !['createTask', 'fundTask', 'stake', 'updateTask', 'closeTask'].includes(name))
/** of revision 1, which had instructions that did nothing yet; the number is not given again, and the program never answers it */
const RETIRED: RefusalName[] = ['NotBuiltError']

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

function changed(instruction: TransactionInstruction, change: (instruction: TransactionInstruction) => void): TransactionInstruction {
  const copied = new TransactionInstruction({
    programId: instruction.programId,
    keys: instruction.keys.map((meta) => ({ ...meta })),
    data: Buffer.from(instruction.data)
  })
  change(copied)
  return copied
}

/** changes to an instruction */
const at = (index: number, key: PublicKey | string) => (instruction: TransactionInstruction) => {
  instruction.keys[index]!.pubkey = new PublicKey(key)
}
const unsigned = (index: number) => (instruction: TransactionInstruction) => {
  instruction.keys[index]!.isSigner = false
}
const readonly = (index: number) => (instruction: TransactionInstruction) => {
  instruction.keys[index]!.isWritable = false
}
const u64 = (offset: number, value: bigint) => (instruction: TransactionInstruction) => {
  instruction.data.writeBigUInt64LE(value, offset)
}
const all =
  (...changes: Array<(instruction: TransactionInstruction) => void>) =>
  (instruction: TransactionInstruction) => {
    for (const change of changes) {
      change(instruction)
    }
  }
const resized = (length: number) => (instruction: TransactionInstruction) => {
  instruction.data = Buffer.concat([instruction.data, Buffer.alloc(300)], length)
}

/** Puts a copy of an account elsewhere, bent. */
function copy(
  { vm }: Stage,
  from: string,
  bend: { owner?: string; write?: (data: Uint8Array) => void; lamports?: bigint; to?: string }
): string {
  const account = vm.account(from)!
  bend.write?.(account.data)
  const to = bend.to ?? b58(Keypair.generate())
  vm.plant(to, { ...account, lamports: bend.lamports ?? account.lamports, owner: bend.owner ?? account.owner })
  return to
}

/** A copy without its last byte. */
function cut({ vm }: Stage, from: string): string {
  const account = vm.account(from)!
  const to = b58(Keypair.generate())
  vm.plant(to, { ...account, data: account.data.slice(0, -1) })
  return to
}

/** The new task's account, made in a transaction before. */
function blank(s: Stage): void {
  copy(s, s.scene.task, { write: (data) => data.fill(0), to: b58(s.fresh) })
}

const byte = (offset: number, value: number) => (data: Uint8Array) => {
  data[offset] = value
}

/** Every refusal: what is wrong, and what sends it. */
const rows: Array<[RefusalName, string, (s: Stage) => Sent]> = [
  ['UnknownInstructionError', 'no data at all', (s) => s.send('vote', resized(0))],
  ['UnknownInstructionError', 'a tag after the last', (s) => s.send('vote', (i) => i.data.writeUInt8(13, 0))],
  ['UnknownInstructionError', 'the tag 255', (s) => s.send('vote', (i) => i.data.writeUInt8(255, 0))],
  ...NAMES.flatMap((name): typeof rows => [
    ['BadDataLengthError', `${name} with a byte too many`, (s) => s.send(name, (i) => resized(i.data.length + 1)(i))],
    ...(TAG_ALONE.includes(name)
      ? []
      : ([
          ['BadDataLengthError', `${name} with a byte too few`, (s) => s.send(name, (i) => resized(i.data.length - 1)(i))],
          ['BadDataLengthError', `${name} with its tag alone`, (s) => s.send(name, resized(1))]
        ] as typeof rows)),
    [
      // a batch may be longer: its proofs are then too few
      name === 'voteBatch' ? 'BadEd25519Error' : 'BadAccountCountError',
      `${name} with an account too many`,
      (s) => s.send(name, (i) => i.keys.push({ ...i.keys[1]!, pubkey: Keypair.generate().publicKey, isSigner: false }))
    ],
    [
      name === 'voteBatch' ? 'BadEd25519Error' : 'BadAccountCountError',
      `${name} with an account too few`,
      (s) => s.send(name, (i) => i.keys.pop())
    ],
    [
      'NotWritableError',
      `${name} with a read-only task`,
      (s) => {
        if (name === 'createTask') {
          blank(s)
          return s.vm.send(changed(s.good.createTask, readonly(0)), s.payer, s.fresh)
        }
        return s.send(name, readonly(taskAt(name)))
      }
    ]
  ]),
  ['BadAccountCountError', 'a batch of no votes', (s) => s.send('voteBatch', (i) => i.keys.splice(2))],
  [
    'BadAccountCountError',
    'a batch of nine votes',
    (s) =>
      s.send('voteBatch', (i) => i.keys.push(...Array.from({ length: 7 }, () => ({ ...i.keys[2]!, pubkey: Keypair.generate().publicKey }))))
  ],
  ['BadAccountCountError', 'no account', (s) => s.send('claim', (i) => i.keys.splice(0))],
  ['BadAccountCountError', 'thirty accounts', (s) => s.send('claim', (i) => i.keys.push(...Array(27).fill(i.keys[0])))],
  ['DuplicateAccountError', 'the task as stake', (s) => s.send('vote', at(2, s.scene.task))],
  ['DuplicateAccountError', 'a fourth account that repeats the third', (s) => s.send('vote', (i) => i.keys.push({ ...i.keys[2]! }))],
  ['DuplicateAccountError', 'the stake as task', (s) => s.send('vote', at(1, s.alice.stake))],
  ['DuplicateAccountError', 'the task as who is paid', (s) => s.send('claim', at(2, s.scene.task))],
  ['DuplicateAccountError', 'the task as its manager', (s) => s.send('createTask', at(1, b58(s.fresh)))],
  ['DuplicateAccountError', 'the stake as staking key', (s) => s.send('topUp', all(at(2, s.alice.stake), unsigned(2)))],
  [
    'MissingSignatureError',
    'a task that does not sign',
    (s) => {
      blank(s)
      return s.vm.send(changed(s.good.createTask, unsigned(0)), s.payer)
    }
  ],
  ['MissingSignatureError', 'a manager that does not sign', (s) => s.send('createTask', all(at(1, b58(s.bob.wallet)), unsigned(1)))],
  ['MissingSignatureError', 'a funder that does not sign', (s) => s.send('fundTask', all(at(1, b58(s.bob.wallet)), unsigned(1)))],
  ['MissingSignatureError', 'a payer of stake that does not sign', (s) => s.send('topUp', all(at(3, b58(s.bob.wallet)), unsigned(3)))],
  ['MissingSignatureError', 'a first stake without the staking key', (s) => s.send('stake', unsigned(2))],
  ['MissingSignatureError', 'a vote without the staking key', (s) => s.send('vote', unsigned(0))],
  ['NotWritableError', 'a read-only stake to make', (s) => s.send('stake', readonly(1))],
  ['NotWritableError', 'a read-only authority to pay', (s) => s.send('claim', readonly(2))],
  [
    'NotWritableError',
    'a read-only funder',
    (s) => s.vm.send(changed(s.good.fundTask, all(at(1, b58(s.bob.wallet)), readonly(1))), s.payer, s.bob.wallet)
  ],
  [
    'NotWritableError',
    'a read-only payer of stake',
    (s) => s.vm.send(changed(s.good.topUp, all(at(3, b58(s.bob.wallet)), readonly(3))), s.payer, s.bob.wallet, s.alice.key)
  ],
  [
    'WrongOwnerError',
    'a task account that is the system program’s',
    (s) => {
      s.vm.plant(b58(s.fresh), { lamports: 10n ** 9n, owner: b58(SystemProgram.programId), data: new Uint8Array(TASK_BYTES) })
      return s.vm.send(s.good.createTask, s.payer, s.fresh)
    }
  ],
  ...NAMES.filter((name) => name !== 'createTask').flatMap((name): typeof rows => [
    [
      'WrongOwnerError',
      `${name} on a look-alike of the task`,
      (s) => s.send(name, at(taskAt(name), copy(s, s.scene.task, { owner: b58(Keypair.generate()) })))
    ],
    ['WrongKindError', `${name} on a stake as the task`, (s) => s.send(name, at(taskAt(name), s.other.members[0]!.stake))],
    [
      'WrongVersionError',
      `${name} on a task of version 2`,
      (s) => {
        copy(s, s.scene.task, { to: s.scene.task, write: byte(1, 2) })
        return s.send(name)
      }
    ]
  ]),
  ...ON_STAKES.flatMap((name): typeof rows => [
    [
      'WrongOwnerError',
      `${name} with a look-alike of the stake`,
      (s) =>
        s.send(name, at(stakeAt(name), copy(s, s.good[name].keys[stakeAt(name)]!.pubkey.toBase58(), { owner: b58(Keypair.generate()) })))
    ],
    ['WrongKindError', `${name} with a task as the stake`, (s) => s.send(name, at(stakeAt(name), s.other.task))],
    [
      'WrongVersionError',
      `${name} with a stake of version 2`,
      (s) => {
        const stakeOf = s.good[name].keys[stakeAt(name)]!.pubkey.toBase58()
        copy(s, stakeOf, { to: stakeOf, write: byte(1, 2) })
        return s.send(name)
      }
    ],
    ['WrongTaskError', `${name} with a stake in another task`, (s) => s.send(name, at(stakeAt(name), s.other.members[0]!.stake))],
    ['NotWritableError', `${name} with a read-only stake`, (s) => s.send(name, readonly(stakeAt(name)))],
    ['DuplicateAccountError', `${name} with the task as the stake`, (s) => s.send(name, at(stakeAt(name), s.scene.task))]
  ]),
  ['WrongOwnerError', 'a task that does not exist', (s) => s.send('fundTask', at(0, b58(Keypair.generate())))],
  ['WrongKindError', 'a task account too small', (s) => s.send('createTask', undefined, TASK_BYTES - 1)],
  ['WrongKindError', 'a task account too large', (s) => s.send('createTask', undefined, TASK_BYTES + 1)],
  ['WrongKindError', 'a stake as the task', (s) => s.send('fundTask', at(0, s.bob.stake))],
  ['WrongKindError', 'a task as the stake', (s) => s.send('vote', at(2, s.other.task))],
  ['WrongKindError', 'a task as the stake to add to', (s) => s.send('topUp', at(1, s.other.task))],
  [
    'WrongKindError',
    'a task account that was never filled',
    (s) => s.send('fundTask', at(0, copy(s, s.scene.task, { write: (data) => data.fill(0) })))
  ],
  ['WrongKindError', 'a stake account of a task’s kind', (s) => s.send('vote', at(2, copy(s, s.alice.stake, { write: byte(0, 1) })))],
  ['WrongKindError', 'a task of a byte too few', (s) => s.send('fundTask', at(0, cut(s, s.scene.task)))],
  ['WrongKindError', 'a stake of a byte too few', (s) => s.send('vote', at(2, cut(s, s.alice.stake)))],
  ['WrongVersionError', 'a task of version 2', (s) => s.send('vote', at(1, copy(s, s.scene.task, { write: byte(1, 2) })))],
  ['WrongVersionError', 'a stake of version 0', (s) => s.send('vote', at(2, copy(s, s.alice.stake, { write: byte(1, 0) })))],
  ['WrongSystemProgramError', 'another program to fund with', (s) => s.send('fundTask', at(2, b58(Keypair.generate())))],
  ['WrongSystemProgramError', 'another program to stake with', (s) => s.send('stake', at(4, b58(Keypair.generate())))],
  [
    'AlreadyInitializedError',
    'a task that exists',
    (s) => {
      s.send('createTask')
      return s.vm.send(s.good.createTask, s.payer, s.fresh)
    }
  ],
  ['NotRentExemptError', 'a lamport too few', (s) => s.send('createTask', undefined, TASK_BYTES, s.vm.rentExemption(TASK_BYTES) - 1)],
  ['BadTimesError', 'windows that do not fit', (s) => s.send('createTask', u64(49, 21n))],
  ['BadTimesError', 'windows whose sum overflows', (s) => s.send('createTask', u64(49, 2n ** 64n - 10n))],
  ['BadTimesError', 'a submission window over the round', (s) => s.send('createTask', u64(41, 31n))],
  ['BadTimesError', 'no submission window', (s) => s.send('createTask', u64(41, 0n))],
  ['BadTimesError', 'no audit window', (s) => s.send('createTask', u64(49, 0n))],
  ['BadTimesError', 'no round', (s) => s.send('createTask', u64(33, 0n))],
  ['BadTimesError', 'a round too long', (s) => s.send('createTask', u64(33, 2n ** 32n + 1n))],
  ['StartingSlotTooFarError', 'the end of time', (s) => s.send('createTask', u64(57, 2n ** 64n - 1n))],
  [
    'BadBundleError',
    'no bundle',
    (s) =>
      s.send(
        'createTask',
        all(resized(98), (i) => i.data.writeUInt8(0, 97))
      )
  ],
  [
    'BadBundleError',
    'a CID of 65 bytes',
    (s) =>
      s.send(
        'createTask',
        all(resized(163), (i) => i.data.writeUInt8(65, 97))
      )
  ],
  ['BadMinimumStakeError', 'a minimum stake of 0', (s) => s.send('createTask', u64(73, 0n))],
  ['BadLargestSlashError', 'a largest slash of more than all', (s) => s.send('createTask', u64(81, 10_001n))],
  ['BadLargestSlashError', 'a largest slash of 2^64 - 1', (s) => s.send('createTask', u64(81, 2n ** 64n - 1n))],
  ['BadBundleNoticeError', 'no notice', (s) => s.send('createTask', u64(89, 0n))],
  ['BadBundleNoticeError', 'a notice without an end', (s) => s.send('createTask', u64(89, 2n ** 16n + 1n))],
  ['ZeroAmountError', 'funding with nothing', (s) => s.send('fundTask', u64(1, 0n))],
  ['ZeroAmountError', 'adding nothing to a stake', (s) => s.send('topUp', u64(1, 0n))],
  ['InsufficientFundsError', 'more than the funder has', (s) => s.send('fundTask', u64(1, 10n ** 15n))],
  ['InsufficientFundsError', 'more stake than the payer has', (s) => s.send('stake', u64(1, 10n ** 15n))],
  ['OverflowError', 'funds past 2^64', (s) => s.send('fundTask', u64(1, 2n ** 64n - 1n))],
  ['OverflowError', 'a stake past 2^64', (s) => s.send('topUp', u64(1, 2n ** 64n - 1n))],
  [
    'OverflowError',
    'stake and rent past 2^64',
    (s) => {
      copy(s, s.scene.task, { to: s.scene.task, write: (data) => data.fill(0, 296, 360) })
      return s.send('stake', u64(1, 2n ** 64n - 1n))
    }
  ],
  [
    'OverflowError',
    'a price of rent beyond reason',
    (s) => {
      s.vm.give(b58(s.payer), 9n * 10n ** 14n)
      const rent = s.vm.svm.getRent()
      rent.lamportsPerByteYear = 2n ** 31n
      s.vm.svm.setRent(rent)
      return s.send('stake')
    }
  ],
  [
    'OverflowError',
    'an exemption threshold beyond reason',
    (s) => {
      const rent = s.vm.svm.getRent()
      rent.exemptionThreshold = 2 ** -21
      s.vm.svm.setRent(rent)
      return s.send('stake')
    }
  ],
  ['WrongStakeAddressError', 'a stake at any other address', (s) => s.send('stake', at(1, b58(Keypair.generate())))],
  ['WrongStakeAddressError', 'another staker’s address', (s) => s.send('stake', at(2, s.bob.staker))],
  [
    'WrongStakeAddressError',
    'the address of another bump',
    (s) => {
      const canonical = PublicKey.findProgramAddressSync(seeds(s), new PublicKey(s.vm.programId))[1]
      for (let bump = canonical - 1; ; bump--) {
        try {
          return s.send('stake', at(1, PublicKey.createProgramAddressSync([...seeds(s), Buffer.of(bump)], new PublicKey(s.vm.programId))))
        } catch (error) {
          if (!/Invalid seeds/.test(String(error))) {
            throw error
          }
        }
      }
    }
  ],
  ['StakeTooSmallError', 'a lamport below the minimum', (s) => s.send('stake', u64(1, 999n))],
  ['WrongWithdrawAuthorityError', 'a stake that nobody could withdraw', (s) => s.send('stake', (i) => i.data.fill(0, 9, 41))],
  ['WrongWithdrawAuthorityError', 'adding to a stake of somebody else’s', (s) => s.send('topUp', (i) => i.data.fill(7, 9, 41))],
  ['WrongWithdrawAuthorityError', 'paying somebody else', (s) => s.send('claim', at(2, b58(s.bob.wallet)))],
  ['WrongStakingKeyError', 'a vote with another’s stake', (s) => s.send('vote', at(2, s.bob.stake))],
  ['WrongStakingKeyError', 'adding to another’s stake', (s) => s.send('topUp', at(1, s.bob.stake))],
  [
    'HintTooLongError',
    '128 bytes',
    (s) =>
      s.send(
        'topUp',
        all(resized(170), (i) => i.data.writeUInt8(128, 41))
      )
  ],
  [
    'HintNotSignedError',
    'a stranger’s hint',
    (s) =>
      s.send(
        'topUp',
        all(unsigned(2), resized(45), (i) => i.data.writeUInt8(3, 41))
      )
  ],
  ['VoteTooEarlyError', 'the next cycle', (s) => s.send('vote', u64(1, 2n))],
  ['VoteTooEarlyError', 'the last cycle that has a number', (s) => s.send('vote', u64(1, 2n ** 64n - 1n))],
  ['VoteTooLateError', 'the cycle before', (s) => s.send('vote', u64(1, 0n))],
  [
    'AlreadyVotedError',
    'a second vote',
    (s) => {
      s.send('vote')
      return s.send('vote')
    }
  ],
  [
    'NoWeightError',
    'a stake of this round',
    (s) => {
      s.send('stake')
      const stakeAt = stakeAddress({ task: s.scene.task, staker: b58(s.newcomer) })
      return s.send('vote', all(at(0, b58(s.newcomer)), at(2, stakeAt)))
    }
  ],
  ['RewardsShrinkError', 'fewer rewards than are finalized', (s) => s.send('vote', u64(73, 19n))],
  ['RewardsAboveBountyError', 'a lamport too many', (s) => s.send('vote', u64(73, 21n + BOUNTY))],
  ['RewardsAboveBountyError', 'all the lamports there can be', (s) => s.send('vote', u64(73, 2n ** 64n - 1n))],
  [
    'NothingFinalizedError',
    'a task without a finalized cycle',
    (s) => {
      const member = s.other.members[0]!
      return s.send('claim', all(at(0, s.other.task), at(1, member.stake), at(2, b58(member.wallet))))
    }
  ],
  [
    'NothingFinalizedError',
    'an empty ledger',
    (s) => {
      s.other.toVote(0)
      const { key, staker, stake: stakeAt, wallet } = s.other.members[0]!
      const nothing = { root: new Uint8Array(32), recordDigest: new Uint8Array(32), totalRewards: 0n }
      s.other.must(vote({ task: s.other.task, stakingKey: staker, cycle: 0, ...nothing }), key)
      expect(s.other.state.finalized?.cycle).to.equal(0)
      return s.send('claim', all(at(0, s.other.task), at(1, stakeAt), at(2, b58(wallet))))
    }
  ],
  [
    'ProofTooLongError',
    '25 hashes',
    (s) =>
      s.send(
        'claim',
        all(resized(18 + 25 * 32), (i) => i.data.writeUInt8(25, 17))
      )
  ],
  ['BadProofError', 'another reward', (s) => s.send('claim', u64(1, 11n))],
  [
    'BadProofError',
    'a staker’s leaf in another task',
    (s) => {
      // a look-alike that the program itself owns cannot come to be; even so its leaf is another
      const member = s.other.members[0]!
      copy(s, s.scene.task, { to: s.other.task })
      return s.send('claim', all(at(0, s.other.task), at(1, member.stake), at(2, b58(member.wallet))))
    }
  ],
  [
    'BadProofError',
    'an inner node as leaf',
    (s) =>
      s.send(
        'claim',
        all(resized(18), (i) => i.data.writeUInt8(0, 17))
      )
  ],
  [
    'NothingToClaimError',
    'a second claim',
    (s) => {
      expect(s.send('claim').verdict).to.equal('ok')
      return s.send('claim')
    }
  ],
  [
    'ClaimAboveRewardsError',
    'more claimed than finalized',
    (s) => {
      copy(s, s.scene.task, { to: s.scene.task, write: byte(128, 11) })
      return s.send('claim')
    }
  ],
  [
    'PotTooSmallError',
    'a pot that lost its money',
    (s) => {
      copy(s, s.scene.task, { to: s.scene.task, lamports: s.scene.state.rentReserve + 9n })
      return s.send('claim')
    }
  ],
  [
    'PotTooSmallError',
    'a pot that would have to pay out what was slashed',
    (s) => {
      expect(s.send('applySlash').verdict).to.equal('ok')
      copy(s, s.scene.task, { to: s.scene.task, lamports: s.scene.state.rentReserve + s.scene.state.slashedTotal + 9n })
      return s.send('claim')
    }
  ],
  [
    'PotTooSmallError',
    'a pot below its reserve',
    (s) => {
      copy(s, s.scene.task, { to: s.scene.task, lamports: s.scene.state.rentReserve - 1n })
      return s.send('claim')
    }
  ],
  ['MissingSignatureError', 'an update that the manager does not sign', (s) => s.send('updateTask', unsigned(1))],
  ['MissingSignatureError', 'a closing that the manager does not sign', (s) => s.send('closeTask', unsigned(1))],
  ['MissingSignatureError', 'unstaking without the withdraw authority', (s) => s.send('unstake', unsigned(2))],
  ['MissingSignatureError', 'withdrawing without the withdraw authority', (s) => s.send('withdraw', unsigned(2))],
  ['MissingSignatureError', 'another key without the withdraw authority', (s) => s.send('replaceStakingKey', unsigned(2))],
  ['MissingSignatureError', 'another key that does not sign', (s) => s.send('replaceStakingKey', unsigned(3))],
  ['MissingSignatureError', 'a hint without the staking key', (s) => s.send('setAddressHint', unsigned(2))],
  ['NotWritableError', 'a read-only manager to pay', (s) => s.vm.send(changed(s.good.closeTask, readonly(1)), s.payer, s.manager)],
  [
    'NotWritableError',
    'a read-only authority to pay a stake out to',
    (s) => s.vm.send(changed(s.good.withdraw, readonly(2)), s.payer, s.carol.wallet)
  ],
  ['NotWritableError', 'a second stake of a batch that is read-only', (s) => s.send('voteBatch', readonly(3))],
  ['WrongTaskError', 'a second stake of a batch in another task', (s) => s.send('voteBatch', at(3, s.other.members[0]!.stake))],
  ['DuplicateAccountError', 'a batch with one stake twice', (s) => s.send('voteBatch', at(3, s.alice.stake))],
  [
    'DuplicateAccountError',
    'the withdraw authority as the new staking key',
    (s) => s.send('replaceStakingKey', at(3, b58(s.alice.wallet)))
  ],
  ['WrongManagerError', 'an update by somebody else', (s) => s.send('updateTask', at(1, b58(s.payer)))],
  ['WrongManagerError', 'a closing by somebody else', (s) => s.send('closeTask', at(1, b58(s.payer)))],
  ...(['fundTask', 'stake', 'topUp', 'updateTask'] as const).map((name): (typeof rows)[number] => [
    'TaskClosedError',
    `${name} on a closed task`,
    (s) => {
      expect(s.send('closeTask').verdict).to.equal('ok')
      return s.send(name)
    }
  ]),
  ...(['vote', 'voteBatch'] as const).map((name): (typeof rows)[number] => [
    'TaskClosedError',
    `a ${name} on a cycle that is no longer worked on`,
    (s) => {
      expect(s.send('closeTask').verdict).to.equal('ok')
      s.scene.toVote(4)
      return s.send(name, u64(name === 'vote' ? 1 : 49, 4n))
    }
  ]),
  [
    'BundleChangeTooSoonError',
    'another bundle a round later',
    (s) => {
      expect(s.send('updateTask').verdict).to.equal('ok')
      s.scene.toCycle(4)
      return s.send('updateTask')
    }
  ],
  [
    'BadBundleError',
    'a new bundle of 65 bytes',
    (s) =>
      s.send(
        'updateTask',
        all(resized(83), (i) => i.data.writeUInt8(65, 17))
      )
  ],
  ['BadMinimumStakeError', 'a new minimum stake of 0', (s) => s.send('updateTask', u64(9, 0n))],
  [
    'CloseTooEarlyError',
    'a second closing in the last slot of the last cycle’s voting',
    (s) => {
      expect(s.send('closeTask').verdict).to.equal('ok')
      s.scene.toVote(3, ROUND_SLOTS - 1)
      return s.send('closeTask')
    }
  ],
  [
    'NothingLeftError',
    'a third closing',
    (s) => {
      expect(s.send('closeTask').verdict).to.equal('ok')
      s.scene.toVote(4)
      expect(s.send('closeTask').verdict).to.equal('ok')
      return s.send('closeTask')
    }
  ],
  ['ZeroAmountError', 'unstaking nothing', (s) => s.send('unstake', u64(1, 0n))],
  ['UnstakeTooMuchError', 'a lamport more than is staked', (s) => s.send('unstake', u64(1, 4001n))],
  ['UnstakeTooMuchError', 'all the lamports there can be', (s) => s.send('unstake', u64(1, 2n ** 64n - 1n))],
  ['StakeTooSmallError', 'a rest below the minimum', (s) => s.send('unstake', u64(1, 3001n))],
  [
    'StakeTooSmallError',
    'adding too little to a stake that was taken out',
    (s) => {
      expect(s.send('unstake', u64(1, 4000n)).verdict).to.equal('ok')
      return s.send('topUp', u64(1, 999n))
    }
  ],
  ['WrongWithdrawAuthorityError', 'unstaking by the staking key', (s) => s.send('unstake', at(2, s.alice.staker))],
  ['WrongWithdrawAuthorityError', 'withdrawing by the staking key', (s) => s.send('withdraw', at(2, s.carol.staker))],
  ['WrongWithdrawAuthorityError', 'another key by the staking key', (s) => s.send('replaceStakingKey', at(2, s.alice.staker))],
  ['WrongStakingKeyError', 'a hint by another staking key', (s) => s.send('setAddressHint', at(2, s.bob.staker))],
  [
    'WrongStakingKeyError',
    'a batch whose stakes stand in another order',
    (s) => s.send('voteBatch', (i) => i.keys.push(i.keys.splice(2, 1)[0]!))
  ],
  [
    'HintTooLongError',
    'a new hint of 128 bytes',
    (s) =>
      s.send(
        'setAddressHint',
        all(resized(130), (i) => i.data.writeUInt8(128, 1))
      )
  ],
  [
    'StakeLockedError',
    'the last slot of the lock',
    (s) => {
      expect(s.send('unstake').verdict).to.equal('ok')
      s.vm.warp(s.vm.stake(s.alice.stake).unlockSlot - 1)
      return s.send('withdraw', all(at(1, s.alice.stake), at(2, b58(s.alice.wallet))))
    }
  ],
  [
    'NothingUnstakedError',
    'a second withdrawal',
    (s) => {
      expect(s.send('withdraw').verdict).to.equal('ok')
      return s.send('withdraw')
    }
  ],
  ['BadFlagError', 'a flag of 2', (s) => s.send('withdraw', (i) => i.data.writeUInt8(2, 1))],
  ['TaskOpenError', 'giving up the account of an open task', (s) => s.send('withdraw', (i) => i.data.writeUInt8(1, 1))],
  [
    'TaskOpenError',
    'giving up the account in the last slot of the last cycle’s voting',
    (s) => {
      expect(s.send('closeTask').verdict).to.equal('ok')
      s.scene.toVote(3, ROUND_SLOTS - 1)
      return s.send('withdraw', (i) => i.data.writeUInt8(1, 1))
    }
  ],
  [
    'StillStakedError',
    'giving up an account with a stake in it',
    (s) => {
      expect(s.send('closeTask').verdict).to.equal('ok')
      s.scene.toVote(9)
      return s.send(
        'withdraw',
        all(at(1, s.alice.stake), at(2, b58(s.alice.wallet)), (i) => i.data.writeUInt8(1, 1))
      )
    }
  ],
  ['WrongMessageError', 'another domain', (s) => s.send('voteBatch', (i) => i.data.writeUInt8(0x4b, 1))],
  ['WrongMessageError', 'the domain of another version', (s) => s.send('voteBatch', (i) => i.data.writeUInt8(0x32, 16))],
  [
    'WrongMessageError',
    'a message for another task',
    (s) => s.send('voteBatch', (i) => i.data.set(new PublicKey(s.other.task).toBytes(), 17))
  ],
  ['WrongSysvarError', 'another account as the sysvar', (s) => s.send('voteBatch', at(1, b58(Keypair.generate())))],
  [
    'InnerBatchError',
    'a batch from within another program',
    (s) => {
      const inner = throughAttacker(loadAttacker(s.vm), s.good.voteBatch, { carried: s.message })
      return s.vm.send([precompile(s.message, [s.alice, s.bob], 1), inner], s.vm.wallet())
    }
  ],
  ['BadEd25519Error', 'nothing before the batch', (s) => s.vm.send(s.good.voteBatch, s.vm.wallet())],
  ['VoteTooEarlyError', 'a batch for the next cycle', (s) => s.send('voteBatch', u64(49, 2n))],
  ['VoteTooLateError', 'a batch for the cycle before', (s) => s.send('voteBatch', u64(49, 0n))],
  [
    'AlreadyVotedError',
    'a second batch',
    (s) => {
      expect(s.send('voteBatch').verdict).to.equal('ok')
      return s.send('voteBatch')
    }
  ],
  [
    'NoWeightError',
    'a stake of this round in a batch',
    (s) => {
      s.send('stake')
      const stakeOf = stakeAddress({ task: s.scene.task, staker: b58(s.newcomer) })
      const instruction = changed(s.good.voteBatch, at(3, stakeOf))
      return s.vm.send([precompile(s.message, [s.alice, { key: s.newcomer }], 1), instruction], s.vm.wallet())
    }
  ],
  ['RewardsShrinkError', 'a batch with fewer rewards than are finalized', (s) => s.send('voteBatch', u64(121, 19n))],
  ['RewardsAboveBountyError', 'a batch with a lamport too many', (s) => s.send('voteBatch', u64(121, 21n + BOUNTY))],
  [
    'KeyChangeTooSoonError',
    'another key a round later',
    (s) => {
      expect(s.send('replaceStakingKey').verdict).to.equal('ok')
      s.scene.toCycle(4)
      return s.send('replaceStakingKey')
    }
  ],
  [
    'NothingFinalizedError',
    'a slash in a task without a finalized cycle',
    (s) => s.send('applySlash', all(at(0, s.other.task), at(1, s.other.members[0]!.stake)))
  ],
  ['BadProofError', 'another slash', (s) => s.send('applySlash', u64(9, 6n))],
  [
    'ProofTooLongError',
    'a slash with 25 hashes',
    (s) =>
      s.send(
        'applySlash',
        all(resized(18 + 25 * 32), (i) => i.data.writeUInt8(25, 17))
      )
  ],
  [
    'NothingToSlashError',
    'a second slash',
    (s) => {
      expect(s.send('applySlash').verdict).to.equal('ok')
      return s.send('applySlash')
    }
  ],
  [
    'OverflowError',
    'a slash that brings all slashes past 2^64',
    (s) => {
      copy(s, s.scene.task, { to: s.scene.task, write: (data) => Buffer.from(data.buffer).writeBigUInt64LE(2n ** 64n - 5n, 136) })
      return s.send('applySlash')
    }
  ],
  [
    'SlashLimitError',
    'the rest of a slash, in the cycle that has taken its share',
    (s) => {
      copy(s, s.scene.task, { to: s.scene.task, write: (data) => Buffer.from(data.buffer).writeBigUInt64LE(10n, 1240) })
      expect(s.send('applySlash').verdict).to.equal('ok')
      expect(s.vm.stake(s.bob.stake).appliedSlash).to.equal(3n)
      return s.send('applySlash')
    }
  ],
  [
    'NothingToSlashError',
    'a slash in a task that takes none',
    (s) => {
      copy(s, s.scene.task, { to: s.scene.task, write: (data) => Buffer.from(data.buffer).writeBigUInt64LE(0n, 1240) })
      return s.send('applySlash')
    }
  ]
]

function seeds(s: Stage): Buffer[] {
  return [Buffer.from('stake'), new PublicKey(s.scene.task).toBuffer(), s.newcomer.publicKey.toBuffer()]
}

describe('settlement: refusals', () => {
  for (const name of NAMES) {
    it(`${name}, unchanged, goes through`, () => {
      expect(stage().send(name).verdict).to.equal('ok')
    })
  }

  for (const [name, what, send] of rows) {
    it(`${name}: ${what}`, () => {
      const sent = send(stage())
      expect(sent.verdict, sent.logs.join('\n')).to.equal(name)
      // and says so in the log
      expect(sent.logs).to.include(`Program log: ${name}`)
    })
  }

  it('has a row for every refusal, but for those that are retired', () => {
    expect([...new Set(rows.map(([name]) => name)), ...RETIRED].sort()).to.deep.equal(Object.keys(REFUSALS).sort())
    // and stands for every tag
    expect(NAMES.filter((name) => name !== 'topUp').toSorted()).to.deep.equal(Object.keys(TAGS).toSorted())
  })

  it('answers any bytes and any accounts with a named refusal, and moves nothing', () => {
    const s = stage()
    const pool = [s.scene.task, s.other.task, s.alice.stake, s.bob.stake, s.other.members[0]!.stake, s.alice.staker, b58(s.payer)]
    const keys = [...pool, b58(SystemProgram.programId), b58(Keypair.generate()), s.vm.programId]
    // enough accounts to look real, and data that begins with a real tag
    const data = fc.tuple(fc.nat(13), fc.uint8Array({ maxLength: 120 })).map(([tag, rest]) => Buffer.from([tag, ...rest]))
    const metas = fc.array(fc.record({ index: fc.nat(keys.length - 1), isSigner: fc.boolean(), isWritable: fc.boolean() }), {
      maxLength: 7
    })
    const padded = fc.tuple(data, metas, fc.constantFrom(0, 9, 42, 81, 98, 18)).map(([bytes, list, length]) => ({
      bytes: length === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(length)], length),
      list
    }))
    const before = [s.scene.task, s.alice.stake, s.bob.stake].map((key) => s.vm.account(key)!.data)
    fc.assert(
      fc.property(padded, ({ bytes, list }) => {
        const instruction = new TransactionInstruction({
          programId: new PublicKey(s.vm.programId),
          data: bytes,
          keys: list.map(({ index, isSigner, isWritable }) => ({
            pubkey: new PublicKey(keys[index]!),
            isSigner: isSigner && (keys[index] === b58(s.payer) || keys[index] === s.alice.staker),
            isWritable
          }))
        })
        const { error } = s.vm.send(instruction, ...signersOf(instruction.keys, s))
        expect(error, String(error)).to.be.instanceOf(SettlementError)
      }),
      { numRuns: 500, seed: 7 }
    )
    expect([s.scene.task, s.alice.stake, s.bob.stake].map((key) => s.vm.account(key)!.data)).to.deep.equal(before)
    expect(s.vm.account(s.alice.stake)!.data.length).to.equal(STAKE_BYTES)
  })
})

/** The payer first, then who else is asked to sign. */
function signersOf(keys: Array<{ pubkey: PublicKey; isSigner: boolean }>, s: Stage): Keypair[] {
  const wantsAlice = keys.some(({ pubkey, isSigner }) => isSigner && b58(pubkey) === s.alice.staker)
  return wantsAlice ? [s.payer, s.alice.key] : [s.payer]
}
