/**
 * Plants one bug after the other in a copy of the code and sees whether the simulation notices: `node scripts/run.mjs
 * test/sim/mutations/run.ts [NAME ...]`, with NAME the beginning of a patch's name. Exit status 1 when a bug goes unnoticed or a patch does
 * not apply. The first line of a patch names the tests that are run.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const COPIED = ['src', 'package.json', '.mocharc.json', join('test', 'patience.ts'), join('test', 'sim')]

export interface Outcome {
  patch: string
  /** The first test that turned red. */
  red: string | undefined
  /** Why nothing could be said. */
  problem: string | undefined
}

/** File names, in order. */
export function patches(): string[] {
  return readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.patch'))
    .sort()
}

/** The spec and the pattern that a patch's first line names. */
export function slice(patch: string): { spec: string; pattern: string } {
  const [, spec, pattern] = /^run: (\S+) -g (.+)\n/.exec(readFileSync(join(import.meta.dirname, patch), 'utf8')) ?? []
  if (spec == null || pattern == null) {
    throw new Error(`${patch} does not begin with a line "run: SPEC -g PATTERN"`)
  }
  return { spec, pattern }
}

/** @param patch - null for the code as it is */
export async function plant(patch: string | null, { spec, pattern }: { spec: string; pattern: string }): Promise<Outcome> {
  const work = mkdtempSync(join(tmpdir(), 'koii-mesh-mutant-'))
  const outcome: Outcome = { patch: patch ?? 'none', red: undefined, problem: undefined }
  try {
    for (const name of COPIED) {
      mkdirSync(join(work, name, '..'), { recursive: true })
      cpSync(join(ROOT, name), join(work, name), { recursive: true })
    }
    symlinkSync(join(ROOT, 'node_modules'), join(work, 'node_modules'), 'dir')
    if (patch != null) {
      // whatever repository the temporary folder may lie in is none of git's business here
      const env = { ...process.env, GIT_CEILING_DIRECTORIES: join(work, '..') }
      const applied = spawnSync('git', ['apply', join(import.meta.dirname, patch)], { cwd: work, env, encoding: 'utf8' })
      if (applied.status !== 0) {
        return { ...outcome, problem: `does not apply: ${applied.stderr?.trim() || applied.error?.message}` }
      }
    }
    const said = await mocha(work, spec, pattern)
    const start = said.indexOf('{\n  "stats"')
    if (start < 0) {
      return { ...outcome, problem: `the tests did not run: ${said.slice(-400)}` }
    }
    const { stats, failures } = JSON.parse(said.slice(start)) as { stats: { tests: number }; failures: Array<{ fullTitle: string }> }
    return stats.tests === 0 ? { ...outcome, problem: `no test is named ${pattern}` } : { ...outcome, red: failures[0]?.fullTitle }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** What the tests print, as JSON. */
function mocha(cwd: string, spec: string, pattern: string): Promise<string> {
  const args = [join('node_modules', 'mocha', 'bin', 'mocha.js'), '--bail', '--reporter', 'json', '-g', pattern, join('test', 'sim', spec)]
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString()
      })
    }
    child.on('error', reject)
    child.on('close', () => resolve(said))
  })
}

/** Plants all of them, as many at a time as there are processors. */
export async function plantAll(names: readonly string[], done = (_: Outcome) => {}): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>()
  const waiting = [...names]
  const worker = async () => {
    for (let patch = waiting.shift(); patch != null; patch = waiting.shift()) {
      const outcome = await plant(patch, slice(patch))
      outcomes.set(patch, outcome)
      done(outcome)
    }
  }
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, worker))
  return names.map((name) => outcomes.get(name)!)
}

export const isCaught = ({ red, problem }: Outcome): boolean => problem == null && red != null

const row = ({ patch, red, problem }: Outcome) => `| ${patch.replace(/\.patch$/, '')} | ${problem ?? red ?? '**nobody noticed**'} |`

if (import.meta.main) {
  const begins = process.argv.slice(2)
  const names = patches().filter((name) => begins.length === 0 || begins.some((begin) => name.startsWith(begin)))
  const began = performance.now()
  const outcomes = await plantAll(names, (outcome) => console.error(row(outcome)))
  console.log(['| patch | the first test that turned red |', '| --- | --- |', ...outcomes.map(row)].join('\n'))
  console.error(`${outcomes.filter(isCaught).length} of ${names.length} caught in ${((performance.now() - began) / 1000).toFixed(0)} s`)
  process.exitCode = outcomes.every(isCaught) ? 0 : 1
}
