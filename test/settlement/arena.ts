/**
 * Where the program and its model meet: every transaction goes to both, and both must say the same and be left with the same.
 *
 * A step is a few random numbers; what it does is decided when its turn comes, by what the accounts then hold, so that random steps
 * vote in the right round, for results that can be paid, and get to where claims, slashes and withdrawals are.
 */
import { createPrivateKey, createPublicKey, hash as digest, type KeyObject, sign } from 'node:crypto'
import { BareVm } from './bare-vm.ts'
import {
  type Account,
  accountAt,
  apply,
  canonical,
  derive,
  ED25519,
  encode,
  hex,
  INSTRUCTIONS,
  type Instruction,
  inCycle,
  isSettled,
  type Key,
  latest,
  type Meta,
  rentExemption,
  type Stake,
  SYSTEM,
  sha256,
  type Task,
  type Transaction,
  termsOf,
  type World
} from './model.ts'

const MAX = (1n << 64n) - 1n
const TASK_BYTES = 1280
const STAKE_BYTES = 448
/** where the program lies, and attacker.c, which passes calls on; under the third, look-alikes are made */
const PROGRAM = name('program')
const RELAY = name('relay')
const STRANGE_PROGRAM = name('another program')
const DOMAIN = hex(Buffer.from('koii-mesh/vote/1'))
const CID = hex(Buffer.from('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'))

const WALLETS = Array.from({ length: 6 }, (_, i) => name(`wallet ${i}`))
const WHALE = name('whale')
const POOR = name('poor')
const GHOST = name('ghost')
const SPONSOR = name('sponsor')
const MANAGERS = [name('manager 0'), name('manager 1')]
const TASKS = Array.from({ length: 4 }, (_, i) => name(`task ${i}`))
const STAKERS = Array.from({ length: 12 }, (_, i) => keyPair(`staker ${i}`))
const SPARES = Array.from({ length: 6 }, (_, i) => keyPair(`spare ${i}`))
const KEY_PAIRS = new Map([...STAKERS, ...SPARES].map((pair) => [pair.key, pair]))

/** Accounts that no honest instruction names, each nearly right. */
const FAKES = {
  /** a task to the byte, of another program's */
  lookAlikeTask: name('look-alike task'),
  lookAlikeStake: name('look-alike stake'),
  newVersion: name('task of version 2'),
  oldStake: name('stake of version 0'),
  blank: name('blank'),
  short: name('a byte too few'),
  long: name('a byte too many'),
  strangeKind: name('kind 3'),
  sysvar: name('look-alike sysvar')
}
/** What the VM has of its own and the model need not know. */
const FIXED = [SYSTEM, ED25519, INSTRUCTIONS, PROGRAM, RELAY]

function name(text: string): Key {
  return digest('sha256', text, 'hex')
}

interface KeyPair {
  key: Key
  secret: KeyObject
}

function keyPair(text: string): KeyPair {
  const seed = Buffer.from(name(text), 'hex')
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const secret = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  return { key: hex(createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(-32)), secret }
}

const signatures = new Map<string, string>()

function signed(pair: KeyPair, message: string): string {
  const id = pair.key + message
  let signature = signatures.get(id)
  if (signature == null) {
    if (signatures.size > 50_000) {
      signatures.clear()
    }
    signature = hex(sign(null, Buffer.from(message, 'hex'), pair.secret))
    signatures.set(id, signature)
  }
  return signature
}

const u64 = (value: bigint): string => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value))
  return bytes.toString('hex')
}
const u16 = (...values: number[]): string => values.map((value) => hex(Buffer.of(value & 255, value >> 8))).join('')
const u8 = (value: number): string => hex(Buffer.of(value))

const R = (key: Key): Meta => ({ key, signer: false, writable: false })
const W = (key: Key): Meta => ({ key, signer: false, writable: true })
const S = (key: Key): Meta => ({ key, signer: true, writable: false })
const WS = (key: Key): Meta => ({ key, signer: true, writable: true })

function call(metas: Meta[], ...data: string[]): Instruction {
  return { program: PROGRAM, metas, data: Buffer.from(data.join(''), 'hex') }
}

function systemTransfer(from: Key, to: Key, lamports: bigint): Instruction {
  return { program: SYSTEM, metas: [WS(from), W(to)], data: Buffer.from(`02000000${u64(lamports)}`, 'hex') }
}

function systemCreate(from: Key, to: Key, lamports: bigint, bytes: number, owner = PROGRAM): Instruction {
  const data = `00000000${u64(lamports)}${u64(BigInt(bytes))}${owner}`
  return { program: SYSTEM, metas: [WS(from), WS(to)], data: Buffer.from(data, 'hex') }
}

/** A cumulative ledger as nodes would build it. */
class Ledger {
  readonly lines: ReadonlyMap<Key, { reward: bigint; slash: bigint }>
  readonly root: Key
  private readonly levels: Key[][]

  constructor(task: Key, lines: ReadonlyMap<Key, { reward: bigint; slash: bigint }>) {
    this.lines = new Map([...lines].sort(([a], [b]) => (a < b ? -1 : 1)))
    this.levels = [[...this.lines].map(([staker, { reward, slash }]) => sha256('00', task, staker, u64(reward), u64(slash)))]
    for (let level = this.levels[0]!; level.length > 1; ) {
      const next: Key[] = []
      for (let i = 0; i < level.length; i += 2) {
        const [a, b] = [level[i]!, level[i + 1]]
        next.push(b == null ? a : a < b ? sha256('01', a, b) : sha256('01', b, a))
      }
      this.levels.push(next)
      level = next
    }
    this.root = this.levels.at(-1)![0] ?? SYSTEM
  }

  proof(staker: Key): Key[] {
    let place = [...this.lines.keys()].indexOf(staker)
    return this.levels.slice(0, -1).flatMap((level) => {
      const neighbour = level[place ^ 1]
      place >>= 1
      return neighbour == null ? [] : [neighbour]
    })
  }
}

/** An amount, told by where it lies in what would do. */
export const AMOUNTS = ['some', 'most', 'exact', 'one less', 'one more', 'zero', 'one', 'half', 'max', 'near max'] as const
export const BENDS = [
  'swap',
  'replace',
  'fake',
  'drop',
  'add',
  'many',
  'duplicate',
  'unsign',
  'readonly',
  'byte',
  'cut',
  'extend',
  'number',
  'tag'
] as const

export interface Bend {
  kind: (typeof BENDS)[number]
  x: number
  y: number
}

/** A few random numbers, and the action that they are for. */
export interface Step {
  action: ActionName
  /** which task, which of its people, and how */
  task: number
  who: number
  how: number
  amount: (typeof AMOUNTS)[number]
  size: number
  bend: Bend | undefined
  /** 0: one of the signers pays the fee; 1: by way of another program */
  way: number
}

interface Snapshot {
  world: World
  vm: Map<Key, { lamports: bigint; owner: Key; data: Buffer }>
  ledgers: Map<Key, Ledger>
  bases: Map<string, Key>
}

/** A difference between the program and its model. */
export class Difference extends Error {
  override name = 'Difference'
}

/** How often each action ended how. */
export type Coverage = Map<string, Map<string, number>>

