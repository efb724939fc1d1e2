/**
 * The settlement program a second time, in plain TypeScript and from its rules (protocols/settlement/README.md), with as much of K2's
 * runtime as decides what becomes of a transaction: fees, rent, lamports that vanish with their account, the system program's
 * transfers and new accounts, and the Ed25519 precompile. It shares no code with the program or with src/k2/settlement, and
 * says things in another way where it can: amounts have no upper bound, rings keep their whole history, the tally is a map.
 *
 * Keys and hashes are 64 hex characters, amounts, slots and cycles bigints. Accounts are never changed in place.
 */
import { createPublicKey, hash as digest, verify } from 'node:crypto'
import { PublicKey } from '@solana/web3.js'

/** 32 bytes in hex */
export type Key = string

export const SYSTEM: Key = '00'.repeat(32)
export const ED25519: Key = hex(new PublicKey('Ed25519SigVerify111111111111111111111111111').toBytes())
export const INSTRUCTIONS: Key = hex(new PublicKey('Sysvar1nstructions1111111111111111111111111').toBytes())
/** nobody can write to these, whatever a transaction says */
const RESERVED = new Set([SYSTEM, ED25519, INSTRUCTIONS])

const MAX = (1n << 64n) - 1n
const TASK_BYTES = 1280
const STAKE_BYTES = 448
const TWO_TO_32 = 1n << 32n
const FEE_PER_SIGNATURE = 5000n
const TALLY_ENTRIES = 8
const MAX_ACCOUNTS = 10
const SHARES = 10_000n
/** what a task of revision 2 is held to, which was created without terms */
const OLD_TERMS = { largestSlash: 1000n, bundleNotice: 1n }
const DOMAIN = Buffer.from('koii-mesh/vote/1')

/** A value and the cycle from which it counts. */
export interface Change {
  value: bigint
  from: bigint
}

/** Every change ever made, the oldest first. */
export type History = readonly Change[]

export interface Result {
  root: Key
  record: Key
  totalRewards: bigint
}

export interface Bundle {
  from: bigint
  /** in hex */
  cid: string
}

export interface Task {
  kind: 'task'
  manager: Key
  /** 32 bytes in hex */
  name: string
  roundSlots: bigint
  submissionWindow: bigint
  auditWindow: bigint
  startingSlot: bigint
  minStake: bigint
  /** undefined in a task of revision 2 */
  terms: { largestSlash: bigint; bundleNotice: bigint } | undefined
  rentReserve: bigint
  stakerCount: bigint
  claimedTotal: bigint
  slashedTotal: bigint
  /** the first cycle that is not worked on */
  closedFrom: bigint | undefined
  finalized: bigint | undefined
  result: Result
  bounty: History
  stake: History
  funded: History
  bundle: Bundle
  formerBundle: Bundle
  tallyCycle: bigint | undefined
  baseRewards: bigint
  tally: readonly { result: Result; weight: bigint }[]
}

export interface Stake {
  kind: 'stake'
  bump: number
  task: Key
  staker: Key
  stakingKey: Key
  formerKey: Key
  keyFrom: bigint
  withdrawAuthority: Key
  amount: History
  lastVoted: bigint | undefined
  votedRecord: Key
  claimedReward: bigint
  appliedSlash: bigint
  /** the last cycle whose ledger took something */
  slashedIn: bigint | undefined
  unlockSlot: bigint
  unstaking: bigint
  rentReserve: bigint
  /** in hex */
  hint: string
}

/** What no rule of the program looks into. */
export interface Raw {
  kind: 'raw'
  bytes: Buffer
}

export interface Account {
  lamports: bigint
  owner: Key
  content: Task | Stake | Raw
}

export interface Meta {
  key: Key
  signer: boolean
  writable: boolean
}

export interface Instruction {
  program: Key
  metas: readonly Meta[]
  data: Buffer
}

export interface Transaction {
  feePayer: Key
  instructions: readonly Instruction[]
}

/** Everything that transactions read and change. */
export interface World {
  program: Key
  /** attacker.c, which passes calls on, where there is one */
  relay?: Key
  accounts: Map<Key, Account>
  slot: bigint
  /** lamports that exempt a byte from rent for ever */
  rentPerByte: bigint
}

/** 'ok', the name of the program's refusal, or what the runtime says, with the fee that was taken all the same. */
export interface Outcome {
  verdict: string
  fee: bigint
}

/** The program says no. */
class Refusal extends Error {
  override name = 'Refusal'
}

/** The runtime, or a program that is not under test, says no. */
class RuntimeFailure extends Error {
  override name = 'RuntimeFailure'
}

const EMPTY: Raw = { kind: 'raw', bytes: Buffer.alloc(0) }
const NOTHING: Account = { lamports: 0n, owner: SYSTEM, content: EMPTY }
const NO_RESULT: Result = { root: SYSTEM, record: SYSTEM, totalRewards: 0n }
const NEVER: History = [{ value: 0n, from: 0n }]
const NO_BUNDLE: Bundle = { from: 0n, cid: '' }

/** What lies at an address: nothing is an account of the system program's without lamports or data. */
export function accountAt(world: World, key: Key): Account {
  return world.accounts.get(key) ?? NOTHING
}

export function rentExemption(world: World, bytes: number): bigint {
  return BigInt(128 + bytes) * world.rentPerByte
}

