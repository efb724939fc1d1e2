import { readSmallFile } from '../disk/index.ts'
import { PROGRAM_BYTES, PROGRAM_DATA_HEADER_BYTES, programDataAddress } from '../k2/loader/accounts.ts'
import { MAX_ACCOUNT_BYTES } from './account-json.ts'
import { decodeBase58, encodeBase58 } from './base58.ts'
import { GenesisError } from './errors.ts'
import type { GenesisAccount } from './genesis-account.ts'
import { type AccountState, RENT_EXEMPT_EPOCH, UPGRADEABLE_LOADER } from './vm.ts'

const LOADER = decodeBase58(UPGRADEABLE_LOADER)
const PROGRAM = 2
const PROGRAM_DATA = 3
const SLOT_AT = 4
const AUTHORITY_AT = 12

/** Lamports that an account of so many bytes needs to be exempt from rent: 128 bytes about it, and 3,480 for a byte and year, for two. */
const rentExempt = (bytes: number) => BigInt(128 + bytes) * 3480n * 2n

/**
 * A program as the upgradeable loader would leave it: two accounts.
 *
 * @param authority who may change it, in base58; undefined: nobody
 * @throws GenesisError when the file cannot be read
 */
export function readProgramFile(programId: string, path: string, authority?: string): GenesisAccount[] {
  let elf: Buffer
  try {
    elf = readSmallFile(path, MAX_ACCOUNT_BYTES - PROGRAM_DATA_HEADER_BYTES)
  } catch (err) {
    throw new GenesisError(`cannot read the program ${path}: ${(err as Error).message}`, { cause: err })
  }
  if (elf.subarray(0, 4).toString('latin1') !== '\x7fELF') {
    throw new GenesisError(`${path} is no program: it should be an ELF file, as cargo build-sbf writes it`)
  }
  const dataAddress = programDataAddress(programId)
  const program = Buffer.alloc(PROGRAM_BYTES)
  program.writeUInt32LE(PROGRAM)
  program.set(decodeBase58(dataAddress), 4)
  const data = Buffer.alloc(PROGRAM_DATA_HEADER_BYTES + elf.length)
  data.writeUInt32LE(PROGRAM_DATA)
  if (authority !== undefined) {
    data[AUTHORITY_AT] = 1
    data.set(decodeBase58(authority), AUTHORITY_AT + 1)
  }
  data.set(elf, PROGRAM_DATA_HEADER_BYTES)
  const account = (bytes: Uint8Array, executable: boolean): AccountState => ({
    lamports: rentExempt(bytes.length),
    owner: LOADER,
    data: bytes,
    executable,
    rentEpoch: RENT_EXEMPT_EPOCH
  })
  return [
    { address: dataAddress, state: account(data, false), from: path },
    { address: programId, state: account(program, true), from: path }
  ]
}

/** The address of the data of a program of the upgradeable loader, or undefined for any other account. */
export function programDataOf({ owner, data }: AccountState): string | undefined {
  const isProgram = Buffer.compare(owner, LOADER) === 0 && data.length >= PROGRAM_BYTES && data[0] === PROGRAM
  return isProgram ? encodeBase58(data.subarray(4, PROGRAM_BYTES)) : undefined
}

/** A program's data as deployed in slot 0, where a chain begins: it comes from one that was further. */
export function asDeployedAtFirst(state: AccountState): AccountState {
  if (Buffer.compare(state.owner, LOADER) !== 0 || state.data[0] !== PROGRAM_DATA || state.data.length < PROGRAM_DATA_HEADER_BYTES) {
    return state
  }
  const data = Uint8Array.from(state.data)
  data.fill(0, SLOT_AT, AUTHORITY_AT)
  return { ...state, data }
}
