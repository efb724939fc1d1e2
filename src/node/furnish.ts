import { commandLine } from '../command/index.ts'
import { createGossip } from '../gossip/index.ts'
import { pastHintNotice } from '../network/index.ts'
import { createSync } from '../sync/index.ts'
import { openChain } from './chain.ts'
import { openKeeping } from './keeping.ts'
import { createLife } from './life.ts'
import { createMeeting } from './meeting.ts'
import { openMesh } from './mesh.ts'
import type { Base, ChainSide, HostChain, Rooms, Shared } from './rooms.ts'
import { createTaskStatus } from './task-status.ts'
import { createVotes } from './votes.ts'
import { openWork } from './work.ts'

/** A task whose account on K2 has been read, and whose key is here. */
export interface Begun {
  base: Base
  chain: ChainSide
}

/** @throws what is wrong with the key, or with the task on K2 */
export async function beginTask(base: Base, chain: HostChain): Promise<Begun> {
  try {
    return { base, chain: await openChain(base, chain) }
  } catch (err) {
    await base.close()
    throw err
  }
}

/** Each room is handed those that it needs; of those that are made later it asks when it needs them (`Base.late`). */
export async function furnish(shared: Shared, { base, chain }: Begun): Promise<Rooms> {
  try {
    return await openRooms(shared, base, chain)
  } catch (err) {
    await base.close()
    throw err
  }
}

async function openRooms(shared: Shared, base: Base, chain: ChainSide): Promise<Rooms> {
  const { config, log, self, late, own } = base
  const isFirst = config.task === shared.base.config.task
  const mesh = openMesh(base, chain, shared.mesh, isFirst)
  const keeping = openKeeping(base, chain, mesh, shared.keeping)
  late.keeping = keeping
  const work = await openWork(base, chain, mesh, keeping)
  const participant = createLife(base, chain, mesh, keeping, work)
  late.participant = participant
  const votes = createVotes(base, chain)
  late.votes = votes

  // the two ways to the participant's door
  const { network, timing, slots, stakes, ownStake } = chain
  const { host, peers, traffic, hello, announcer, discovery, hints } = mesh
  const { libp2p, meter } = host
  const { door, pool, guard } = participant
  const gossip = createGossip({ pubsub: libp2p.services.pubsub, network, peers, traffic, meter, door, log })
  late.gossip = gossip
  const sync = createSync({
    ...{ libp2p, network, pool, peers, timing },
    alsoBare: isFirst,
    slot: slots.now,
    receive: (bytes, from) => gossip.receive(bytes, from, 'sync'),
    log
  })
  const meeting = createMeeting({
    ...{ self, stakes, peers, hello, announcer, guard, hints, log, send: participant.send },
    onNewHint: () => discovery.hasten()
  })
  late.meeting = meeting

  const hintNotice = () =>
    pastHintNotice(ownStake()?.addressHint, libp2p.services.addresses, (address) =>
      address == null ? commandLine(['hint'], { help: true }) : commandLine(['hint', address], { ...own, dataDir: config.dataDir })
    )
  const status = createTaskStatus({ base, chain, mesh, keeping, work, votes, participant, gossip, sync, hintNotice })
  late.stats = status.stats
  return { shared, base, chain, mesh, keeping, work, votes, participant, gossip, sync, meeting, status, hintNotice }
}