export class Arena {
  world: World = { program: PROGRAM, relay: RELAY, accounts: new Map(), slot: 0n, rentPerByte: 6960n }
  readonly coverage: Coverage = new Map()
  transactions = 0
  /** what was sent since the stage was loaded, and how it ended */
  readonly journal: string[] = []
  /** how often something happened that takes several steps */
  readonly depths = {
    'cycle finalized': 0,
    'quorum against other results': 0,
    'ninth result weighed off': 0,
    'ring longer than four': 0,
    'stake slashed while unstaking': 0,
    'account lives on without its kind': 0,
    'cycle skipped without quorum': 0,
    'largest slash cut a slash': 0,
    'bundle gave up its place unused': 0,
    'slashed again in a later cycle': 0
  }
  private readonly vm = new BareVm(PROGRAM, RELAY)
  private readonly stages = new Map<string, Snapshot>()
  private ledgers = new Map<Key, Ledger>()
  /** root of the ledger that a task's cycle is built on */
  private bases = new Map<string, Key>()
  private readonly known = new Set<Key>()
  private fees = 0n
  /** a state that no transactions lead to: what must hold in all others need not */
  private planted = false

  constructor() {
    this.world.rentPerByte = this.vm.svm.minimumBalanceForRentExemption(0n) / 128n
    this.world.slot = 10n
    this.vm.warp(10n)
    this.furnish()
    this.save('blank')
    for (const stage of Object.keys(STAGES) as Array<keyof typeof STAGES>) {
      STAGES[stage](this)
      this.save(stage)
    }
  }

  static readonly stages = ['blank', 'staked', 'decided', 'crowd', 'closing', 'settled'] as const

  /** Goes back to a stage; all that has happened since is undone. */
  load(stage: string): void {
    const { world, vm, ledgers, bases } = this.stages.get(stage)!
    for (const key of this.known) {
      const account = vm.get(key)
      const now = this.vm.account(key)
      if (
        account == null
          ? now != null
          : now == null || now.lamports !== account.lamports || !now.data.equals(account.data) || now.owner !== account.owner
      ) {
        this.vm.plant(key, account)
      }
    }
    this.vm.warp(world.slot)
    this.setRent(world.rentPerByte)
    this.world = { ...world, accounts: new Map(world.accounts) }
    this.ledgers = new Map(ledgers)
    this.bases = new Map(bases)
    this.fees = 0n
    this.planted = false
    this.journal.length = 0
  }

  private save(stage: string): void {
    const vm = new Map(
      [...this.known].flatMap((key) => {
        const account = this.vm.account(key)
        return account == null ? [] : [[key, account] as const]
      })
    )
    const world = { ...this.world, accounts: new Map(this.world.accounts) }
    this.stages.set(stage, { world, vm, ledgers: new Map(this.ledgers), bases: new Map(this.bases) })
  }

  /** Puts an account into both worlds. */
  plant(key: Key, account: Account): void {
    this.known.add(key)
    this.world.accounts.set(key, account)
    this.vm.plant(key, { ...account, data: encode(account.content) })
  }

  private furnish(): void {
    const rich = (key: Key, lamports: bigint) => this.plant(key, { lamports, owner: SYSTEM, content: raw(0) })
    for (const key of [...WALLETS, ...MANAGERS, ...TASKS.slice(3), ...SPARES.map(({ key }) => key), ...STAKERS.map(({ key }) => key)]) {
      rich(key, 10_000_000_000n)
    }
    rich(SPONSOR, 1_000_000_000_000n)
    rich(WHALE, 1n << 63n)
    // a fee, and a lamport, above what an empty wallet must hold
    rich(POOR, rentExemption(this.world, 0) + 15_001n)
    this.known.add(GHOST)
    for (const task of TASKS.slice(0, 3)) {
      this.known.add(task)
    }
    const fake = (key: Key, bytes: number, head: number[], owner = PROGRAM) =>
      this.plant(key, { lamports: 1_000_000_000n, owner, content: raw(bytes, head) })
    fake(FAKES.lookAlikeTask, TASK_BYTES, [1, 1], STRANGE_PROGRAM)
    fake(FAKES.lookAlikeStake, STAKE_BYTES, [2, 1], STRANGE_PROGRAM)
    fake(FAKES.newVersion, TASK_BYTES, [1, 2])
    fake(FAKES.oldStake, STAKE_BYTES, [2, 0])
    fake(FAKES.blank, TASK_BYTES, [0, 0])
    fake(FAKES.short, TASK_BYTES - 1, [1, 1])
    fake(FAKES.long, STAKE_BYTES + 1, [2, 1])
    fake(FAKES.strangeKind, TASK_BYTES, [3, 1])
    fake(FAKES.sysvar, 300, [1, 0], SYSTEM)
    for (const key of FIXED) {
      this.world.accounts.set(key, { lamports: 1n, owner: 'ff'.repeat(32), content: raw(1) })
    }
  }

  // ---- one transaction ----

  /** Sends to both, compares, and says how it ended. */
  send(transaction: Transaction, action = 'set up'): string {
    const involved = new Set([transaction.feePayer, ...transaction.instructions.flatMap(({ metas }) => metas.map(({ key }) => key))])
    for (const key of FIXED) {
      involved.delete(key)
    }
    const total = () => [...involved].reduce((sum, key) => sum + accountAt(this.world, key).lamports, 0n)
    const before = total()
    const contents = new Map([...involved].map((key) => [key, accountAt(this.world, key).content]))
    const { verdict, fee } = apply(this.world, transaction)
    const said = this.vm.send(transaction)
    this.transactions++
    this.journal.push(`slot ${this.world.slot}: ${action}, ${verdict}`)
    const row = this.coverage.get(action) ?? new Map<string, number>()
    this.coverage.set(action, row.set(verdict, (row.get(verdict) ?? 0) + 1))
    if (!agree(verdict, said)) {
      throw new Difference(`the model says ${verdict}, the program ${said}, to\n${show(transaction)}`)
    }
    if (before - total() !== fee) {
      throw new Difference(`${before - total()} lamports are gone for a fee of ${fee}, after\n${show(transaction)}`)
    }
    this.fees += fee
    for (const key of involved) {
      this.known.add(key)
      this.compare(key, () => `after ${verdict} from\n${show(transaction)}`)
    }
    if (verdict === 'ok') {
      for (const [key, content] of contents) {
        this.measure(content, accountAt(this.world, key).content)
        if (!this.planted) {
          this.checkTask(key)
          this.checkTerms(content, accountAt(this.world, key).content)
        }
      }
    }
    return verdict
  }

  private measure(was: Account['content'], is: Account['content']): void {
    if (was.kind === 'task' && is.kind === 'task') {
      const sum = ({ tally }: Task) => tally.reduce((all, { weight }) => all + weight, 0n)
      const voted = is.tally !== was.tally && is.tallyCycle === was.tallyCycle
      this.depths['ninth result weighed off'] += voted && sum(is) <= sum(was) ? 1 : 0
      this.depths['cycle finalized'] += is.finalized !== was.finalized ? 1 : 0
      this.depths['quorum against other results'] += is.finalized !== was.finalized && voted && was.tally.length > 1 ? 1 : 0
      this.depths['ring longer than four'] += is.stake.length > 4 && is.stake.length > was.stake.length ? 1 : 0
      const skipped = is.tallyCycle !== was.tallyCycle && was.tallyCycle != null && was.finalized !== was.tallyCycle
      this.depths['cycle skipped without quorum'] += skipped ? 1 : 0
      const unused = is.bundle !== was.bundle && is.formerBundle === was.formerBundle && was.bundle.from > 0n
      this.depths['bundle gave up its place unused'] += unused ? 1 : 0
    } else if (was.kind === 'stake' && is.kind === 'stake') {
      this.depths['stake slashed while unstaking'] += is.appliedSlash > was.appliedSlash && is.unstaking < was.unstaking ? 1 : 0
      this.measureSlash(was, is)
    } else if (was.kind === 'stake' && is.kind === 'raw' && is.bytes.length > 0) {
      this.depths['account lives on without its kind']++
    }
  }

