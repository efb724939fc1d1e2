import { scheduleFor, type Timing, windowOf } from '../clock/index.ts'
import { bountyFor } from '../k2/settlement/weights.ts'
import { recordCid } from '../record/index.ts'
import type { Base } from '../rounds/index.ts'
import type { Chain } from './ports.ts'
import type { Records } from './records.ts'

export interface BaseInit {
  timing: Timing
  chain: Pick<Chain, 'task' | 'blockhashAt'>
  records: Pick<Records, 'ensure'>
}

/** What K2 says the record of `cycle` builds on. Final, as it is read inside the window in which only `cycle` is voted on. */
export async function readBase({ timing, chain, records }: BaseInit, cycle: number): Promise<Base> {
  const [account, beacon] = await Promise.all([
    chain.task(windowOf(timing, cycle, 'distribution').from),
    chain.blockhashAt(scheduleFor(timing, cycle).beaconSlot)
  ])
  const { finalized } = account
  if (finalized == null) {
    return { bounty: bountyFor(account, cycle), beacon, previous: null }
  }
  const cid = recordCid(finalized.recordDigest)
  if (finalized.cycle < cycle) {
    return { bounty: bountyFor(account, cycle), beacon, previous: { cid: cid.toString(), cycle: finalized.cycle } }
  }
  // the others were quicker: what it builds on stands in the record itself
  const { content } = await records.ensure(cid)
  if (content.previous == null) {
    return { bounty: bountyFor(account, cycle, 0n), beacon, previous: null }
  }
  const before = (await records.ensure(content.previous)).content
  const bounty = bountyFor(account, cycle, before.totalRewards)
  return { bounty, beacon, previous: { cid: content.previous.toString(), cycle: before.cycle } }
}
