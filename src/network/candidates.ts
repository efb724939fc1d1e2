import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr'

/** How discovery heard of a peer. */
export type Source = 'cache' | 'hint' | 'bootstrap' | 'announcement' | 'dht'

/** Someone to dial. */
export interface Candidate {
  /** What failures are remembered under: the address where only one is said, so that a wrong one costs no other, else the PeerId. */
  key: string
  /** Who must answer there, where that is known. */
  peer?: string
  addresses: Multiaddr[]
  source: Source
  /** Whose node it is said to be. */
  staker?: string
}

/** Dials at a time: enough to fill the mesh in one go, few enough not to look like a scan. */
const PARALLEL_DIALS = 8

export function peerOf(address: Multiaddr): string | undefined {
  return address.getComponents().findLast((part) => part.code === CODE_P2P)?.value
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