  private measureSlash(was: Stake, is: Stake): void {
    const task = this.task(is.task)
    if (task != null && is.appliedSlash > was.appliedSlash) {
      const owed = this.line(task.result.root, is.staker).slash - is.appliedSlash
      this.depths['largest slash cut a slash'] += owed > 0n && latest(is.amount) + is.unstaking > 0n ? 1 : 0
      this.depths['slashed again in a later cycle'] += was.slashedIn == null ? 0 : 1
    }
  }

  private compare(key: Key, when: () => string): void {
    const model = accountAt(this.world, key)
    const found = this.vm.account(key)
    const differs = (what: string, wanted: unknown, given: unknown) => {
      throw new Difference(`${label(key)}: ${what} is ${wanted} in the model and ${given} on the VM, ${when()}`)
    }
    if ((found?.lamports ?? 0n) !== model.lamports) {
      differs('balance', model.lamports, found?.lamports ?? 0n)
    }
    if (found == null) {
      return
    }
    if (found.owner !== model.owner) {
      differs('owner', model.owner, found.owner)
    }
    const [wanted, given] = [encode(model.content), canonical(found.owner, PROGRAM, found.data)]
    if (!wanted.equals(given)) {
      const at = wanted.findIndex((byte, i) => byte !== given[i])
      differs(`data from byte ${at}`, wanted.toString('hex', at, at + 32), given.toString('hex', at, at + 32))
    }
  }

  /** At a sequence's end: everything is as the model says, and no lamport was made or lost. */
  finish(stage: string): void {
    for (const key of this.known) {
      this.compare(key, () => 'at the end')
    }
    const sum = (world: World) => [...world.accounts.values()].reduce((all, { lamports }) => all + lamports, 0n)
    if (!this.planted && sum(this.stages.get(stage)!.world) - sum(this.world) !== this.fees) {
      throw new Difference(`lamports were made or lost: fees were ${this.fees}`)
    }
  }

  /** What must hold whatever happens: the promises to stakers, in sums. */
  private checkTask(key: Key): void {
    const { content: task, lamports } = accountAt(this.world, key)
    if (task.kind !== 'task') {
      return
    }
    const stakes = this.stakesOf(key)
    const promise = (holds: boolean, what: string) => {
      if (!holds) {
        throw new Difference(`both agree, and ${label(key)} breaks a promise: ${what}`)
      }
    }
    const sum = (of: (stake: Stake) => bigint) => stakes.reduce((all, { stake }) => all + of(stake), 0n)
    promise(BigInt(stakes.length) === task.stakerCount, 'stakers are counted')
    promise(sum(({ amount }) => latest(amount)) === latest(task.stake), 'all stake is the sum of the stakes')
    promise(
      stakes.every(({ stake, account }) => account.lamports >= stake.rentReserve + latest(stake.amount) + stake.unstaking),
      'every stake account holds what it says'
    )
    promise(task.claimedTotal <= task.result.totalRewards, 'no more is claimed than finalized')
    promise(task.result.totalRewards <= latest(task.funded), 'no more is finalized than funded')
    const owed = task.stakerCount === 0n ? 0n : task.result.totalRewards - task.claimedTotal
    promise(lamports >= task.rentReserve + owed + task.slashedTotal, 'the account holds what stakers may claim, and what was slashed')
    promise(sum(({ appliedSlash }) => appliedSlash) <= task.slashedTotal, 'what was slashed is remembered')
    const cycle = task.tallyCycle
    if (cycle == null || isSettled(task, this.world.slot)) {
      return
    }
    const all = inCycle(task.stake, cycle)
    promise(sum(({ amount }) => inCycle(amount, cycle)) === all, 'weights in a cycle add up')
    if (task.finalized === cycle) {
      const same = (stake: Stake) => stake.lastVoted === cycle && stake.votedRecord === task.result.record
      const behind = sum((stake) => (same(stake) ? inCycle(stake.amount, cycle) : 0n))
      // whoever has voted on a later cycle since cannot be asked any more
      promise(3n * behind > 2n * all || stakes.some(({ stake }) => (stake.lastVoted ?? 0n) > cycle), 'a quorum is behind what is finalized')
    }
  }

  /** What nobody may do to a task or a stake, whatever else changes: terms that change, a bundle without its notice, a slash beyond the largest. */
  private checkTerms(was: Account['content'], is: Account['content']): void {
    const promise = (holds: boolean, what: string) => {
      if (!holds) {
        throw new Difference(`both agree, and they break a promise: ${what}`)
      }
    }
    if (was.kind === 'task' && is.kind === 'task') {
      const { largestSlash, bundleNotice } = termsOf(was)
      promise(termsOf(is).largestSlash === largestSlash && termsOf(is).bundleNotice === bundleNotice, 'terms stay')
      const now = this.round(was)
      for (const cycle of [now - 2n, now - 1n, now].filter((one) => one >= 0n)) {
        promise(bundleIn(is, cycle) === bundleIn(was, cycle), 'a cycle that has begun keeps its bundle')
      }
      for (const cycle of [now + 1n, now + bundleNotice - 1n].filter((one) => one > now && one < now + bundleNotice)) {
        const known = [bundleIn(was, cycle), bundleIn(was, max(now, 0n))]
        promise(known.includes(bundleIn(is, cycle)), 'no bundle is run before its notice has passed')
      }
    } else if (was.kind === 'stake' && is.kind === 'stake' && is.appliedSlash > was.appliedSlash) {
      const { finalized, ...task } = this.task(is.task)!
      const held = latest(was.amount) + was.unstaking
      promise(
        (is.appliedSlash - was.appliedSlash) * 10_000n <= held * termsOf({ finalized, ...task }).largestSlash,
        'a slash has its limit'
      )
      promise(was.slashedIn !== finalized, 'a cycle slashes once')
    }
  }

  // ---- what there is ----

  task(key: Key): Task | undefined {
    const { content } = accountAt(this.world, key)
    return content.kind === 'task' ? content : undefined
  }

  stakesOf(task: Key): Array<{ at: Key; stake: Stake; account: Account }> {
    return STAKERS.flatMap(({ key }) => {
      const at = derive(PROGRAM, task, key).address
      const account = accountAt(this.world, at)
      return account.content.kind === 'stake' ? [{ at, stake: account.content, account }] : []
    })
  }

  warp(slot: bigint): void {
    if (slot > this.world.slot) {
      this.world.slot = slot
      this.vm.warp(slot)
    }
  }

