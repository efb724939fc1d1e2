import { createK2Client, createOutage, createSlots, type OutageEvent } from '../../k2/index.ts'
import { createEvents } from '../../observe/index.ts'
import { createPaced } from '../paced.ts'
import type { HostBase, HostChain } from '../rooms.ts'

/** @param node - the staking key by which K2 and the events know the node: that of its first task */
export async function openHostChain({ config, log, rooms, onClose }: HostBase, node: string): Promise<HostChain> {
  const all = () => [...rooms.values()]
  const paced = await createPaced({
    ...{ urls: config.k2, name: node, log },
    k2: () => k2,
    slots: () => slots,
    heard: () => all().reduce((sum, { gossip, keeping }) => sum + heardBy(gossip.counters(), keeping.proofs.stats()), 0),
    onLeap: () => {
      for (const { meeting } of all()) {
        meeting.again()
      }
    }
  })
  const k2 = createK2Client({
    url: config.k2,
    programId: config.program,
    log,
    timeoutMs: paced?.answerMs,
    maxFeeRoe: config.maxFee,
    onDoubt: (doubt) => events.emit('k2-doubt', { ...doubt })
  })
  onClose(() => {
    paced?.stop()
    k2.close()
  })
  const genesisHash = await k2.genesisHash()
  const slots = createSlots({ k2, log, onTick: () => outage.tick() })
  const outage = createOutage({ slots, log, emit: (told) => onOutage(told) })
  const events = createEvents({ slot: slots.now, node })

  function onOutage(told: OutageEvent): void {
    events.tell(told)
    if (told.event === 'k2-back') {
      k2.doubtNetwork()
    }
  }

  return { node, k2, paced, genesisHash, slots, outage, events }
}

/** Grows with whatever comes from others, and goes to them. */
function heardBy(
  { delivered, published, refused }: { delivered: number; published: number; refused: Record<string, number> },
  { receivedBlocks, servedBlocks }: { receivedBlocks: number; servedBlocks: number }
): number {
  return delivered + published + receivedBlocks + servedBlocks + Object.values(refused).reduce((sum, count) => sum + count, 0)
}
