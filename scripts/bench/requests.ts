/** What two nodes of a real mesh of five ask of K2: one whose WebSocket works, and one whose is cut. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type CountingProxy, type Counts, startCountingProxy } from './counting-proxy.ts'
import { type BenchContext, BenchError, type Result, within } from './result.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
/** Beside the two that are measured. */
const OTHERS = 3
const SLOT_MS = 400
const ROUND_SLOTS = 30
/** Votes of each node that are waited for while it is measured. */
const CYCLES = 4
/** Requests a second beyond the task's own. */
const GOAL = 0.5
const TIMEOUT_MS = 300_000

interface Line {
  event: string
  url?: string
  task?: string
  cycle?: number | null
  reason?: string
}

interface Running {
  child: ChildProcess
  /** The first event from now on that fits. */
  event(what: string, is: (line: Line) => boolean): Promise<Line>
  stop(): Promise<void>
}

/** @throws BenchError when a node does not vote; a machine that is too busy loses cycles, and they count all the same */
export async function benchRequests({ progress }: Pick<BenchContext, 'progress'>): Promise<Result[]> {
  const dir = await mkdtemp(join(tmpdir(), 'koii-mesh-requests-'))
  const running: Running[] = []
  const proxies: CountingProxy[] = []
  const start = (args: string[]) => {
    const one = run(args)
    running.push(one)
    return one
  }
  try {
    progress(`requests: ${OTHERS} nodes on a local K2, slots of ${SLOT_MS} ms, rounds of ${ROUND_SLOTS}`)
    const mesh = start([
      'testnet',
      '--nodes',
      `${OTHERS}`,
      '--slot-ms',
      `${SLOT_MS}`,
      '--round-slots',
      `${ROUND_SLOTS}`,
      '--pace',
      'strict'
    ])
    const [{ url }, { task }] = await Promise.all([
      mesh.event('K2', ({ event }) => event === 'k2'),
      mesh.event('the task', ({ event, task: id }) => event === 'task' && id != null),
      mesh.event('the mesh', ({ event }) => event === 'ready')
    ])
    const nodes = await Promise.all(
      [true, false].map(async (webSocket) => {
        const proxy = await startCountingProxy({ target: url!, webSocket })
        proxies.push(proxy)
        const node = start([
          ...['start', '--k2', proxy.url, '--task', task!, '--data-dir', join(dir, `${webSocket}`), '--allow-private'],
          ...['--listen', '/ip4/127.0.0.1/tcp/0', '--stake', '10', '--accept-short-notice', '--airdrop']
        ])
        return { proxy, node, webSocket }
      })
    )
    progress('requests: two more nodes join, one without a WebSocket')
    await Promise.all(nodes.map(({ node }) => node.event('a vote', ({ event }) => event === 'voted')))
    const since = performance.now()
    for (const { proxy } of nodes) {
      proxy.take()
    }
    progress(`requests: counted until each has voted ${CYCLES} times more`)
    for (let i = 0; i < CYCLES; i++) {
      await Promise.all(nodes.map(({ node }) => node.event('a vote', ({ event }) => event === 'voted')))
    }
    const seconds = (performance.now() - since) / 1000
    return nodes.flatMap(({ proxy, webSocket }) => figures(proxy.take(), seconds, webSocket))
  } finally {
    await Promise.all(running.map((one) => one.stop()))
    await Promise.all(proxies.map((one) => one.close()))
    await rm(dir, { recursive: true, force: true })
  }
}

function figures({ task, node }: Counts, seconds: number, webSocket: boolean): Result[] {
  const way = webSocket ? 'WebSocket works' : 'WebSocket is cut'
  const sum = (counts: Map<string, number>) => [...counts.values()].reduce((all, count) => all + count, 0)
  const byMethod = (counts: Map<string, number>) =>
    [...counts]
      .toSorted(([, a], [, b]) => b - a)
      .map(([method, count]) => `${method} ${count}`)
      .join(', ')
  const own: Result = {
    bench: 'requests',
    name: `a node's own, its ${way}`,
    value: sum(node) / seconds,
    unit: 'requests a second',
    note: `until ${CYCLES} votes of each node, ${seconds.toFixed(0)} s: ${byMethod(node)}`,
    byMethod: Object.fromEntries(node)
  }
  return [
    webSocket ? within(GOAL, own) : own,
    {
      bench: 'requests',
      name: `with those of its task, its ${way}`,
      value: (sum(node) + sum(task)) / seconds,
      unit: 'requests a second',
      note: `the task's: ${byMethod(task)}`,
      byMethod: Object.fromEntries(task)
    }
  ]
}

function run(args: string[]): Running {
  const child = spawn(process.execPath, [MAIN, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-2000)
  })
  const lines = createInterface({ input: child.stdout! })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  return {
    child,
    event(what, is) {
      return new Promise((resolve, reject) => {
        const fail = (reason: string) => {
          over()
          reject(new BenchError(`waited in vain for ${what} of koii-mesh ${args[0]}: ${reason}; ${stderr.trim().split('\n').at(-1)}`))
        }
        const look = (text: string) => {
          const line = JSON.parse(text) as Line
          if (is(line)) {
            over()
            resolve(line)
          } else if (line.event === 'unhandled') {
            fail(`${line.event}: ${line.reason}`)
          }
        }
        const timer = setTimeout(() => fail(`nothing in ${TIMEOUT_MS / 1000} s`), TIMEOUT_MS)
        const close = () => fail('it has ended')
        const over = () => {
          clearTimeout(timer)
          lines.off('line', look)
          child.off('close', close)
        }
        lines.on('line', look)
        child.once('close', close)
      })
    },
    async stop() {
      child.kill('SIGINT')
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
      await ended
      clearTimeout(timer)
    }
  }
}
