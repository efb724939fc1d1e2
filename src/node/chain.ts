import type { Timing } from '../clock/index.ts'
import { createStakeView } from '../k2/index.ts'
import { networkOf } from '../wire/index.ts'
import type { Base, ChainSide, HostChain } from './rooms.ts'
import { checkRunnable } from './runnable.ts'

/** @throws UnfitTaskError, and what K2 says where it has no such task */
export async function openChain({ config, log, self }: Base, host: HostChain): Promise<ChainSide> {
  const { k2, slots, genesisHash } = host
  const account = await k2.task(config.task)
  checkRunnable(account, config.k2.join(','))
  const { startingSlot, roundSlots, submissionWindow, auditWindow } = account
  const timing: Timing = { startingSlot, roundSlots, submissionWindow, auditWindow }
  const stakes = createStakeView({ k2, task: config.task, timing, slot: slots.now, log })
  return {
    ...host,
    ...{ account, timing, stakes },
    events: host.events.of({ task: config.task, node: self }),
    network: networkOf(genesisHash, config.task),
    ownStake: () => stakes.accounts().find(({ stakingKey }) => stakingKey === self)
  }
}