  /** Goes to a slot of a task's round. */
  toRound(key: Key, round: bigint, phase = 0n): void {
    const { startingSlot, roundSlots } = this.task(key)!
    this.warp(startingSlot + round * roundSlots + phase)
  }

  /** the round that a task is in, -1 before the first */
  round(task: Task): bigint {
    return this.world.slot < task.startingSlot ? -1n : (this.world.slot - task.startingSlot) / task.roundSlots
  }

  /** What could be voted for on a cycle: 0 is honest, the others are not, from 6 on any number of them. */
  candidate(key: Key, task: Task, cycle: bigint, choice: number): { root: Key; record: Key; totalRewards: bigint } {
    const opened = task.tallyCycle === cycle
    const base = opened ? task.baseRewards : task.result.totalRewards
    const baseId = `${key} ${cycle}`
    if (!opened) {
      this.bases.set(baseId, task.result.root)
    }
    const left = min(inCycle(task.bounty, cycle), inCycle(task.funded, cycle) - base)
    const stakes = this.stakesOf(key)
    const before = this.ledgers.get(this.bases.get(baseId) ?? SYSTEM)
    const share = stakes.length === 0 ? 0n : left / BigInt(stakes.length)
    const build = (add: (place: number, staked: bigint) => { reward: bigint; slash: bigint }) => {
      const lines = new Map(before?.lines)
      stakes.forEach(({ stake: { staker, amount } }, place) => {
        const { reward = 0n, slash = 0n } = lines.get(staker) ?? {}
        const more = add(place, latest(amount))
        lines.set(staker, { reward: reward + more.reward, slash: slash + more.slash })
      })
      const ledger = new Ledger(key, lines)
      this.ledgers.set(ledger.root, ledger)
      return ledger.root
    }
    const turn = stakes.length === 0 ? 0 : Number(cycle % BigInt(stakes.length))
    const make = (root: Key, totalRewards: bigint) => ({ root, record: sha256(root, u64(totalRewards)), totalRewards })
    switch (choice) {
      case 0:
        return make(
          build((place, staked) => ({ reward: share, slash: place === turn && cycle % 2n === 1n ? staked / 3n : 0n })),
          base + share * BigInt(stakes.length)
        )
      case 1:
        // one gets all, everybody loses more than all
        return make(
          build((place, staked) => ({ reward: place === turn ? left : 0n, slash: 2n * staked })),
          base + left
        )
      case 2:
        return make(
          build(() => ({ reward: share, slash: 0n })),
          base + left + 1n
        )
      case 3:
        // gives out more than it says
        return make(
          build(() => ({ reward: share + left + 1n, slash: 1n })),
          base + left
        )
      case 4:
        return make(
          build(() => ({ reward: 0n, slash: 0n })),
          base > 0n ? base - 1n : base
        )
      case 5:
        return make(SYSTEM, base)
      default:
        return make(sha256(u64(cycle), u8(choice & 255)), base)
    }
  }

  line(root: Key, staker: Key): { reward: bigint; slash: bigint; proof: Key[] } {
    const ledger = this.ledgers.get(root)
    const line = ledger?.lines.get(staker)
    return line == null ? { reward: 1n, slash: 1n, proof: [] } : { ...line, proof: ledger!.proof(staker) }
  }

  oldRoots(): Key[] {
    return [...this.ledgers.keys()]
  }

  // ---- one step ----

  run(step: Step): void {
    ACTIONS[step.action](this, step)
  }

  /** Sends an action's own instruction, bent and by the way that the step says, with what goes before and after it. */
  act(step: Step, instruction: Instruction, before: Instruction[] = [], after: Instruction[] = []): string {
    let bent = step.bend == null ? instruction : this.bend(instruction, step.bend)
    if (step.way === 1 && bent.metas.length >= 1 && bent.metas.length <= 11) {
      bent = { program: RELAY, metas: [R(PROGRAM), ...bent.metas], data: Buffer.concat([Buffer.of(1, 0), bent.data]) }
    }
    // nobody has the key of what is the VM's own
    const signers = bent.metas.filter(({ key, signer }) => signer && !FIXED.includes(key))
    const feePayer = step.way === 0 ? (signers[step.who % Math.max(signers.length, 1)]?.key ?? SPONSOR) : step.way === 2 ? POOR : SPONSOR
    return this.send({ feePayer, instructions: [...before, bent, ...after] }, step.action)
  }

  private bend({ program, metas, data }: Instruction, { kind, x, y }: Bend): Instruction {
    const keys = metas.map((meta) => ({ ...meta }))
    const bytes = Buffer.from(data)
    const [i, j] = [x % Math.max(keys.length, 1), y % Math.max(keys.length, 1)]
    const meta = keys[i]
    const everything = [...WALLETS, ...MANAGERS, ...TASKS, ...STAKERS.map(({ key }) => key), WHALE, POOR, GHOST, ...FIXED]
    const stakes = TASKS.flatMap((task) => this.stakesOf(task).map(({ at }) => at))
    const any = (n: number) => {
      const pool = n % 3 === 0 && stakes.length > 0 ? stakes : n % 3 === 1 ? TASKS : everything
      return pool[n % pool.length]!
    }
    if (meta == null && ['swap', 'replace', 'fake', 'drop', 'duplicate', 'unsign', 'readonly'].includes(kind)) {
      return { program, metas, data }
    }
    const back = (): Instruction => ({ program, metas: keys, data: bytes })
    switch (kind) {
      case 'swap':
        ;[keys[i]!.key, keys[j]!.key] = [keys[j]!.key, keys[i]!.key]
        return back()
      case 'replace':
        meta!.key = any(y)
        return back()
      case 'fake': {
        const fakes = Object.values(FAKES)
        meta!.key = fakes[y % fakes.length]!
        return back()
      }
      case 'drop':
        keys.splice(i, 1)
        return back()
      case 'add':
        keys.splice(i, 0, W(any(y)))
        return back()
      case 'many':
        keys.push(...Array.from({ length: 1 + (y % 10) }, (_, n) => R(any(y + 7 * n))))
        return back()
      case 'duplicate':
        meta!.key = keys[j]!.key
        return back()
      case 'unsign': {
        const signers = keys.filter(({ signer }) => signer)
        const one = signers[x % Math.max(signers.length, 1)] ?? meta!
        one.signer = false
        return back()
      }
      case 'readonly': {
        const writables = keys.filter(({ writable }) => writable)
        const one = writables[x % Math.max(writables.length, 1)] ?? meta!
        one.writable = false
        return back()
      }
      case 'byte':
        if (bytes.length > 0) {
          bytes[x % bytes.length]! ^= 1 << (y % 8)
        }
        return back()
      case 'cut':
        return { program, metas: keys, data: bytes.subarray(0, y % 3 === 0 ? x % (bytes.length + 1) : Math.max(bytes.length - 1, 0)) }
      case 'extend':
        return { program, metas: keys, data: Buffer.concat([bytes, Buffer.alloc(1 + (y % 40), x)]) }
      case 'number': {
        const values = [0n, 1n, MAX, MAX - 1n, 1n << 63n, 1n << 32n, (1n << 32n) + 1n, this.world.slot]
        const at = bytes.length < 9 ? undefined : 1 + 8 * (x % Math.floor((bytes.length - 1) / 8))
        if (at != null) {
          bytes.writeBigUInt64LE(values[y % values.length]!, at)
        }
        return back()
      }
      case 'tag':
        if (bytes.length > 0) {
          bytes[0] = y % 16 === 0 ? 255 : x % 15
        }
        return back()
    }
  }

