/**
 * Runs programs in the interpreter as a task's process does, each in a thread of its own:
 *
 *   node [flags] interpreter-process.ts FOLDER CORE VARIANT < programs.json > answers.json
 *
 * FOLDER holds the child's files, perhaps with something planted in them.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'

export interface Program {
  source: string
  seed: string
  argument: string
}

const [folder, core, variant] = process.argv.slice(2) as [string, string, string]
const { INTERPRETER } = (await import(pathToFileURL(join(folder, 'interpreter.ts')).href)) as { INTERPRETER: { threadStackMb: number } }

function run({ source, seed, argument }: Program): Promise<unknown[]> {
  const place = mkdtempSync(join(tmpdir(), 'koii-interpreter-'))
  const bundlePath = join(place, 'main.mjs')
  writeFileSync(bundlePath, source)
  const worker = new Worker(pathToFileURL(join(folder, 'interpreter-worker.ts')), {
    workerData: { core, variant, bundlePath, seed },
    resourceLimits: { stackSizeMb: INTERPRETER.threadStackMb }
  })
  const said: unknown[] = []
  return new Promise((resolve) => {
    const end = (last?: unknown) => {
      said.push(...(last == null ? [] : [last]))
      rmSync(place, { recursive: true, force: true })
      void worker.terminate()
      resolve(said)
    }
    worker.on('message', (message: { kind: string; error?: unknown }) => {
      said.push(message)
      if (message.kind === 'result' || message.error != null) {
        end()
      } else if (message.kind === 'ready') {
        worker.postMessage({ id: 1, argument })
      }
    })
    worker.on('error', (error: Error) => end({ ended: error.name }))
  })
}

const answers: unknown[] = []
for (const program of JSON.parse(readFileSync(0, 'utf8')) as Program[]) {
  answers.push(await run(program))
}
process.stdout.write(JSON.stringify(answers))
