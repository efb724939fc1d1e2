/** Resident memory of the processes of five-node testnets while they do their rounds: of one task, and of three in each node. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type BenchContext, BenchError, type Result, within } from './result.ts'
import { median } from './statistics.ts'

const NODES = 5
const ONE = ['k2-index']
/** The same task again, so that what each further one costs is what a task costs. */
const THREE = ['k2-index', 'k2-index', 'k2-index']
const SAMPLE_MS = 500
const TIMEOUT_MS = 600_000
const MIB = 1024 * 1024
/** Of a node with one task, and of each further one, without their processes. */
const NODE_GOAL_MIB = 150
const TASK_GOAL_MIB = 25

interface Line {
  event: string
  node?: string | null
  pid?: number
  rssBytes?: number
  heapBytes?: number
  externalBytes?: number
  ok?: boolean
  reason?: string | null
}

/** In bytes, a sample for each node and moment. */
interface Measured {
  nodes: number[]
  heap: number[]
  external: number[]
  /** Code, of files that other processes may have mapped, too. Linux alone. */
  files: number[]
  children: number[]
}

/** @throws BenchError when a testnet does not hold what it promises, or says nothing of its memory */
export async function benchMemory({ progress }: Pick<BenchContext, 'progress'>): Promise<Result[]> {
  const one = await measure(ONE, progress)
  const three = await measure(THREE, progress)
  const [single, several] = [median(one.nodes), median(three.nodes)]
  const further = (several - single) / (THREE.length - ONE.length)
  return [
    within(NODE_GOAL_MIB, figure('a node process with one task, as it says itself', one.nodes, whereOf(one))),
    within(TASK_GOAL_MIB, {
      ...{ bench: 'memory', name: 'resident memory of each further task in it', value: further / MIB, unit: 'MiB', nodes: NODES },
      note: `${mib(several)} with ${THREE.length} tasks, beside ${mib(THREE.length * single)} of ${THREE.length} nodes with one each. ${whereOf(three)}`
    }),
    ...(one.children.length === 0 ? [] : [figure(`a task's child process, every ${SAMPLE_MS} ms`, one.children)])
  ]
}

/** Runs a testnet of these tasks in each of its nodes. */
async function measure(tasks: readonly string[], progress: (text: string) => void): Promise<Measured> {
  const flags = [...(tasks.length === 1 ? ['--task', tasks[0]!] : ['--tasks', tasks.join(',')]), '--slot-ms', '200', '--json']
  const args = ['testnet', '--nodes', String(NODES), '--rounds', '2', ...flags]
  progress(`memory: koii-mesh ${args.join(' ')}`)
  const measured: Measured = { nodes: [], heap: [], external: [], files: [], children: [] }
  const pids = new Map<string, number>()
  let summary: Line | undefined
  let ready = false
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-2_000)
  })
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line
    if (line.event === 'node-started' && line.pid != null && line.node != null) {
      pids.set(line.node, line.pid)
    } else if (line.event === 'ready') {
      ready = true
      progress('memory: the nodes have found each other, the rounds begin')
    } else if (line.event === 'stats') {
      push(measured.nodes, line.rssBytes)
      push(measured.heap, line.heapBytes)
      push(measured.external, line.externalBytes)
    } else if (line.event === 'summary') {
      summary = line
    }
  })
  const sampling = setInterval(() => {
    if (ready && process.platform === 'linux') {
      sample([...pids.values()], measured)
    }
  }, SAMPLE_MS)
  const timer = setTimeout(() => child.kill(), TIMEOUT_MS)
  const status = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal ?? `exit status ${code}`))
  })
  clearInterval(sampling)
  clearTimeout(timer)
  if (status !== 'exit status 0' || summary?.ok !== true) {
    throw new BenchError(`the testnet ended with ${status}: ${summary?.reason ?? stderr.trim().split('\n').at(-1)}`)
  }
  if (measured.nodes.length < NODES) {
    throw new BenchError(`only ${measured.nodes.length} of ${NODES} nodes said how much memory they have`)
  }
  return measured
}

/** What /proc says: of the nodes' files, and of the processes of their tasks. */
function sample(pids: number[], into: Measured): void {
  const parents = parentsOfAll()
  for (const pid of pids) {
    push(into.files, statusOf(pid, 'RssFile'))
    for (const [task, parent] of parents) {
      if (parent === pid) {
        push(into.children, statusOf(task, 'VmRSS'))
      }
    }
  }
}

const mib = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`

/** Where it goes, in words. */
function whereOf({ nodes, heap, external, files }: Measured): string {
  const [all, js, buffers, code] = [median(nodes), median(heap), median(external), files.length === 0 ? 0 : median(files)]
  const shares = `${mib(js)} JavaScript's heap, ${mib(buffers)} buffers and native objects`
  return files.length === 0
    ? shares
    : `${shares}, ${mib(code)} code of the program and its libraries, ${mib(all - js - buffers - code)} else`
}

function figure(name: string, bytes: number[], where?: string): Result {
  if (bytes.length === 0) {
    throw new BenchError(`no figure for ${name}`)
  }
  const max = Math.max(...bytes) / MIB
  return {
    bench: 'memory',
    name: `resident memory of ${name}, median`,
    value: median(bytes) / MIB,
    unit: 'MiB',
    max,
    samples: bytes.length,
    nodes: NODES,
    note: `largest ${max.toFixed(0)} MiB, of ${bytes.length} samples in a testnet of ${NODES} nodes that was ok${where == null ? '' : `. ${where}`}`
  }
}

function push(into: number[], bytes: number | undefined): void {
  if (bytes != null) {
    into.push(bytes)
  }
}

/** Parent of each process that runs. */
function parentsOfAll(): Map<number, number> {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? fieldOf(Number(name), 'PPid') : undefined
    if (parent != null) {
      parents.set(Number(name), parent)
    }
  }
  return parents
}

/** In bytes; undefined when the process has ended meanwhile. */
function statusOf(pid: number, field: 'VmRSS' | 'RssFile'): number | undefined {
  const kib = fieldOf(pid, field)
  return kib == null ? undefined : kib * 1024
}

/** undefined when the process has ended meanwhile. */
function fieldOf(pid: number, field: string): number | undefined {
  try {
    const found = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return found == null ? undefined : Number(found)
  } catch {
    return undefined
  }
}
