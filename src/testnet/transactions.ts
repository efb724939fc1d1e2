/** The run's transactions on K2, as the chain itself sees them, and the votes that they bring. */
import { Ed25519Program, PublicKey } from '@solana/web3.js'
import { instructionName, PROGRAM_ID, voteCycle } from '../k2/settlement/index.ts'
import type { LocalTransaction } from '../local-k2/index.ts'
import type { TransactionFacts } from './facts.ts'

/** One of any task. */
export interface LoggedTransaction extends TransactionFacts {
  votes: LoggedVote[]
}

interface LoggedVote {
  task: string
  staker: string
  cycle: number
}

export interface TransactionLogInit {
  /** Who pays for what is no part of the run. */
  strangers: ReadonlySet<string>
}

export interface TransactionLog {
  /** In order. */
  transactions: LoggedTransaction[]
  /** Those, with the votes of one task alone. */
  of(task: string): TransactionFacts[]
  /** Burned by all transactions, strangers' too, in lamports. */
  fees(): bigint
  /** Whose stake account that is: a batch of votes names no more. */
  knows(stake: string, owner: { task: string; staker: string }): void
  take(transaction: LocalTransaction): void
  /** Whether a vote of that task has landed since this was asked before. */
  hasNewVote(task: string): boolean
}

type Stakes = ReadonlyMap<string, { task: string; staker: string }>

export function createTransactionLog({ strangers }: TransactionLogInit): TransactionLog {
  const transactions: LoggedTransaction[] = []
  const stakes = new Map<string, { task: string; staker: string }>()
  const votedOn = new Set<string>()
  let fees = 0n
  return {
    transactions,
    of: (task) => transactions.map((one) => ({ ...one, votes: one.votes.filter((vote) => vote.task === task) })),
    fees: () => fees,
    knows: (stake, owner) => void stakes.set(stake, owner),
    take(transaction) {
      fees += transaction.fee
      if (!strangers.has(transaction.feePayer)) {
        const facts = factsOf(transaction, countedVotes(transaction, transactions, stakes))
        transactions.push(facts)
        for (const { task } of facts.failed ? [] : facts.votes) {
          votedOn.add(task)
        }
      }
    },
    hasNewVote: (task) => votedOn.delete(task)
  }
}

/** The votes that a transaction brings: a batch passes over those that are in. */
function countedVotes({ err, instructions }: LocalTransaction, transactions: readonly LoggedTransaction[], stakes: Stakes): LoggedVote[] {
  return instructions.flatMap(({ programId, data, accounts }) => {
    const name = programId === PROGRAM_ID ? instructionName(data) : undefined
    if (name === 'vote') {
      return [{ task: accounts[1]!, staker: accounts[0]!, cycle: voteCycle(name, data) }]
    }
    if (name !== 'voteBatch') {
      return []
    }
    const cycle = voteCycle(name, data)
    const isIn = ({ task, staker }: { task: string; staker: string }) =>
      err == null &&
      transactions.some(
        ({ failed, votes }) => !failed && votes.some((vote) => vote.task === task && vote.staker === staker && vote.cycle === cycle)
      )
    return [...new Set(accounts.slice(2))].flatMap((address) => {
      const owner = stakes.get(address)
      return owner == null || isIn(owner) ? [] : [{ ...owner, cycle }]
    })
  })
}

function factsOf({ slot, signature, feePayer, bytes, err, instructions }: LocalTransaction, votes: LoggedVote[]): LoggedTransaction {
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
