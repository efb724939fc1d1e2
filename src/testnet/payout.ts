/** The end of a task's run on K2: everybody is paid, and slashed, by the ledger of its last cycle. */
import { roeToKoii } from '../config/index.ts'
import { signerOf } from '../k2/index.ts'
import { claimFor, slashFor } from '../node/index.ts'
import type { Ledger } from '../record/index.ts'
import type { Chain } from './chain.ts'
import type { Payout } from './facts.ts'
import { type Member, nameOf } from './member.ts'
import type { News } from './news.ts'
import type { TaskRun } from './task-run.ts'

export interface PayoutInit {
  chain: Chain
  /** It has finalized a cycle. */
  run: TaskRun
  members: readonly Member[]
  ledger: Ledger
  news: News
}

/** What the ledger of the last cycle owes. K2 pays by the newest root alone, whose ledger nobody serves any more when it is a later one. */
export async function payOut({ chain, run, members, ledger, news }: PayoutInit): Promise<Payout> {
  const { task } = run
  const { client, wallet } = chain
  const paid = new Map<string, bigint>()
  const slashed = new Map<string, bigint>()
  const { finalized } = await client.task(task)
  if (finalized?.cycle !== run.records.at(-1)!.cycle) {
    news.tell(
      'unclaimed',
      { task, cycle: finalized?.cycle ?? null },
      run.about(`cycle ${finalized?.cycle} was finalized while the nodes stopped: rewards stay in the pot`)
    )
    return { paid, slashed, complete: false }
  }
  for (const staker of ledger.keys()) {
    const { amount, to } = await claimFor(client, task, staker, ledger, signerOf(wallet))
    if (amount > 0n) {
      paid.set(staker, amount)
      news.tell('paid', { task, node: staker, to, roe: amount })
    }
  }
  for (const [staker, { slash }] of ledger) {
    if (slash === 0n) {
      continue
    }
    await slashFor(client, task, staker, ledger, signerOf(wallet))
    // what the nodes had taken during the rounds, too
    const amount = (await client.stake(task, staker))?.appliedSlash ?? 0n
    if (amount > 0n) {
      slashed.set(staker, amount)
      news.tell(
        'slashed',
        { task, node: staker, roe: amount },
        run.about(`${nameOf(members, staker)} lost ${roeToKoii(amount)} KOII of its stake, which nobody gets`)
      )
    }
  }
  return { paid, slashed, complete: true }
}
