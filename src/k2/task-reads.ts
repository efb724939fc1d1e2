/**
 * A task and the stakes in it. A list of stakes is believed when it is what the task's own account says, and accounts that are known
 * are read together with the task's, in one request and as of one slot.
 */

import { createHash } from 'node:crypto'
import { type AccountInfo, PublicKey } from '@solana/web3.js'
import { commandLine } from '../command/index.ts'
import type { Logger } from '../observe/index.ts'
import { K2AccountError, K2DoubtError } from './errors.ts'
import type { EndpointPool } from './pool.ts'
import { publicKey, toText } from './reading.ts'
import { decodeStake, decodeTask, type StakeAccount, stakeFilters, type TaskAccount } from './settlement/index.ts'
import { contradictionIn } from './witness.ts'

/** A task and its stakes, each held to the other. */
export interface TaskReads {
  /**
   * @param minSlot - what was read at or after this slot is not asked for again; without it, it is
   * @throws K2AccountError when there is no such task; K2ArgumentError, K2ContradictionError, K2UnreachableError
   */
  task(id: string, minSlot?: number): Promise<TaskAccount>
  /**
   * The stakes in a task, all of them by what the task's own account says. What does not decode is left out: one odd account must
   * not hide the others.
   *
   * @throws K2DoubtError when the list is not whole, asked for again and again
   */
  stakes(task: string, minSlot?: number): Promise<StakeAccount[]>
}

/** A list of K2's contradicts what witnesses it. */
export interface Doubt {
  list: 'stakes'
  endpoint: string
  /** null: it does no longer. */
  reason: string | null
}

export interface TaskReadsInit {
  pool: EndpointPool
  program: PublicKey
  programId: string
  url: string
  each: (found: Array<{ pubkey: PublicKey; account: { data: Buffer } }>, read: typeof decodeStake) => StakeAccount[]
  log: Logger
  onDoubt: (doubt: Doubt) => void
}

/** How often a list that contradicts its witness is asked for, with a new witness each time: the stakes may have changed between the two. */
const LIST_TRIES = 4
const LIST_PAUSE_MS = 100
/** `getMultipleAccounts` gives a hundred, the task's among them. */
const MOST_TOGETHER = 99

interface Reading {
  slot: number
  task: TaskAccount
  /** All of them, where they were read together with the task. */
  stakes?: StakeAccount[]
}