/** Runs a transaction and changes `world` accordingly. */
export function apply(world: World, transaction: Transaction): Outcome {
  const flags = unite(transaction)
  const fee = FEE_PER_SIGNATURE * BigInt([...flags.values()].filter(({ signer }) => signer).length + precompileSignatures(transaction))
  const payer = accountAt(world, transaction.feePayer)
  const unpaid = refusesFee(world, payer, fee)
  if (unpaid != null) {
    return { verdict: unpaid, fee: 0n }
  }
  world.accounts.set(transaction.feePayer, { ...payer, lamports: payer.lamports - fee })
  const run = new Run(world, transaction, flags)
  try {
    transaction.instructions.forEach((_, index) => {
      run.instruction(index)
    })
    run.checkRent()
  } catch (error) {
    if (error instanceof Refusal || error instanceof RuntimeFailure) {
      sweep(world, transaction.feePayer)
      return { verdict: error.message, fee }
    }
    throw error
  }
  for (const [key, account] of run.changed) {
    world.accounts.set(key, account)
    sweep(world, key)
  }
  sweep(world, transaction.feePayer)
  return { verdict: 'ok', fee }
}

/** An account without lamports is gone. */
function sweep(world: World, key: Key): void {
  if (accountAt(world, key).lamports === 0n) {
    world.accounts.delete(key)
  }
}

/** What a transaction may do with each account: a flag of one mention holds for all of them. */
function unite({ feePayer, instructions }: Transaction): Map<Key, { signer: boolean; writable: boolean }> {
  const flags = new Map([[feePayer, { signer: true, writable: true }]])
  for (const { metas } of instructions) {
    for (const { key, signer, writable } of metas) {
      const known = flags.get(key)
      flags.set(key, { signer: signer || known?.signer === true, writable: writable || known?.writable === true })
    }
  }
  for (const [key, flag] of flags) {
    if (RESERVED.has(key) || instructions.some(({ program }) => program === key)) {
      flag.writable = false
    }
  }
  return flags
}

function precompileSignatures({ instructions }: Transaction): number {
  return instructions.reduce((sum, { program, data }) => sum + (program === ED25519 && data.length > 0 ? data[0]! : 0), 0)
}

function refusesFee(world: World, payer: Account, fee: bigint): string | undefined {
  if (payer.lamports === 0n) {
    return 'AccountNotFound'
  }
  if (payer.owner !== SYSTEM || lengthOf(payer.content) !== 0) {
    return 'InvalidAccountForFee'
  }
  if (payer.lamports < fee) {
    return 'InsufficientFundsForFee'
  }
  return rentAllows(world, payer, { ...payer, lamports: payer.lamports - fee }) ? undefined : 'InsufficientFundsForRent'
}

/** An account is gone, holds what exempts it from rent, or has less since the price rose and then at least no less than before. */
function rentAllows(world: World, before: Account, after: Account): boolean {
  const grandfathered =
    before.lamports > 0n &&
    before.owner === after.owner &&
    lengthOf(before.content) === lengthOf(after.content) &&
    after.lamports >= before.lamports
  return after.lamports === 0n || after.lamports >= rentExemption(world, lengthOf(after.content)) || grandfathered
}

function lengthOf(content: Account['content']): number {
  return content.kind === 'task' ? TASK_BYTES : content.kind === 'stake' ? STAKE_BYTES : content.bytes.length
}

/** One account of an instruction, as the program is given it. */
interface Given {
  key: Key
  signer: boolean
  writable: boolean
}

/** A transaction while it runs. */
class Run {
  readonly changed = new Map<Key, Account>()
  readonly world: World
  readonly transaction: Transaction
  readonly flags: Map<Key, { signer: boolean; writable: boolean }>

  constructor(world: World, transaction: Transaction, flags: Map<Key, { signer: boolean; writable: boolean }>) {
    this.world = world
    this.transaction = transaction
    this.flags = flags
  }

  get(key: Key): Account {
    return this.changed.get(key) ?? accountAt(this.world, key)
  }

  set(key: Key, change: Partial<Account>): void {
    this.changed.set(key, { ...this.get(key), ...change })
  }

  checkRent(): void {
    for (const [key, { writable }] of this.flags) {
      if (writable && !rentAllows(this.world, accountAt(this.world, key), this.get(key))) {
        throw new RuntimeFailure('InsufficientFundsForRent')
      }
    }
  }

  instruction(index: number): void {
    const { program, metas, data } = this.transaction.instructions[index]!
    const given = metas.map(({ key }) => ({ key, ...this.flags.get(key)! }))
    if (program === this.world.program) {
      new Settlement(this, index, given, data).run()
    } else if (program === this.world.relay) {
      // n, n - 1 bytes to be skipped, a mode, the data of the call
      new Settlement(this, index, given.slice(1), data.subarray(data[0]! + 1)).run()
    } else if (program === SYSTEM) {
      this.system(given, data)
    } else if (program === ED25519) {
      this.ed25519(data)
    } else {
      throw new Error(`the model knows no program ${program}`)
    }
  }

  /** transfer and create account; whoever builds a transaction gives them all that they ask for but money */
  private system(given: Given[], data: Buffer): void {
    const [from, to] = given as [Given, Given]
    const lamports = data.readBigUInt64LE(4)
    if (data.readUInt32LE(0) === 0) {
      const target = this.get(to.key)
      if (target.lamports > 0n || target.owner !== SYSTEM || lengthOf(target.content) > 0) {
        throw new RuntimeFailure('system: account in use')
      }
      this.set(to.key, {
        owner: data.toString('hex', 20, 52),
        content: { kind: 'raw', bytes: Buffer.alloc(Number(data.readBigUInt64LE(12))) }
      })
    }
    this.transfer(from.key, to.key, lamports)
  }

