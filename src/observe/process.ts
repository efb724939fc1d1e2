/** What a process of ours owes to its surroundings: its output may close, its parent may be killed, and it is told to stop. */
import { Socket } from 'node:net'
import { complain, complainStack, guardStream, saidAll } from './output.ts'

type OutputListener = (err: NodeJS.ErrnoException) => void

let tellOutput: OutputListener | undefined
let tellParent: (() => void) | undefined
let outputLost: NodeJS.ErrnoException | undefined

/**
 * Standard output and error that close, or whose disk is full, end no process by themselves. A command that has not said
 * otherwise by `onOutputLost` fails for what it could not say, but not because its reader had read enough (EPIPE).
 * What is written there acts on no terminal.
 */
export function guardOutput(): void {
  guardStream(process.stdout)
  guardStream(process.stderr)
  // Node itself would print it as it is
  process.on('uncaughtException', (error: unknown) => {
    complain(`this should not happen: ${error instanceof Error ? `${error.name}: ${error.message}` : error}`)
    if (error instanceof Error) {
      complainStack(error)
    }
    process.exit(1)
  })
  process.stdout.on('error', (err: NodeJS.ErrnoException) => {
    const isFirst = outputLost == null
    outputLost ??= err
    if (tellOutput != null) {
      if (isFirst) {
        tellOutput(err)
      }
    } else if (isFirst && err.code !== 'EPIPE') {
      complain(`standard output cannot be written (${err.message}): what was to be said is not there`)
      process.exitCode = 1
      process.once('exit', () => {
        process.exitCode ||= 1
      })
    }
  })
  process.stderr.on('error', () => {})
}

/** For commands that run on: called once, when standard output can no longer be written. */
export function onOutputLost(listener: OutputListener): void {
  tellOutput = listener
  if (outputLost != null) {
    listener(outputLost)
  }
}

/** Names a pipe and the process at its other end, "3:1234", for a child that is to end with it. */
export const PARENT_VARIABLE = 'KOII_MESH_PARENT'

/** Ends this process when the one that started it is gone, however that ended: the pipe between them closes then. */
export function watchParent(): void {
  const [fd, pid] = (process.env[PARENT_VARIABLE] ?? '').split(':').map(Number)
  // whatever this process starts has another parent, and no such pipe
  delete process.env[PARENT_VARIABLE]
  if (fd == null || !Number.isInteger(fd) || fd < 3 || pid !== process.ppid) {
    return
  }
  try {
    const pipe = new Socket({ fd, readable: true, writable: false })
    pipe.on('error', () => {})
    pipe.once('close', () => {
      complain('the process that started this one has ended, and so does this one')
      tellParent?.()
      process.exit(1)
    })
    pipe.resume()
    pipe.unref()
  } catch {
    // no pipe after all
  }
}

/** Called before the process ends with its parent; it must not wait. */
export function onParentGone(listener: () => void): void {
  tellParent = listener
}

/** A closed terminal tells every process of it, and the launcher tells its child once more. */
const SAME_MS = 1_000

/** Resolves at the first Ctrl+C, SIGTERM or SIGHUP (a terminal that closes); a second one ends the process at once. */
export function untilStopped(): Promise<string> {
  return new Promise((resolve) => {
    let first: { signal: string; atMs: number } | undefined
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (first == null) {
          first = { signal, atMs: performance.now() }
          resolve(signal)
        } else if (signal !== 'SIGHUP' || first.signal !== 'SIGHUP' || performance.now() - first.atMs > SAME_MS) {
          process.exit(130)
        }
      })
    }
  })
}

/** Standard output that nobody reads is not waited for. */
const FLUSH_MS = 1_000

/** Ends the process once what was said is out: a question that is still under way (a timer of a library, a request) is not waited for. */
export async function leave(): Promise<never> {
  await Promise.race([saidAll(), new Promise((resolve) => setTimeout(resolve, FLUSH_MS).unref())])
  process.exit()
}
