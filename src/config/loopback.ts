/** Where programs of one machine find each other: 127.0.0.1, or ::1 where a machine has no IPv4. */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'

type Interfaces = Record<string, NetworkInterfaceInfo[] | undefined>

/** @returns an address without brackets */
export function loopbackHost(interfaces = ownInterfaces()): string {
  const loopback = addressesOf(interfaces).filter(({ internal }) => internal)
  return !loopback.some(isIpv4) && loopback.some(({ address }) => address === '::1') ? '::1' : '127.0.0.1'
}

/** Whether the machine can be reached by IPv4 at all, if only from itself. True where it is not known. */
export function hasIpv4(interfaces = ownInterfaces()): boolean {
  const all = addressesOf(interfaces)
  return all.length === 0 || all.some(isIpv4)
}

/** The multiaddr of TCP on an address of this machine: `/ip6/::1/tcp/0`. */
export function tcpOn(host: string, port = 0): string {
  return `/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${port}`
}

/** `http://[::1]:8899` */
export function httpOn(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

const addressesOf = (interfaces: Interfaces) => Object.values(interfaces).flatMap((some) => some ?? [])
const isIpv4 = ({ family }: NetworkInterfaceInfo) => family === 'IPv4'

function ownInterfaces(): Interfaces {
  try {
    return networkInterfaces()
  } catch {
    // some sandboxes do not tell
    return {}
  }
}