  /** the system program's */
  transfer(from: Key, to: Key, lamports: bigint): void {
    const { content, owner, lamports: held } = this.get(from)
    if (lengthOf(content) > 0) {
      throw new RuntimeFailure('system: sender carries data')
    }
    if (lamports > held) {
      throw new RuntimeFailure('system: too few lamports')
    }
    if (owner !== SYSTEM) {
      throw new RuntimeFailure('system: sender is not its own')
    }
    this.move(from, to, lamports, () => new RuntimeFailure('ArithmeticOverflow'))
  }

  move(from: Key, to: Key, lamports: bigint, overflow: () => Error): void {
    // out before in: somebody may pay himself
    this.set(from, { lamports: this.get(from).lamports - lamports })
    if (this.get(to).lamports + lamports > MAX) {
      throw overflow()
    }
    this.set(to, { lamports: this.get(to).lamports + lamports })
  }

  /** The precompile: reads its offsets wherever they point, and verifies. */
  private ed25519(data: Buffer): void {
    const bad = () => new RuntimeFailure('ed25519')
    if (data.length < 2 || (data[0] === 0 && data.length > 2) || data.length < 2 + 14 * data[0]!) {
      throw bad()
    }
    const part = (instruction: number, at: number, length: number): Buffer => {
      const source = instruction === 0xffff ? data : this.transaction.instructions[instruction]?.data
      if (source == null || at + length > source.length) {
        throw bad()
      }
      return source.subarray(at, at + length)
    }
    for (let i = 0; i < data[0]!; i++) {
      const field = (n: number): number => data.readUInt16LE(2 + 14 * i + 2 * n)
      const signature = part(field(1), field(0), 64)
      const key = part(field(3), field(2), 32)
      const message = part(field(6), field(4), field(5))
      if (!verifies(key, signature, message)) {
        throw bad()
      }
    }
  }
}

const verified = new Map<string, boolean>()
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

function verifies(key: Buffer, signature: Buffer, message: Buffer): boolean {
  const id = Buffer.concat([key, signature, message]).toString('latin1')
  let known = verified.get(id)
  if (known == null) {
    if (verified.size > 100_000) {
      verified.clear()
    }
    known = verify(null, message, createPublicKey({ key: Buffer.concat([SPKI, key]), format: 'der', type: 'spki' }), signature)
    verified.set(id, known)
  }
  return known
}

/** One call of the program. The order of the checks is part of the rules: it decides which refusal is given. */
class Settlement {
  readonly context: Run
  readonly index: number
  readonly given: readonly Given[]
  readonly data: Buffer

  constructor(context: Run, index: number, given: readonly Given[], data: Buffer) {
    this.context = context
    this.index = index
    this.given = given
    this.data = data
  }

  run(): void {
    need(this.given.length <= MAX_ACCOUNTS, 'BadAccountCountError')
    need(this.data.length > 0, 'UnknownInstructionError')
    const repeats = this.given.flatMap(({ key }, i) => {
      const first = this.given.findIndex((other) => other.key === key)
      return first < i ? [[first, i]] : []
    })
    const paysForItself = this.data[0] === 4 && repeats.length === 1 && repeats[0]![0] === 2 && repeats[0]![1] === 3
    need(repeats.length === 0 || paysForItself, 'DuplicateAccountError')
    const instructions: Array<() => void> = [
      this.createTask,
      this.fundTask,
      this.updateTask,
      this.closeTask,
      this.stake,
      this.unstake,
      this.withdraw,
      this.replaceStakingKey,
      this.setAddressHint,
      this.vote,
      this.voteBatch,
      this.claim,
      this.applySlash
    ]
    const instruction = instructions[this.data[0]!]
    need(instruction != null, 'UnknownInstructionError')
    instruction!.call(this)
  }

  // ---- checks ----

  private shape(accounts: number, length: number): void {
    need(this.given.length === accounts, 'BadAccountCountError')
    need(this.data.length === length, 'BadDataLengthError')
  }

  /** for data whose length byte stands at `at` and counts units of so many bytes */
  private variableShape(accounts: number, at: number, unit = 1): number {
    need(this.data.length > at, 'BadDataLengthError')
    const count = this.data[at]!
    this.shape(accounts, at + 1 + count * unit)
    return count
  }

  private signed(at: number): void {
    need(this.given[at]!.signer, 'MissingSignatureError')
  }

  private writable(at: number): void {
    need(this.given[at]!.writable, 'NotWritableError')
  }

  private at(at: number): Account {
    return this.context.get(this.given[at]!.key)
  }

  private own(at: number, kind: 1 | 2, bytes: number): Task | Stake {
    const { owner, content } = this.at(at)
    need(owner === this.context.world.program, 'WrongOwnerError')
    need(lengthOf(content) === bytes && firstBytes(content)[0] === kind, 'WrongKindError')
    need(firstBytes(content)[1] === 1, 'WrongVersionError')
    this.writable(at)
    if (content.kind === 'raw') {
      throw new Error('an account of the program’s was planted as bytes: plant it as a task or stake')
    }
    return content
  }

