import type { Timing } from '../clock/index.ts'
import { createK2Client, createOutage, createSlots, createStakeView, type OutageEvent } from '../k2/index.ts'
import { createEvents } from '../observe/index.ts'
import { networkOf } from '../wire/index.ts'
import { createPaced } from './paced.ts'
import type { Base, ChainSide } from './rooms.ts'
import { checkRunnable } from './runnable.ts'

export async function openChain({ config, log, self, late, onClose }: Base): Promise<ChainSide> {
  const follower = { k2: () => k2, slots: () => slots, gossip: () => late.gossip, proofs: () => late.keeping.proofs }
  const paced = await createPaced({ urls: config.k2, name: self, ...follower, onLeap: () => late.meeting.again(), log })
  const k2 = createK2Client({
    url: config.k2,
    programId: config.program,
    log,
    timeoutMs: paced?.answerMs,
    maxFeeRoe: config.maxFee,
    onDoubt: (doubt) => nodeEvents.emit('k2-doubt', { ...doubt })
  })
  onClose(() => {
    paced?.stop()
    k2.close()
  })
  const genesisHash = await k2.genesisHash()
  const account = await k2.task(config.task)
  checkRunnable(account, config.k2.join(','))
  const { startingSlot, roundSlots, submissionWindow, auditWindow } = account
  const timing: Timing = { startingSlot, roundSlots, submissionWindow, auditWindow }
  const slots = createSlots({ k2, log, onTick: () => outage.tick() })
  const outage = createOutage({ slots, log, emit: (told) => onOutage(told) })
  const stakes = createStakeView({ k2, task: config.task, timing, slot: slots.now, log })
  const nodeEvents = createEvents({ slot: slots.now, node: self })
  const events = nodeEvents.of({ task: config.task, node: self })

  function onOutage(told: OutageEvent): void {
    nodeEvents.tell(told)
    if (told.event === 'k2-back') {
      k2.doubtNetwork()
    }
  }

  return {
    ...{ k2, paced, genesisHash, account, timing, slots, outage, stakes, nodeEvents, events },
    network: networkOf(genesisHash, config.task),
    ownStake: () => stakes.accounts().find(({ stakingKey }) => stakingKey === self)
  }
}
