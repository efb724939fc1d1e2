/**
 * Loaded before the specs of a lane, holds each to its lane: one of the fast lane that starts a process or opens a socket fails, and so does one
 * that starts nothing and is left out of it (scripts/lanes/lanes.ts). Where one process runs one file, as all parallel runs do; what
 * several files in one process start has no owner.
 */
import type * as processes from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { relative, sep } from 'node:path'
import type { RootHookObject, Suite, Test } from 'mocha'
import { laneFault, ROOT } from '../../scripts/lanes/lanes.ts'

const CHANNELS: Record<string, string> = {
  child_process: 'a process',
  worker_threads: 'a thread',
  'tracing:net.server.listen:asyncStart': 'a listener',
  'net.client.socket': 'a connection',
  'udp.socket': 'a UDP socket',
  'sqlite.db.query': 'a database'
}

const started = new Set<string>()
for (const [channel, what] of Object.entries(CHANNELS)) {
  subscribe(channel, () => started.add(what))
}
// these have no channel
const own = createRequire(import.meta.url)('node:child_process') as Record<string, (...args: unknown[]) => unknown>
for (const name of ['spawnSync', 'execSync', 'execFileSync'] satisfies Array<keyof typeof processes>) {
  const real = own[name]!
  own[name] = (...args) => {
    started.add('a process')
    return real(...args)
  }
}
syncBuiltinESMExports()

const testsOf = (suite: Suite): Test[] => [...suite.tests, ...suite.suites.flatMap(testsOf)]

export const mochaHooks: RootHookObject = {
  afterAll(this: Mocha.Context) {
    const tests = testsOf(this.test!.parent!)
    const files = new Set(tests.map(({ file }) => file))
    const [file] = files
    if (file != null && files.size === 1) {
      const allPassed = tests.every(({ state }) => state === 'passed')
      const fault = laneFault(relative(ROOT, file).split(sep).join('/'), { started, allPassed })
      started.clear()
      if (fault != null) {
        throw new Error(fault)
      }
    }
    started.clear()
  }
}