  private task(at: number): Task {
    return this.own(at, 1, TASK_BYTES) as Task
  }

  private stakeOf(at: number, taskAt: number): Stake {
    const stake = this.own(at, 2, STAKE_BYTES) as Stake
    need(stake.task === this.given[taskAt]!.key, 'WrongTaskError')
    return stake
  }

  private authority(stake: Stake, at: number): void {
    need(stake.withdrawAuthority === this.given[at]!.key, 'WrongWithdrawAuthorityError')
    this.signed(at)
  }

  private manager(task: Task, at: number): void {
    need(task.manager === this.given[at]!.key, 'WrongManagerError')
    this.signed(at)
  }

  private u64(at: number): bigint {
    return this.data.readBigUInt64LE(at)
  }

  private key(at: number): Key {
    return this.data.toString('hex', at, at + 32)
  }

  private get slot(): bigint {
    return this.context.world.slot
  }

  private write(at: number, content: Task | Stake): void {
    this.context.set(this.given[at]!.key, { content })
  }

  private pay(from: number, to: number, lamports: bigint): void {
    this.context.move(this.given[from]!.key, this.given[to]!.key, lamports, () => new Refusal('OverflowError'))
  }

  /** through the system program, by an account that signs */
  private collect(from: number, to: number, lamports: bigint): void {
    need(this.at(from).lamports >= lamports, 'InsufficientFundsError')
    this.context.transfer(this.given[from]!.key, this.given[to]!.key, lamports)
  }

  // ---- the manager's ----

  createTask(): void {
    const cidLength = this.variableShape(2, 97)
    this.signed(0)
    this.signed(1)
    this.writable(0)
    const { owner, content, lamports } = this.at(0)
    need(owner === this.context.world.program, 'WrongOwnerError')
    need(lengthOf(content) === TASK_BYTES, 'WrongKindError')
    need(firstBytes(content)[0] === 0, 'AlreadyInitializedError')
    const rentReserve = rentExemption(this.context.world, TASK_BYTES)
    need(lamports >= rentReserve, 'NotRentExemptError')
    need(cidLength >= 1 && cidLength <= 64, 'BadBundleError')
    const [roundSlots, submissionWindow, auditWindow] = [this.u64(33), this.u64(41), this.u64(49)]
    const fits = submissionWindow >= 1n && auditWindow >= 1n && submissionWindow + auditWindow <= roundSlots
    need(fits && roundSlots <= TWO_TO_32, 'BadTimesError')
    const minStake = this.u64(73)
    need(minStake >= 1n, 'BadMinimumStakeError')
    const terms = { largestSlash: this.u64(81), bundleNotice: this.u64(89) }
    need(terms.largestSlash <= SHARES, 'BadLargestSlashError')
    need(terms.bundleNotice >= 1n && terms.bundleNotice <= 65_536n, 'BadBundleNoticeError')
    const startingSlot = max(this.u64(57), this.slot)
    need(startingSlot <= this.slot + TWO_TO_32, 'StartingSlotTooFarError')
    this.write(0, {
      kind: 'task',
      manager: this.given[1]!.key,
      name: this.data.toString('hex', 1, 33),
      roundSlots,
      submissionWindow,
      auditWindow,
      startingSlot,
      minStake,
      terms,
      rentReserve,
      stakerCount: 0n,
      claimedTotal: 0n,
      slashedTotal: 0n,
      closedFrom: undefined,
      finalized: undefined,
      result: NO_RESULT,
      bounty: changed(NEVER, 0n, this.u64(65)),
      stake: NEVER,
      funded: NEVER,
      bundle: { from: 0n, cid: this.data.toString('hex', 98) },
      formerBundle: NO_BUNDLE,
      tallyCycle: undefined,
      baseRewards: 0n,
      tally: []
    })
  }

  fundTask(): void {
    this.shape(3, 9)
    const task = this.task(0)
    this.signed(1)
    this.writable(1)
    need(this.given[2]!.key === SYSTEM, 'WrongSystemProgramError')
    const amount = this.u64(1)
    need(amount > 0n, 'ZeroAmountError')
    need(task.closedFrom == null, 'TaskClosedError')
    const funded = latest(task.funded) + amount
    need(funded <= MAX, 'OverflowError')
    this.collect(1, 0, amount)
    this.write(0, { ...task, funded: changed(task.funded, nextCycle(task, this.slot), funded) })
  }

  updateTask(): void {
    const cidLength = this.variableShape(2, 17)
    const task = this.task(0)
    this.manager(task, 1)
    need(task.closedFrom == null, 'TaskClosedError')
    const minStake = this.u64(9)
    need(minStake >= 1n, 'BadMinimumStakeError')
    need(cidLength <= 64, 'BadBundleError')
    const next = nextCycle(task, this.slot)
    const updated = { ...task, minStake, bounty: changed(task.bounty, next, this.u64(1)) }
    if (cidLength > 0) {
      // the round that it is given in is next - 1, and -1 before the first
      const from = next - 1n + termsOf(task).bundleNotice
      // the first bundle, which has none before it, is run from cycle 0 on: only another one from cycle 0 on makes it as if it had never been
      const first = task.formerBundle === NO_BUNDLE
      const unused = first ? from === 0n : task.bundle.from >= next
      if (!unused) {
        need(isFree(task.bundle.from, next), 'BundleChangeTooSoonError')
        updated.formerBundle = task.bundle
      }
      updated.bundle = { from, cid: this.data.toString('hex', 18) }
    }
    this.write(0, updated)
  }

