/** Who may have a proof, and how to reach them: the caller's hints, checked before anything is dialled. */
import type { Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { LIMITS } from './limits.ts'

/** A peer that is said to have a proof: from a submission, an announcement or a flag. */
export interface ProviderHint {
  peerId: string
  /** As text or bytes. At most 8 are used; all but TCP and WebSocket over it are passed over. */
  multiaddrs?: Array<string | Uint8Array>
}

const HOSTS = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])

/**
 * The addresses of a hint that may be dialled, each ending in the peer's own id, so that whoever answers must prove to be it.
 *
 * @returns undefined when the peer id is none
 */
export function checkHint(hint: ProviderHint): { peerId: PeerId; multiaddrs: Multiaddr[] } | undefined {
  let peerId: PeerId
  try {
    peerId = peerIdFromString(hint.peerId)
  } catch {
    return undefined
  }
  const multiaddrs: Multiaddr[] = []
  for (const candidate of (hint.multiaddrs ?? []).slice(0, LIMITS.multiaddrs)) {
    if (candidate.length > LIMITS.multiaddrBytes) {
      continue
    }
    try {
      const address = multiaddr(candidate)
      const parts = address.getComponents()
      const names = parts.map(({ name }) => name)
      const last = parts.at(-1)
      const isPlain =
        HOSTS.has(names[0] ?? '') && names[1] === 'tcp' && names.slice(2).every((name) => ['ws', 'wss', 'tls', 'sni', 'p2p'].includes(name))
      if (!isPlain || names.filter((name) => name === 'p2p').length > 1) {
        continue
      }
      if (last?.name !== 'p2p') {
        multiaddrs.push(address.encapsulate(`/p2p/${peerId}`))
      } else if (last.value === peerId.toString()) {
        multiaddrs.push(address)
      }
    } catch {
      // not an address: the others may be
    }
  }
  return { peerId, multiaddrs }
}

/**
 * Connects to a peer by the given addresses, or by those that libp2p knows. Never asks the DHT where it is.
 *
 * @throws Error when it cannot be reached
 */
export async function connect(libp2p: Libp2p, peerId: PeerId, multiaddrs: Multiaddr[], signal: AbortSignal): Promise<void> {
  if (libp2p.getConnections(peerId).some(({ status }) => status === 'open')) {
    return
  }
  let addresses = multiaddrs
  if (addresses.length === 0) {
    const known = await libp2p.peerStore.get(peerId).catch(() => undefined)
    const hint = { peerId: peerId.toString(), multiaddrs: known?.addresses.map(({ multiaddr: address }) => address.toString()) ?? [] }
    addresses = checkHint(hint)?.multiaddrs ?? []
  }
  if (addresses.length === 0) {
    throw new Error('no address of it is known')
  }
  await libp2p.dial(addresses, { signal: AbortSignal.any([signal, AbortSignal.timeout(LIMITS.dialTimeoutMs)]) })
}
