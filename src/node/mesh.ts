import { peerIdFromString } from '@libp2p/peer-id'
import { cycleAt } from '../clock/index.ts'
import { verifyEd25519 } from '../identity/index.ts'
import {
  createAnnouncer,
  createDiscovery,
  createHello,
  createPeers,
  createPresence,
  type DiscoveryEvent,
  REPROVIDE_MS,
  recordLifetimeMs
} from '../network/index.ts'
import type { ProviderHint } from '../proofs/index.ts'
import { createBootstrapNotice } from './bootstrap-notice.ts'
import { createLifeSigns } from './life-signs.ts'
import type { Base, ChainSide, HostMesh, MeshSide } from './rooms.ts'

/** @param isFirst - it is the task of peers that name none */
export function openMesh(base: Base, chain: ChainSide, { host, roster }: HostMesh, isFirst: boolean): MeshSide {
  const { config, log, self, store, voice, late } = base
  const { network, timing, slots, stakes, paced } = chain
  const hints = () =>
    stakes
      .accounts()
      .filter(({ stakingKey, addressHint }) => stakingKey !== self && addressHint != null)
      .map(({ stakingKey, addressHint }) => ({ staker: stakingKey, address: addressHint! }))
  const peers = createPeers({ stakes, timing, slot: slots.now, hints })
  const { libp2p } = host
  const { traffic, leave } = host.join({ network, peers })
  base.onClose(leave)
  const presence = createPresence({ libp2p, peers })
  base.onClose(presence.stop)
  const announcer = createAnnouncer({
    ...{ network, timing, slot: slots.now, signer: voice },
    peerId: libp2p.peerId,
    multiaddrs: libp2p.services.addresses.told
  })
  const hello = createHello({
    ...{ libp2p, network, peers, log },
    slots: host.slots,
    alsoBare: isFirst,
    isBeside: (peerId) => roster.isStakedBeside(peers, peerId),
    verify: verifyEd25519,
    announcement: announcer.current,
    ...(paced == null ? {} : { timeoutMs: paced.answerMs }),
    onOutcome: (outcome) => late.meeting.onHello(outcome)
  })
  const bootstrapNotice = createBootstrapNotice({ log })
  const discovery = createDiscovery({
    ...{ libp2p, network, peers, hello, log },
    staker: self,
    hints: async () => hints(),
    bootstrap: config.bootstrap,
    cache: store.taskSpace(config.task, 'peers'),
    local: config.allowPrivate,
    reprovideMs: Math.min(REPROVIDE_MS, recordLifetimeMs(timing.roundSlots) / 2),
    // no more than there are: looking for peers that do not exist never ends
    minPeers: () => Math.max(1, Math.min(config.minPeers, stakes.accounts().filter(({ stakingKey }) => stakingKey !== self).length)),
    onEvent: onDiscovery
  })

  function onDiscovery(event: DiscoveryEvent): void {
    bootstrapNotice.on(event)
    if (event.type === 'peers') {
      chain.events.emit('peers', { staked: event.staked, wanted: event.wanted })
    } else {
      log.debug(event, 'discovery')
    }
  }

  const providerOf = (staker: string): ProviderHint | undefined => {
    const binding = peers.bindingOf(staker)
    return binding == null ? undefined : { peerId: binding.peerId, multiaddrs: binding.multiaddrs }
  }
  return {
    ...{ peers, host, traffic, presence, announcer, hello, discovery, bootstrapNotice, hints, providerOf },
    lifeSigns: createLifeSigns({
      staked: peers.staked,
      stakeOf: (staker) => stakes.weight(staker, Math.max(0, cycleAt(timing, slots.now() ?? timing.startingSlot))) ?? 0n,
      ping: (peerId, signal) => libp2p.services.ping.ping(peerIdFromString(peerId), { signal })
    }),
    providers: () => peers.staked().map(({ peerId, staker }) => providerOf(staker) ?? { peerId })
  }
}
