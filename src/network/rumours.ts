/** Who is said to be where, by whom: nothing of it is more than a rumour until the hello. */
import type { Libp2p, PeerInfo } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { shownText } from '../observe/shown-text.ts'
import { type AddressRules, judgeAddress, parseAddress, usableAddresses, withoutPeer } from './addresses.ts'
import { bounded } from './bounded.ts'
import { peerOf, type Rumour, type Source } from './candidates.ts'
import { reasonOf } from './errors.ts'
import type { PeerCache } from './peer-cache.ts'
import type { Binding, Peers } from './peers.ts'
import type { Log } from './seams.ts'

export type DiscoveryEvent =
  | { type: 'found'; source: Source; peer: string }
  | { type: 'connected'; source: Source; peer: string; staker: string }
  /** Reached, but it does not speak for a stake. */
  | { type: 'unstaked'; source: Source; peer: string; reason: string }
  | { type: 'failed'; source: Source; peer: string; reason: string; retryMs: number }
  | { type: 'refused'; source: Source; address: string; reason: string }
  | { type: 'dht'; action: 'provided' | 'searched'; count: number; reason?: string }
  | { type: 'peers'; staked: number; wanted: number }

export interface RumoursInit {
  libp2p: Libp2p
  peers: Pick<Peers, 'bindings'>
  /** Our own staking key, where we have one. */
  staker: string | undefined
  hints: () => Promise<Array<{ staker: string; address: string }>>
  remembered: Pick<PeerCache, 'list'>
  local: boolean
  log: Log
  onEvent: (event: DiscoveryEvent) => void
  /** Somebody was left a moment to dial us first. */
  onWaiting: () => void
}

const MAX_PROVIDERS = 32

export function createRumours({ libp2p, peers, staker, hints, remembered, local, log, onEvent, onWaiting }: RumoursInit) {
  const announced = new Map<string, true>()
  /** Texts that are no address to dial, so that each is told of once. */
  const refused = new Map<string, true>()
  const self = libp2p.peerId.toString()
  const rules = (): AddressRules => ({ local, own: libp2p.getMultiaddrs() })

  const fromText = (text: string, source: Source, allowed: AddressRules): Rumour[] => {
    const parsed = parseAddress(text, allowed)
    if ('fault' in parsed) {
      if (parsed.fault !== 'own' && !refused.has(text)) {
        bounded(refused, text, true)
        const address = shownText(text, 64)
        onEvent({ type: 'refused', source, address, reason: parsed.fault })
        // not as `source`, which is what a task says (src/observe/repeats.ts)
        log.warn({ from: source, address, reason: parsed.fault }, 'passed over an address that cannot be dialled')
      }
      return []
    }
    const peer = peerOf(parsed.address)
    return [{ address: peer == null ? parsed.address : withoutPeer(parsed.address), ...(peer == null ? {} : { peer }), source }]
  }

  const cached = async (): Promise<Rumour[]> => {
    const usable = (address: Multiaddr) => judgeAddress(address, rules()) == null
    return (await remembered.list()).flatMap(({ peer, addresses }) =>
      addresses.filter(usable).map((address): Rumour => ({ address: withoutPeer(address), peer, source: 'cache' }))
    )
  }

  const hinted = async (): Promise<Rumour[]> => {
    try {
      const all = (await hints()).filter((one) => one.staker !== staker && one.address !== '')
      return all.flatMap((one) => fromText(one.address, 'hint', rules()).map((rumour) => ({ ...rumour, staker: one.staker })))
    } catch (err) {
      log.debug({ err }, 'no address hints')
      return []
    }
  }

  const claimedBy = ({ peerId: peer, multiaddrs, staker: whose }: Binding): Rumour[] =>
    usableAddresses(multiaddrs, rules()).map((address) => ({ address, peer, source: 'announcement', staker: whose }))

  const claimed = (): Rumour[] =>
    peers.bindings().flatMap((binding) => {
      // both ends hear of each other at the same time: the one with the greater PeerId lets the other dial first
      if (binding.peerId > self && !announced.has(binding.peerId)) {
        bounded(announced, binding.peerId, true)
        onWaiting()
        return []
      }
      return claimedBy(binding)
    })

  const providersOf = async (key: CID, signal: AbortSignal): Promise<Rumour[]> => {
    const found = new Map<string, Rumour[]>()
    try {
      for await (const provider of libp2p.contentRouting.findProviders(key, { signal })) {
        const rumours = fromProvider(provider)
        if (rumours.length > 0) {
          found.set(provider.id.toString(), rumours)
        }
        if (found.size >= MAX_PROVIDERS) {
          break
        }
      }
      onEvent({ type: 'dht', action: 'searched', count: found.size })
    } catch (err) {
      onEvent({ type: 'dht', action: 'searched', count: found.size, reason: reasonOf(err) })
    }
    return [...found.values()].flat()
  }
  const fromProvider = (provider: PeerInfo): Rumour[] => {
    const peer = provider.id.toString()
    const addresses = provider.multiaddrs.filter((one) => judgeAddress(one, rules()) == null).slice(0, 8)
    return peer === self ? [] : addresses.map((address) => ({ address: withoutPeer(address), peer, source: 'dht' }))
  }

  return { fromText, cached, hinted, claimedBy, claimed, providersOf }
}
