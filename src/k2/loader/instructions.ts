import {
  type AccountMeta,
  PublicKey,
  SYSVAR_CLOCK_PUBKEY,
  SYSVAR_RENT_PUBKEY,
  SystemProgram,
  TransactionInstruction
} from '@solana/web3.js'
import { BUFFER_HEADER_BYTES, PROGRAM_BYTES, programDataAddress, UPGRADEABLE_LOADER } from './accounts.ts'

// UpgradeableLoaderInstruction: a number of four bytes, then the fields, little endian
// https://docs.rs/solana-loader-v3-interface/latest/solana_loader_v3_interface/instruction/enum.UpgradeableLoaderInstruction.html
const INITIALIZE_BUFFER = 0
const WRITE = 1
const DEPLOY_WITH_MAX_DATA_LEN = 2
const UPGRADE = 3
const EXTEND_PROGRAM = 6

const LOADER = new PublicKey(UPGRADEABLE_LOADER)

/** Makes a buffer for an ELF of `elfBytes`. Signed by payer and buffer. */
export function createBuffer(init: {
  payer: string
  buffer: string
  authority: string
  lamports: number
  elfBytes: number
}): TransactionInstruction[] {
  return [
    SystemProgram.createAccount({
      fromPubkey: new PublicKey(init.payer),
      newAccountPubkey: new PublicKey(init.buffer),
      lamports: init.lamports,
      space: BUFFER_HEADER_BYTES + init.elfBytes,
      programId: LOADER
    }),
    instruction([writable(init.buffer), readonly(init.authority)], u32(INITIALIZE_BUFFER))
  ]
}

/** Writes bytes of the ELF at `offset`. Signed by the authority. */
export function writeBuffer(init: { buffer: string; authority: string; offset: number; bytes: Uint8Array }): TransactionInstruction {
  const data = Buffer.concat([u32(WRITE), u32(init.offset), u64(init.bytes.length), init.bytes])
  return instruction([writable(init.buffer), signer(init.authority)], data)
}

/** Makes a program of a buffer, with room for `maxBytes` of ELF. Signed by payer, program and authority. */
export function deployBuffer(init: {
  payer: string
  program: string
  buffer: string
  authority: string
  lamports: number
  maxBytes: number
}): TransactionInstruction[] {
  return [
    SystemProgram.createAccount({
      fromPubkey: new PublicKey(init.payer),
      newAccountPubkey: new PublicKey(init.program),
      lamports: init.lamports,
      space: PROGRAM_BYTES,
      programId: LOADER
    }),
    instruction(
      [
        { ...writable(init.payer), isSigner: true },
        writable(programDataAddress(init.program)),
        writable(init.program),
        writable(init.buffer),
        readonly(SYSVAR_RENT_PUBKEY),
        readonly(SYSVAR_CLOCK_PUBKEY),
        readonly(SystemProgram.programId),
        signer(init.authority)
      ],
      Buffer.concat([u32(DEPLOY_WITH_MAX_DATA_LEN), u64(init.maxBytes)])
    )
  ]
}

/** Replaces a program by a buffer's; the buffer's lamports go to `spill`. Signed by the authority. */
export function upgradeProgram(init: { program: string; buffer: string; authority: string; spill: string }): TransactionInstruction {
  return instruction(
    [
      writable(programDataAddress(init.program)),
      writable(init.program),
      writable(init.buffer),
      writable(init.spill),
      readonly(SYSVAR_RENT_PUBKEY),
      readonly(SYSVAR_CLOCK_PUBKEY),
      signer(init.authority)
    ],
    u32(UPGRADE)
  )
}

/** Gives a program's data more room. Signed by the payer. */
export function extendProgram(init: { program: string; payer: string; additionalBytes: number }): TransactionInstruction {
  return instruction(
    [
      writable(programDataAddress(init.program)),
      writable(init.program),
      readonly(SystemProgram.programId),
      { ...writable(init.payer), isSigner: true }
    ],
    Buffer.concat([u32(EXTEND_PROGRAM), u32(init.additionalBytes)])
  )
}

function instruction(keys: AccountMeta[], data: Buffer): TransactionInstruction {
  return new TransactionInstruction({ programId: LOADER, keys, data })
}

function readonly(address: string | PublicKey): AccountMeta {
  return { pubkey: new PublicKey(address), isSigner: false, isWritable: false }
}

function writable(address: string): AccountMeta {
  return { ...readonly(address), isWritable: true }
}

function signer(address: string): AccountMeta {
  return { ...readonly(address), isSigner: true }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
