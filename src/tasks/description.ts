/** What a bundle says of itself, read once and in the interpreter, so that a manifest cannot depend on the node either. */
import type { Outcome, TaskManifest } from './api.ts'
import { failed } from './failures.ts'
import { manifestShape } from './messages.ts'
import type { TaskProcesses } from './processes.ts'
import { placed } from './stack.ts'
import { problemIn } from './words.ts'

export interface Description {
  manifest: TaskManifest
  /** the names of the functions that it exports */
  functions: ReadonlySet<string>
}

export interface DescriberInit {
  processes: TaskProcesses
  source: Uint8Array
  /** what the bundle is called in places of errors */
  fileName: string
}

/** Never throws. What may have been this machine's fault is tried again at the next call. */
export type Describe = () => Promise<Outcome<Description>>

export function createDescriber(init: DescriberInit): Describe {
  let described: Promise<Outcome<Description>> | null = null
  return async () => {
    described ??= describe(init)
    const outcome = await described
    if (!outcome.ok && outcome.reason !== 'not-loaded') {
      described = null
    }
    return outcome
  }
}

async function describe({ processes, source, fileName }: DescriberInit): Promise<Outcome<Description>> {
  const started = processes.startFrozen('')
  const outcome = await started.ready
  await processes.end(started, 'stopped', 'described')
  if (!outcome.ok) {
    return placed(outcome, fileName, new TextDecoder().decode(source))
  }
  const manifest = manifestShape.safeParse(outcome.value.manifest)
  if (!manifest.success) {
    return failed('not-loaded', `the bundle's manifest is not right: ${problemIn(manifest.error)}`)
  }
  const functions = new Set(outcome.value.functions)
  const missing = ['task', 'submission', 'audit'].filter((name) => !functions.has(name))
  return missing.length > 0
    ? failed('not-loaded', `the bundle does not export ${missing.join(', ')}`)
    : { ok: true, value: { manifest: manifest.data as TaskManifest, functions } }
}
