import { decodeBase58, encodeBase58 } from './base58.ts'
import { feeOf } from './fees.ts'
import type { WireTransaction } from './transaction.ts'
import { describeInstructionError } from './transaction-error.ts'
import { type AccountState, type Execution, type Simulation, UPGRADEABLE_LOADER, type Vm } from './vm.ts'

// by Solana's rules the accounts of a transaction are loaded after its fee payer is found good: what cannot be loaded costs the fee and is in
// the block, as a transaction that fails is. LiteSVM takes no fee for it, has one error for all programs that it cannot run, and runs a program
// in the very slot of its deployment. Source: Agave, svm/src/account_loader.rs (load_transaction_accounts) and programs/bpf_loader

const LOADERS = new Set([
  UPGRADEABLE_LOADER,
  'NativeLoader1111111111111111111111111111111',
  'BPFLoader2111111111111111111111111111111111',
  'BPFLoader1111111111111111111111111111111111',
  'LoaderV411111111111111111111111111111111111'
])
/** LiteSVM's word for whatever program it cannot run. */
const NO_PROGRAM = 'InvalidProgramForExecution'
const TOO_MUCH_DATA = 'MaxLoadedAccountsDataSizeExceeded'

/** What came of a transaction, and whether it costs its fee although nothing of it ran. */
export type Loaded<E extends Execution> = E & { feesOnly: boolean }

interface LoadOptions {
  verifySignatures: boolean
  /** Programs that were deployed in this slot, and so can be called from the next one on. */
  deployed: ReadonlySet<string>
}

/** Runs a transaction as Solana's loader lets it, and keeps what it did. */
export function runLoaded(vm: Vm, wire: WireTransaction, options: LoadOptions): Loaded<Execution> {
  return firstUndeployed(wire, options.deployed) === -1
    ? asLoaded(vm.execute(wire.bytes, wire.version, options.verifySignatures), wire, vm)
    : tryLoaded(vm, wire, options)
}

/** The same, and keeps nothing. */
export function tryLoaded(vm: Vm, wire: WireTransaction, { verifySignatures, deployed }: LoadOptions): Loaded<Simulation> {
  const index = firstUndeployed(wire, deployed)
  const trial = vm.simulate(wire.bytes, wire.version, verifySignatures)
  return index === -1 ? asLoaded(trial, wire, vm) : asUndeployed(trial, wire, index)
}

/**
 * Takes the fee of a transaction that could not be loaded, whose payer the VM found good.
 *
 * @param balances of its accounts, which are made right
 * @returns the fee, 0 where it was not taken
 */
export function takeFee(vm: Vm, wire: WireTransaction, balances: bigint[]): bigint {
  const payer = wire.keys[0]!
  const state = vm.account(payer)
  const fee = feeOf(wire)
  if (state === undefined || state.lamports < fee) {
    return 0n
  }
  balances[0] = state.lamports - fee
  vm.setAccount(payer, { ...state, lamports: balances[0] })
  return fee
}

/** Tells what LiteSVM made of a transaction as Solana's loader tells it. */
function asLoaded<E extends Execution>(execution: E, wire: WireTransaction, vm: Vm): Loaded<E> {
  if (execution.err === TOO_MUCH_DATA) {
    return { ...execution, feesOnly: true }
  }
  if (execution.err !== NO_PROGRAM) {
    return { ...execution, feesOnly: false }
  }
  const programs = wire.instructions.map(({ program }) => vm.account(wire.keys[program]!))
  for (const state of programs) {
    if (state === undefined || !LOADERS.has(encodeBase58(state.owner))) {
      return { ...execution, err: state === undefined ? 'ProgramAccountNotFound' : NO_PROGRAM, feesOnly: true }
    }
  }
  // a loader's account that is no program: a buffer, or one that was closed
  const index = programs.findIndex((state) => !state!.executable)
  return { ...execution, ...notDeployed(wire, Math.max(0, index)), feesOnly: true }
}

/** The first instruction that calls a program which was deployed in this slot, or -1. Only a transaction's own instructions are looked at. */
function firstUndeployed(wire: WireTransaction, deployed: ReadonlySet<string>): number {
  return deployed.size === 0 ? -1 : wire.instructions.findIndex(({ program }) => deployed.has(encodeBase58(wire.keys[program]!)))
}

/** What comes of a transaction whose instruction at `index` calls a program that is not deployed yet; `trial` is what the VM would make of it. */
function asUndeployed(trial: Simulation, wire: WireTransaction, index: number): Loaded<Simulation> {
  const { err } = trial
  if (typeof err === 'string') {
    return { ...trial, feesOnly: false }
  }
  const failed = (err?.InstructionError as [number, unknown] | undefined)?.[0]
  if (failed !== undefined && failed < index) {
    return { ...trial, feesOnly: true }
  }
  const nothing = { innerInstructions: [], returnData: null, unitsConsumed: 0, accountsAfter: () => new Map() }
  return { ...trial, ...nothing, ...notDeployed(wire, index), feesOnly: true }
}

function notDeployed(wire: WireTransaction, index: number): Pick<Execution, 'err' | 'logs'> {
  const name = encodeBase58(wire.keys[wire.instructions[index]!.program]!)
  const err = 'UnsupportedProgramId'
  return {
    err: { InstructionError: [index, err] },
    logs: [`Program ${name} invoke [1]`, 'Program is not deployed', `Program ${name} failed: ${describeInstructionError(err)}`]
  }
}

const LOADER = decodeBase58(UPGRADEABLE_LOADER)
/** Kinds of the loader's accounts: the first byte of their data. */
const PROGRAM = 2
const PROGRAM_DATA = 3

/**
 * The programs among `keys` that were deployed or changed in `slot`. Solana runs a program from the slot after its deployment on; LiteSVM
 * does at once, so the ledger has to know.
 */
export function deployedIn(slot: number, keys: readonly Uint8Array[], account: (key: Uint8Array) => AccountState | undefined): string[] {
  const ofLoader = (key: Uint8Array, kind: number) => {
    const state = account(key)
    return state !== undefined && Buffer.compare(state.owner, LOADER) === 0 && state.data[0] === kind ? state.data : undefined
  }
  return keys.flatMap((key) => {
    // a program's account says where its code is, and its code says since when: after 4 bytes of kind both
    const program = ofLoader(key, PROGRAM)
    const data = program && ofLoader(program.subarray(4, 36), PROGRAM_DATA)
    return data !== undefined && Buffer.from(data).readBigUInt64LE(4) === BigInt(slot) ? [encodeBase58(key)] : []
  })
}
