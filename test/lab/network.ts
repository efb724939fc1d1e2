/**
 * The network of a lab: hosts with public addresses on one bridge, which has no way out of the lab.
 *
 *     driver ── br0 ──┬── k2        45.77.0.1
 *                     ├── n0        45.77.1.10
 *                     ├── ...
 *                     └── router    45.77.9.1 ── masquerades ── 10.99.0.2  a host behind it
 *
 * Whatever crosses the bridge passes one table of rules: losses and cuts are there. To be used in a lab only (`enter.ts`).
 */
import { execFileSync } from 'node:child_process'

/** Packets from one of `from` to one of `to` do not arrive. */
export interface Cut {
  from: string[]
  to: string[]
}

export interface LabNetwork {
  /** A host with one public address. */
  addHost(name: string, address: string): void
  /** A host on a private address, behind a router that gives it its own. */
  addBehindRouter(name: string, router: string): void
  /** The host gives up its address for another, as a laptop in another network. */
  move(name: string, address: string): void
  /** Of all packets between hosts, in percent; those from and to `spared` addresses are not lost. */
  setLoss(percent: number, spared?: string[]): void
  /** In place of the cuts before; none heals them. */
  setCuts(cuts: Cut[]): void
  /** What to put before a command so that it runs on that host. */
  on(name: string): string[]
}

/** All that the lab's addresses are in: 45.77.0.0/16. */
export const PREFIX = 16
/** Of the driver, for questions to K2 and to nodes. */
const DRIVER = '45.77.0.2'
const INSIDE = { router: '10.99.0.1', host: '10.99.0.2', prefix: 24 }

/** The bridge's rules, for nft. Pure. */
export function rulesFor(lossPercent: number, cuts: Cut[], spared: string[] = []): string {
  const set = (addresses: string[]) => `{ ${addresses.join(', ')} }`
  return [
    // so that the second line deletes something
    'table bridge lab',
    'delete table bridge lab',
    'table bridge lab {',
    '  chain pass {',
    '    type filter hook forward priority 0',
    ...cuts.map(({ from, to }) => `    ip saddr ${set(from)} ip daddr ${set(to)} counter drop`),
    ...(spared.length === 0 ? [] : [`    ip saddr ${set(spared)} accept`, `    ip daddr ${set(spared)} accept`]),
    ...(lossPercent === 0 ? [] : [`    meta protocol ip numgen random mod 100 < ${lossPercent} counter drop`]),
    '  }',
    '}',
    ''
  ].join('\n')
}

/** Neither hears the other. */
export function bothWays(one: string[], other: string[]): Cut[] {
  return [
    { from: one, to: other },
    { from: other, to: one }
  ]
}

export function createNetwork(): LabNetwork {
  let lossPercent = 0
  let unlost: string[] = []
  let cuts: Cut[] = []
  const run = (command: string, args: string[], input = '') => void execFileSync(command, args, { input, stdio: ['pipe', 'pipe', 'pipe'] })
  const ip = (text: string) => run('ip', text.split(' '))
  const on = (name: string) => ['nsenter', `--net=/run/netns/${name}`, '--']
  const apply = () => run('nft', ['-f', '-'], rulesFor(lossPercent, cuts, unlost))
  const addHost = (name: string, address: string) => {
    ip(`netns add ${name}`)
    ip(`link add v-${name} type veth peer name eth0 netns ${name}`)
    ip(`link set v-${name} master br0 up`)
    ip(`-n ${name} link set lo up`)
    ip(`-n ${name} addr add ${address}/${PREFIX} dev eth0`)
    ip(`-n ${name} link set eth0 up`)
  }

  ip('link set lo up')
  ip('link add br0 type bridge')
  ip(`addr add ${DRIVER}/${PREFIX} dev br0`)
  ip('link set br0 up')
  apply()

  return {
    addHost,
    addBehindRouter(name, router) {
      const gateway = `${name}-router`
      addHost(gateway, router)
      ip(`netns add ${name}`)
      ip(`-n ${gateway} link add inside type veth peer name eth0 netns ${name}`)
      ip(`-n ${gateway} addr add ${INSIDE.router}/${INSIDE.prefix} dev inside`)
      ip(`-n ${gateway} link set inside up`)
      ip(`-n ${name} link set lo up`)
      ip(`-n ${name} addr add ${INSIDE.host}/${INSIDE.prefix} dev eth0`)
      ip(`-n ${name} link set eth0 up`)
      ip(`-n ${name} route add default via ${INSIDE.router}`)
      const [nsenter, ...rest] = on(gateway)
      run(nsenter!, [...rest, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
      run(
        nsenter!,
        [...rest, 'nft', '-f', '-'],
        'table ip lab {\n  chain out {\n    type nat hook postrouting priority 100\n    oifname "eth0" masquerade\n  }\n}\n'
      )
    },
    move(name, address) {
      ip(`-n ${name} addr flush dev eth0`)
      ip(`-n ${name} addr add ${address}/${PREFIX} dev eth0`)
    },
    setLoss(percent, spared = []) {
      lossPercent = percent
      unlost = spared
      apply()
    },
    setCuts(next) {
      cuts = next
      apply()
    },
    on
  }
}
