import { getNetConfig, isLinkLocal, isLoopback, isPrivate } from '@libp2p/utils'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { MAX_ADDRESS_TEXT } from './limits.ts'

export type AddressFault = 'too-long' | 'malformed' | 'not-tcp' | 'no-port' | 'private' | 'own'

export interface AddressRules {
  /** Whether loopback and private ranges may be dialled: local meshes, and operators who say so. */
  local: boolean
  /** Our own listening addresses, without /p2p. */
  own?: Multiaddr[]
}

/** Only what the node's transports speak: TCP, and WebSocket over it. Relays and browser transports come another day. */
const SPOKEN = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6', 'tcp', 'ws', 'wss', 'tls', 'sni', 'http-path', 'p2p'])

/** Checks an address that the network or K2 gave us before anything dials it. Pure, and throws at none. */
export function judgeAddress(address: Multiaddr, rules: AddressRules): AddressFault | undefined {
  try {
    return judge(address, rules)
  } catch {
    // some of what decodes does not read: a path that is no percent-encoding, a name that is no UTF-8
    return 'malformed'
  }
}

function judge(address: Multiaddr, rules: AddressRules): AddressFault | undefined {
  const parts = address.getComponents()
  const names = parts.map((part) => part.name)
  if (names.filter((name) => name === 'tcp').length !== 1 || !names.every((name) => SPOKEN.has(name))) {
    return 'not-tcp'
  }
  const net = parts[0]
  if (net == null || !['ip4', 'ip6', 'dns', 'dns4', 'dns6'].includes(net.name)) {
    return 'malformed'
  }
  const port = Number(parts.find((part) => part.name === 'tcp')?.value)
  if (!(port > 0)) {
    return 'no-port'
  }
  const bare = withoutPeer(address)
  if (rules.own?.some((own) => withoutPeer(own).equals(bare))) {
    return 'own'
  }
  if (!rules.local && isLocal(address)) {
    return 'private'
  }
  return undefined
}

/** Text to an address that may be dialled, or what is wrong with it. */
export function parseAddress(text: string, rules: AddressRules): { address: Multiaddr } | { fault: AddressFault } {
  if (text.length > MAX_ADDRESS_TEXT) {
    return { fault: 'too-long' }
  }
  let address: Multiaddr
  try {
    address = multiaddr(text)
  } catch {
    return { fault: 'malformed' }
  }
  const fault = judgeAddress(address, rules)
  return fault == null ? { address } : { fault }
}

/** Binary addresses of a message to those that may be dialled; the rest is dropped. */
export function usableAddresses(bytes: Uint8Array[], rules: AddressRules): Multiaddr[] {
  const usable: Multiaddr[] = []
  for (const one of bytes) {
    try {
      const address = withoutPeer(multiaddr(one))
      if (judgeAddress(address, rules) == null) {
        usable.push(address)
      }
    } catch {
      // an address that does not parse is an address that is not dialled
    }
  }
  return usable
}

export function isLocal(address: Multiaddr): boolean {
  return isLoopback(address) || isPrivate(address) || isLinkLocal(address) || isUnspecified(address)
}

function isUnspecified(address: Multiaddr): boolean {
  const host = address.getComponents()[0]?.value
  return host === '0.0.0.0' || host === '::'
}

export function withoutPeer(address: Multiaddr): Multiaddr {
  return address.decapsulateCode(CODE_P2P)
}

/** The IP address of a connection's other end, or undefined where there is none. */
export function ipOf(address: Multiaddr): string | undefined {
  try {
    const net = getNetConfig(address)
    return net.type === 'ip4' || net.type === 'ip6' ? net.host : undefined
  } catch {
    return undefined
  }
}
