/** A task's process as the operating system sees it: its walls, its memory, its end with ours. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import type { ChildFiles } from './child-files.ts'

export interface SpawnInit {
  /** the only folder that the process may read, besides this room's child-side files */
  folder: string
  child: ChildFiles
  mode: 'work' | 'frozen'
  network: boolean
  /** JavaScript heap, MiB */
  memoryMb: number
}

/** Standard input and descriptor 3 are the frames' way in and out. @throws what Node refuses at once */
export function spawnChild(init: SpawnInit): ChildProcessWithoutNullStreams {
  const [command, ...before] = withParent()
  return spawn(
    command!,
    [
      ...before,
      '--permission',
      `--allow-fs-read=${init.folder}`,
      `--allow-fs-read=${init.child.folder}`,
      ...(init.network ? ['--allow-net'] : []),
      // writes files in spite of --permission (Node 26.10)
      '--no-experimental-sqlite',
      '--no-experimental-webstorage',
      '--disable-sigusr1',
      '--no-addons',
      '--no-warnings',
      `--max-old-space-size=${init.memoryMb}`,
      // Scavenges more often, for some megabytes less in each of many processes
      '--max-semi-space-size=4',
      '--v8-pool-size=1',
      ...(init.mode === 'frozen' ? init.child.interpreter.flags : []),
      init.child.entry,
      ...(init.mode === 'frozen' ? init.child.interpreter.modules : [])
    ],
    {
      cwd: init.folder,
      env: { TZ: 'UTC', LC_ALL: 'C', UV_THREADPOOL_SIZE: '2' },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      // a Ctrl+C at the terminal is the node's to hear: what it ends here is told as no fault of the bundle. On Windows it would have a window
      detached: process.platform !== 'win32',
      windowsHide: true
    }
  ) as ChildProcessWithoutNullStreams
}

/**
 * The kernel's own word that a process ends with its parent, where Linux has a tool to give it: a task that is busy does not
 * see that its input has closed.
 */
const SETPRIV = '/usr/bin/setpriv'
let hasSetpriv: boolean | undefined

function withParent(): string[] {
  hasSetpriv ??=
    process.platform === 'linux' &&
    existsSync(SETPRIV) &&
    spawnSync(SETPRIV, ['--pdeathsig', 'KILL', '--', '/bin/true'], { stdio: 'ignore', timeout: 5000 }).status === 0
  // an error of the start is to be this process's own
  return hasSetpriv && existsSync(process.execPath) ? [SETPRIV, '--pdeathsig', 'KILL', '--', process.execPath] : [process.execPath]
}

/** Resident memory as the kernel counts it; null where it cannot be read. */
export function rssBytes(pid: number | undefined): number | null {
  if (pid == null || process.platform !== 'linux') {
    return null
  }
  try {
    const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    return kb == null ? null : Number(kb) * 1024
  } catch {
    return null
  }
}
