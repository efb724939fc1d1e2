/**
 * What is told by subscription, so that it need not be asked for. A notice comes from one endpoint and may be late, lost or a lie:
 * of several endpoints it is a reason to look, and nothing that a vote hangs on is decided by it.
 */
import { commandLine } from '../command/index.ts'
import type { Logger } from '../observe/index.ts'
import type { AccountReads } from './accounts.ts'
import { messageOf } from './errors.ts'
import type { Subscription } from './feed.ts'
import { oneAtATime } from './looks.ts'
import type { EndpointPool } from './pool.ts'
import { publicKey } from './reading.ts'
import { decodeStake, decodeTask, type StakeAccount, stakeFilters, type TaskAccount } from './settlement/index.ts'
import { lastingOf } from './task-reads.ts'

export interface Watches {
  /** Calls `listener` with the task when it has changed, until the returned function is called. */
  watchTask(task: string, listener: (task: TaskAccount) => void): Subscription
  /**
   * Calls `listener` with each stake account of a task that an endpoint says has changed: a rumour. `live` is whether any endpoint
   * tells at all.
   */
  watchStakes(task: string, listener: (stake: StakeAccount) => void): Subscription
  /**
   * Calls `listener` once more than half of the endpoints say that a transaction has landed with that commitment, and whether the
   * last of them says that it failed: a reason to look, too.
   */
  watchSignature(signature: string, commitment: 'confirmed' | 'finalized', listener: (failed: boolean) => void): Subscription
}

export interface WatchesInit {
  pool: EndpointPool
  programId: string
  log: Logger
  task: AccountReads['task']
}

/** An endpoint whose notices never end is followed no quicker than this. */
const LOOK_PAUSE_MS = 2000

export function createWatches({ pool, programId, log, task: readTask }: WatchesInit): Watches {
  const several = pool.endpoints.length > 1

  return {
    watchTask(task, listener) {
      publicKey(task, 'a task', commandLine(['task', 'list']))
      let known = ''
      const looks = oneAtATime(async () => {
        try {
          const found = await readTask(task)
          known = lastingOf(found)
          if (!looks.ended()) {
            listener(found)
          }
        } catch (err) {
          log.debug({ reason: messageOf(err) }, 'K2 did not tell how the task stands')
        }
      }, LOOK_PAUSE_MS)
      const read = (result: unknown) => {
        const { owner, data } = (result as { value: { owner: string; data: [string] } }).value
        return owner === programId ? decodeTask(task, Buffer.from(data[0], 'base64')) : undefined
      }
      const told = (found: TaskAccount | undefined) => {
        if (found == null) {
          return
        }
        // every vote moves the tally: of several endpoints only what lasts is a reason to ask them all
        if (!several) {
          listener(found)
        } else if (lastingOf(found) !== known) {
          looks.ask()
        }
      }
      const params = [task, { encoding: 'base64', commitment: 'confirmed' }]
      return together(
        pool.endpoints.map(({ feed }) => feed.on('accountSubscribe', params, told, read)),
        looks.end
      )
    },
    watchStakes(task, listener) {
      publicKey(task, 'a task', commandLine(['task', 'list']))
      const params = [programId, { encoding: 'base64', commitment: 'confirmed', filters: stakeFilters({ task }) }]
      const read = (result: unknown) => {
        const { pubkey, account } = (result as { value: { pubkey: string; account: { owner: string; data: [string] } } }).value
        const stake = account.owner === programId ? decodeStake(pubkey, Buffer.from(account.data[0], 'base64')) : undefined
        return stake?.task === task ? stake : undefined
      }
      const told = (stake: StakeAccount | undefined) => stake == null || listener(stake)
      return together(pool.endpoints.map(({ feed }) => feed.on('programSubscribe', params, told, read)))
    },
    watchSignature(signature, commitment, listener) {
      const said = new Set<string>()
      const leave: Subscription = together(
        pool.endpoints.map(({ feed, name }) =>
          feed.on(
            'signatureSubscribe',
            [signature, { commitment }],
            (failed: boolean) => {
              said.add(name)
              if (said.size * 2 > pool.endpoints.length) {
                leave()
                listener(failed)
              }
            },
            // a node that says more than what was asked for tells that it has received it, and nothing of what became of it
            (result) => {
              const { value } = result as { value: { err: unknown } | string }
              if (typeof value !== 'object') {
                throw new TypeError('it tells of no outcome')
              }
              return value.err != null
            }
          )
        )
      )
      return leave
    }
  }
}

function together(subscriptions: Subscription[], end?: () => void): Subscription {
  const all = () => {
    end?.()
    for (const leave of subscriptions) {
      leave()
    }
  }
  return Object.assign(all, { live: () => subscriptions.some((one) => one.live()) })
}
