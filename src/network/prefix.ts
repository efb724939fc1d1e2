import { isIPv4, isIPv6 } from 'node:net'

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** An IPv4 address that comes as IPv6, as IPv4; others as they are. */
export function plainIp(ip: string): string {
  const mapped = MAPPED.exec(ip)
  return mapped == null ? ip : mapped[1]!
}

/** The one way to write an address: IPv4 as it is, IPv6 as eight groups, without a zone. Anything else as it came. */
export function canonicalIp(ip: string): string {
  const plain = plainIp(ip.split('%')[0]!)
  if (!isIPv6(plain)) {
    return plain
  }
  const [left = '', right] = plain.split('::')
  const before = left === '' ? [] : left.split(':')
  const after = right == null || right === '' ? [] : right.split(':')
  const zeros = right == null ? 0 : Math.max(0, 8 - before.length - after.length)
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after]
  return groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')
}

/**
 * The network that an address is counted with: a /24 of IPv4, a /64 of IPv6. Whoever has one address there has many, for
 * nothing.
 */
export function prefixOf(ip: string): string {
  const whole = canonicalIp(ip)
  if (isIPv4(whole)) {
    return whole.slice(0, whole.lastIndexOf('.'))
  }
  return whole.includes(':') ? whole.split(':').slice(0, 4).join(':') : whole
}
