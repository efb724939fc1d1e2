import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { cycleAt } from '../clock/index.ts'
import { verifyEd25519 } from '../identity/index.ts'
import {
  createAnnouncer,
  createDiscovery,
  createHello,
  createHost,
  createPeers,
  createPresence,
  createRoster,
  type DiscoveryEvent,
  keepPorts,
  REPROVIDE_MS,
  recordLifetimeMs,
  withKeptPorts
} from '../network/index.ts'
import type { ProviderHint } from '../proofs/index.ts'
import { createBootstrapNotice } from './bootstrap-notice.ts'
import { createLifeSigns } from './life-signs.ts'
import type { Base, ChainSide, MeshSide } from './rooms.ts'

export async function openMesh(base: Base, chain: ChainSide): Promise<MeshSide> {
  const { config, log, self, store, privateKey, voice, late } = base
  const { network, timing, slots, stakes, paced } = chain
  const hints = () =>
    stakes
      .accounts()
      .filter(({ stakingKey, addressHint }) => stakingKey !== self && addressHint != null)
      .map(({ stakingKey, addressHint }) => ({ staker: stakingKey, address: addressHint! }))
  const peers = createPeers({ stakes, timing, slot: slots.now, hints })
  const ports = store.keyValue('ports')
  const { listen, taken } = await withKeptPorts(config.listen, ports)
  if (taken.length > 0) {
    log.warn(
      { ports: taken },
      'another program has a port that this node had before: it listens on another, and its address on K2 may be old'
    )
  }
  const recordsMs = recordLifetimeMs(timing.roundSlots)
  const roster = createRoster()
  const host = await createHost({
    ...{ privateKey, listen, peers: roster, recordLifetimeMs: recordsMs },
    announce: config.announce,
    local: config.allowPrivate,
    answerMs: paced?.answerMs,
    allowed: config.bootstrap.map((text) => multiaddr(text)),
    limits: { maxConnections: config.maxConnections },
    dht: config.dhtServer ? (config.allowPrivate ? 'server' : 'auto') : 'client'
  })
  const { libp2p } = host
  base.onClose(() => libp2p.stop())
  const { traffic } = host.join({ network, peers })
  const { addresses } = libp2p.services
  const presence = createPresence({ libp2p, peers })
  const announcer = createAnnouncer({
    ...{ network, timing, slot: slots.now, signer: voice },
    peerId: libp2p.peerId,
    multiaddrs: addresses.told
  })
  const hello = createHello({
    ...{ libp2p, network, peers, log },
    slots: host.slots,
    isBeside: (peerId) => roster.isStakedBeside(peers, peerId),
    alsoBare: true,
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
    reprovideMs: Math.min(REPROVIDE_MS, recordsMs / 2),
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
    ...{ peers, host, traffic, presence, announcer, hello, discovery, bootstrapNotice, hints, providerOf, recordsMs },
    lifeSigns: createLifeSigns({
      staked: peers.staked,
      stakeOf: (staker) => stakes.weight(staker, Math.max(0, cycleAt(timing, slots.now() ?? timing.startingSlot))) ?? 0n,
      ping: (peerId, signal) => libp2p.services.ping.ping(peerIdFromString(peerId), { signal })
    }),
    providers: () => peers.staked().map(({ peerId, staker }) => providerOf(staker) ?? { peerId }),
    keepPorts: () => keepPorts(config.listen, addresses.listeners(), ports)
  }
}
