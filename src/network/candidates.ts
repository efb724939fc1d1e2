import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr'

/** How discovery heard of a peer. */
export type Source = 'cache' | 'hint' | 'bootstrap' | 'announcement' | 'dht'

/** One address that somebody told us. */
export interface Rumour {
  address: Multiaddr
  /** Who must answer there, where that is known. */
  peer?: string
  source: Source
  /** Whose node it is said to be. */
  staker?: string
}

/** Someone to dial. */
export interface Candidate {
  /** The PeerId, or the address where no PeerId is known. */
  key: string
  /** Who must answer there, where that is known. */
  peer?: string
  /** The best first. */
  addresses: Multiaddr[]
  source: Source
  /** Whose node it is said to be. */
  staker?: string
}

/** Dials at a time: enough to fill the mesh in one go, few enough not to look like a scan. */
const PARALLEL_DIALS = 8

/** Of one peer's addresses, what was signed or named by hand comes before what was true once, and that before what anybody may say. */
const TRUST: Source[] = ['bootstrap', 'announcement', 'cache', 'hint', 'dht']

/** As many of one peer as are ever dialled: each false one is some staker's word or a record in the DHT. */
const MAX_ADDRESSES = 64

export function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast((part) => part.code === CODE_P2P)?.value
}

/**
 * Gathers what was heard of each peer, whoever said it, so that no source hides another: an address that was true once, or that
 * somebody made up, stands beside the true one. The first address of each who speaks comes before the second of any.
 */
export function byPeer(rumours: readonly Rumour[]): Candidate[] {
  const heard = new Map<string, Rumour[]>()
  for (const rumour of rumours) {
    const key = rumour.peer ?? rumour.address.toString()
    heard.set(key, [...(heard.get(key) ?? []), rumour])
  }
  return [...heard].map(([key, all]) => {
    const speakers = Map.groupBy(
      all.toSorted((a, b) => TRUST.indexOf(a.source) - TRUST.indexOf(b.source)),
      ({ source, staker = '' }) => `${source} ${staker}`
    )
    const lists = [...speakers.values()]
    const longest = Math.max(...lists.map((list) => list.length))
    const addresses = new Map<string, Multiaddr>()
    for (let at = 0; at < longest; at++) {
      for (const { address } of lists.flatMap((list) => list[at] ?? [])) {
        addresses.set(address.toString(), address)
      }
    }
    const { peer, source, staker } = all[0]!
    return {
      key,
      ...(peer == null ? {} : { peer }),
      addresses: [...addresses.values()].slice(0, MAX_ADDRESSES),
      source,
      ...(staker == null ? {} : { staker })
    }
  })
}

/** Takes the next to dial out of `rest`. Two dials to one peer are one dial: an address that another made up would cost the true one its turn. */
export function nextBatch(rest: Candidate[]): Candidate[] {
  const batch: Candidate[] = []
  for (let at = 0; at < rest.length && batch.length < PARALLEL_DIALS; ) {
    const { peer } = rest[at]!
    if (peer != null && batch.some((one) => one.peer === peer)) {
      at++
    } else {
      batch.push(...rest.splice(at, 1))
    }
  }
  return batch
}
