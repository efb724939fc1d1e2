import { createHash } from 'node:crypto'
import { PublicKey } from '@solana/web3.js'
import { ProgramAccountError } from './errors.ts'

export const UPGRADEABLE_LOADER = 'BPFLoaderUpgradeab1e11111111111111111111111'
/** Loaders whose programs are their ELF and nothing else, and never change. */
export const PLAIN_LOADERS = ['BPFLoader2111111111111111111111111111111111', 'BPFLoader1111111111111111111111111111111111']

// UpgradeableLoaderState, as bincode writes it: a number of four bytes, then the fields; an option is a byte before its value
// https://docs.rs/solana-loader-v3-interface/latest/solana_loader_v3_interface/state/enum.UpgradeableLoaderState.html
const BUFFER = 1
const PROGRAM = 2
const PROGRAM_DATA = 3

/** A buffer's bytes before the ELF: its kind and its authority. */
export const BUFFER_HEADER_BYTES = 4 + 1 + 32
export const PROGRAM_BYTES = 4 + 32
/** Program data's bytes before the ELF: kind, slot, authority. */
export const PROGRAM_DATA_HEADER_BYTES = 4 + 8 + 1 + 32

/** Where ELFs are gathered before they are deployed. */
export interface BufferAccount {
  /** Who may write and deploy it, in base58; null: nobody. */
  authority: string | null
  /** As long as it was made, zero where nothing was written. */
  elf: Uint8Array
}

export interface ProgramDataAccount {
  /** When it was deployed last. */
  slot: number
  /** Who may change it, in base58; null: nobody, for ever. */
  authority: string | null
  /** With zeros to the end of the account. */
  elf: Uint8Array
}

/** The address that holds a program's ELF. */
export function programDataAddress(programId: string): string {
  return PublicKey.findProgramAddressSync([new PublicKey(programId).toBytes()], new PublicKey(UPGRADEABLE_LOADER))[0].toBase58()
}

/** @throws ProgramAccountError */
export function decodeBuffer(address: string, data: Uint8Array): BufferAccount {
  expectKind(address, data, BUFFER, BUFFER_HEADER_BYTES, 'a buffer')
  return { authority: optionalKey(data, 4), elf: data.subarray(BUFFER_HEADER_BYTES) }
}

/** The address of a program's data. @throws ProgramAccountError */
export function decodeProgram(address: string, data: Uint8Array): string {
  expectKind(address, data, PROGRAM, PROGRAM_BYTES, 'a program')
  return new PublicKey(data.subarray(4, 36)).toBase58()
}

/** @throws ProgramAccountError */
export function decodeProgramData(address: string, data: Uint8Array): ProgramDataAccount {
  expectKind(address, data, PROGRAM_DATA, PROGRAM_DATA_HEADER_BYTES, "a program's data")
  const slot = Number(Buffer.from(data.buffer, data.byteOffset, data.byteLength).readBigUInt64LE(4))
  if (!Number.isSafeInteger(slot)) {
    throw new ProgramAccountError(`the program's data at ${address} names a slot past 2^53, which no K2 has reached`)
  }
  return { slot, authority: optionalKey(data, 12), elf: data.subarray(PROGRAM_DATA_HEADER_BYTES) }
}

/** An ELF without the zeros at its end, which accounts are padded with. */
export function withoutPadding(elf: Uint8Array): Uint8Array {
  return elf.subarray(0, elf.findLastIndex((byte) => byte !== 0) + 1)
}

/** sha2-256 in hex of an ELF without padding: the same for a file and for what a cluster made of it. */
export function hashOfElf(elf: Uint8Array): string {
  return createHash('sha256').update(withoutPadding(elf)).digest('hex')
}

function optionalKey(data: Uint8Array, offset: number): string | null {
  return data[offset] === 0 ? null : new PublicKey(data.subarray(offset + 1, offset + 33)).toBase58()
}

function expectKind(address: string, data: Uint8Array, kind: number, bytes: number, what: string): void {
  if (data.length < bytes || Buffer.from(data.buffer, data.byteOffset, data.byteLength).readUInt32LE(0) !== kind) {
    throw new ProgramAccountError(`${address} is not ${what} of the upgradeable loader: check the address`)
  }
}
