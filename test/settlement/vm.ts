/**
 * The settlement program on the real Solana VM, in process, for tests: signed web3.js transactions in, named refusals,
 * compute units and accounts out. Every transaction that passes through is checked for lamports made or lost.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { address, getTransactionDecoder, lamports } from '@solana/kit'
import { Ed25519Program, Keypair, PublicKey, Transaction, type TransactionInstruction } from '@solana/web3.js'
import { FailedTransactionMetadata, LiteSVM } from 'litesvm'
import {
  createTask,
  createTaskAccount,
  decodeStake,
  decodeTask,
  fundTask,
  PROGRAM_ID,
  type SettlementError,
  SLASH_UNITS,
  type StakeAccount,
  settlementError,
  stake,
  stakeAddress,
  TASK_BYTES,
  type TaskAccount
} from '../../src/k2/settlement/index.ts'

/** another one for test/settlement/mutations */
export const PROGRAM_FILE =
  process.env.KOII_MESH_PROGRAM_FILE ?? join(import.meta.dirname, '..', '..', 'protocols', 'settlement', 'settlement.so')
/** what LiteSVM takes for each signature */
export const FEE_PER_SIGNATURE = 5000n

/** An account as the VM has it. */
export interface VmAccount {
  lamports: bigint
  owner: string
  data: Uint8Array
}

/** What became of a transaction. */
export interface Sent {
  /** the program's refusal, any other failure's text, or undefined when it went through */
  error: SettlementError | string | undefined
  /** its name: the refusal's, 'failed' for any other failure, 'ok' when it went through */
  verdict: string
  computeUnits: number
  logs: string[]
  /** size of the transaction as it would be sent */
  bytes: number
}

/** A VM with the program in it, and the few verbs that tests need. */
export class Vm {
  svm: LiteSVM
  readonly programId: string

  /** @param programId - where to put the program; the same code runs at any address */
  constructor(programId = PROGRAM_ID) {
    this.programId = programId
    // no history: a test may send the same transaction twice
    this.svm = new LiteSVM().withBlockhashCheck(false).withTransactionHistory(0n)
    this.svm.addProgram(address(programId), readFileSync(PROGRAM_FILE))
  }

  /** Everything in the VM, for `restore`. */
  save(): Uint8Array {
    return this.svm.toBytes()
  }

  restore(saved: Uint8Array): void {
    this.svm = LiteSVM.fromBytes(saved).withBlockhashCheck(false).withTransactionHistory(0n)
  }

  /** A new key with money on it, 10 KOII if not told. */
  wallet(roe = 10_000_000_000n): Keypair {
    const keypair = Keypair.generate()
    if (roe > 0n) {
      this.give(b58(keypair), roe)
    }
    return keypair
  }

  give(to: string, roe: bigint): void {
    const result = this.svm.airdrop(address(to), lamports(roe))
    if (result == null || result instanceof FailedTransactionMetadata) {
      throw new Error(`airdrop to ${to} failed: ${result}`)
    }
  }

  get slot(): number {
    return Number(this.svm.getClock().slot)
  }

  warp(slot: number): void {
    this.svm.warpToSlot(BigInt(slot))
  }

  rentExemption(bytes: number): number {
    return Number(this.svm.minimumBalanceForRentExemption(BigInt(bytes)))
  }

  account(of: string): VmAccount | undefined {
    const account = this.svm.getAccount(address(of))
    return account.exists
      ? { lamports: BigInt(account.lamports), owner: account.programAddress, data: Uint8Array.from(account.data) }
      : undefined
  }

  /** Puts an account where no transaction could. */
  plant(at: string, { lamports: roe, owner, data }: VmAccount): void {
    this.svm.setAccount({
      address: address(at),
      lamports: lamports(roe),
      programAddress: address(owner),
      data,
      executable: false,
      space: BigInt(data.length)
    })
  }

  balance(of: string): bigint {
    return this.account(of)?.lamports ?? 0n
  }

  task(at: string): TaskAccount {
    return decodeTask(at, this.account(at)?.data ?? new Uint8Array(0))
  }

  stake(at: string): StakeAccount {
    return decodeStake(at, this.account(at)?.data ?? new Uint8Array(0))
  }

  /** Signs and sends; the first signer pays the fee. */
  send(instructions: TransactionInstruction | TransactionInstruction[], ...signers: Keypair[]): Sent {
    const transaction = new Transaction({
      feePayer: signers[0]!.publicKey,
      blockhash: this.svm.latestBlockhash(),
      lastValidBlockHeight: 1
    }).add(...[instructions].flat())
    transaction.sign(...signers)
    // the VM checks signatures itself, and faster
    const bytes = transaction.serialize({ requireAllSignatures: false, verifySignatures: false })
    const keys = transaction.compileMessage().accountKeys.map((key) => key.toBase58())
    const before = this.sum(keys)
    const result = this.svm.sendTransaction(getTransactionDecoder().decode(bytes))
    const failed = result instanceof FailedTransactionMetadata
    const meta = failed ? result.meta() : result
    const lost = before - this.sum(keys)
    // those that a precompile checks are paid for like the transaction's own
    const precompiled = transaction.instructions
      .filter(({ programId, data }) => programId.equals(Ed25519Program.programId) && data.length > 0)
      .reduce((sum, { data }) => sum + data[0]!, 0)
    const signatures = transaction.signatures.length + precompiled
    // a transaction that the runtime throws out before it runs pays nothing
    if (lost !== FEE_PER_SIGNATURE * BigInt(signatures) && !(failed && lost === 0n)) {
      throw new Error(`${lost} lamports went out of the transaction's accounts, the fee is for ${signatures} signatures`)
    }
    const error = failed ? (settlementError({ logs: meta.logs(), err: errOf(result) }, this.programId) ?? result.toString()) : undefined
    const verdict = error == null ? 'ok' : typeof error === 'string' ? 'failed' : error.name
    return { error, verdict, computeUnits: Number(meta.computeUnitsConsumed()), logs: meta.logs(), bytes: bytes.length }
  }

