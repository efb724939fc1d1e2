/**
 * A machine within the machine: a process with network, mount and process namespaces of its own, in which a lab is built.
 *
 * All of a lab hangs on one `unshare`: its namespaces have no names outside, so any number of labs run side by side, and the
 * kernel takes everything away, links, rules and processes, when it ends: by itself, by the test, or since the test was killed.
 * Nobody has to be root: a user namespace gives the right to build networks inside, and nowhere else.
 */
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'

const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
/** With a user namespace wherever it is allowed; root can do without. */
const WAYS = [['--user', '--map-root-user', ...NAMESPACES], ...(process.getuid?.() === 0 ? [NAMESPACES] : [])]
/** Each tool, and the Debian package that has it. */
const TOOLS = [
  ['unshare', 'util-linux'],
  ['nsenter', 'util-linux'],
  ['mount', 'mount'],
  ['ip', 'iproute2'],
  ['nft', 'nftables']
] as const
/** `sbin` is not on the path of everybody. */
const ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }

/** What a lab builds, each with the words for a machine that does not allow it. */
const STEPS = [
  ['mount -t tmpfs lab /run', 'mounts'],
  ['ip link set lo up && ip link add br0 type bridge', 'bridges'],
  ['ip netns add host && ip link add v0 type veth peer name eth0 netns host', 'pairs of links between network namespaces'],
  ['nsenter --net=/run/netns/host ip link set eth0 up', 'entering a network namespace'],
  [
    'printf "table bridge lab {\\nchain pass {\\ntype filter hook forward priority 0\\nnumgen random mod 100 < 5 drop\\n}\\n}\\n" | nft -f -',
    'dropping what crosses a bridge'
  ],
  [
    'printf "table ip lab {\\nchain out {\\ntype nat hook postrouting priority 100\\noifname eth0 masquerade\\n}\\n}\\n" | nft -f -',
    'masquerading'
  ],
  ['echo 1 > /proc/sys/net/ipv4/ip_forward', 'routing']
] as const

let found: { way: string[] } | { reason: string } | undefined

/** How a lab can be entered on this machine, or in one line why not, and what to do. */
function look(): { way: string[] } | { reason: string } {
  if (process.platform !== 'linux') {
    return { reason: `the lab is made of Linux’s network namespaces, and this is ${process.platform}` }
  }
  const missing = TOOLS.filter(([tool]) => spawnSync(tool, ['--help'], { env: ENV }).error != null)
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(([, name]) => name))].join(' ')
    return { reason: `the lab needs ${missing.map(([tool]) => tool).join(' and ')}: install Debian’s ${packages}` }
  }
  let reason = ''
  for (const way of WAYS) {
    const script = STEPS.map(([command], i) => `{ ${command}; } || exit ${i + 100}`).join('\n')
    const { status, stderr } = spawnSync('unshare', [...way, 'sh', '-c', script], { env: ENV, encoding: 'utf8' })
    if (status === 0) {
      return { way }
    }
    const what = STEPS[(status ?? 0) - 100]?.[1] ?? 'new namespaces'
    reason ||= `the lab needs ${what}, which this machine does not allow (${stderr.trim().split('\n').at(-1)}): run it as root, or where user namespaces are allowed`
  }
  return { reason }
}

/** Null where labs can be built, else one line that says why not. */
export function whyNoLab(): string | null {
  found ??= look()
  return 'reason' in found ? found.reason : null
}

/** Skips the suite that calls it in `before` where there can be no lab, and says so. */
export function skipWithoutLab(context: Mocha.Context): void {
  const reason = whyNoLab()
  if (reason != null) {
    console.log(`    skipped: ${reason}`)
    context.skip()
  }
}

/**
 * The first process of a lab: it collects what dies, ends the lab with its driver, and the driver when the test is gone,
 * which closes standard input however it ends.
 */
const INIT = `
mount -t tmpfs lab /run || exit 1
exec 3<&0
"$@" < /dev/null 3<&- &
driver=$!
{ cat <&3 > /dev/null; kill -9 $driver; } 2> /dev/null &
wait $driver
`

export interface LabRun {
  /** Of the lab's first process, as seen from outside. */
  pid: number
  /** With the driver's exit status and what it wrote to both outputs. */
  ended: Promise<{ code: number | null; output: string }>
  /** Takes all of it away, at once. */
  end(): Promise<void>
}

/** Runs a TypeScript file as the driver of a new lab. @throws Error where there can be none */
export function enterLab(file: string, args: string[]): LabRun {
  const reason = whyNoLab()
  if (found == null || !('way' in found)) {
    throw new Error(reason ?? 'no lab')
  }
  const child = spawn('unshare', [...found.way, 'sh', '-c', INIT, 'lab', process.execPath, join(import.meta.dirname, file), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: ENV
  })
  let output = ''
  const take = (chunk: Buffer) => {
    output += chunk.toString()
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  // a lab that ends before the test does is told by `ended`
  child.stdin.on('error', () => {})
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => child.once('close', (code) => resolve({ code, output })))
  return {
    pid: child.pid!,
    ended,
    async end() {
      child.kill('SIGKILL')
      await ended
    }
  }
}