  closeTask(): void {
    this.shape(2, 1)
    const task = this.task(0)
    this.writable(1)
    this.manager(task, 1)
    if (task.closedFrom == null) {
      const closedFrom = nextCycle(task, this.slot)
      this.write(0, { ...task, closedFrom, bounty: changed(task.bounty, closedFrom, 0n) })
      return
    }
    need(isSettled(task, this.slot), 'CloseTooEarlyError')
    const claimable = task.stakerCount === 0n ? 0n : task.result.totalRewards - task.claimedTotal
    need(task.rentReserve + task.slashedTotal + claimable <= MAX, 'OverflowError')
    const surplus = this.at(0).lamports - task.rentReserve - task.slashedTotal - claimable
    need(surplus > 0n, 'NothingLeftError')
    this.pay(0, 1, surplus)
  }

  // ---- a staker's ----

  stake(): void {
    const hintLength = this.variableShape(5, 41)
    const task = this.task(0)
    this.signed(3)
    this.writable(3)
    need(this.given[4]!.key === SYSTEM, 'WrongSystemProgramError')
    need(hintLength <= 127, 'HintTooLongError')
    const amount = this.u64(1)
    need(amount > 0n, 'ZeroAmountError')
    const authority = this.key(9)
    need(task.closedFrom == null, 'TaskClosedError')
    const total = latest(task.stake) + amount
    need(total <= MAX, 'OverflowError')
    const first = this.at(1).owner !== this.context.world.program
    const stake = first ? this.firstStake(task, amount, authority) : this.topUp(task, amount, authority, hintLength)
    const from = nextCycle(task, this.slot)
    const hint = hintLength > 0 ? this.data.toString('hex', 42) : stake.hint
    this.write(1, { ...stake, hint, amount: changed(stake.amount, from, latest(stake.amount) + amount) })
    const stakerCount = task.stakerCount + (first ? 1n : 0n)
    this.write(0, { ...task, stakerCount, stake: changed(task.stake, from, total) })
  }

  private firstStake(task: Task, amount: bigint, withdrawAuthority: Key): Stake {
    this.signed(2)
    this.writable(1)
    need(this.at(1).owner === SYSTEM, 'WrongOwnerError')
    need(withdrawAuthority !== SYSTEM, 'WrongWithdrawAuthorityError')
    need(amount >= task.minStake, 'StakeTooSmallError')
    const staker = this.given[2]!.key
    const { address, bump } = derive(this.context.world.program, this.given[0]!.key, staker)
    need(this.given[1]!.key === address, 'WrongStakeAddressError')
    const rentReserve = rentExemption(this.context.world, STAKE_BYTES)
    need(rentReserve + amount <= MAX, 'OverflowError')
    this.collect(3, 1, rentReserve + amount)
    if (lengthOf(this.at(1).content) > 0) {
      throw new RuntimeFailure('system: account in use')
    }
    this.context.set(address, { owner: this.context.world.program })
    return {
      kind: 'stake',
      bump,
      task: this.given[0]!.key,
      staker,
      stakingKey: staker,
      formerKey: SYSTEM,
      keyFrom: 0n,
      withdrawAuthority,
      amount: NEVER,
      lastVoted: undefined,
      votedRecord: SYSTEM,
      claimedReward: 0n,
      appliedSlash: 0n,
      slashedIn: undefined,
      unlockSlot: 0n,
      unstaking: 0n,
      rentReserve,
      hint: ''
    }
  }

  private topUp(task: Task, amount: bigint, authority: Key, hintLength: number): Stake {
    const stake = this.stakeOf(1, 0)
    need(stake.stakingKey === this.given[2]!.key, 'WrongStakingKeyError')
    need(stake.withdrawAuthority === authority, 'WrongWithdrawAuthorityError')
    need(hintLength === 0 || this.given[2]!.signer, 'HintNotSignedError')
    need(latest(stake.amount) + amount >= task.minStake, 'StakeTooSmallError')
    this.collect(3, 1, amount)
    return stake
  }

  unstake(): void {
    this.shape(3, 9)
    const task = this.task(0)
    const stake = this.stakeOf(1, 0)
    this.authority(stake, 2)
    const amount = this.u64(1)
    need(amount > 0n, 'ZeroAmountError')
    const rest = latest(stake.amount) - amount
    need(rest >= 0n, 'UnstakeTooMuchError')
    need(rest === 0n || rest >= task.minStake, 'StakeTooSmallError')
    const from = nextCycle(task, this.slot)
    // its last cycle is from - 1, voted on until the end of round from + 1; three rounds more from there
    const locked = this.slot < task.startingSlot ? this.slot : task.startingSlot + (from + 2n + 3n) * task.roundSlots
    this.write(0, { ...task, stake: changed(task.stake, from, latest(task.stake) - amount) })
    this.write(1, {
      ...stake,
      amount: changed(stake.amount, from, rest),
      unstaking: stake.unstaking + amount,
      unlockSlot: locked
    })
  }

