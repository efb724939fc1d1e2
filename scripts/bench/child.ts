import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { BenchError } from './result.ts'

/** On a busy machine a mesh may take so long to form, or a run to end. */
const ANSWER_TIMEOUT_MS = 300_000

/** What is measured, in a process of its own: it says once that it is ready, and answers one request after the other. */
export interface Child<Request, Reply> {
  ask(request: Request): Promise<Reply>
  stop(): void
}

type Answer<Reply> = { answer: Reply } | { error: string }

/** @throws BenchError when it fails, ends, or does not answer */
export async function startChild<Request extends object, Reply>(
  name: string,
  file: string,
  args: string[]
): Promise<Child<Request, Reply>> {
  const child = fork(join(import.meta.dirname, file), args, { stdio: ['ignore', 2, 2, 'ipc'] })
  const stop = () => {
    child.kill()
  }
  try {
    await answerOf(name, child)
  } catch (err) {
    stop()
    throw err
  }
  return {
    ask(request) {
      child.send(request)
      return answerOf<Reply>(name, child)
    },
    stop
  }
}

function answerOf<Reply>(name: string, child: ChildProcess): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      clearTimeout(timer)
      child.off('message', onMessage)
      child.off('exit', onExit)
      settle()
    }
    const fail = (what: string) => done(() => reject(new BenchError(`${name} ${what}`)))
    const onMessage = (message: Answer<Reply>) =>
      'error' in message ? fail(`failed: ${message.error}`) : done(() => resolve(message.answer))
    const onExit = (code: number | null, signal: string | null) => fail(`ended with ${signal ?? `exit status ${code}`}`)
    const timer = setTimeout(() => fail(`has not answered for ${ANSWER_TIMEOUT_MS / 1000} s`), ANSWER_TIMEOUT_MS)
    child.on('message', onMessage)
    child.on('exit', onExit)
  })
}
