/** The run's transactions on K2, as the chain itself sees them, and the votes that they bring. */
import { Ed25519Program, PublicKey } from '@solana/web3.js'
import type { LocalTransaction } from '../k2/local/index.ts'
import { instructionName, PROGRAM_ID, voteCycle } from '../k2/settlement/index.ts'
import type { TransactionFacts } from './facts.ts'
import type { Member } from './member.ts'

export interface TransactionLogInit {
  members: readonly Member[]
  /** Who pays for what is no part of the run. */
  strangers: ReadonlySet<string>
}

export interface TransactionLog {
  /** In order. */
  transactions: TransactionFacts[]
  /** Burned by all transactions, strangers' too, in lamports. */
  fees(): bigint
  take(transaction: LocalTransaction): void
  /** Whether a vote has landed since this was asked before. */
  hasNewVote(): boolean
}

export function createTransactionLog({ members, strangers }: TransactionLogInit): TransactionLog {
  const transactions: TransactionFacts[] = []
  let fees = 0n
  let voteLanded = false
  return {
    transactions,
    fees: () => fees,
    take(transaction) {
      fees += transaction.fee
      if (!strangers.has(transaction.feePayer)) {
        const facts = factsOf(transaction, countedVotes(transaction, transactions, members))
        transactions.push(facts)
        if (facts.votes.length > 0 && !facts.failed) {
          voteLanded = true
        }
      }
    },
    hasNewVote() {
      const landed = voteLanded
      voteLanded = false
      return landed
    }
  }
}

/** The votes that a transaction brings: a batch passes over those that are in. */
function countedVotes(
  { err, instructions }: LocalTransaction,
  transactions: readonly TransactionFacts[],
  members: readonly Member[]
): TransactionFacts['votes'] {
  return instructions.flatMap(({ programId, data, accounts }) => {
    const name = programId === PROGRAM_ID ? instructionName(data) : undefined
    if (name === 'vote') {
      return [{ staker: accounts[0]!, cycle: voteCycle(name, data) }]
    }
    if (name !== 'voteBatch') {
      return []
    }
    const cycle = voteCycle(name, data)
    const known = (staker: string) =>
      err == null &&
      transactions.some(({ failed, votes }) => !failed && votes.some((vote) => vote.staker === staker && vote.cycle === cycle))
    return members
      .filter(({ stake, pair }) => accounts.slice(2).includes(stake) && !known(pair.address))
      .map(({ pair }) => ({ staker: pair.address, cycle }))
  })
}

function factsOf(
  { slot, signature, feePayer, bytes, err, instructions }: LocalTransaction,
  votes: TransactionFacts['votes']
): TransactionFacts {
  return {
    slot,
    signature,
    feePayer,
    bytes,
    failed: err != null,
    kinds: instructions.map(({ programId, data }) =>
      programId === PROGRAM_ID ? (instructionName(data) ?? 'unknown') : nameOfProgram(programId)
    ),
    votes
  }
}

function nameOfProgram(programId: string): string {
  const named = { [PublicKey.default.toBase58()]: 'system', [Ed25519Program.programId.toBase58()]: 'ed25519' }
  return named[programId] ?? programId
}
