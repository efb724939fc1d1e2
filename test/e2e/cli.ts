/** The command line as a process: what it prints, what it exits with, and nothing of it left behind. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')

/** What takes this long hangs: nobody measures time here. */
const EVENT_TIMEOUT_MS = 10 * 60_000

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of JSON by reading it
export type Event = any

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface Cli {
  pid: number
  /** The JSON lines of standard output so far. */
  events: Event[]
  stdout(): string
  stderr(): string
  ended: Promise<Ended>
  /** The first event, from `from` on, that `is` takes; fails with what there was when none came, or when the process ended before. */
  event(what: string, is: (event: Event) => boolean, options?: { timeoutMs?: number; from?: number }): Promise<Event>
  /** To the process alone, as a service manager does; `group` to it and its children, as Ctrl+C in a terminal does. */
  signal(signal: NodeJS.Signals, to?: 'process' | 'group'): void
  /** Whether any process of its group lives. */
  alive(): boolean
  /** Ends whatever is left of it and its children. */
  clean(): Promise<void>
}

export interface CliInit {
  env?: Record<string, string>
  cwd?: string
}

/** Starts `koii-mesh ARGS` in a process group of its own, so that nothing of it outlives the test. */
export function cli(args: string[], init?: CliInit): Cli {
  return script(MAIN, args, init)
}

/** The same with a script of the tests in the place of the command. */
export function script(file: string, args: string[], { env = {}, cwd }: CliInit = {}): Cli {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KOII_MESH_')))
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    // called by its name, as when it is installed; and what is expected of a command is not the locale of the machine
    env: { ...own, KOII_MESH_CALLED_AS: 'koii-mesh', LC_ALL: 'C.UTF-8', ...env },
    ...(cwd == null ? {} : { cwd })
  })
  const pid = child.pid!
  const lines: string[] = []
  const events: Event[] = []
  let errors = ''
  const waiting = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    try {
      events.push(JSON.parse(line))
    } catch {
      return
    }
    for (const look of waiting) {
      look()
    }
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  // 'close' comes when the output has been read to its end, too
  const ended = new Promise<Ended>((resolve) => child.once('close', (code, signal) => resolve({ code, signal })))

  const send = (signal: NodeJS.Signals | 0, to: number) => {
    try {
      process.kill(to, signal)
      return true
    } catch {
      return false
    }
  }

  return {
    pid,
    events,
    stdout: () => lines.join('\n'),
    stderr: () => errors,
    ended,
    event(what, is, { timeoutMs = EVENT_TIMEOUT_MS, from = 0 } = {}) {
      return new Promise((resolve, reject) => {
        let at = from
        const done = (settle: () => void) => {
          clearTimeout(timer)
          waiting.delete(look)
          settle()
        }
        const fail = (why: string) =>
          done(() => reject(new Error(`no ${what}: ${why}\n${errors.slice(-1000)}\n${lines.slice(-5).join('\n')}`)))
        const look = () => {
          for (; at < events.length; at++) {
            const event = events[at]
            if (is(event)) {
              return done(() => resolve(event))
            }
          }
        }
        const timer = setTimeout(() => fail(`none within ${timeoutMs / 1000} s`), timeoutMs)
        waiting.add(look)
        look()
        ended.then(({ code, signal }) => fail(`the process ended with ${signal ?? code}`))
      })
    },
    signal: (signal, to = 'process') => void send(signal, to === 'group' ? -pid : pid),
    alive: () => send(0, -pid),
    async clean() {
      send('SIGKILL', -pid)
      await ended
    }
  }
}

/** Runs a command to its end. */
export async function run(args: string[], init?: CliInit): Promise<Ended & { stdout: string; stderr: string }> {
  const command = cli(args, init)
  try {
    return { ...(await command.ended), stdout: command.stdout(), stderr: command.stderr() }
  } finally {
    await command.clean()
  }
}

/** A folder that goes when the test has ended. */
export async function tempDir(): Promise<{ dir: string; remove(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'koii-mesh-test-'))
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) }
}

/** What somebody who looks at a failed run wants to see first. */
export function report(command: Cli, logs: string[], lines = 15): string {
  const tail = (text: string) => text.trim().split('\n').slice(-lines).join('\n')
  const parts = [`-- last events\n${tail(command.stdout())}`, `-- standard error\n${tail(command.stderr())}`]
  for (const file of logs) {
    try {
      parts.push(`-- ${file}\n${tail(readFileSync(file, 'utf8'))}`)
    } catch {
      // a node that never started has no log
    }
  }
  return parts.map((part) => part.slice(0, 6000)).join('\n')
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