  withdraw(): void {
    this.shape(3, 2)
    const task = this.task(0)
    const stake = this.stakeOf(1, 0)
    this.writable(2)
    this.authority(stake, 2)
    need(this.data[1]! <= 1, 'BadFlagError')
    need(this.slot >= stake.unlockSlot, 'StakeLockedError')
    if (this.data[1] === 0) {
      need(stake.unstaking > 0n, 'NothingUnstakedError')
      this.write(1, { ...stake, unstaking: 0n })
      this.pay(1, 2, stake.unstaking)
      return
    }
    need(isSettled(task, this.slot), 'TaskOpenError')
    need(latest(stake.amount) === 0n, 'StillStakedError')
    this.pay(1, 2, this.at(1).lamports)
    this.write(0, { ...task, stakerCount: task.stakerCount - 1n })
    this.context.set(this.given[1]!.key, { owner: SYSTEM, content: { kind: 'raw', bytes: Buffer.alloc(STAKE_BYTES) } })
  }

  replaceStakingKey(): void {
    this.shape(4, 1)
    const task = this.task(0)
    const stake = this.stakeOf(1, 0)
    this.authority(stake, 2)
    this.signed(3)
    const from = nextCycle(task, this.slot)
    const again = stake.keyFrom === from
    need(again || isFree(stake.keyFrom, from), 'KeyChangeTooSoonError')
    const formerKey = again ? stake.formerKey : stake.stakingKey
    this.write(1, { ...stake, stakingKey: this.given[3]!.key, formerKey, keyFrom: from })
  }

  setAddressHint(): void {
    const length = this.variableShape(3, 1)
    this.task(0)
    const stake = this.stakeOf(1, 0)
    need(stake.stakingKey === this.given[2]!.key, 'WrongStakingKeyError')
    this.signed(2)
    need(length <= 127, 'HintTooLongError')
    this.write(1, { ...stake, hint: this.data.toString('hex', 2) })
  }

  // ---- votes ----

  vote(): void {
    this.shape(3, 81)
    this.signed(0)
    const task = this.task(1)
    const stake = this.stakeOf(2, 1)
    need(stake.stakingKey === this.given[0]!.key, 'WrongStakingKeyError')
    const cycle = this.u64(1)
    this.window(task, cycle)
    need(stake.lastVoted == null || stake.lastVoted < cycle, 'AlreadyVotedError')
    const voted = this.cast(task, stake, 1)
    this.write(1, voted.task)
    this.write(2, voted.stake)
  }

  voteBatch(): void {
    need(this.given.length >= 3, 'BadAccountCountError')
    this.shape(this.given.length, 1 + 16 + 32 + 80)
    let task = this.task(0)
    need(this.data.subarray(1, 17).equals(DOMAIN), 'WrongMessageError')
    need(this.key(17) === this.given[0]!.key, 'WrongMessageError')
    const stakes = this.given.slice(2)
    const keys = this.proofs(stakes.length)
    const cycle = this.u64(49)
    this.window(task, cycle)
    let counted = 0
    stakes.forEach((_, i) => {
      const stake = this.stakeOf(2 + i, 0)
      need(stake.stakingKey === keys[i], 'WrongStakingKeyError')
      if (stake.lastVoted != null && stake.lastVoted >= cycle) {
        return
      }
      const voted = this.cast(task, stake, 49)
      task = voted.task
      this.write(2 + i, voted.stake)
      counted++
    })
    need(counted > 0, 'AlreadyVotedError')
    this.write(0, task)
  }

  /** the keys that the precompile has vouched for, in the one form that is accepted */
  private proofs(votes: number): Key[] {
    need(this.given[1]!.key === INSTRUCTIONS, 'WrongSysvarError')
    const { instructions } = this.context.transaction
    need(instructions[this.index]!.program === this.context.world.program, 'InnerBatchError')
    const before = instructions[this.index - 1]
    const start = 2 + 14 * votes
    need(before?.program === ED25519 && before.data.length === start + 96 * votes && before.data[0] === votes, 'BadEd25519Error')
    return Array.from({ length: votes }, (_, i) => {
      const signature = start + 96 * i
      const wanted = [signature, 0xffff, signature + 64, 0xffff, 1, this.data.length - 1, this.index]
      const found = wanted.map((_, field) => before!.data.readUInt16LE(2 + 14 * i + 2 * field))
      need(String(found) === String(wanted), 'BadEd25519Error')
      return before!.data.toString('hex', signature + 64, signature + 96)
    })
  }

  /** cycle c is voted on in round c + 2 and in no other */
  private window(task: Task, cycle: bigint): void {
    const first = task.startingSlot + (cycle + 2n) * task.roundSlots
    need(this.slot >= first, 'VoteTooEarlyError')
    need(this.slot < first + task.roundSlots, 'VoteTooLateError')
    need(task.closedFrom == null || cycle < task.closedFrom, 'TaskClosedError')
  }

  private cast(before: Task, stake: Stake, at: number): { task: Task; stake: Stake } {
    const cycle = this.u64(at)
    const result: Result = { root: this.key(at + 8), record: this.key(at + 40), totalRewards: this.u64(at + 72) }
    const weight = inCycle(stake.amount, cycle)
    need(weight > 0n, 'NoWeightError')
    const opened = before.tallyCycle === cycle
    let task: Task = opened ? before : { ...before, tallyCycle: cycle, baseRewards: before.result.totalRewards, tally: [] }
    const { baseRewards } = task
    need(result.totalRewards >= baseRewards, 'RewardsShrinkError')
    const most = min(inCycle(task.bounty, cycle), inCycle(task.funded, cycle) - baseRewards)
    need(result.totalRewards <= baseRewards + most, 'RewardsAboveBountyError')
    const { tally, weighed } = weigh(task.tally, result, weight)
    task = { ...task, tally }
    if (3n * weighed > 2n * inCycle(task.stake, cycle) && (task.finalized == null || task.finalized < cycle)) {
      task = { ...task, finalized: cycle, result }
    }
    return { task, stake: { ...stake, lastVoted: cycle, votedRecord: result.record } }
  }

