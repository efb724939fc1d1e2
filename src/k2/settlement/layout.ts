/** What instructions are put together from: accounts with their flags, and numbers, hashes and text as bytes. */
import { PublicKey, SystemProgram, TransactionInstruction } from '@solana/web3.js'
import { InstructionArgumentError } from './errors.ts'
import { PROGRAM_ID } from './program-id.ts'

/** The first byte of each instruction's data. */
export const TAGS = {
  createTask: 0,
  fundTask: 1,
  updateTask: 2,
  closeTask: 3,
  stake: 4,
  unstake: 5,
  withdraw: 6,
  replaceStakingKey: 7,
  setAddressHint: 8,
  vote: 9,
  voteBatch: 10,
  claim: 11,
  applySlash: 12
} as const

const HASH_BYTES = 32
const MAX_U64 = (1n << 64n) - 1n

/** The address of a staker's stake in a task. Slow (hashes until it finds one): keep the result. */
export function stakeAddress({ task, staker, programId = PROGRAM_ID }: { task: string; staker: string; programId?: string }): string {
  const seeds = [Buffer.from('stake'), new PublicKey(task).toBuffer(), new PublicKey(staker).toBuffer()]
  return PublicKey.findProgramAddressSync(seeds, new PublicKey(programId))[0].toBase58()
}

/** How nearly every instruction begins: the task, and one stake in it. */
export function stakeMetas(of: { task: string; staker: string; programId?: string }): Meta[] {
  return [
    writable(readonly(of.task)),
    writable(readonly(stakeAddress({ ...definedProgram(of.programId), task: of.task, staker: of.staker })))
  ]
}

export interface Meta {
  pubkey: PublicKey
  isSigner: boolean
  isWritable: boolean
}

export function readonly(key: string): Meta {
  return { pubkey: new PublicKey(key), isSigner: false, isWritable: false }
}

export function signer(key: string): Meta {
  return { ...readonly(key), isSigner: true }
}

export function writable(meta: Meta): Meta {
  return { ...meta, isWritable: true }
}

export function systemProgram(): Meta {
  return { pubkey: SystemProgram.programId, isSigner: false, isWritable: false }
}

export function definedProgram(programId: string | undefined): { programId?: string } {
  return programId == null ? {} : { programId }
}

export function instruction(programId: string | undefined, keys: Meta[], data: Uint8Array[]): TransactionInstruction {
  return new TransactionInstruction({ programId: new PublicKey(programId ?? PROGRAM_ID), keys, data: Buffer.concat(data) })
}

export function u64(argument: string, value: bigint | number): Uint8Array {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new InstructionArgumentError(argument, `is ${value}, which is not a whole number`)
  }
  const whole = BigInt(value)
  if (whole < 0n || whole > MAX_U64) {
    throw new InstructionArgumentError(argument, `is ${value}, outside 0 to 2^64 - 1`)
  }
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, whole, true)
  return bytes
}

export function within(argument: string, value: number, min: number, max: number): number {
  if (!(value >= min && value <= max)) {
    throw new InstructionArgumentError(argument, `is ${value}, outside ${min} to ${max}`)
  }
  return value
}

export function hash(argument: string, value: Uint8Array): Uint8Array {
  if (value.length !== HASH_BYTES) {
    throw new InstructionArgumentError(argument, `has ${value.length} bytes, a hash has ${HASH_BYTES}`)
  }
  return value
}

export function utf8(argument: string, text: string, min: number, max: number): Uint8Array {
  if (!text.isWellFormed()) {
    throw new InstructionArgumentError(argument, 'holds half of a character, which has no UTF-8')
  }
  const bytes = new TextEncoder().encode(text)
  if (bytes.length < min || bytes.length > max) {
    throw new InstructionArgumentError(argument, `has ${bytes.length} bytes, ${min} to ${max} are allowed`)
  }
  return bytes
}
