import { type AccountInfo, type Commitment, PublicKey } from '@solana/web3.js'
import { commandLine } from '../command/index.ts'
import type { Logger } from '../observe/index.ts'
import { messageOf } from './errors.ts'
import type { Agreed, EndpointPool } from './pool.ts'
import { publicKey, toText } from './reading.ts'
import { decodeStake, decodeTask, type StakeAccount, stakeAddress, type TaskAccount, taskFilters } from './settlement/index.ts'
import { createTaskReads, type Doubt, type TaskReads } from './task-reads.ts'

/** What is read of the settlement program's accounts. */
export interface AccountReads extends TaskReads {
  /** All tasks of the program. What does not decode is left out, as in `stakes`. */
  tasks(): Promise<TaskAccount[]>
  stake(task: string, staker: string): Promise<StakeAccount | undefined>
  /** What a staker has voted for last, as most endpoints tell it. */
  lastVote(wanted: LastVoteInit): Promise<Agreed<StakeAccount['lastVote']>>
}

export interface LastVoteInit {
  task: string
  staker: string
  commitment: 'confirmed' | 'finalized'
  minSlot?: number | undefined
}

export interface AccountReadsInit {
  pool: EndpointPool
  programId: string
  url: string
  log: Logger
  onDoubt: (doubt: Doubt) => void
  /** Told once of each account that cannot be read and is left out of a list. */
  onLeftOut: (address: string, reason: string) => void
}

/** How many unreadable accounts are told of: a list may hold thousands of another version. */
const MAX_LEFT_OUT = 16
/** Of so many accounts it is known that they were there, so that it is noticed when they are gone. */
const MAX_SEEN = 1000

export function createAccountReads({ pool, programId, url, log, onLeftOut, onDoubt }: AccountReadsInit): AccountReads {
  const program = publicKey(programId, 'the settlement program', '--program')

  /** Accounts of a list that were told of as left out. */
  const leftOut = new Set<string>()
  /** One account of another version, or a damaged one, must not hide the others. */
  const each = <T>(
    found: ReadonlyArray<{ pubkey: PublicKey; account: { data: Buffer } }>,
    read: (address: string, data: Buffer) => T
  ): T[] =>
    found.flatMap(({ pubkey, account: { data } }) => {
      const address = pubkey.toBase58()
      try {
        return [read(address, data)]
      } catch (err) {
        if (!leftOut.has(address) && leftOut.size < MAX_LEFT_OUT) {
          leftOut.add(address)
          onLeftOut(address, messageOf(err))
        }
        return []
      }
    })

  /** Accounts that were there. */
  const seen = new Set<string>()

  /** What an account holds, as most endpoints say; never from before what was read before. */
  const account = async <T>(
    key: PublicKey,
    read: (info: AccountInfo<Buffer> | null) => T,
    {
      digest,
      commitment = 'confirmed',
      minSlot = 0
    }: { digest: (value: T) => string; commitment?: Commitment; minSlot?: number | undefined }
  ): Promise<Agreed<T>> => {
    const from = Math.max(minSlot, pool.floor(commitment))
    const agreed = await pool.agree({
      request: async (connection) => {
        const { context, value } = await connection.getAccountInfoAndContext(key, { commitment, minContextSlot: from })
        if (value == null && seen.has(key.toBase58())) {
          pool.doubtNetwork()
        } else if (value != null && seen.size < MAX_SEEN) {
          seen.add(key.toBase58())
        }
        return { slot: context.slot, value: read(value) }
      },
      digest,
      minSlot: from
    })
    pool.raise(commitment, agreed)
    return agreed
  }

  const { task, stakes } = createTaskReads({ pool, program, programId, url, each, log, onDoubt })

  return {
    task,
    stakes,
    async tasks() {
      const found = await pool.read((connection) => connection.getProgramAccounts(program, { filters: taskFilters() }))
      return each(found, decodeTask)
    },
    async stake(task, staker) {
      const { address, key } = stakeKey(task, staker)
      const read = (info: AccountInfo<Buffer> | null) =>
        info == null || !info.owner.equals(program) ? undefined : decodeStake(address, info.data)
      return (await account(key, read, { digest: toText })).value
    },
    async lastVote({ task, staker, commitment, minSlot }) {
      const { address, key } = stakeKey(task, staker)
      const read = (info: AccountInfo<Buffer> | null) =>
        info == null || !info.owner.equals(program) ? undefined : decodeStake(address, info.data).lastVote
      return account(key, read, { digest: toText, commitment, minSlot })
    }
  }

  function stakeKey(task: string, staker: string): { address: string; key: PublicKey } {
    publicKey(task, 'a task', commandLine(['task', 'list'], { k2: url }))
    publicKey(staker, 'a staker', commandLine(['task', 'show', task], { k2: url }))
    const address = stakeAddress({ task, staker, programId })
    return { address, key: new PublicKey(address) }
  }
}
