/**
 * Which specs a lane runs. Nothing here is a list of specs: the fast lane is what no import leads to a process, a socket, a database
 * or the VM (test/lanes/watch.ts holds a lane's run to it), a room is a folder and who imports it.
 */
import { globSync, readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { importsOf, reached } from './reach.ts'

export const ROOT = join(import.meta.dirname, '..', '..')

/** What starts something, with the exports that do not. */
const EDGES: Record<string, string[]> = {
  'node:child_process': [],
  'node:worker_threads': [],
  'node:cluster': [],
  'node:dgram': [],
  'node:http': [],
  'node:https': [],
  'node:http2': [],
  'node:tls': [],
  'node:net': ['BlockList', 'isIP', 'isIPv4', 'isIPv6', 'SocketAddress'],
  // a promise waits for the disk
  'node:sqlite': [],
  ws: [],
  fastify: [],
  libp2p: [],
  helia: [],
  '@libp2p/tcp': [],
  '@libp2p/websockets': []
}

/** These start nothing and take minutes all the same: whole meshes by seeds, and the VM. */
export const LONG = ['test/sim/', 'test/docs/attacks.spec.ts']
const LONG_PACKAGES = ['litesvm']

const named = (file: string) => relative(ROOT, file).split(sep).join('/')

/** A command begins with its action: its file may be loaded to look at its options. */
const isCommand = (file: string) => named(file).startsWith('src/cli/')

/** All specs, relative to the repo, with slashes. */
export function allSpecs(): string[] {
  return globSync('test/**/*.spec.ts', { cwd: ROOT })
    .map((file) => file.split(sep).join('/'))
    .sort()
}

export interface LeftOut {
  /** It starts nothing, and takes long. */
  long: boolean
  why: string
}

/**
 * Why the fast lane leaves a spec out, or undefined for one that it runs.
 *
 * @param spec - relative to the repo, with slashes
 */
export function leftOut(spec: string): LeftOut | undefined {
  const folder = LONG.find((path) => spec.startsWith(path))
  if (folder != null) {
    return { long: true, why: `${folder} takes minutes` }
  }
  const all = reached(join(ROOT, spec), isCommand)
  const slow = all.find(({ from }) => LONG_PACKAGES.includes(from))
  if (slow != null) {
    return { long: true, why: `${slow.from} takes minutes: ${slow.way.map(named).join(' > ')}` }
  }
  const edge = all.find(({ from, names }) => EDGES[from] != null && (names ?? ['*']).some((name) => !EDGES[from]!.includes(name)))
  return edge == null ? undefined : { long: false, why: `it imports ${edge.from}: ${edge.way.map(named).join(' > ')}` }
}

export function fastSpecs(): string[] {
  return allSpecs().filter((spec) => leftOut(spec) == null)
}

/** The folders of src/. */
export function rooms(): string[] {
  return readdirSync(join(ROOT, 'src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
}

/**
 * The specs below test/ROOM, and those of folders that belong to no room (test/cases, test/settlement, ...) that import a file of
 * src/ROOM themselves, not by way of others.
 */
export function roomSpecs(room: string): string[] {
  const folder = join(ROOT, 'src', room) + sep
  const folders = rooms()
  return allSpecs().filter((spec) => {
    const home = spec.split('/')[1]!
    return folders.includes(home) ? home === room : importsOf(join(ROOT, spec)).some((file) => file.startsWith(folder))
  })
}

/** What is wrong with the lane that a spec is in, by what it did when it ran; undefined when nothing is. */
export function laneFault(spec: string, run: { started: ReadonlySet<string>; allPassed: boolean }): string | undefined {
  const out = leftOut(spec)
  if (out == null && run.started.size > 0) {
    return `${spec} is of the fast lane and started ${[...run.started].join(', ')}: what starts it should be imported, see EDGES in scripts/lanes/lanes.ts`
  }
  if (out != null && !out.long && run.allPassed && run.started.size === 0) {
    return `${spec} starts nothing, and the fast lane leaves it out: ${out.why}. Move what it needs into a file without that import`
  }
  return undefined
}