  // ---- what the ledger gives and takes ----

  private leaf(accounts: number): { task: Task; stake: Stake } {
    const hashes = this.variableShape(accounts, 17, 32)
    const task = this.task(0)
    const stake = this.stakeOf(1, 0)
    need(task.finalized != null && task.result.root !== SYSTEM, 'NothingFinalizedError')
    need(hashes <= 24, 'ProofTooLongError')
    let node = sha256('00', this.given[0]!.key, stake.staker, this.data.toString('hex', 1, 17))
    for (let i = 0; i < hashes; i++) {
      const other = this.key(18 + 32 * i)
      node = node < other ? sha256('01', node, other) : sha256('01', other, node)
    }
    need(node === task.result.root, 'BadProofError')
    return { task, stake }
  }

  claim(): void {
    const { task, stake } = this.leaf(3)
    this.writable(2)
    need(stake.withdrawAuthority === this.given[2]!.key, 'WrongWithdrawAuthorityError')
    const reward = this.u64(1)
    const due = reward - stake.claimedReward
    need(due > 0n, 'NothingToClaimError')
    need(task.claimedTotal + due <= task.result.totalRewards, 'ClaimAboveRewardsError')
    need(task.rentReserve + task.slashedTotal <= MAX, 'OverflowError')
    need(this.at(0).lamports - due >= task.rentReserve + task.slashedTotal, 'PotTooSmallError')
    this.write(0, { ...task, claimedTotal: task.claimedTotal + due })
    this.write(1, { ...stake, claimedReward: reward })
    this.pay(0, 2, due)
  }

  applySlash(): void {
    const { task, stake } = this.leaf(2)
    const staked = latest(stake.amount)
    const owed = max(this.u64(9) - stake.appliedSlash, 0n)
    const taken = min(owed, ((staked + stake.unstaking) * termsOf(task).largestSlash) / SHARES)
    need(taken > 0n, 'NothingToSlashError')
    need(low32(stake.slashedIn) !== low32(task.finalized), 'SlashLimitError')
    const slashedTotal = task.slashedTotal + taken
    need(slashedTotal <= MAX, 'OverflowError')
    const fromStaked = min(taken, staked)
    const from = nextCycle(task, this.slot)
    const less = (history: History) => (fromStaked === 0n ? history : changed(history, from, latest(history) - fromStaked))
    this.write(0, {
      ...task,
      stake: less(task.stake),
      slashedTotal
    })
    this.write(1, {
      ...stake,
      amount: less(stake.amount),
      unstaking: stake.unstaking - (taken - fromStaked),
      appliedSlash: stake.appliedSlash + taken,
      slashedIn: task.finalized
    })
    this.pay(1, 0, taken)
  }
}

// ---- rules ----

function need(holds: boolean, refusal: string): void {
  if (!holds) {
    throw new Refusal(refusal)
  }
}

/** the cycle from which a change made now counts */
export function nextCycle(task: Task, slot: bigint): bigint {
  return slot < task.startingSlot ? 0n : (slot - task.startingSlot) / task.roundSlots + 1n
}

export function termsOf(task: Task): { largestSlash: bigint; bundleNotice: bigint } {
  return task.terms ?? OLD_TERMS
}

/** all that a stake account remembers of a cycle in which it was slashed */
function low32(cycle: bigint | undefined): bigint {
  return plusOne(cycle) % TWO_TO_32
}

/** Two are remembered, so the present one may be replaced once it is the one of every cycle that is not decided yet. */
function isFree(since: bigint, from: bigint): boolean {
  // the change comes in round from - 1, in which the oldest undecided cycle is from - 3
  return since === 0n || since <= from - 3n
}

/** closed, and no cycle that was worked on can be voted on any more */
export function isSettled(task: Task, slot: bigint): boolean {
  if (task.closedFrom == null) {
    return false
  }
  const last = task.closedFrom - 1n
  return last < 0n || slot >= task.startingSlot + (last + 3n) * task.roundSlots
}

export function latest(history: History): bigint {
  return history.at(-1)!.value
}

/** what counts in a cycle: the last change that does not come later */
export function inCycle(history: History, cycle: bigint): bigint {
  return history.findLast(({ from }) => from <= cycle)?.value ?? 0n
}

function changed(history: History, from: bigint, value: bigint): History {
  return [...(history.at(-1)!.from === from ? history.slice(0, -1) : history), { value, from }]
}

/** Misra and Gries: a ninth result and the eight lose what the lightest of them weighs. */
function weigh(tally: Task['tally'], result: Result, weight: bigint): { tally: Task['tally']; weighed: bigint } {
  const same = (other: Result) => other.root === result.root && other.record === result.record && other.totalRewards === result.totalRewards
  const known = tally.find((entry) => same(entry.result))
  if (known != null) {
    const weighed = known.weight + weight
    return { tally: tally.map((entry) => (entry === known ? { result, weight: weighed } : entry)), weighed }
  }
  const all = [...tally, { result, weight }]
  const cut = all.length <= TALLY_ENTRIES ? 0n : all.map((entry) => entry.weight).reduce(min)
  const left = all.map((entry) => ({ ...entry, weight: entry.weight - cut })).filter((entry) => entry.weight > 0n)
  return { tally: left, weighed: weight - cut }
}

