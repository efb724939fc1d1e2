/** When the stakes are read between the rounds: at news of them, and where none can come, again and again. */
import { setTimeout } from 'node:timers/promises'
import type { Logger } from '../observe/index.ts'
import type { K2Client } from './client.ts'
import { K2DoubtError, messageOf } from './errors.ts'
import type { StakeView } from './stake-view.ts'
import { lastingStake } from './task-reads.ts'

export interface StakeFollowInit {
  k2: Pick<K2Client, 'watchStakes'>
  task: string
  stakes: Pick<StakeView, 'accounts' | 'refresh'>
  log: Logger
}

export interface StakeFollow {
  /** To be called once a slot. `wanted`: somebody who may have new stake lacks it. */
  onSlot(slot: number, wanted: boolean): void
  stop(): void
}

/** How long an endpoint that lists no whole stakes is left alone at the start. */
const FIRST_PAUSE_MS = 2000

/**
 * The first reading of the stakes. Whether the key may sign hangs on it, so while K2's list is not whole the node waits, and asks again.
 *
 * @throws what the reading throws for another reason
 */
export async function readFirst(stakes: Pick<StakeView, 'refresh'>, log: Logger, stopping: AbortSignal): Promise<void> {
  while (!stopping.aborted) {
    try {
      return await stakes.refresh()
    } catch (err) {
      if (!(err instanceof K2DoubtError)) {
        throw err
      }
      log.warn({ reason: messageOf(err) }, 'the node waits for a list of stakes that is whole')
      await setTimeout(FIRST_PAUSE_MS, undefined, { signal: stopping }).catch(() => {})
    }
  }
}

/** Stakes are read no more often than this. */
const CHECK_SLOTS = 5
/** While news come by subscription they are looked for all the same: one may have been lost. */
const CHECK_WHEN_TOLD_SLOTS = 300

export function createStakeFollow({ k2, task, stakes, log }: StakeFollowInit): StakeFollow {
  /** An endpoint says that a stake is another than what was read: a rumour, and a reason to read. */
  let news = false
  let wantedBefore = false
  let reading = false
  let readSlot = Number.NEGATIVE_INFINITY
  const subscription = k2.watchStakes(task, (told) => {
    const known = stakes.accounts().find(({ address }) => address === told.address)
    news ||= known == null || lastingStake(known) !== lastingStake(told)
  })

  return {
    onSlot(slot, wanted) {
      // a clock that goes back is no reason to wait for it
      const since = Math.abs(slot - readSlot)
      news ||= wanted && !wantedBefore
      wantedBefore = wanted
      const due = news || (wanted && since >= (subscription.live() ? CHECK_WHEN_TOLD_SLOTS : CHECK_SLOTS))
      if (reading || !due || since < CHECK_SLOTS) {
        return
      }
      news = false
      readSlot = slot
      reading = true
      stakes
        .refresh()
        .catch((err) => {
          news = true
          log.debug({ reason: messageOf(err) }, 'K2 did not tell the stakes')
        })
        .finally(() => {
          reading = false
        })
    },
    stop: subscription
  }
}
