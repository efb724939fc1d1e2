/**
 * The Solana VM without its comforts, for many transactions in little time: no signatures are made or checked (who signs is what the
 * message says), accounts come and go by their bytes, and the clock is set to any slot.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { LiteSvm } from 'litesvm/dist/internal.js'
import { REFUSALS } from '../../src/k2/settlement/index.ts'
import { ED25519, type Instruction, type Key, SYSTEM, type Transaction } from './model.ts'
import { PROGRAM_FILE } from './vm.ts'

const internal = createRequire(import.meta.url)('litesvm/dist/internal.js') as typeof import('litesvm/dist/internal.js')
const NAMES = new Map<number, string>(Object.entries(REFUSALS).map(([name, { code }]) => [code, name]))

export interface BareAccount {
  lamports: bigint
  owner: Key
  data: Buffer
}

export class BareVm {
  readonly svm: LiteSvm
  readonly program: Key
  readonly relay: Key

  /** @param relay - where to put attacker.c, which passes calls on */
  constructor(program: Key, relay: Key) {
    this.program = program
    this.relay = relay
    const svm = new internal.LiteSvm()
    svm.setBlockhashCheck(false)
    svm.setSigverify(false)
    svm.setTransactionHistory(0n)
    svm.addProgram(Buffer.from(program, 'hex'), readFileSync(PROGRAM_FILE))
    svm.addProgram(Buffer.from(relay, 'hex'), readFileSync(join(import.meta.dirname, 'attacker.so')))
    this.svm = svm
  }

  account(key: Key): BareAccount | undefined {
    const account = this.svm.getAccount(Buffer.from(key, 'hex'))
    return account == null || account.lamports() === 0n
      ? undefined
      : { lamports: account.lamports(), owner: Buffer.from(account.owner()).toString('hex'), data: Buffer.from(account.data()) }
  }

  /** Without an account: whatever lies there goes. */
  plant(key: Key, account: BareAccount | undefined): void {
    const { lamports, owner, data } = account ?? { lamports: 0n, owner: SYSTEM, data: Buffer.alloc(0) }
    this.svm.setAccount(Buffer.from(key, 'hex'), new internal.Account(lamports, data, Buffer.from(owner, 'hex'), false, 0n))
  }

  warp(slot: bigint): void {
    this.svm.warpToSlot(slot)
  }

  /** 'ok', a refusal's name, or what the runtime says, in the model's words. */
  send(transaction: Transaction): string {
    const result = this.svm.sendLegacyTransaction(serialize(transaction))
    if (!(result instanceof internal.FailedTransactionMetadata)) {
      return 'ok'
    }
    const error = result.err() as unknown as { index?: number; err?: () => unknown }
    if (typeof error !== 'object' || typeof error.err !== 'function') {
      return String(result)
    }
    const program = transaction.instructions[error.index!]?.program
    if (program === ED25519) {
      return 'ed25519'
    }
    const { code } = error.err() as { code?: number }
    return (program !== SYSTEM && code != null && NAMES.get(code)) || String(result)
  }
}

/** A transaction as it goes over the wire, in the legacy form and with signatures of zeros. */
function serialize({ feePayer, instructions }: Transaction): Buffer {
  const flags = new Map([[feePayer, { signer: true, writable: true }]])
  for (const { key, signer, writable } of instructions.flatMap(({ metas }) => metas)) {
    const known = flags.get(key)
    flags.set(key, { signer: signer || known?.signer === true, writable: writable || known?.writable === true })
  }
  for (const { program } of instructions) {
    flags.set(program, flags.get(program) ?? { signer: false, writable: false })
  }
  const group = (signer: boolean, writable: boolean): Key[] =>
    [...flags].filter(([, flag]) => flag.signer === signer && flag.writable === writable).map(([key]) => key)
  const groups = [group(true, true), group(true, false), group(false, true), group(false, false)] as const
  const keys = groups.flat()
  const places = new Map(keys.map((key, place) => [key, place]))
  const signatures = groups[0].length + groups[1].length
  const body = ({ program, metas, data }: Instruction) => [
    Buffer.of(places.get(program)!),
    length(metas.length),
    Buffer.from(metas.map(({ key }) => places.get(key)!)),
    length(data.length),
    data
  ]
  return Buffer.concat([
    length(signatures),
    Buffer.alloc(64 * signatures),
    Buffer.of(signatures, groups[1].length, groups[3].length),
    length(keys.length),
    Buffer.from(keys.join(''), 'hex'),
    Buffer.alloc(32),
    length(instructions.length),
    ...instructions.flatMap(body)
  ])
}

/** Seven bits a byte, the lowest first. */
function length(value: number): Buffer {
  return value < 128 ? Buffer.of(value) : Buffer.of((value & 127) | 128, value >> 7)
}