const derived = new Map<string, { address: Key; bump: number }>()

/** The address of a stake. */
export function derive(program: Key, task: Key, staker: Key): { address: Key; bump: number } {
  const id = program + task + staker
  let found = derived.get(id)
  if (found == null) {
    const seeds = [Buffer.from('stake'), Buffer.from(task, 'hex'), Buffer.from(staker, 'hex')]
    const [address, bump] = PublicKey.findProgramAddressSync(seeds, new PublicKey(Buffer.from(program, 'hex')))
    found = { address: hex(address.toBytes()), bump }
    derived.set(id, found)
  }
  return found
}

export function sha256(...parts: string[]): Key {
  return digest('sha256', Buffer.from(parts.join(''), 'hex'), 'hex')
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

// ---- bytes ----

function firstBytes(content: Account['content']): readonly [number, number] {
  return content.kind === 'task' ? [1, 1] : content.kind === 'stake' ? [2, 1] : [content.bytes[0] ?? 0, content.bytes[1] ?? 0]
}

const encoded = new WeakMap<Account['content'], Buffer>()

/** An account's data as the spec lays it out; a tally has no order, so its entries stand sorted and the free ones are zeros. */
export function encode(content: Account['content']): Buffer {
  if (content.kind === 'raw') {
    return content.bytes
  }
  let bytes = encoded.get(content)
  if (bytes == null) {
    bytes = content.kind === 'task' ? encodeTask(content) : encodeStake(content)
    encoded.set(content, bytes)
  }
  return bytes
}

const plusOne = (cycle: bigint | undefined): bigint => (cycle == null ? 0n : cycle + 1n)

function encodeTask(task: Task): Buffer {
  const bytes = Buffer.alloc(TASK_BYTES)
  const u64s = (at: number, ...values: bigint[]) => values.forEach((value, i) => void bytes.writeBigUInt64LE(value, at + 8 * i))
  bytes.set([1, 1])
  bytes.write(task.manager, 8, 'hex')
  bytes.write(task.name, 40, 'hex')
  u64s(72, task.roundSlots, task.submissionWindow, task.auditWindow, task.startingSlot, task.minStake, task.rentReserve)
  u64s(120, task.stakerCount, task.claimedTotal, task.slashedTotal, plusOne(task.closedFrom), plusOne(task.finalized))
  bytes.write(encodeResult(task.result), 160, 'hex')
  u64s(232, ...ring(task.bounty), ...ring(task.stake), ...ring(task.funded))
  for (const [at, { from, cid }] of [
    [424, task.bundle],
    [504, task.formerBundle]
  ] as const) {
    u64s(at, from)
    bytes[at + 8] = cid.length / 2
    bytes.write(cid, at + 16, 'hex')
  }
  u64s(584, plusOne(task.tallyCycle), task.baseRewards)
  const entries = task.tally.map(({ result, weight }) => encodeResult(result) + u64hex(weight))
  bytes.write(entries.sort().join(''), 600, 'hex')
  u64s(1240, task.terms?.largestSlash ?? 0n, task.terms?.bundleNotice ?? 0n)
  return bytes
}

function encodeStake(stake: Stake): Buffer {
  const bytes = Buffer.alloc(STAKE_BYTES)
  const u64s = (at: number, ...values: bigint[]) => values.forEach((value, i) => void bytes.writeBigUInt64LE(value, at + 8 * i))
  bytes.set([2, 1, stake.bump, stake.hint.length / 2])
  bytes.writeUInt32LE(Number(low32(stake.slashedIn)), 4)
  bytes.write(stake.task + stake.staker + stake.stakingKey + stake.withdrawAuthority, 8, 'hex')
  u64s(136, ...ring(stake.amount))
  u64s(200, plusOne(stake.lastVoted))
  bytes.write(stake.votedRecord, 208, 'hex')
  u64s(240, stake.claimedReward, stake.appliedSlash, stake.unlockSlot, stake.keyFrom, stake.unstaking, stake.rentReserve)
  bytes.write(stake.hint, 288, 'hex')
  bytes.write(stake.formerKey, 416, 'hex')
  return bytes
}

function ring(history: History): bigint[] {
  return Array.from({ length: 4 }, (_, i) => history.at(-1 - i) ?? { value: 0n, from: 0n }).flatMap(({ value, from }) => [value, from])
}

function encodeResult({ root, record, totalRewards }: Result): string {
  return root + record + u64hex(totalRewards)
}

function u64hex(value: bigint): string {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes.toString('hex')
}

/** What the program wrote, in the same form as `encode`: with a sorted tally. */
export function canonical(owner: Key, program: Key, data: Buffer): Buffer {
  if (owner !== program || data.length !== TASK_BYTES || data[0] !== 1) {
    return data
  }
  const bytes = Buffer.from(data)
  const entries = Array.from({ length: TALLY_ENTRIES }, (_, i) => data.subarray(600 + 80 * i, 680 + 80 * i))
    .filter((entry) => entry.readBigUInt64LE(72) > 0n)
    .map((entry) => entry.toString('hex'))
  bytes.fill(0, 600, 1240)
  bytes.write(entries.sort().join(''), 600, 'hex')
  return bytes
}