  /** The price of a byte changes; what was paid before stays paid. */
  setRent(lamportsPerByte: bigint): void {
    this.world.rentPerByte = lamportsPerByte
    const rent = this.vm.svm.getRent()
    if (rent.lamportsPerByteYear !== lamportsPerByte) {
      rent.lamportsPerByteYear = lamportsPerByte
      this.vm.svm.setRent(rent)
    }
  }

  /** An account in a state that no transactions lead to. */
  bendState(key: Key, change: Partial<Account>): void {
    this.planted = true
    this.plant(key, { ...accountAt(this.world, key), ...change })
  }
}

function raw(bytes: number, head: number[] = []): Account['content'] {
  const buffer = Buffer.alloc(bytes)
  buffer.set(head.slice(0, bytes))
  return { kind: 'raw', bytes: buffer }
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

/** the bundle that a cycle runs */
function bundleIn({ bundle, formerBundle }: Task, cycle: bigint): string {
  return bundle.from <= cycle ? bundle.cid : formerBundle.cid
}

function agree(model: string, vm: string): boolean {
  if (model === vm) {
    return true
  }
  const forms: Record<string, RegExp> = {
    'system: sender carries data': /InvalidArgument/,
    'system: sender is not its own': /ExternalAccountLamportSpend/,
    'system: too few lamports': /Custom\(1\)/,
    'system: account in use': /Custom\(0\)/
  }
  return (forms[model] ?? new RegExp(`\\b${model}\\b`)).test(vm) && !/Error$/.test(model)
}

function label(key: Key): string {
  const names: Record<Key, string> = Object.fromEntries([
    ...WALLETS.map((key, i) => [key, `wallet ${i}`]),
    ...MANAGERS.map((key, i) => [key, `manager ${i}`]),
    ...TASKS.map((key, i) => [key, `task ${i}`]),
    ...STAKERS.map(({ key }, i) => [key, `staker ${i}`]),
    ...SPARES.map(({ key }, i) => [key, `spare ${i}`]),
    ...TASKS.flatMap((task, i) => STAKERS.map(({ key }, j) => [derive(PROGRAM, task, key).address, `stake ${j} in task ${i}`])),
    ...Object.entries(FAKES).map(([text, key]) => [key, text]),
    [WHALE, 'whale'],
    [POOR, 'poor'],
    [GHOST, 'ghost'],
    [SPONSOR, 'sponsor'],
    [SYSTEM, 'system program'],
    [INSTRUCTIONS, 'instructions sysvar'],
    [ED25519, 'ed25519 program'],
    [PROGRAM, 'the program'],
    [RELAY, 'the relay']
  ])
  return names[key] ?? key
}

function show({ feePayer, instructions }: Transaction): string {
  const lines = instructions.map(
    ({ program, metas, data }) =>
      `  ${label(program)}: ${data.toString('hex')}\n${metas.map(({ key, signer, writable }) => `    ${writable ? 'W' : '-'}${signer ? 'S' : '-'} ${label(key)}`).join('\n')}`
  )
  return `  fee payer ${label(feePayer)}\n${lines.join('\n')}`
}

// ---- actions ----

type Action = (arena: Arena, step: Step) => void

const pick = <T>(list: readonly T[], n: number): T | undefined => list[n % Math.max(list.length, 1)]

/** An amount that the step tells by its place: `usual` is what would do, `edge` the most that does. */
function amountOf({ amount, size }: Step, usual: bigint, edge: bigint): bigint {
  const values: Record<Step['amount'], bigint> = {
    some: usual,
    most: usual + BigInt(size),
    exact: edge,
    'one less': edge - 1n,
    'one more': edge + 1n,
    zero: 0n,
    one: 1n,
    half: edge / 2n,
    max: MAX,
    'near max': MAX - BigInt(size)
  }
  return BigInt.asUintN(64, values[amount])
}

/** One in so many. */
const rarely = (n: number, one: number): boolean => n % one === one - 1

function taskOf(arena: Arena, { task }: Step): Key {
  const made = TASKS.filter((key) => arena.task(key) != null)
  // the first task is the one that most happens in
  return made[[0, 0, 0, 1, 2][task % 5]! % Math.max(made.length, 1)] ?? TASKS[task % TASKS.length]!
}

/** A task and one of its stakes; where there is none, what a newcomer's would be. */
function stakeOf(arena: Arena, step: Step): { key: Key; at: Key; stake: Stake; task: Task | undefined } {
  const key = taskOf(arena, step)
  const found = pick(arena.stakesOf(key), step.who)
  const task = arena.task(key)
  if (found != null) {
    return { key, at: found.at, stake: found.stake, task }
  }
  const staker = STAKERS[step.who % STAKERS.length]!.key
  const nobody = { staker, stakingKey: staker, withdrawAuthority: WALLETS[0]!, amount: [{ value: 0n, from: 0n }] } as unknown as Stake
  return { key, at: derive(PROGRAM, key, staker).address, stake: nobody, task }
}

/** Mostly, whoever votes before there is a vote waits for it. */
function untilVotes(arena: Arena, { how }: Step, key: Key): void {
  const task = arena.task(key)
  if (task != null && arena.round(task) < 2n && how % 4 > 0) {
    arena.toRound(key, 2n)
  }
}

/** Stakes that have something to withdraw. */
function leaving(arena: Arena): Array<{ key: Key; at: Key; stake: Stake; task: Task }> {
  return TASKS.flatMap((key) => {
    const task = arena.task(key)
    return task == null ? [] : arena.stakesOf(key).map(({ at, stake }) => ({ key, at, stake, task }))
  }).filter(({ stake, task }) => stake.unstaking > 0n || (isSettled(task, arena.world.slot) && latest(stake.amount) === 0n))
}

/** Stakes that the last finalized ledger takes more from than was taken. */
function debtors(arena: Arena): Array<{ key: Key; at: Key; stake: Stake; task: Task }> {
  return TASKS.flatMap((key) => {
    const task = arena.task(key)
    return task == null ? [] : arena.stakesOf(key).map(({ at, stake }) => ({ key, at, stake, task }))
  }).filter(({ stake, task }) => task.finalized != null && arena.line(task.result.root, stake.staker).slash > stake.appliedSlash)
}

function voteContent(arena: Arena, key: Key, task: Task | undefined, step: Step): string {
  const now = task == null ? 0n : arena.round(task) - 2n
  const off = [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n, 1n, -1n, -2n, MAX]
  const cycle = BigInt.asUintN(64, now + off[step.size % off.length]!)
  const choice = [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6 + (step.who % 12)][step.how % 12]!
  const near = task == null || cycle > 1n << 60n ? undefined : arena.candidate(key, task, cycle, choice)
  const { root, record, totalRewards } = near ?? { root: name('root'), record: name('record'), totalRewards: 0n }
  return u64(cycle) + root + record + u64(totalRewards)
}

function voteBy(at: Key, stakingKey: Key, task: Key, content: string): Instruction {
  return call([S(stakingKey), W(task), W(at)], '09', content)
}

/** The precompile's instruction and the batch; `bent` below 20 is a way of being wrong. */
function batchOf(
  task: Key,
  voters: Array<{ at: Key; stakingKey: Key }>,
  content: string,
  bent: number,
  index: number
): [Instruction, Instruction] {
  const message = DOMAIN + task + content
  const signedData = bent === 12 ? message.replace(/^../, '00') : bent === 13 ? DOMAIN + TASKS[3] + content : message
  const start = 2 + 14 * voters.length
  const length = message.length / 2
  const proofs = voters.map(({ stakingKey }, i) => {
    const at = start + 96 * i
    const last = i === voters.length - 1
    // through the relay, the data begins two bytes later
    const offsets = [at, 0xffff, at + 64, 0xffff, bent === 17 ? 3 : 1, length, index]
    // what was really signed lies a byte before, is shorter, or lies in the next instruction
    offsets[4]! -= bent === 18 ? 1 : 0
    offsets[6]! += bent === 19 ? 1 : 0
    const pair = KEY_PAIRS.get(stakingKey) ?? SPARES[0]!
    const signature = signed(pair, bent === 18 ? `0a${signedData.slice(0, -2)}` : bent === 5 && last ? signedData.slice(0, -2) : signedData)
    if (last && bent < 7) {
      // numbers that lead elsewhere
      offsets[bent] = [at - 96, index - 1, at - 32, index - 1, 2, length - 1, 0xffff][bent]! & 0xffff
    }
    const wrong = last && bent === 7
    return {
      offsets: u16(...offsets),
      pair: (wrong ? `00${signature.slice(2)}` : signature) + (last && bent === 8 ? SPARES[1]!.key : pair.key)
    }
  })
  const count = bent === 9 ? voters.length - 1 : voters.length
  const trailing = bent === 10 ? '00' : ''
  const data =
    u8(count) +
    (bent === 11 ? '01' : '00') +
    proofs.map(({ offsets }) => offsets).join('') +
    proofs.map(({ pair }) => pair).join('') +
    trailing
  return [
    { program: ED25519, metas: [], data: Buffer.from(data, 'hex') },
    call([W(task), R(bent === 14 ? FAKES.sysvar : INSTRUCTIONS), ...voters.map(({ at }) => W(at))], '0a', signedData)
  ]
}

function leafOf(arena: Arena, step: Step, key: Key, task: Task | undefined, stake: Stake): string {
  const root = rarely(step.how, 8) ? (pick(arena.oldRoots(), step.size) ?? SYSTEM) : (task?.result.root ?? SYSTEM)
  const whose = rarely(step.how >> 3, 12) ? STAKERS[step.size % STAKERS.length]!.key : stake.staker
  const line = arena.line(root, whose)
  const proof = [...line.proof]
  switch (step.how % 24) {
    case 1:
      line.reward += 1n
      break
    case 2:
      proof.pop()
      break
    case 3:
      proof.push(key)
      break
    case 4:
      proof.unshift(root)
      break
    case 5:
      proof.push(...Array.from({ length: 25 - Math.min(proof.length, 24) }, () => root))
      break
    case 6:
      line.slash += 1n
      break
    case 9:
      proof.reverse()
      break
  }
  return u64(line.reward) + u64(line.slash) + u8(proof.length) + proof.join('')
}

const authorityOr = (step: Step, authority: Key): Key => (rarely(step.size, 15) ? WALLETS[step.how % WALLETS.length]! : authority)

/** the whole range of bundles: two that are real, and lengths at the edges */
function bundle(n: number): string {
  const cid = [CID, CID.replace(/^62/, '63'), '', '66'.repeat(64), '66'.repeat(65), '66'][n % 6]!
  return u8(cid.length / 2) + cid
}

function hint(n: number): string {
  const text = ['', hex(Buffer.from('/dns4/a.example/tcp/1')), '2f'.repeat(127), '2f'.repeat(128), hex(Buffer.from('/ip4/10.0.0.1'))][
    n % 5
  ]!
  return u8(text.length / 2) + text
}

const ACTIONS = {
  createTask(arena, step) {
    const key = TASKS.find((task) => arena.task(task) == null && !rarely(step.who, 9)) ?? TASKS[step.task % TASKS.length]!
    const manager = MANAGERS[step.who % 2]!
    const rounds: Array<[bigint, bigint, bigint]> = [
      [4n, 1n, 1n],
      [8n, 3n, 5n],
      [2n, 1n, 1n],
      [8n, 4n, 5n],
      [1n << 32n, 1n, (1n << 32n) - 1n],
      [(1n << 32n) + 1n, 1n, 1n],
      [8n, 0n, 1n],
      [8n, 1n, 0n],
      [8n, MAX, 2n],
      [8n, 9n, MAX - 1n]
    ]
    const [round, submission, audit] = rounds[rarely(step.how, 4) ? step.size % rounds.length : step.size % 3]!
    const { slot } = arena.world
    const starts = [slot + 3n, slot, 0n, slot + 3n, slot + (1n << 32n), slot + (1n << 32n) + 1n, MAX]
    const start = starts[rarely(step.how >> 2, 4) ? step.size % starts.length : step.size % 4]!
    const minStake = rarely(step.how >> 4, 12) ? 0n : 1000n
    const largestSlash = [1000n, 10_000n, 3333n, 0n, 10_001n, MAX][rarely(step.how >> 3, 4) ? step.size % 6 : step.size % 3]!
    const notice = [1n, 2n, 8n, 65_536n, 0n, 65_537n][rarely(step.how >> 5, 4) ? step.who % 6 : step.who % 3]!
    const instruction = call(
      [WS(key), S(manager)],
      '00',
      name('a task'),
      ...[round, submission, audit, start, amountOf(step, 1_000_000n, MAX), minStake, largestSlash, notice].map(u64),
      bundle(rarely(step.how >> 6, 6) ? step.size : step.size % 2)
    )
    const rent = rentExemption(arena.world, TASK_BYTES)
    // an address that somebody has sent a lamport to is made in another way: no business of this program's
    const fresh = accountAt(arena.world, key).lamports === 0n
    const bytes = rarely(step.size, 30) ? TASK_BYTES + (step.how % 2 === 0 ? 1 : -1) : TASK_BYTES
    const owner = rarely(step.size, 31) ? STRANGE_PROGRAM : PROGRAM
    const made = fresh ? [systemCreate(SPONSOR, key, rarely(step.size, 20) ? rent - 1n : rent, bytes, owner)] : []
    arena.act(step, instruction, made)
  },

  fundTask(arena, step) {
    const key = taskOf(arena, step)
    const payer = rarely(step.how, 10) ? (pick([POOR, WHALE, TASKS[0]!, GHOST], step.size) ?? POOR) : WALLETS[step.who % WALLETS.length]!
    const held = accountAt(arena.world, payer).lamports
    arena.act(step, call([W(key), WS(payer), R(SYSTEM)], '01', u64(amountOf(step, 2_000_000n, payer === POOR ? held : held / 2n))))
  },

  updateTask(arena, step) {
    const key = taskOf(arena, step)
    const manager = authorityOr(step, arena.task(key)?.manager ?? MANAGERS[0]!)
    const bounty = amountOf(step, 1_000_000n, 3_000_000n)
    const minStake = step.amount === 'zero' ? 0n : BigInt(500 + (step.size % 4) * 500)
    arena.act(step, call([W(key), S(manager)], '02', u64(bounty), u64(minStake), bundle(rarely(step.how, 9) ? 4 : step.how % 4)))
  },

  closeTask(arena, step) {
    const key = taskOf(arena, step)
    arena.act(step, call([W(key), WS(authorityOr(step, arena.task(key)?.manager ?? MANAGERS[0]!))], '03'))
  },

  stake(arena, step) {
    const key = taskOf(arena, step)
    const staker = STAKERS[step.who % STAKERS.length]!.key
    const { address } = derive(PROGRAM, key, staker)
    const held = accountAt(arena.world, address).content
    const stake = held.kind === 'stake' ? held : undefined
    const stakingKey = rarely(step.size, 14) ? staker : (stake?.stakingKey ?? staker)
    const usual = pick([WALLETS[step.who % WALLETS.length]!, stakingKey, WHALE, WALLETS[0]!], step.how)!
    const payer = rarely(step.size, 12) ? pick([POOR, GHOST, TASKS[0]!, TASKS[3]!], step.how)! : usual
    const theirs = pick([WALLETS[step.who % WALLETS.length]!, WALLETS[1]!, GHOST, staker, TASKS[1]!], step.size)!
    const authority = stake == null ? (rarely(step.how, 20) ? SYSTEM : theirs) : authorityOr(step, stake.withdrawAuthority)
    const min = arena.task(key)?.minStake ?? 1000n
    const signs = !rarely(step.how >> 3, 6)
    const lamports = accountAt(arena.world, payer).lamports
    const edge = payer === POOR || payer === WHALE ? lamports - rentExemption(arena.world, STAKE_BYTES) : min
    const metas = [W(key), W(address), signs ? S(stakingKey) : R(stakingKey), WS(payer), R(SYSTEM)]
    arena.act(
      step,
      call(metas, '04', u64(amountOf(step, min + 2000n, edge)), authority, hint(rarely(step.how, 10) ? step.size : step.how % 3))
    )
  },

  unstake(arena, step) {
    const { key, at, stake } = stakeOf(arena, step)
    const staked = latest(stake.amount)
    arena.act(step, call([W(key), W(at), S(authorityOr(step, stake.withdrawAuthority))], '05', u64(amountOf(step, staked / 3n, staked))))
  },

  withdraw(arena, step) {
    // mostly of those who have something coming
    const due = rarely(step.size, 6) ? [] : leaving(arena)
    const { key, at, stake, task } = due.length > 0 ? due[step.who % due.length]! : stakeOf(arena, step)
    if (step.how % 2 === 0 && stake.unlockSlot > arena.world.slot && stake.unlockSlot < arena.world.slot + 1000n) {
      arena.warp(stake.unlockSlot - (rarely(step.who, 4) ? 1n : 0n))
    }
    const over = task != null && isSettled(task, arena.world.slot)
    const flag = rarely(step.size, 20) ? 2 : over === !rarely(step.size, 7) ? 1 : 0
    const authority = authorityOr(step, stake.withdrawAuthority)
    const instruction = call([W(key), W(at), WS(authority)], '06', u8(flag))
    // somebody sends lamports to the account that is being given up, so that it lives on
    const revived = rarely(step.how >> 2, 3) ? [systemTransfer(WALLETS[0]!, at, [5_000_000n, 1000n][step.how % 2]!)] : []
    arena.act(step, instruction, [], revived)
  },

  replaceStakingKey(arena, step) {
    const { key, at, stake } = stakeOf(arena, step)
    const next = [...SPARES, ...STAKERS.slice(0, 2)][step.how % 8]!.key
    arena.act(step, call([W(key), W(at), S(authorityOr(step, stake.withdrawAuthority)), S(next)], '07'))
  },

  setAddressHint(arena, step) {
    const { key, at, stake } = stakeOf(arena, step)
    arena.act(
      step,
      call([W(key), W(at), S(authorityOr(step, stake.stakingKey))], '08', hint(rarely(step.how, 4) ? step.size : step.how % 3))
    )
  },

  vote(arena, step) {
    const { key, at, stake, task } = stakeOf(arena, step)
    untilVotes(arena, step, key)
    const stakingKey = rarely(step.size, 15) ? stake.staker : authorityOr(step, stake.stakingKey)
    arena.act(step, voteBy(at, stakingKey, key, voteContent(arena, key, task, step)))
  },

  /** everyone votes, most of them for the same */
  everyoneVotes(arena, step) {
    const key = taskOf(arena, step)
    const task = arena.task(key)
    if (task == null || (isSettled(task, arena.world.slot) && step.how % 8 > 0)) {
      return
    }
    const cycle = arena.round(task) - 2n
    if (cycle < 0n) {
      arena.toRound(key, 2n)
      return
    }
    const choice = [0, 0, 0, 0, 0, 1, 3, 5][step.size % 8]!
    arena.stakesOf(key).forEach(({ at, stake }, i) => {
      const ownMind = rarely(step.how, 5) || (rarely(step.how, 3) && i % 3 === step.who % 3)
      const { root, record, totalRewards } = arena.candidate(key, arena.task(key)!, cycle, ownMind ? 6 + i : choice)
      const content = u64(cycle) + root + record + u64(totalRewards)
      arena.send({ feePayer: SPONSOR, instructions: [voteBy(at, stake.stakingKey, key, content)] }, 'vote')
    })
  },

  voteBatch(arena, step) {
    const key = taskOf(arena, step)
    const task = arena.task(key)
    untilVotes(arena, step, key)
    const stakes = arena.stakesOf(key)
    const count = rarely(step.who, 7) ? 8 : 1 + (step.who % 5)
    const voters = Array.from({ length: Math.min(count, stakes.length) }, (_, i) => {
      const { at, stake } = stakes[(step.size + i) % stakes.length]!
      return { at, stakingKey: rarely(step.size, 25) ? stake.staker : stake.stakingKey }
    })
    const before = rarely(step.how, 3) ? [systemTransfer(SPONSOR, WALLETS[0]!, 1n)] : []
    const bent = step.size % 3 === 0 ? step.how % 20 : 20
    const [proofs, batch] = batchOf(key, voters, voteContent(arena, key, task, { ...step, how: step.how >> 1 }), bent, before.length + 1)
    const [first, second] =
      bent === 15
        ? [[...before], [proofs]]
        : bent === 19
          ? [[...before, proofs], [batch]]
          : bent === 16
            ? [[proofs, ...before, systemTransfer(SPONSOR, WALLETS[1]!, 1n)], []]
            : [[...before, proofs], []]
    arena.act(bent === 17 ? { ...step, way: 1, bend: undefined } : step, batch, first, second)
  },

  claim(arena, step) {
    const { key, at, stake, task } = stakeOf(arena, step)
    arena.act(step, call([W(key), W(at), W(authorityOr(step, stake.withdrawAuthority))], '0b', leafOf(arena, step, key, task, stake)))
  },

  applySlash(arena, step) {
    // mostly one that owes something
    const owing = rarely(step.size, 4) ? [] : debtors(arena)
    const { key, at, stake, task } = owing.length > 0 ? owing[step.who % owing.length]! : stakeOf(arena, step)
    arena.act(step, call([W(key), W(at)], '0c', leafOf(arena, step, key, task, stake)))
  },

  everyoneClaims(arena, step) {
    const key = taskOf(arena, step)
    const task = arena.task(key)
    for (const { at, stake } of task == null ? [] : arena.stakesOf(key)) {
      const leaf = leafOf(arena, { ...step, how: 0 }, key, task, stake)
      arena.send({ feePayer: SPONSOR, instructions: [call([W(key), W(at), W(stake.withdrawAuthority)], '0b', leaf)] }, 'claim')
      arena.send({ feePayer: SPONSOR, instructions: [call([W(key), W(at)], '0c', leaf)] }, 'applySlash')
    }
  },

  /** time passes */
  wait(arena, step) {
    const key = taskOf(arena, step)
    const task = arena.task(key)
    const { slot } = arena.world
    if (task == null || step.how % 12 === 0) {
      arena.warp(slot + 1n)
      return
    }
    const next = arena.round(task) + 1n
    const rounds: Array<[bigint, bigint]> = [
      [0n, 0n],
      [0n, 0n],
      [0n, 0n],
      [1n, -1n],
      [1n, 0n],
      [2n, 0n],
      [3n, 0n],
      [5n, 0n],
      [0n, 0n],
      [0n, 1n],
      [0n, -1n]
    ]
    const [more, phase] = rounds[step.how % rounds.length]!
    if (rarely(step.size, 300)) {
      arena.warp(slot + (1n << 36n))
      return
    }
    arena.toRound(key, next + more, phase)
  },

  /** lamports that nobody asked for */
  gift(arena, step) {
    const { key, at } = stakeOf(arena, step)
    const fresh = derive(PROGRAM, key, STAKERS[step.size % STAKERS.length]!.key).address
    const to = pick([key, at, fresh, fresh, GHOST, WALLETS[0]!, FAKES.blank], step.how)!
    const lamports = amountOf(step, 1_000_000n, rentExemption(arena.world, 0))
    arena.send({ feePayer: SPONSOR, instructions: [systemTransfer(WALLETS[step.who % WALLETS.length]!, to, lamports)] }, 'gift')
  },

  /** bytes that are none of the instructions' */
  noise(arena, step) {
    const { key, at } = stakeOf(arena, step)
    const data = Buffer.alloc(step.size % 130, step.how & 255)
    const metas = [W(key), W(at), S(STAKERS[0]!.key), WS(WALLETS[0]!), R(SYSTEM)].slice(0, 1 + (step.who % 5))
    arena.act(step, { program: PROGRAM, metas, data })
  },

  /** K2 decides on another price of a byte */
  rentChanges(arena, step) {
    arena.setRent([6960n, 3480n, 13_920n, 6961n][step.how % 4]!)
  },

  /** balances that no transactions lead to: what then would overflow or run short must be refused all the same */
  plantBalance(arena, step) {
    const { key, stake, task } = stakeOf(arena, step)
    if (task == null) {
      return
    }
    if (step.how % 2 === 0) {
      arena.bendState(key, { lamports: task.rentReserve + BigInt(step.size % 3) })
    } else if (stake.withdrawAuthority.length === 64 && stake.withdrawAuthority !== SYSTEM) {
      const { owner, content } = accountAt(arena.world, stake.withdrawAuthority)
      arena.bendState(stake.withdrawAuthority, { lamports: MAX - BigInt(step.size % 3), owner, content })
    }
  }
} satisfies Record<string, Action>

export type ActionName = keyof typeof ACTIONS

/** How often each comes up. */
export const WEIGHTS: Record<ActionName, number> = {
  createTask: 4,
  fundTask: 5,
  updateTask: 4,
  closeTask: 2,
  stake: 8,
  unstake: 5,
  withdraw: 6,
  replaceStakingKey: 4,
  setAddressHint: 2,
  vote: 12,
  everyoneVotes: 6,
  voteBatch: 8,
  claim: 6,
  applySlash: 5,
  everyoneClaims: 2,
  wait: 14,
  gift: 2,
  noise: 1,
  rentChanges: 1,
  plantBalance: 1
}

// ---- stages ----

/** Tasks with stakers at different points of their lives, each built on the one before. */
const STAGES = {
  staked(arena: Arena) {
    const rent = rentExemption(arena.world, TASK_BYTES)
    const make = (key: Key, manager: Key, round: bigint, start: bigint, ...terms: bigint[]) => {
      const times = [round, 1n, 1n, arena.world.slot + start, 1_000_000n, 1000n, ...terms].map(u64)
      must(arena, systemCreate(SPONSOR, key, rent, TASK_BYTES), call([WS(key), S(manager)], '00', name('a task'), ...times, bundle(0)))
      must(arena, call([W(key), WS(WALLETS[0]!), R(SYSTEM)], '01', u64(20_000_000n)))
    }
    make(TASKS[0]!, MANAGERS[0]!, 4n, 3n, 2500n, 3n)
    make(TASKS[1]!, MANAGERS[1]!, 6n, 0n, 10_000n, 1n)
    join(arena, TASKS[0]!, 0, 4)
    // two of three alike: a quorum but for one lamport
    join(arena, TASKS[1]!, 3, 3, 0n)
  },

  decided(arena: Arena) {
    for (const cycle of [0n, 1n]) {
      decide(arena, TASKS[0]!, cycle)
    }
    arena.toRound(TASKS[0]!, 4n)
  },

  crowd(arena: Arena) {
    // two in each round: rings forget what is no longer needed
    for (const round of [4n, 5n, 6n, 7n]) {
      arena.toRound(TASKS[0]!, round)
      join(arena, TASKS[0]!, 4 + 2 * Number(round - 4n), 2)
    }
  },

  closing(arena: Arena) {
    arena.load('decided')
    must(arena, call([W(TASKS[0]!), WS(MANAGERS[0]!)], '03'))
    decide(arena, TASKS[0]!, 4n)
  },

  settled(arena: Arena) {
    for (const { at, stake } of arena.stakesOf(TASKS[0]!).slice(0, 3)) {
      must(arena, call([W(TASKS[0]!), W(at), S(stake.withdrawAuthority)], '05', u64(latest(stake.amount))))
    }
    arena.toRound(TASKS[0]!, 12n)
  }
}

function must(arena: Arena, ...instructions: Instruction[]): void {
  const verdict = arena.send({ feePayer: SPONSOR, instructions })
  if (verdict !== 'ok') {
    throw new Error(`a stage could not be built: ${verdict}`)
  }
}

function join(arena: Arena, task: Key, first: number, count: number, more = 500n): void {
  STAKERS.slice(first, first + count).forEach(({ key }, i) => {
    const wallet = WALLETS[(first + i) % WALLETS.length]!
    const at = derive(PROGRAM, task, key).address
    must(arena, call([W(task), W(at), S(key), WS(wallet), R(SYSTEM)], '04', u64(2000n + more * BigInt(i)), wallet, hint(1)))
  })
}

function decide(arena: Arena, key: Key, cycle: bigint): void {
  arena.toRound(key, cycle + 2n)
  for (const { at, stake } of arena.stakesOf(key)) {
    const { root, record, totalRewards } = arena.candidate(key, arena.task(key)!, cycle, 0)
    must(arena, voteBy(at, stake.stakingKey, key, u64(cycle) + root + record + u64(totalRewards)))
  }
}
