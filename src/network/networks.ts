import { networkInterfaces } from 'node:os'
import { type Timer, wallTimer } from './seams.ts'

/** The IP addresses by which this machine is in a network: not loopback, and not link-local ones, which come and go with every container. */
export function ownIps(interfaces = networkInterfaces()): string[] {
  return Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !/^(fe80:|169\.254\.)/i.test(address))
    .map(({ address }) => address)
}

export interface NetworksInit {
  /** Called with the addresses that are gone: no connection from one of them carries anything any more, and nothing says so. */
  onLeft: (gone: string[]) => void
  ips?: () => string[]
  timer?: Timer
}

const LOOK_MS = 1_000

/** Notices that the machine has left a network: a laptop that moves, a lease that was not renewed. Returns the function that ends it. */
export function watchNetworks({ onLeft, ips = () => ownIps(), timer = wallTimer }: NetworksInit): () => void {
  let before = new Set(ips())
  let cancel = () => {}
  const look = () => {
    const now = new Set(ips())
    const gone = [...before].filter((ip) => !now.has(ip))
    before = now
    cancel = timer(look, LOOK_MS)
    if (gone.length > 0) {
      onLeft(gone)
    }
  }
  cancel = timer(look, LOOK_MS)
  return () => cancel()
}
