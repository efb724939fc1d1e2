/** Resident memory of the processes of a five-node testnet, while it does its rounds. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type BenchContext, BenchError, type Result } from './result.ts'
import { median } from './statistics.ts'

const NODES = 5
const FLAGS = ['testnet', '--nodes', String(NODES), '--rounds', '2', '--slot-ms', '200', '--json']
const SAMPLE_MS = 500
const TIMEOUT_MS = 300_000
const MIB = 1024 * 1024

interface Line {
  event: string
  node?: string | null
  pid?: number
  rssBytes?: number
  ok?: boolean
  reason?: string | null
  nodes?: number
  cycles?: number
  k2?: { votes: number; byKind: Record<string, number> }
}

/** @throws BenchError when the testnet does not hold what it promises, or says nothing of its memory */
export async function benchMemory({ progress }: Pick<BenchContext, 'progress'>): Promise<Result[]> {
  progress(`memory: koii-mesh ${FLAGS.join(' ')}`)
  const told: number[] = []
  const nodes: number[] = []
  const tasks: number[] = []
  const pids = new Map<string, number>()
  let summary: Line | undefined
  let ready = false
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts'), ...FLAGS], {
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
    } else if (line.event === 'stats' && line.rssBytes != null) {
      told.push(line.rssBytes)
    } else if (line.event === 'summary') {
      summary = line
    }
  })
  const sampling = setInterval(() => {
    if (!ready || process.platform !== 'linux') {
      return
    }
    const parents = parentsOfAll()
    for (const pid of pids.values()) {
      push(nodes, rssOf(pid))
      for (const [task, parent] of parents) {
        if (parent === pid) {
          push(tasks, rssOf(task))
        }
      }
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
  if (told.length < NODES) {
    throw new BenchError(`only ${told.length} of ${NODES} nodes said how much memory they have`)
  }
  return [
    figure('a node process, as it says itself after each cycle', told, { votes: summary.k2?.votes, byKind: summary.k2?.byKind }),
    ...(process.platform === 'linux'
      ? [figure(`a node process, every ${SAMPLE_MS} ms`, nodes), figure(`a task's child process, every ${SAMPLE_MS} ms`, tasks)]
      : [])
  ]
}

function figure(name: string, bytes: number[], more: object = {}): Result {
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
    ...more,
    note: `largest ${max.toFixed(0)} MiB, of ${bytes.length} samples in a testnet of ${NODES} nodes that was ok`
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
    const parent = /^\d+$/.test(name) ? statusOf(Number(name), 'PPid') : undefined
    if (parent != null) {
      parents.set(Number(name), parent)
    }
  }
  return parents
}

function rssOf(pid: number): number | undefined {
  const kib = statusOf(pid, 'VmRSS')
  return kib == null ? undefined : kib * 1024
}

/** undefined when the process has ended meanwhile. */
function statusOf(pid: number, field: string): number | undefined {
  try {
    const found = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return found == null ? undefined : Number(found)
  } catch {
    return undefined
  }
}