  private sum(keys: string[]): bigint {
    return keys.reduce((sum, key) => sum + this.balance(key), 0n)
  }
}

/** The form in which web3.js gives a transaction's error. */
function errOf(failed: FailedTransactionMetadata): unknown {
  const error = failed.err() as { index?: number; err?: () => unknown }
  if (typeof error !== 'object' || typeof error.err !== 'function') {
    return String(failed)
  }
  const inner = error.err() as { code?: number } | number
  return {
    InstructionError: [error.index, typeof inner === 'object' && typeof inner.code === 'number' ? { Custom: inner.code } : String(inner)]
  }
}

export function b58(key: Keypair | PublicKey): string {
  return key instanceof PublicKey ? key.toBase58() : key.publicKey.toBase58()
}

/** A task's parameters, small enough to walk through by hand. */
export const ROUND_SLOTS = 30
export const BOUNTY = 1_000_000n
export const MIN_STAKE = 1000n

/** One staker's keys and addresses. */
export interface Member {
  key: Keypair
  staker: string
  wallet: Keypair
  stake: string
}

/** A funded task and its stakers, staked before it starts. */
export class Scene {
  readonly vm: Vm
  readonly manager: Keypair
  readonly taskKey = Keypair.generate()
  readonly task: string
  readonly startingSlot: number
  readonly members: Member[]

  /** Without terms: all of a stake may be slashed at once, and a bundle counts from the next cycle on. */
  constructor({
    stakes = [] as bigint[],
    funded = 100n * BOUNTY,
    vm = new Vm(),
    startIn = 10,
    roundSlots = ROUND_SLOTS,
    largestSlash = SLASH_UNITS,
    bundleNotice = 1
  } = {}) {
    this.vm = vm
    this.manager = vm.wallet()
    this.task = b58(this.taskKey)
    this.startingSlot = vm.slot + startIn
    this.must(
      [
        createTaskAccount({ payer: b58(this.manager), task: this.task, lamports: vm.rentExemption(TASK_BYTES), programId: vm.programId }),
        createTask({
          task: this.task,
          manager: b58(this.manager),
          name: 'a task',
          roundSlots,
          submissionWindow: Math.floor(roundSlots / 3),
          auditWindow: Math.floor(roundSlots / 3),
          startingSlot: this.startingSlot,
          bountyPerRound: BOUNTY,
          minStake: MIN_STAKE,
          largestSlash,
          bundleNotice,
          bundle: 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy',
          programId: vm.programId
        })
      ],
      this.manager,
      this.taskKey
    )
    if (funded > 0n) {
      this.must(fundTask({ task: this.task, payer: b58(this.manager), amount: funded, programId: vm.programId }), this.manager)
    }
    this.members = stakes.map((amount) => this.join(amount))
  }

  /** A new staker with `amount` at stake. */
  join(amount: bigint): Member {
    const key = this.vm.wallet()
    const wallet = this.vm.wallet()
    const staker = b58(key)
    this.must(
      stake({
        task: this.task,
        stakingKey: staker,
        payer: b58(wallet),
        amount,
        withdrawAuthority: b58(wallet),
        addressHint: '/ip4/127.0.0.1/tcp/4001',
        programId: this.vm.programId
      }),
      wallet,
      key
    )
    return { key, staker, wallet, stake: stakeAddress({ task: this.task, staker, programId: this.vm.programId }) }
  }

  /** Goes to a slot of a cycle's own round; `phase` slots into it. */
  toCycle(cycle: number, phase = 0): void {
    const { startingSlot, roundSlots } = this.state
    this.vm.warp(startingSlot + cycle * roundSlots + phase)
  }

  /** Goes to the round in which the cycle is voted on. */
  toVote(cycle: number, phase = 0): void {
    this.toCycle(cycle + 2, phase)
  }

  get state(): TaskAccount {
    return this.vm.task(this.task)
  }

  /** Sends what has to succeed. */
  must(instructions: TransactionInstruction | TransactionInstruction[], ...signers: Keypair[]): Sent {
    const sent = this.vm.send(instructions, ...signers)
    if (sent.error != null) {
      throw typeof sent.error === 'string' ? new Error(`${sent.error}\n${sent.logs.join('\n')}`) : sent.error
    }
    return sent
  }
}