export function createTaskReads({ pool, program, programId, url, each, log, onDoubt }: TaskReadsInit): TaskReads {
  const latest = new Map<string, Reading>()
  const underWay = new Map<string, { from: number; answer: Promise<Reading> }>()
  /** Addresses of the stakes in a task, as they were listed last. */
  const known = new Map<string, PublicKey[]>()

  const taskOf = (id: string, info: AccountInfo<Buffer> | null | undefined): TaskAccount => {
    if (info == null) {
      if (latest.has(id)) {
        pool.doubtNetwork()
      }
      throw new K2AccountError(
        `there is no task ${id} on K2 at ${url}: check the id and the URL, or list the tasks with: ${commandLine(['task', 'list'], { k2: url })}`
      )
    }
    if (!info.owner.equals(program)) {
      throw new K2AccountError(
        `${id} is not a task of the settlement program ${programId} (it belongs to ${info.owner.toBase58()}): check the id, or give the program with --program`
      )
    }
    return decodeTask(id, info.data)
  }

  const alone = async (id: string, key: PublicKey, from: number): Promise<Reading> => {
    const agreed = await pool.agree({
      request: async (connection) => {
        const { context, value } = await connection.getAccountInfoAndContext(key, { commitment: 'confirmed', minContextSlot: from })
        return { slot: context.slot, value: taskOf(id, value) }
      },
      digest: lastingOf,
      minSlot: from
    })
    pool.raise('confirmed', agreed)
    return { slot: agreed.slot, task: agreed.value }
  }

  /** @throws K2DoubtError when these are not all stakes any more */
  const together = async (id: string, key: PublicKey, addresses: PublicKey[], from: number): Promise<Reading> => {
    const agreed = await pool.agree({
      request: async (connection) => {
        const config = { commitment: 'confirmed', minContextSlot: from } as const
        const { context, value } = await connection.getMultipleAccountsInfoAndContext([key, ...addresses], config)
        const found = addresses.flatMap((pubkey, i) => {
          const account = value[i + 1]
          return account?.owner.equals(program) === true ? [{ pubkey, account }] : []
        })
        if (found.length < addresses.length) {
          pool.doubtNetwork()
        }
        return { slot: context.slot, value: { task: taskOf(id, value[0]), stakes: each(found, decodeStake) } }
      },
      digest: ({ task, stakes }) => `${lastingOf(task)} ${digestOf(stakes)}`,
      minSlot: from,
      check: ({ task, stakes }) => contradictionIn(stakes, task, from),
      onJudged: judge
    })
    pool.raise('confirmed', agreed)
    return { slot: agreed.slot, ...agreed.value }
  }

  const read = async (id: string, minSlot: number): Promise<Reading> => {
    const key = publicKey(id, 'a task', commandLine(['task', 'list'], { k2: url }))
    const from = Math.max(minSlot, pool.floor('confirmed'))
    const addresses = known.get(id)
    let reading: Reading | undefined
    if (addresses != null) {
      reading = await together(id, key, addresses, from).catch((err) => {
        if (!(err instanceof K2DoubtError)) {
          throw err
        }
        known.delete(id)
        return undefined
      })
    }
    reading ??= await alone(id, key, from)
    if (reading.slot >= (latest.get(id)?.slot ?? 0)) {
      latest.set(id, reading)
    }
    return reading
  }

  /** A round begins with several who want to know the same: one reading is enough for all who ask for a slot. */
  const readSince = (id: string, minSlot: number | undefined): Promise<Reading> => {
    const last = latest.get(id)
    if (minSlot != null && last != null && last.slot >= minSlot) {
      return Promise.resolve(last)
    }
    const other = underWay.get(id)
    if (minSlot != null && other != null && other.from >= minSlot) {
      return other.answer
    }
    const answer = read(id, minSlot ?? 0).finally(() => {
      if (underWay.get(id)?.answer === answer) {
        underWay.delete(id)
      }
    })
    if (minSlot != null) {
      underWay.set(id, { from: minSlot, answer })
    }
    return answer
  }

  const doubted = new Set<string>()
  const judge = (endpoint: string, fault: string | undefined) => {
    if (fault != null && !doubted.has(endpoint)) {
      doubted.add(endpoint)
      log.warn({ event: 'k2-doubt', endpoint, reason: fault }, 'a list of stakes contradicts the account of the task, and is not believed')
      onDoubt({ list: 'stakes', endpoint, reason: fault })
    } else if (fault == null && doubted.delete(endpoint)) {
      log.info({ event: 'k2-doubt', endpoint }, 'the list of stakes and the account of the task agree again')
      onDoubt({ list: 'stakes', endpoint, reason: null })
    }
  }

  const list = async (id: string, from: number, witness: TaskAccount): Promise<StakeAccount[]> => {
    const agreed = await pool.agree({
      request: async (connection) => {
        const { context, value } = await connection.getProgramAccounts(program, {
          filters: stakeFilters({ task: id }),
          commitment: 'confirmed',
          minContextSlot: from,
          withContext: true
        })
        const accounts = each([...value], decodeStake)
        return { slot: context.slot, value: accounts.sort((a, b) => (a.address < b.address ? -1 : 1)) }
      },
      digest: digestOf,
      minSlot: from,
      check: (accounts) => contradictionIn(accounts, witness, from),
      onJudged: judge
    })
    pool.raise('confirmed', agreed)
    return agreed.value
  }

  return {
    task: async (id, minSlot) => (await readSince(id, minSlot)).task,
    async stakes(id, minSlot) {
      for (let tries = 1; ; tries++) {
        const { task, stakes } = await readSince(id, tries === 1 ? minSlot : undefined)
        if (stakes != null) {
          return stakes
        }
        try {
          const found = await list(id, Math.max(minSlot ?? 0, pool.floor('confirmed')), task)
          if (found.length <= MOST_TOGETHER) {
            known.set(
              id,
              found.map(({ address }) => new PublicKey(address))
            )
          }
          return found
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
    }
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

/** What of a stake says who may speak and with what weight, as text; votes and claims move on from slot to slot. */
export function lastingStake({
  lastVote: _vote,
  claimedReward: _claimed,
  appliedSlash: _slashed,
  slashedIn: _in,
  unlockSlot: _unlock,
  ...lasting
}: StakeAccount): string {
  return toText(lasting)
}

function digestOf(accounts: readonly StakeAccount[]): string {
  return createHash('sha256').update(accounts.map(lastingStake).join('\n')).digest('hex')
}
