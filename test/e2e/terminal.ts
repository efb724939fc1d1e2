/** The command line on a terminal of its own, made by script(1) of util-linux. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')

/** What a terminal acts on or a reader does not see; a line's own end is none. */
export const ACTS = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

export interface Terminal {
  /** Every byte that reached the terminal so far, its line ends as \n. */
  output(): string
  /** The first match in the output; fails when the command ends without one. */
  shows(pattern: RegExp): Promise<RegExpExecArray>
  /** Presses keys: \x03 is Ctrl+C, which every process of the terminal hears. */
  types(keys: string): void
  ended: Promise<number | null>
  /** Closes the terminal, and with it what runs there. */
  close(): Promise<void>
}

export interface TerminalInit {
  columns?: number
  rows?: number
  env?: Record<string, string>
  cwd?: string
}

/** Runs `koii-mesh ARGS` on a terminal. */
export function terminal(args: string[], { columns = 80, rows = 24, env = {}, cwd }: TerminalInit = {}): Terminal {
  const quoted = [process.execPath, MAIN, ...args].map((arg) => `'${arg.replaceAll("'", `'\\''`)}'`).join(' ')
  const own = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(KOII_MESH_|NO_COLOR|FORCE_COLOR|LC_|LANG|TERM|COLORTERM|CI$)/.test(name))
  )
  const child: ChildProcess = spawn('script', ['-qefc', `stty cols ${columns} rows ${rows}; exec ${quoted}`, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    env: { ...own, TERM: 'xterm-256color', LC_ALL: 'C.UTF-8', SHELL: '/bin/sh', ...env },
    ...(cwd == null ? {} : { cwd })
  })
  let text = ''
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      for (const look of waiting) {
        look()
      }
    })
  }
  const output = () => text.replaceAll('\r\n', '\n')
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  return {
    output,
    types: (keys) => void child.stdin!.write(keys),
    ended,
    shows: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = pattern.exec(output())
          if (found != null) {
            waiting.delete(look)
            resolve(found)
          }
        }
        waiting.add(look)
        look()
        ended.then(() => reject(new Error(`the command ended and never showed ${pattern}:\n${output().slice(-3000)}`)))
      }),
    async close() {
      try {
        process.kill(-child.pid!, 'SIGTERM')
      } catch {
        // it has ended
      }
      await ended
    }
  }
}

/** Runs a command on a terminal to its end. */
export async function runOnTerminal(args: string[], init?: TerminalInit): Promise<{ code: number | null; output: string }> {
  const shown = terminal(args, init)
  try {
    const code = await shown.ended
    return { code, output: shown.output() }
  } finally {
    await shown.close()
  }
}
