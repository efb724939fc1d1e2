import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { NodeFacts } from './facts.ts'

// biome-ignore lint/suspicious/noExplicitAny: a line of `start --json`
type NodeEvent = any

export interface LabNode {
  name: string
  staker: string
  facts: NodeFacts
  /** Staked peers that it is connected to, by its own word. */
  peers(): number
  hasTask(): boolean
  /** Whether the process that runs has come so far. */
  isListening(): boolean
  /** What it told when it began to listen, last. */
  multiaddrs(): string[]
  start(): void
  /** kill -9. */
  kill(): Promise<void>
  stop(): Promise<void>
  /** Of the process that runs: seconds of processor time, and MiB. */
  weight(): { cpuS: number; rssMiB: number } | null
}

export interface LabNodeInit {
  facts: NodeFacts
  staker: string
  argv: string[]
  env: NodeJS.ProcessEnv
  home: string
  slot: () => number
  nameOf: (staker: string) => string
  say: (text: string) => void
  onEvent: (event: NodeEvent) => void
}

/** What is worth a line of the story. */
const NOTED = new Set([
  'missed',
  'vote-lost',
  'refused',
  'unhandled',
  'equivocated',
  'task-failed',
  'build-failed',
  'key-conflict',
  'silent'
])
const STOP_TIMEOUT_MS = 15_000

/** One `koii-mesh start`, over all its processes. */
export function createLabNode({ facts, staker, argv, env, home, slot, nameOf, say, onEvent }: LabNodeInit): LabNode {
  const { name } = facts
  let child: ChildProcess | undefined
  let exited: Promise<void> = Promise.resolve()
  let peers = 0
  let hasTask = false
  let listens = false
  let multiaddrs: string[] = []

  function take(event: NodeEvent): void {
    const { cycle } = event
    switch (event.event) {
      case 'listening':
        multiaddrs = event.multiaddrs
        listens = true
        break
      case 'peer':
      case 'peer-left':
        peers = event.staked
        break
      case 'task':
        hasTask = true
        break
      case 'submitted':
        facts.submitted.push({ cycle, slot: slot() })
        break
      case 'settled':
        facts.settled.push({ cycle, record: event.record })
        break
      case 'challenged': {
        const [by, subject] = [nameOf(event.by), nameOf(event.subject)]
        if (by === name) {
          facts.accused.push({ cycle, by, subject, finding: event.finding, reason: event.reason })
          say(`${name} challenges ${subject} in cycle ${cycle}: ${event.finding} (${event.reason})`)
        }
        break
      }
    }
    if (NOTED.has(event.event)) {
      say(`${name} ${event.event}${cycle == null ? '' : ` in cycle ${cycle}`} ${event.reason ?? event.key ?? ''}`)
    }
    onEvent(event)
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const current = child
    child = undefined
    listens = false
    current?.kill(signal)
    const timer = setTimeout(() => current?.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
  }

  return {
    name,
    staker,
    facts,
    peers: () => peers,
    hasTask: () => hasTask,
    isListening: () => listens,
    multiaddrs: () => multiaddrs,
    start() {
      peers = 0
      hasTask = false
      const [file, ...args] = argv
      // entering a network namespace execs: the process is the node itself
      const started = spawn(file!, args, { env, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] })
      child = started
      const log = createWriteStream(join(home, 'node.log'), { flags: 'a' })
      started.stderr.pipe(log)
      createInterface({ input: started.stdout }).on('line', (line) => {
        try {
          take(JSON.parse(line))
        } catch {
          // the last line of one that was killed
          say(`${name} wrote: ${line}`)
        }
      })
      exited = new Promise((resolve) => {
        started.once('close', (code, signal) => {
          if (child === started) {
            facts.crashed.push(`${signal ?? `exit status ${code}`} in slot ${slot()}`)
            say(`${name} ended with ${signal ?? code}`)
          }
          resolve()
        })
      })
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    weight() {
      if (child?.pid == null) {
        return null
      }
      const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))
      return { cpuS: (Number(stat[11]) + Number(stat[12])) / 100, rssMiB: Math.round(Number(rss?.[1] ?? 0) / 1024) }
    }
  }
}
