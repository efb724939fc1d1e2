import type { FailedTransactionMetadata, TransactionMetadata } from 'litesvm'
// The package's front page takes addresses as text and transactions as kit's objects, and spends three times as long turning
// them into bytes and back (70 µs a balance, 28 of a transfer's 40 µs) as the VM does running them: so its native class is called itself.
import { Account, EpochSchedule, LiteSvm } from 'litesvm/dist/internal.js'
import { setBaseAccounts, setSysvar } from './base-accounts.ts'
import { decodeBase58, encodeBase58 } from './base58.ts'
import { type TransactionError, toTransactionError } from './transaction-error.ts'

/** Slots of an epoch, as on Koii's and Solana's main networks. */
export const SLOTS_PER_EPOCH = 432_000
/** The rent epoch of an account that is exempt from rent, as all are today. */
export const RENT_EXEMPT_EPOCH = 2n ** 64n - 1n
/** How many slot hashes the sysvar holds, by Solana's rules. */
export const MAX_SLOT_HASHES = 512
/** How many blockhashes their sysvar holds, by Solana's rules. */
const MAX_RECENT_BLOCKHASHES = 150

export const SYSTEM_PROGRAM = '11111111111111111111111111111111'
export const UPGRADEABLE_LOADER = 'BPFLoaderUpgradeab1e11111111111111111111111'
export const CLOCK_SYSVAR = 'SysvarC1ock11111111111111111111111111111111'
export const SLOT_HASHES_SYSVAR = 'SysvarS1otHashes111111111111111111111111111'
export const RECENT_BLOCKHASHES_SYSVAR = 'SysvarRecentB1ockHashes11111111111111111111'
const CLOCK_KEY = decodeBase58(CLOCK_SYSVAR)

/** What an address holds. */
export interface AccountState {
  lamports: bigint
  /** The program that owns it, 32 bytes. */
  owner: Uint8Array
  data: Uint8Array
  executable: boolean
  rentEpoch: bigint
}

/** A call that a program made to another. Numbers are positions among the transaction's keys. */
export interface InnerInstruction {
  programIdIndex: number
  accounts: number[]
  /** base58 */
  data: string
  stackHeight: number
}

/** What came of running a transaction. */
export interface Execution {
  err: TransactionError | null
  logs: string[]
  unitsConsumed: number
  /** The calls made under each instruction that made any. */
  innerInstructions: Array<{ index: number; instructions: InnerInstruction[] }>
  returnData: { programId: string; data: [string, 'base64'] } | null
}

/** A trial run, and the accounts as they would be after it. */
export interface Simulation extends Execution {
  accountsAfter: () => Map<string, AccountState>
}

/** The Solana VM with its accounts: LiteSVM, with addresses and transactions as bytes. */
export class Vm {
  readonly #svm = new LiteSvm()
  /** Every program that owns an account which was ever looked at here: LiteSVM lists accounts by their owner only. */
  readonly #owners = new Map<string, Uint8Array>()
  #verifying = true

