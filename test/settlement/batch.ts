/**
 * The two instructions of a batch of votes written down a second time, from the spec, with every part open to bending; and
 * calls through the hostile program of attacker.c.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { address } from '@solana/kit'
import { Ed25519Program, Keypair, PublicKey, SYSVAR_INSTRUCTIONS_PUBKEY, TransactionInstruction } from '@solana/web3.js'
import { signEd25519 } from '../../src/identity/index.ts'
import type { VoteContent } from '../../src/k2/settlement/index.ts'
import { b58, type Vm } from './vm.ts'

/** What a staking key signs. */
export function messageOf(task: string, { cycle, root, recordDigest, totalRewards }: VoteContent, domain = 'koii-mesh/vote/1'): Buffer {
  const numbers = [Buffer.alloc(8), Buffer.alloc(8)] as const
  numbers[0].writeBigUInt64LE(BigInt(cycle))
  numbers[1].writeBigUInt64LE(totalRewards)
  return Buffer.concat([Buffer.from(domain), new PublicKey(task).toBytes(), numbers[0], root, recordDigest, numbers[1]])
}

/** One signature as the precompile is told of it; what is left out is canonical. */
export interface Proof {
  key: Keypair
  /** what is signed, when it is not the batch's own message */
  message?: Uint8Array
  /** the key that the precompile checks against, when it is not the signer's */
  claimedKey?: Uint8Array
  /** [signature offset, instruction, key offset, instruction, message offset, length, instruction] */
  offsets?: (canonical: number[]) => number[]
}

/** The precompile's instruction for a message that lies at byte 1 of instruction `target`. */
export function precompile(
  message: Uint8Array,
  proofs: readonly Proof[],
  target: number,
  trailing = new Uint8Array(0)
): TransactionInstruction {
  const start = 2 + proofs.length * 14
  const data = Buffer.concat([Buffer.alloc(start + proofs.length * 96), trailing])
  data[0] = proofs.length
  for (const [i, proof] of proofs.entries()) {
    const at = start + i * 96
    const canonical = [at, 0xffff, at + 64, 0xffff, 1, message.length, target]
    for (const [field, value] of (proof.offsets?.(canonical) ?? canonical).entries()) {
      data.writeUInt16LE(value, 2 + i * 14 + 2 * field)
    }
    data.set(signEd25519(proof.message ?? message, proof.key.secretKey), at)
    data.set(proof.claimedKey ?? proof.key.publicKey.toBytes(), at + 64)
  }
  return new TransactionInstruction({ programId: Ed25519Program.programId, keys: [], data })
}

/** The program's own part of a batch. */
export function batch(
  task: string,
  message: Uint8Array,
  stakes: readonly string[],
  { programId, sysvar = SYSVAR_INSTRUCTIONS_PUBKEY.toBase58() }: { programId: string; sysvar?: string }
): TransactionInstruction {
  const meta = (key: string, isWritable: boolean) => ({ pubkey: new PublicKey(key), isSigner: false, isWritable })
  return new TransactionInstruction({
    programId: new PublicKey(programId),
    keys: [meta(task, true), meta(sysvar, false), ...stakes.map((key) => meta(key, true))],
    data: Buffer.concat([Buffer.of(10), message])
  })
}

/** What attacker.c does besides passing the call on. */
export const ATTACK = { claimSignatures: 1, takeLamport: 2, writeByte: 4, giveAway: 8, nothing: 16 } as const

/** Puts the hostile program into the VM and gives its address. */
export function loadAttacker(vm: Vm): string {
  const at = b58(Keypair.generate())
  vm.svm.addProgram(address(at), readFileSync(join(import.meta.dirname, 'attacker.so')))
  return at
}

/** The same call, made by the hostile program; `carried` lies in its own data where a batch's message would. */
export function throughAttacker(
  attacker: string,
  call: TransactionInstruction,
  { mode = 0, carried = new Uint8Array(0) }: { mode?: number; carried?: Uint8Array } = {}
): TransactionInstruction {
  return new TransactionInstruction({
    programId: new PublicKey(attacker),
    keys: [{ pubkey: call.programId, isSigner: false, isWritable: false }, ...call.keys.map((meta) => ({ ...meta }))],
    data: Buffer.concat([Buffer.of(carried.length + 1), carried, Buffer.of(mode), call.data])
  })
}
