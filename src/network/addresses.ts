import { getNetConfig } from '@libp2p/utils'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { MAX_ADDRESS_TEXT } from './limits.ts'
import { isHostName, isPublicIp, nameFault } from './public-ip.ts'

export { isPublicIp } from './public-ip.ts'

export type AddressFault = 'too-long' | 'malformed' | 'not-tcp' | 'no-port' | 'private' | 'own'

export interface AddressRules {
  /** Whether loopback and private ranges may be dialled: local meshes, and operators who say so. */
  local: boolean
  /** Our own listening addresses, without /p2p. */
  own?: Multiaddr[]
}

/** Only what the node's transports speak: TCP, and WebSocket over it. Relays and browser transports come another day. */
const IPS = new Set(['ip4', 'ip6'])
const NAMES = new Set(['dns', 'dns4', 'dns6'])
const OVER_TCP = new Set(['ws', 'wss', 'tls', 'sni', 'http-path', 'p2p'])

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
  const spoken = parts.every(({ name }) => name === 'tcp' || IPS.has(name) || NAMES.has(name) || OVER_TCP.has(name))
  if (!spoken || parts.filter(({ name }) => name === 'tcp').length !== 1) {
    return 'not-tcp'
  }
  const [host, tcp, ...rest] = parts
  if (
    host == null ||
    !(IPS.has(host.name) || NAMES.has(host.name)) ||
    tcp?.name !== 'tcp' ||
    !rest.every(({ name }) => OVER_TCP.has(name))
  ) {
    return 'malformed'
  }
  if (!(Number(tcp.value) > 0)) {
    return 'no-port'
  }
  const bare = withoutPeer(address)
  if (rules.own?.some((own) => withoutPeer(own).equals(bare))) {
    return 'own'
  }
  // who is asked for by name, at whatever address, is a name too
  const names = [host, ...rest].filter(({ name }) => NAMES.has(name) || name === 'sni').map(({ value }) => value ?? '')
  if (!names.every(isHostName)) {
    return 'malformed'
  }
  return rules.local ? undefined : notPublic(host.name, host.value ?? '', names)
}

function notPublic(kind: string, value: string, names: string[]): AddressFault | undefined {
  if (IPS.has(kind) && !isPublicIp(value)) {
    return 'private'
  }
  return names.map(nameFault).find((fault) => fault != null)
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

export interface DialLimits {
  /** Whether loopback and private ranges may be dialled. */
  local: boolean
  /** Addresses that the operator named: these may be private, and their names are the operator's own. */
  allowed: readonly Multiaddr[]
}

/** Whether nothing may open a connection to the address, whoever wants to. Says nothing of what its name resolves to. */
export function isForbidden(address: Multiaddr, { local, allowed }: DialLimits): boolean {
  return !local && judgeAddress(address, { local }) != null && !isNamed(address, allowed)
}

export function isNamed(address: Multiaddr, allowed: readonly Multiaddr[]): boolean {
  const bare = withoutPeer(address)
  return allowed.some((one) => withoutPeer(one).equals(bare))
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
