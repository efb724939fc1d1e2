import { createHash } from 'node:crypto'
import { type AccountInfo, type Commitment, PublicKey } from '@solana/web3.js'
import type { Logger } from '../observe/index.ts'
import { K2AccountError, K2ArgumentError, K2DoubtError, messageOf } from './errors.ts'
import type { Agreed, Pool } from './pool.ts'
import {
  decodeStake,
  decodeTask,
  type StakeAccount,
  stakeAddress,
  stakeFilters,
  type TaskAccount,
  taskFilters
} from './settlement/index.ts'
import { contradictionIn } from './witness.ts'

/** What is read of the settlement program's accounts. */
export interface AccountReads {
  /**
   * @param minSlot - what was read at or after this slot is not asked for again; without it, it is
   * @throws K2AccountError when there is no such task; K2ArgumentError, K2ContradictionError, K2UnreachableError
   */
  task(id: string, minSlot?: number): Promise<TaskAccount>
  /** All tasks of the program. What does not decode is left out, as in `stakes`. */
  tasks(): Promise<TaskAccount[]>
  /**
   * The stakes in a task, all of them by what the task's own account says. What does not decode is left out: one odd account must
   * not hide the others.
   *
   * @throws K2DoubtError when the list is not whole, asked for again and again
   */
  stakes(task: string, minSlot?: number): Promise<StakeAccount[]>
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

/** A list of K2's contradicts what witnesses it. */
export interface Doubt {
  list: 'stakes'
  endpoint: string
  /** null: it does no longer. */
  reason: string | null
}

export interface AccountReadsInit {
  pool: Pool
  programId: string
  url: string
  log: Logger
  onDoubt: (doubt: Doubt) => void
  /** Told once of each account that cannot be read and is left out of a list. */
  onLeftOut: (address: string, reason: string) => void
}

/** How many unreadable accounts are told of: a list may hold thousands of another version. */
const MAX_LEFT_OUT = 16
/** How often a list that contradicts its witness is asked for, with a new witness each time: the stakes may have changed between the two. */
const LIST_TRIES = 4
const LIST_PAUSE_MS = 100

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
        return { slot: context.slot, value: read(value) }
      },
      digest,
      minSlot: from
    })
    pool.raise(commitment, agreed)
    return agreed
  }

  const tasksRead = new Map<string, { slot: number; value: TaskAccount }>()
  const readings = new Map<string, { from: number; answer: Promise<TaskAccount> }>()
  const readTask = async (id: string, minSlot?: number): Promise<TaskAccount> => {
    const key = publicKey(id, 'a task', 'koii-mesh task list')
    const read = (info: AccountInfo<Buffer> | null) => {
      if (info == null) {
        throw new K2AccountError(
          `there is no task ${id} on K2 at ${url}: check the id and the URL, or list the tasks with: koii-mesh task list --k2 ${url}`
        )
      }
      if (!info.owner.equals(program)) {
        throw new K2AccountError(
          `${id} is not a task of the settlement program ${programId} (it belongs to ${info.owner.toBase58()}): check the id, or give the program with --program`
        )
      }
      return decodeTask(id, info.data)
    }
    const found = await account(key, read, { digest: lastingOf, minSlot })
    if (found.slot >= (tasksRead.get(id)?.slot ?? 0)) {
      tasksRead.set(id, found)
    }
    return found.value
  }
  /** A round begins with several who want to know the same: one reading is enough for all who ask for a slot. */
  const task: AccountReads['task'] = (id, minSlot) => {
    const known = tasksRead.get(id)
    if (minSlot != null && known != null && known.slot >= minSlot) {
      return Promise.resolve(known.value)
    }
    const reading = readings.get(id)
    if (minSlot != null && reading != null && reading.from >= minSlot) {
      return reading.answer
    }
    const answer = readTask(id, minSlot).finally(() => {
      if (readings.get(id)?.answer === answer) {
        readings.delete(id)
      }
    })
    if (minSlot != null) {
      readings.set(id, { from: minSlot, answer })
    }
    return answer
  }

  const doubted = new Set<string>()
  const judge = (endpoint: string, fault: string | undefined) => {
    if (fault != null && !doubted.has(endpoint)) {
      doubted.add(endpoint)
      log.warn({ endpoint, reason: fault }, 'a list of stakes contradicts the account of the task, and is not believed')
      onDoubt({ list: 'stakes', endpoint, reason: fault })
    } else if (fault == null && doubted.delete(endpoint)) {
      log.info({ endpoint }, 'the list of stakes and the account of the task agree again')
      onDoubt({ list: 'stakes', endpoint, reason: null })
    }
  }

  const listStakes = (id: string, from: number, witness: TaskAccount): Promise<Agreed<StakeAccount[]>> =>
    pool.agree({
      request: async (connection) => {
        const { context, value } = await connection.getProgramAccounts(program, {
          filters: stakeFilters({ task: id }),
          commitment: 'confirmed',
          minContextSlot: from,
          withContext: true
        })
        const accounts = each(value, decodeStake)
        return { slot: context.slot, value: accounts.sort((a, b) => (a.address < b.address ? -1 : 1)) }
      },
      // what says who may speak and with what weight; votes and claims move on from slot to slot
      digest: (accounts) =>
        sha256(
          toText(
            accounts.map(
              ({ lastVote: _vote, claimedReward: _claimed, appliedSlash: _slashed, slashedIn: _in, unlockSlot: _unlock, ...lasting }) =>
                lasting
            )
          )
        ),
      minSlot: from,
      check: (accounts) => contradictionIn(accounts, witness, from),
      onJudged: judge
    })

  return {
    task,
    async tasks() {
      const found = await pool.read((connection) => connection.getProgramAccounts(program, { filters: taskFilters() }))
      return each(found, decodeTask)
    },
    async stakes(id, minSlot = 0) {
      publicKey(id, 'a task', 'koii-mesh task list')
      for (let tries = 1; ; tries++) {
        const witness = await task(id, tries === 1 ? minSlot : undefined)
        const from = Math.max(minSlot, pool.floor('confirmed'))
        try {
          const agreed = await listStakes(id, from, witness)
          pool.raise('confirmed', agreed)
          return agreed.value
        } catch (err) {
          if (!(err instanceof K2DoubtError)) {
            throw err
          }
          if (tries === LIST_TRIES) {
            for (const { name, reason } of err.doubts) {
              judge(name, reason)
            }
            throw err
          }
        }
        await new Promise((resolve) => setTimeout(resolve, LIST_PAUSE_MS * tries))
      }
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
    publicKey(task, 'a task', 'koii-mesh task list')
    publicKey(staker, 'a staker', 'koii-mesh task show')
    const address = stakeAddress({ task, staker, programId })
    return { address, key: new PublicKey(address) }
  }
}

/**
 * What of a task's account does not move with every vote, as text: two endpoints a moment apart would hardly ever show the same of the
 * rest.
 */
export function lastingOf({
  tally: _tally,
  stakerCount: _count,
  claimedTotal: _claimed,
  slashedTotal: _slashed,
  ...lasting
}: TaskAccount): string {
  return toText(lasting)
}

/** As text that is equal where the values are. */
export function toText(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'bigint' ? `${inner}` : inner instanceof Uint8Array ? Buffer.from(inner).toString('hex') : inner
    ) ?? 'none'
  )
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** @throws K2ArgumentError */
export function publicKey(text: string, what: string, hint: string): PublicKey {
  try {
    return new PublicKey(text)
  } catch {
    throw new K2ArgumentError(`"${text}" is not the address of ${what}, which is 32 bytes in base58: see ${hint}`)
  }
}