  constructor() {
    // the ledger keeps its own queue of blockhashes and its own history; LiteSVM's would know one blockhash and grow for ever
    this.#svm.setBlockhashCheck(false)
    this.#svm.setTransactionHistory(0n)
    // the faucet of LiteSVM's own is not of this chain
    this.#svm.setLamports(0n)
    this.#svm.setEpochSchedule(new EpochSchedule(BigInt(SLOTS_PER_EPOCH), BigInt(SLOTS_PER_EPOCH), false, 0n, 0n))
    setBaseAccounts(this.#svm)
  }

  /** The account at `key`, or undefined where there is none. */
  account(key: Uint8Array): AccountState | undefined {
    const account = this.#svm.getAccount(key)
    if (account === null || account.lamports() === 0n) {
      return undefined
    }
    const state = toState(account)
    this.#noteOwner(state.owner)
    return state
  }

  balance(key: Uint8Array): bigint {
    return this.#svm.getBalance(key) ?? 0n
  }

  /** Every account that `owner` owns. LiteSVM scans all accounts for it: 0.6 ms among 20,000. */
  programAccounts(owner: Uint8Array): Array<{ key: Uint8Array; state: AccountState }> {
    const found = this.#svm.getProgramAccounts(owner).map((entry) => ({ key: entry.address, state: toState(entry.account()) }))
    return found.filter(({ state }) => state.lamports > 0n)
  }

  /** Every account but those of the VM itself. A look-up by the owner for each program that owns any. */
  allAccounts(): Array<{ key: Uint8Array; state: AccountState }> {
    return [...this.#owners.values()].flatMap((owner) => this.programAccounts(owner))
  }

  /** Writes an account past all rules: for genesis, and for reading a chain back. A program's data must come before the program. */
  setAccount(key: Uint8Array, state: AccountState): void {
    this.#noteOwner(state.owner)
    this.#svm.setAccount(key, new Account(state.lamports, state.data, state.owner, state.executable, state.rentEpoch))
  }

  /** @throws Error when the VM refuses the ELF */
  deploy(programId: Uint8Array, elf: Uint8Array): void {
    this.#svm.addProgram(programId, elf)
  }

  /** Lamports that an account of `size` bytes needs to be exempt from rent. */
  rentExemptLamports(size: number): bigint {
    return this.#svm.minimumBalanceForRentExemption(BigInt(size))
  }

  setClock(clock: { slot: number; epochStartS: number; unixTimeS: number }): void {
    const epoch = Math.floor(clock.slot / SLOTS_PER_EPOCH)
    const data = Buffer.alloc(40)
    const fields = [clock.slot, clock.epochStartS, epoch, epoch + 1, clock.unixTimeS]
    fields.forEach((value, index) => void data.writeBigInt64LE(BigInt(value), index * 8))
    setSysvar(this.#svm, CLOCK_KEY, data)
  }

  /** Sets the sysvar of the last blocks' hashes; newest first. */
  setSlotHashes(hashes: Iterable<{ slot: number; blockhash: Uint8Array }>): void {
    const key = decodeBase58(SLOT_HASHES_SYSVAR)
    // written as bytes: the setter takes text, and 512 hashes a slot would be decoded from base58 each time
    const data = Buffer.alloc(8 + MAX_SLOT_HASHES * 40)
    let count = 0
    for (const { slot, blockhash } of hashes) {
      data.writeBigUInt64LE(BigInt(slot), 8 + count * 40)
      data.set(blockhash, 16 + count * 40)
      count++
    }
    data.writeBigUInt64LE(BigInt(count), 0)
    setSysvar(this.#svm, key, data)
  }

  /** Sets the sysvar of the blockhashes that live; newest first. */
  setRecentBlockhashes(blockhashes: Iterable<Uint8Array>, lamportsPerSignature: bigint): void {
    const data = Buffer.alloc(8 + MAX_RECENT_BLOCKHASHES * 40)
    let count = 0
    for (const blockhash of blockhashes) {
      data.set(blockhash, 8 + count * 40)
      data.writeBigUInt64LE(lamportsPerSignature, 40 + count * 40)
      if (++count === MAX_RECENT_BLOCKHASHES) {
        break
      }
    }
    data.writeBigUInt64LE(BigInt(count), 0)
    const key = decodeBase58(RECENT_BLOCKHASHES_SYSVAR)
    setSysvar(this.#svm, key, data)
  }

  /** Runs a transaction and keeps what it did. */
  execute(bytes: Uint8Array, version: 'legacy' | 0, verifySignatures: boolean): Execution {
    this.#verify(verifySignatures)
    return toExecution(version === 'legacy' ? this.#svm.sendLegacyTransaction(bytes) : this.#svm.sendVersionedTransaction(bytes))
  }

  /** Runs a transaction and keeps nothing. */
  simulate(bytes: Uint8Array, version: 'legacy' | 0, verifySignatures: boolean): Simulation {
    this.#verify(verifySignatures)
    const result = version === 'legacy' ? this.#svm.simulateLegacyTransaction(bytes) : this.#svm.simulateVersionedTransaction(bytes)
    if (!('postAccounts' in result)) {
      return { ...toExecution(result), accountsAfter: () => new Map() }
    }
    const accountsAfter = () => new Map(result.postAccounts().map((entry) => [encodeBase58(entry.address), toState(entry.account())]))
    return { ...fromMetadata(result.meta()), err: null, accountsAfter }
  }

  #noteOwner(owner: Uint8Array): void {
    const name = Buffer.from(owner.buffer, owner.byteOffset, owner.byteLength).toString('latin1')
    if (!this.#owners.has(name)) {
      this.#owners.set(name, Uint8Array.from(owner))
    }
  }

  #verify(verifySignatures: boolean): void {
    if (this.#verifying !== verifySignatures) {
      this.#verifying = verifySignatures
      this.#svm.setSigverify(verifySignatures)
    }
  }
}

function toState(account: Account): AccountState {
  return {
    lamports: account.lamports(),
    owner: account.owner(),
    data: account.data(),
    executable: account.executable(),
    rentEpoch: account.rentEpoch()
  }
}

function toExecution(result: TransactionMetadata | FailedTransactionMetadata): Execution {
  return 'err' in result
    ? { ...fromMetadata(result.meta()), err: toTransactionError(result.err()) }
    : { ...fromMetadata(result), err: null }
}

function fromMetadata(meta: TransactionMetadata): Omit<Execution, 'err'> {
  const returned = meta.returnData()
  const returnBytes = returned.data()
  return {
    logs: meta.logs(),
    unitsConsumed: Number(meta.computeUnitsConsumed()),
    innerInstructions: meta.innerInstructions().flatMap((calls, index) =>
      calls.length === 0
        ? []
        : [
            {
              index,
              instructions: calls.map((call) => {
                const compiled = call.instruction()
                return {
                  programIdIndex: compiled.programIdIndex(),
                  accounts: [...compiled.accounts()],
                  data: encodeBase58(compiled.data()),
                  stackHeight: call.stackHeight()
                }
              })
            }
          ]
    ),
    returnData:
      returnBytes.length === 0
        ? null
        : { programId: encodeBase58(returned.programId()), data: [Buffer.from(returnBytes).toString('base64'), 'base64'] }
  }
}
