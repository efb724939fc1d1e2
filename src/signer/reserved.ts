/** What a request reserves, read from the very bytes that are to be signed: pure. */
import {
  ComputeBudgetInstruction,
  ComputeBudgetProgram,
  Ed25519Program,
  Message,
  Transaction,
  type TransactionInstruction
} from '@solana/web3.js'
import type { FinalVote } from '../k2/index.ts'
import { type InstructionName, instructionName, readVote } from '../k2/settlement/index.ts'
import { onceKey, readSignedBytes } from '../wire/index.ts'
import { UnreadableRequestError } from './errors.ts'

/** A place in the log, and what is to stand there. */
export interface Reserved {
  /** base58 */
  task: string
  cycle: number
  /** The kind of message that may be said once in a cycle; null for what may be said again. */
  kind: string | null
  content: Uint8Array
}

export interface TransactionRules {
  /** base58: who signs, and nobody else does. */
  address: string
  programId: string
  maxFeeRoe: bigint
}

/** What a node's own transactions do: none of it moves what belongs to the key. */
const ALLOWED = new Set<InstructionName>(['vote', 'voteBatch', 'applySlash'])
const MICRO = 1_000_000n
/** Without a limit of its own a transaction is charged for at most this much. */
const MAX_UNITS = 1_400_000n

/** @throws UnreadableRequestError */
export function reservedByMessage(bytes: Uint8Array): Reserved {
  const { task, body } = readable('message', () => readSignedBytes(bytes))
  return { task, cycle: body.cycle, kind: onceKey(body), content: bytes }
}

/**
 * The final votes of the key that a transaction casts.
 *
 * @param message - a legacy one, as its signature covers it
 * @throws UnreadableRequestError for what a node has no reason to sign
 */
export function reservedByTransaction(message: Uint8Array, rules: TransactionRules): Array<{ task: string; vote: FinalVote }> {
  const instructions = readable('transaction', () => instructionsOf(message, rules.address))
  const votes: Array<{ task: string; vote: FinalVote }> = []
  const bid = { units: MAX_UNITS, price: 0n }
  for (const [at, instruction] of instructions.entries()) {
    const program = instruction.programId.toBase58()
    if (program === rules.programId) {
      votes.push(...votesIn(instruction, rules.address))
    } else if (program === ComputeBudgetProgram.programId.toBase58()) {
      readable('transaction', () => readBid(instruction, bid))
    } else if (program !== Ed25519Program.programId.toBase58() || nameOf(instructions[at + 1], rules.programId) !== 'voteBatch') {
      refuse(`a transaction for the program ${program}`)
    }
  }
  const feeRoe = (bid.price * bid.units + MICRO - 1n) / MICRO
  if (feeRoe > rules.maxFeeRoe) {
    refuse(`a transaction that bids ${feeRoe} ROE, where ${rules.maxFeeRoe} are allowed`)
  }
  return votes
}

function votesIn(instruction: TransactionInstruction, address: string): Array<{ task: string; vote: FinalVote }> {
  const name = instructionName(instruction.data)
  if (name == null || !ALLOWED.has(name)) {
    refuse(`the instruction ${name ?? instruction.data[0]} of the settlement program`)
  }
  if (name !== 'vote') {
    return []
  }
  const { task, stakingKey, ...vote } = readable('vote', () => readVote(instruction))
  return stakingKey === address ? [{ task, vote }] : refuse(`a vote of ${stakingKey}`)
}

function nameOf(instruction: TransactionInstruction | undefined, programId: string): InstructionName | undefined {
  return instruction?.programId.toBase58() === programId ? instructionName(instruction.data) : undefined
}

/** One signer, and the very bytes that these instructions make: nothing is hidden behind them. */
function instructionsOf(bytes: Uint8Array, address: string): TransactionInstruction[] {
  const message = Message.from(bytes)
  if (message.header.numRequiredSignatures !== 1 || message.accountKeys[0]?.toBase58() !== address) {
    throw new Error('it is not for this key alone')
  }
  if (Buffer.compare(message.serialize(), bytes) !== 0) {
    throw new Error('it has more than one way to be written')
  }
  return Transaction.populate(message, []).instructions
}

function readBid(instruction: TransactionInstruction, bid: { units: bigint; price: bigint }): void {
  const type = ComputeBudgetInstruction.decodeInstructionType(instruction)
  if (type === 'SetComputeUnitLimit') {
    bid.units = BigInt(ComputeBudgetInstruction.decodeSetComputeUnitLimit(instruction).units)
  } else if (type === 'SetComputeUnitPrice') {
    bid.price = BigInt(ComputeBudgetInstruction.decodeSetComputeUnitPrice(instruction).microLamports)
  } else {
    throw new Error(`${type} is nothing that a node asks for`)
  }
}

function readable<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (err) {
    if (err instanceof UnreadableRequestError) {
      throw err
    }
    throw new UnreadableRequestError(
      `refusing to sign a ${what} that cannot be read: ${err instanceof Error ? err.message : String(err)}`,
      {
        cause: err
      }
    )
  }
}

function refuse(what: string): never {
  throw new UnreadableRequestError(`refusing to sign ${what}: a node has no reason to send it`)
}
