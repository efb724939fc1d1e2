/** What a request reserves, read from the very bytes that are to be signed: pure. */
import { createHash } from 'node:crypto'
import { Ed25519Program, Message, Transaction, type TransactionInstruction } from '@solana/web3.js'
import type { SignerLog } from '../identity/index.ts'
import { bidIn, encodeVote, type FinalVote, isBid, messageOf } from '../k2/index.ts'
import { demandVoteBatch, instructionName, isApplySlash, readVote, readVoteMessage, voteMessage } from '../k2/settlement/index.ts'
import { onceKey, readSignedBytes } from '../wire/index.ts'
import { ContradictionError, UnreadableRequestError } from './errors.ts'

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

/** A vote for a task, base58. */
export type TaskVote = FinalVote & { task: string }

/** @throws UnreadableRequestError */
export function reservedByMessage(bytes: Uint8Array): Reserved {
  const { task, body } = readable('message', () => readSignedBytes(bytes))
  return { task, cycle: body.cycle, kind: onceKey(body), content: bytes }
}

export function reservedByVote(vote: TaskVote): Reserved {
  return { task: vote.task, cycle: vote.cycle, kind: 'vote', content: encodeVote(vote) }
}

/** Where it stands in the log. What may be said again is kept by its own hash: nothing contradicts it, and it is known as ours. */
export function entryOf({ content, kind }: Reserved): { hash: string; key: string } {
  const hash = createHash('sha256').update(content).digest('hex')
  return { hash, key: kind ?? `again/${hash}` }
}

/** Whether exactly this message is in the log; false for what cannot be read. */
export function isSigned(log: SignerLog, bytes: Uint8Array): boolean {
  try {
    const reserved = reservedByMessage(bytes)
    const { hash, key } = entryOf(reserved)
    return log.get(reserved.task, reserved.cycle, key) === hash
  } catch {
    return false
  }
}

/** Puts into the log what this key is known to have signed elsewhere, unless it has another in its place. */
export function adoptInto(log: SignerLog, bytes: Uint8Array): void {
  const reserved = reservedByMessage(bytes)
  const { hash, key } = entryOf(reserved)
  if (log.get(reserved.task, reserved.cycle, key) == null) {
    log.put(reserved.task, reserved.cycle, key, hash, reserved.content)
  }
}

/** @throws ContradictionError */
export function refuseSecond({ task, cycle }: Reserved, key: string): never {
  throw new ContradictionError(`refusing to sign a second, different ${key} of cycle ${cycle}: one was signed before (task ${task})`)
}

/** What K2 is to check of a vote in a batch, and what is read in it, whatever it was asked for with. @throws UnreadableRequestError */
export function handedOver(task: string, vote: FinalVote): { bytes: Uint8Array; vote: TaskVote } {
  return readable('vote', () => {
    const bytes = voteMessage({ task, ...vote })
    return { bytes, vote: readVoteMessage(bytes) }
  })
}

/**
 * The vote that a transaction casts for the key, or null. It does one thing that a node has a reason
 * for, in its full form, and bids for its place: K2 charges for each signature that an instruction claims, whatever else it holds.
 *
 * @param message - a legacy one, as its signature covers it
 * @throws UnreadableRequestError
 */
export function reservedByTransaction(message: Uint8Array, rules: TransactionRules): TaskVote | null {
  const instructions = readable('transaction', () => instructionsOf(message, rules.address))
  const feeRoe = readable('transaction', () => bidIn(instructions.filter(isBid)))
  if (feeRoe > rules.maxFeeRoe) {
    refuse(`a transaction that bids ${feeRoe} ROE, where ${rules.maxFeeRoe} are allowed`)
  }
  const acts = instructions.filter((instruction) => !isBid(instruction))
  const [first, second] = acts
  const settles = (instruction: TransactionInstruction | undefined) => instruction?.programId.toBase58() === rules.programId
  if (acts.length === 1 && settles(first)) {
    return actOf(first!, rules.address)
  }
  if (acts.length === 2 && first!.programId.equals(Ed25519Program.programId) && settles(second)) {
    readable('batch of votes', () => demandVoteBatch(first!, second!, instructions.indexOf(first!)))
    return null
  }
  const programs = [...new Set(acts.map(({ programId }) => programId.toBase58()))]
  return refuse(`a transaction of ${acts.length} instructions for ${programs.join(', ') || 'no program'}`)
}

function actOf(instruction: TransactionInstruction, address: string): TaskVote | null {
  const name = instructionName(instruction.data)
  if (name === 'applySlash' && isApplySlash(instruction)) {
    return null
  }
  if (name !== 'vote') {
    refuse(`the instruction ${name ?? instruction.data[0]} of the settlement program`)
  }
  const { task, stakingKey, ...vote } = readable('vote', () => readVote(instruction))
  return stakingKey === address ? { task, ...vote } : refuse(`a vote of ${stakingKey}`)
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

function readable<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (err) {
    if (err instanceof UnreadableRequestError) {
      throw err
    }
    throw new UnreadableRequestError(`refusing to sign a ${what} that cannot be read: ${messageOf(err)}`, { cause: err })
  }
}

function refuse(what: string): never {
  throw new UnreadableRequestError(`refusing to sign ${what}: a node has no reason to send it`)
}
