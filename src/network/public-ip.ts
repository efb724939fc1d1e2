/** Which IP addresses are of the public internet: the one place that says so, whatever is about to be dialled or told. */
import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** IANA's special-purpose registry: what is not globally reachable, or reaches nobody in particular. */
const NOT_PUBLIC_4 = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private
  '100.64.0.0/10', // a carrier's own
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, and clouds' metadata
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // relays of 6to4
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4' // reserved, and broadcast
]

/** Within 2000::/3, outside of which IPv6 has no public addresses. */
const NOT_PUBLIC_6 = [
  '2001::/23', // protocol assignments, Teredo among them
  '2001:db8::/32', // documentation
  '3fff::/20', // documentation
  '3ffe::/16' // the 6bone, gone
]

const notPublic = new BlockList()
const globalUnicast = new BlockList()
/** Addresses that stand for one of IPv4: whoever dials them reaches that one. */
const nat64 = new BlockList()
const sixToFour = new BlockList()
for (const cidr of NOT_PUBLIC_4) {
  addTo(notPublic, cidr, 'ipv4')
}
for (const cidr of NOT_PUBLIC_6) {
  addTo(notPublic, cidr, 'ipv6')
}
addTo(globalUnicast, '2000::/3', 'ipv6')
addTo(nat64, '64:ff9b::/96', 'ipv6')
addTo(sixToFour, '2002::/16', 'ipv6')

/**
 * Whether this is the address of one host on the public internet. Everything else is not: loopback, private, link-local, shared,
 * multicast, reserved and documentation ranges, IPv6 addresses that hold such a one of IPv4, and text that is no IP address.
 *
 * @param text - an address as `net.isIP` knows it, without brackets, port or zone
 */
export function isPublicIp(text: string): boolean {
  if (isIPv4(text)) {
    return !notPublic.check(text, 'ipv4')
  }
  if (!isIPv6(text) || text.includes('%')) {
    return false
  }
  if (nat64.check(text, 'ipv6')) {
    return isPublicIp(ipv4At(text, 6))
  }
  if (sixToFour.check(text, 'ipv6')) {
    return isPublicIp(ipv4At(text, 1))
  }
  return globalUnicast.check(text, 'ipv6') && !notPublic.check(text, 'ipv6')
}

/** The IPv4 address in two of the eight groups of an IPv6 address. */
function ipv4At(ipv6: string, group: number): string {
  // a URL writes an address in one way only: no dotted tail, no leading zeros
  const [head = '', tail] = new URL(`http://[${ipv6}]`).hostname.slice(1, -1).split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail == null || tail === '' ? [] : tail.split(':')
  const groups = [...front, ...Array<string>(8 - front.length - back.length).fill('0'), ...back].map((hex) => Number.parseInt(hex, 16))
  const high = groups[group] ?? 0
  const low = groups[group + 1] ?? 0
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

function addTo(list: BlockList, cidr: string, family: 'ipv4' | 'ipv6'): void {
  const [net = '', bits] = cidr.split('/')
  list.addSubnet(net, Number(bits), family)
}

/** Ends of names that no public name server may answer for, or that one's own machine answers. */
const OWN_NAMES = ['localhost', 'local', 'internal', 'intranet', 'lan', 'home.arpa', 'localdomain', 'onion', 'invalid']

/**
 * What is wrong with the name of a host that a stranger told us. A name that passes may still resolve to anything: what it resolves
 * to is judged by `isPublicIp` when it is dialled.
 *
 * @returns `malformed` where it is no host name (a number in any notation, an empty label, a dot at the end), `private` where it is
 * one that only one's own network knows
 */
export function nameFault(name: string): 'malformed' | 'private' | undefined {
  if (!isHostName(name)) {
    return 'malformed'
  }
  const lower = name.toLowerCase()
  const isOwn = OWN_NAMES.some((own) => lower === own || lower.endsWith(`.${own}`))
  return isOwn || !lower.includes('.') ? 'private' : undefined
}

/**
 * Whether the text is the name of a host and not a number: the system's resolver takes `127.1`, `0x7f000001` and `017700000001` for
 * IPv4 addresses, as it does each name whose last label is a number.
 */
export function isHostName(text: string): boolean {
  const labels = text.split('.')
  return text.length <= 253 && labels.every((label) => LABEL.test(label)) && !/^(\d+|0x[\da-f]*)$/i.test(labels.at(-1) ?? '')
}

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i
