/** Who may have a proof, and how to reach them: the caller's hints, checked before anything is dialled. */
import type { Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { dialAbreast } from '../network/dial-abreast.ts'
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

/** What one provider is dialled in a cycle, however often it is asked for something: connections that were good can be lost. */
const DIALS_PER_PEER = 16
/** Providers that only the DHT names cost nothing to make. */
const STRANGERS_PER_CYCLE = 128

/**
 * What was dialled in this cycle. An address that failed is not tried again before the next one: whoever names addresses of
 * somebody else has each of them dialled once by each auditor, and not again every second.
 */
export class DialBook {
  readonly #failed = new Map<string, Set<string>>()
  readonly #dials = new Map<string, number>()
  #strangers = 0

  /** A new cycle has begun. */
  clear(): void {
    this.#failed.clear()
    this.#dials.clear()
    this.#strangers = 0
  }

  /** Which of the addresses may be dialled now. @throws Error when none may */
  take(peer: string, addresses: Multiaddr[], isStranger: boolean): Multiaddr[] {
    const failed = this.#failed.get(peer)
    const left = addresses.filter((address) => failed?.has(address.toString()) !== true)
    const dials = this.#dials.get(peer) ?? 0
    if (left.length === 0 || dials >= DIALS_PER_PEER) {
      throw new Error('it could not be reached before, and is not dialled again in this cycle')
    }
    if (isStranger && dials === 0 && ++this.#strangers > STRANGERS_PER_CYCLE) {
      throw new Error('too many strangers were dialled in this cycle')
    }
    this.#dials.set(peer, dials + 1)
    return left
  }

  failed(peer: string, addresses: Multiaddr[]): void {
    const failed = this.#failed.get(peer) ?? new Set<string>()
    this.#failed.set(peer, failed)
    for (const address of addresses.slice(0, LIMITS.multiaddrs)) {
      failed.add(address.toString())
    }
  }
}

/**
 * Connects to a peer by the given addresses, or by those that libp2p knows. Never asks the DHT where it is.
 *
 * @throws Error when it cannot be reached
 */
export async function connect(
  libp2p: Libp2p,
  peerId: PeerId,
  multiaddrs: Multiaddr[],
  signal: AbortSignal,
  { book, isStranger = false }: { book?: DialBook | undefined; isStranger?: boolean } = {}
): Promise<void> {
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
  const peer = peerId.toString()
  dialAbreast(libp2p)
  const dialled = book?.take(peer, addresses, isStranger) ?? addresses
  try {
    await libp2p.dial(dialled, { signal: AbortSignal.any([signal, AbortSignal.timeout(LIMITS.dialTimeoutMs)]) })
  } catch (err) {
    // that we lost interest says nothing about the address
    if (!signal.aborted) {
      book?.failed(peer, dialled)
    }
    throw err
  }
}
