import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { extname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { envName } from '../config/index.ts'
import { makeFolder } from '../disk/index.ts'
import type { NodeEvent } from '../observe/index.ts'
import { PARENT_VARIABLE } from '../observe/process.ts'
import type { Fault } from './faults.ts'

export interface NodeProcessInit {
  name: string
  dir: string
  /** Flags of `koii-mesh start`. */
  args: string[]
  fault: Fault | null
  onEvent: (event: NodeEvent) => void
  /** The process ended and nobody had asked it to. */
  onExit: (how: { signal: string | null; reason: string }) => void
}

/** One node of a testnet: a real process, told what to do by flags and heard by its JSON lines. */
export interface NodeProcess {
  name: string
  pid(): number | undefined
  start(): void
  /** Asks it to stop, and ends it when it does not. */
  stop(): Promise<void>
  /** kill -9. */
  kill(): Promise<void>
}

/** A node finishes its writes within this; then it is ended. */
const STOP_TIMEOUT_MS = 10_000
/** What is kept of standard error for the reason of a crash; all of it is in the log file. */
const TAIL_BYTES = 2000

const OF_TASKS = Object.fromEntries(['task', 'bundle', 'params'].map((key) => [envName(key), undefined]))

const running = new Set<ChildProcess>()

/** Nothing of a testnet outlives it, and no node writes to its folder while that is removed. */
function killAtExit(child: ChildProcess): void {
  if (running.size === 0) {
    process.prependOnceListener('exit', endAll)
  }
  running.add(child)
  child.once('exit', () => {
    running.delete(child)
    if (running.size === 0) {
      process.off('exit', endAll)
    }
  })
}

function endAll(): void {
  for (const child of running) {
    child.kill('SIGKILL')
  }
}

export function createNodeProcess({ name, dir, args, fault, onEvent, onExit }: NodeProcessInit): NodeProcess {
  let child: ChildProcess | undefined
  let exited: Promise<void> = Promise.resolve()
  let expected = false
  // the same file names in src and in dist
  const ending = extname(import.meta.filename)
  const command = (file: string) => join(import.meta.dirname, '..', 'cli', `${file}${ending}`)
  const entry = fault == null ? [command('main'), 'start'] : [command('faulty-node'), fault]

  const end = async (signal: NodeJS.Signals) => {
    expected = true
    const current = child
    if (current == null || current.exitCode != null || current.signalCode != null) {
      return
    }
    current.kill(signal)
    const timer = setTimeout(() => current.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
  }

  return {
    name,
    pid: () => child?.pid,
    start() {
      makeFolder(dir)
      expected = false
      let tail = ''
      const started = spawn(process.execPath, [...entry, ...args, '--json'], {
        // the last one closes when this process is gone, however that ends, and the node ends with it
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
        // these are of the run's tasks: what was said here in the environment is in them, or gives way to what was said by a flag
        env: { ...process.env, ...OF_TASKS, [PARENT_VARIABLE]: `3:${process.pid}` }
      })
      child = started
      killAtExit(started)
      started.stdio[3]?.on('error', () => {})
      const log = createWriteStream(join(dir, 'node.log'), { flags: 'a' })
      // a full disk costs the log, not the testnet
      log.on('error', () => {})
      started.stderr!.on('data', (chunk: Buffer) => {
        log.write(chunk)
        tail = (tail + chunk.toString()).slice(-TAIL_BYTES)
      })
      createInterface({ input: started.stdout! }).on('line', (line) => {
        try {
          onEvent(JSON.parse(line) as NodeEvent)
        } catch {
          log.write(`${line}\n`)
        }
      })
      exited = new Promise((resolve) => {
        started.once('error', (err) => {
          log.end()
          onExit({ signal: null, reason: `could not be started: ${err.message}` })
          resolve()
        })
        started.once('exit', (code, signal) => {
          log.end()
          if (!expected) {
            const last = tail.trim().split('\n').at(-1) ?? ''
            onExit({
              signal,
              reason: `ended with ${signal ?? `exit status ${code}`}${last === '' ? '' : `: ${last}`} (log: ${join(dir, 'node.log')})`
            })
          }
          resolve()
        })
      })
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL')
  }
}
