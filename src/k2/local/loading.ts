import { decodeBase58, encodeBase58 } from './base58.ts'
import type { WireTransaction } from './transaction.ts'
import { describeInstructionError } from './transaction-error.ts'
import { type AccountState, type Execution, UPGRADEABLE_LOADER } from './vm.ts'

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

interface Loading {
  wire: Pick<WireTransaction, 'instructions' | 'keys'>
  account: (key: Uint8Array) => AccountState | undefined
  /** Programs that were deployed in this slot, and so can be called from the next one on. */
  deployed: ReadonlySet<string>
}

/** Tells what LiteSVM made of a transaction as Solana's loader tells it. */
export function asLoaded<E extends Execution>(execution: E, { wire, account }: Loading): Loaded<E> {
  if (execution.err === TOO_MUCH_DATA) {
    return { ...execution, feesOnly: true }
  }
  if (execution.err !== NO_PROGRAM) {
    return { ...execution, feesOnly: false }
  }
  const programs = wire.instructions.map(({ program }) => ({ key: wire.keys[program]!, state: account(wire.keys[program]!) }))
  const bad = programs.find(({ state }) => state === undefined || !LOADERS.has(encodeBase58(state.owner)))
  if (bad !== undefined) {
    return { ...execution, err: bad.state === undefined ? 'ProgramAccountNotFound' : NO_PROGRAM, feesOnly: true }
  }
  // a loader's account that is no program: a buffer, or one that was closed
  const index = programs.findIndex(({ state }) => !state!.executable)
  return { ...execution, ...notDeployed(index === -1 ? 0 : index, programs), feesOnly: true }
}

/** The first instruction that calls a program which was deployed in this slot, or -1. Only a transaction's own instructions are looked at. */
export function firstUndeployed({ wire, deployed }: Omit<Loading, 'account'>): number {
  return deployed.size === 0 ? -1 : wire.instructions.findIndex(({ program }) => deployed.has(encodeBase58(wire.keys[program]!)))
}

/** What comes of a transaction whose instruction at `index` calls a program that is not deployed yet; `trial` is what the VM would make of it. */
export function asUndeployed<E extends Execution>(trial: E, index: number, { wire }: Pick<Loading, 'wire'>): Loaded<E> {
  const { err } = trial
  if (typeof err === 'string') {
    return { ...trial, feesOnly: false }
  }
  const failed = (err?.InstructionError as [number, unknown] | undefined)?.[0]
  if (failed !== undefined && failed < index) {
    return { ...trial, feesOnly: true }
  }
  const programs = wire.instructions.map(({ program }) => ({ key: wire.keys[program]! }))
  return { ...trial, ...notDeployed(index, programs), innerInstructions: [], returnData: null, unitsConsumed: 0, feesOnly: true }
}

function notDeployed(index: number, programs: ReadonlyArray<{ key: Uint8Array }>): Pick<Execution, 'err' | 'logs'> {
  const name = encodeBase58(programs[index]!.key)
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
