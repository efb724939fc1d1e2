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
import { instructionName, isApplySlash, readVote, readVoteBatch, readVoteMessage, voteMessage } from '../k2/settlement/index.ts'
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

const MICRO = 1_000_000n
/** Without a limit of its own a transaction is charged for at most this much. */
const MAX_UNITS = 1_400_000n

/** @throws UnreadableRequestError */
export function reservedByMessage(bytes: Uint8Array): Reserved {
  const { task, body } = readable('message', () => readSignedBytes(bytes))
  return { task, cycle: body.cycle, kind: onceKey(body), content: bytes }
}

/** The bytes by which K2 knows a vote in a batch: what both of its forms are held to. @throws UnreadableRequestError */
export function voteBytes(task: string, vote: FinalVote): Uint8Array {
  return readable('vote', () => voteMessage({ task, ...vote }))
}

/** What such bytes say. @throws UnreadableRequestError */
export function reservedByVote(bytes: Uint8Array): FinalVote & { task: string } {
  return readable('vote', () => readVoteMessage(bytes))
}

/**
 * What a transaction reserves: the bytes of the vote that it casts for the key, or null. It does one thing that a node has a reason
 * for, in its full form, and bids for its place: K2 charges for each signature that an instruction claims, whatever else it holds.
 *
 * @param message - a legacy one, as its signature covers it
 * @throws UnreadableRequestError
 */
export function reservedByTransaction(message: Uint8Array, rules: TransactionRules): Uint8Array | null {
  const instructions = readable('transaction', () => instructionsOf(message, rules.address))
  const isBid = ({ programId }: TransactionInstruction) => programId.equals(ComputeBudgetProgram.programId)
  const feeRoe = readable('transaction', () => bidOf(instructions.filter(isBid)))
  if (feeRoe > rules.maxFeeRoe) {
    refuse(`a transaction that bids ${feeRoe} ROE, where ${rules.maxFeeRoe} are allowed`)
  }
  const acts = instructions.filter((instruction) => !isBid(instruction))
  const [first, second] = acts
  const settles = (instruction: TransactionInstruction | undefined) => instruction?.programId.toBase58() === rules.programId
  if (acts.length === 1 && settles(first)) {
    return actOf(first!, rules.address)
  }
  const isBatch = acts.length === 2 && first!.programId.equals(Ed25519Program.programId) && settles(second)
  if (isBatch) {
    readable('batch of votes', () => readVoteBatch(first!, second!, instructions.indexOf(first!)))
    return null
  }
  const programs = [...new Set(acts.map(({ programId }) => programId.toBase58()))]
  return refuse(`a transaction of ${acts.length} instructions for ${programs.join(', ') || 'no program'}`)
}

function actOf(instruction: TransactionInstruction, address: string): Uint8Array | null {
  const name = instructionName(instruction.data)
  if (name === 'applySlash' && isApplySlash(instruction)) {
    return null
  }
  if (name !== 'vote') {
    refuse(`the instruction ${name ?? instruction.data[0]} of the settlement program`)
  }
  const { task, stakingKey, ...vote } = readable('vote', () => readVote(instruction))
  return stakingKey === address ? voteBytes(task, vote) : refuse(`a vote of ${stakingKey}`)
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

/** What a transaction pays on top of its signatures, in ROE, as K2 rounds it. */
function bidOf(instructions: readonly TransactionInstruction[]): bigint {
  const said = new Map(instructions.map((instruction) => [ComputeBudgetInstruction.decodeInstructionType(instruction), instruction]))
  const [limit, price] = [said.get('SetComputeUnitLimit'), said.get('SetComputeUnitPrice')]
  const other = [...said.keys()].find((type) => type !== 'SetComputeUnitLimit' && type !== 'SetComputeUnitPrice')
  if (other != null || said.size !== instructions.length) {
    throw new Error(`${other ?? 'a bid said twice'} is nothing that a node asks for`)
  }
  const units = limit == null ? MAX_UNITS : BigInt(ComputeBudgetInstruction.decodeSetComputeUnitLimit(limit).units)
  const microLamports = price == null ? 0n : BigInt(ComputeBudgetInstruction.decodeSetComputeUnitPrice(price).microLamports)
  return (microLamports * units + MICRO - 1n) / MICRO
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
