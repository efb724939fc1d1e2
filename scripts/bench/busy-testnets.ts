/** Whether testnets hold what they promise on a machine that has no time for them: ten processes beside them count without end. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { atLeast, type BenchContext, type Result } from './result.ts'

const BUSY = 10
/** Ends by itself when the bench is gone, however that ended. */
const BUSY_LOOP = 'const parent = process.ppid; while (process.ppid === parent) for (let i = 0; i < 1e7; i++);'
const FLAGS = ['testnet', '--nodes', '5', '--rounds', '3', '--slot-ms', '100', '--json']
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
/** What takes this long hangs. */
const TIMEOUT_MS = 30 * 60_000

interface Line {
  event: string
  ok?: boolean
  reason?: string | null
  seconds?: number
  slotMs?: { median: number; longest: number; waitedFor: { name: string; ms: number } | null } | null
  records?: Array<{ cycle: number; accepted: string[]; rejected: Array<{ staker: string; reason: string }> }>
}

/** What a run came to: undefined where it held all that it promises, and everybody’s work was accepted in each cycle. */
interface Run {
  broken: string | undefined
  summary: Line | undefined
}

export async function benchBusyTestnets({ runs, progress }: Pick<BenchContext, 'runs' | 'progress'>): Promise<Result[]> {
  const busy = Array.from({ length: BUSY }, () => spawn(process.execPath, ['-e', BUSY_LOOP], { stdio: 'ignore' }))
  const end = () => {
    for (const child of busy) {
      child.kill('SIGKILL')
    }
  }
  process.once('exit', end)
  const done: Run[] = []
  try {
    while (done.length < runs) {
      const run = await runOnce()
      done.push(run)
      const { seconds, slotMs } = run.summary ?? {}
      const pace = slotMs == null ? '' : `, slots of ${slotMs.median} ms, the longest ${slotMs.longest}`
      progress(
        `busy-testnets: run ${done.length} of ${runs} ${run.broken == null ? 'ok' : `FAILED: ${run.broken}`} (${seconds ?? '?'} s${pace})`
      )
    }
  } finally {
    end()
    process.off('exit', end)
  }
  const good = done.filter(({ broken }) => broken == null).length
  const medians = done.flatMap(({ summary }) => summary?.slotMs?.median ?? [])
  return [
    atLeast(runs, {
      bench: 'busy-testnets',
      name: `testnets that end well, of ${runs}`,
      value: good,
      unit: 'runs',
      note: `5 nodes, 3 rounds, slots of 100 ms asked, ${BUSY} busy processes beside them; ${done.flatMap(({ broken }) => broken ?? []).join('; ') || 'nobody was rejected, passed over or missing'}`
    }),
    {
      bench: 'busy-testnets',
      name: 'length of a slot, where 100 ms are asked: the longest median of a run',
      value: Math.max(0, ...medians),
      unit: 'ms'
    }
  ]
}

async function runOnce(): Promise<Run> {
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...FLAGS], { stdio: ['ignore', 'pipe', 'pipe'] })
  let summary: Line | undefined
  let passedOver = 0
  let stderr = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-2_000)
  })
  createInterface({ input: child.stdout! }).on('line', (text) => {
    const line = JSON.parse(text) as Line
    passedOver += line.event === 'passed-over' ? 1 : 0
    summary = line.event === 'summary' ? line : summary
  })
  const timer = setTimeout(() => child.kill(), TIMEOUT_MS)
  const status = await new Promise<string>((resolve) => {
    child.once('error', (err) => resolve(err.message))
    child.once('close', (code, signal) => resolve(signal ?? `exit status ${code}`))
  })
  clearTimeout(timer)
  return { broken: brokenIn(status, summary, passedOver, stderr), summary }
}

function brokenIn(status: string, summary: Line | undefined, passedOver: number, stderr: string): string | undefined {
  if (status !== 'exit status 0' || summary?.ok !== true) {
    return `ended with ${status}: ${summary?.reason ?? stderr.trim().split('\n').at(-1)}`
  }
  const lacking = summary.records?.find(({ accepted }) => accepted.length < 5)
  if (lacking != null) {
    const why = lacking.rejected.map(({ reason }) => reason).join(', ')
    return `cycle ${lacking.cycle} has the work of ${lacking.accepted.length} of 5${why === '' ? '' : `; rejected: ${why}`}`
  }
  return passedOver > 0 ? `${passedOver} times a node was waited for in vain` : undefined
}
