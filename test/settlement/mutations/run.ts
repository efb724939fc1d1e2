/**
 * Plants one bug after the other in the settlement program and sees which test turns red: `npm run mutate:program`. Exit
 * status 1 when a bug goes unnoticed, does not apply or does not build.
 *
 *   --quick     stop at the first red test of each bug, as test/settlement/mutations.spec.ts does
 *   --write     put the table into README.md
 *   NAME ...    only patches whose file name begins so
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildProgram, findClang, installClang } from '../../../scripts/build-program.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const SOURCE = join(ROOT, 'protocols', 'settlement')
const README = join(import.meta.dirname, 'README.md')
/** in the order in which they are asked: who says most about a bug comes first, the random sequences last */
const SPECS = ['lifecycle', 'terms', 'robbery', 'program', 'refusals', 'model'].map((name) => `test/settlement/${name}.spec.ts`)
/** enough to meet most of the bugs, as the table's last column tells */
const FUZZ_RUNS = 400
const FUZZ_SPEC = 'model.spec.ts'

/** What became of a planted bug. */
export interface Outcome {
  patch: string
  /** tests that turned red, the random sequences aside; with `quick` at most one */
  red: number
  /** the first of them */
  first: string | undefined
  /** whether the random sequences turned red; unknown when they were not asked */
  fuzz: boolean | undefined
  /** why nothing could be said */
  problem: string | undefined
}

interface MochaResult {
  failures: Array<{ fullTitle: string; file?: string }>
}

/** File names, in order. */
export function patches(): string[] {
  return readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith('.patch'))
    .sort()
}

/** Debian's clang 14, installed where that is possible. */
export function clang(): string | undefined {
  return findClang() ?? installClang()
}

/** Builds the program with the bug in it and runs the tests against it. */
export async function plant(compiler: string, patch: string | undefined, { quick = false } = {}): Promise<Outcome> {
  const work = mkdtempSync(join(tmpdir(), 'koii-mesh-mutant-'))
  const outcome: Outcome = { patch: patch ?? 'none', red: 0, first: undefined, fuzz: undefined, problem: undefined }
  try {
    const source = join(work, 'source')
    cpSync(SOURCE, source, { recursive: true })
    if (patch != null) {
      // whatever repository the temporary folder may lie in is none of git's business here
      const env = { ...process.env, GIT_CEILING_DIRECTORIES: work }
      const applied = spawnSync('git', ['apply', join(import.meta.dirname, patch)], { cwd: source, env, encoding: 'utf8' })
      if (applied.status !== 0) {
        return { ...outcome, problem: `does not apply: ${applied.stderr?.trim() || applied.error?.message}` }
      }
    }
    const program = join(work, 'settlement.so')
    try {
      writeFileSync(program, buildProgram(compiler, source))
    } catch {
      // the compiler has said itself why
      return { ...outcome, problem: 'does not build' }
    }
    const report = join(work, 'report.json')
    const said = await mocha(program, report, quick)
    let result: MochaResult
    try {
      result = JSON.parse(readFileSync(report, 'utf8')) as MochaResult
    } catch {
      return { ...outcome, problem: `the tests did not run: ${said.slice(-400)}` }
    }
    const isFuzz = ({ file }: { file?: string }) => file?.endsWith(FUZZ_SPEC) === true
    const named = result.failures.filter((failure) => !isFuzz(failure))
    const fuzz = quick && named.length > 0 ? undefined : result.failures.some(isFuzz)
    return { ...outcome, red: named.length, first: named[0]?.fullTitle, fuzz }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Runs the tests against a program; gives what they print. */
function mocha(program: string, report: string, bail: boolean): Promise<string> {
  const args = ['node_modules/mocha/bin/mocha.js', '--reporter', 'json', '--reporter-option', `output=${report}`]
  const env = { ...process.env, KOII_MESH_PROGRAM_FILE: program, KOII_MESH_FUZZ_RUNS: String(FUZZ_RUNS) }
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...args, ...(bail ? ['--bail'] : []), ...SPECS], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe']
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-4000)
      })
    }
    child.on('error', reject)
    child.on('close', () => resolve(said))
  })
}

/** Plants all of them, as many at a time as there are processors. */
export async function plantAll(
  compiler: string,
  names: readonly string[],
  { quick = false, done = (_: Outcome) => {} } = {}
): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>()
  const waiting = [...names]
  const worker = async () => {
    for (let patch = waiting.shift(); patch != null; patch = waiting.shift()) {
      const outcome = await plant(compiler, patch, { quick })
      outcomes.set(patch, outcome)
      done(outcome)
    }
  }
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, worker))
  return names.map((name) => outcomes.get(name)!)
}

/** Whether somebody noticed. */
export function isCaught({ red, fuzz, problem }: Outcome): boolean {
  return problem == null && (red > 0 || fuzz === true)
}

function row({ patch, red, first, fuzz, problem }: Outcome): string {
  const name = patch.replace(/\.patch$/, '')
  const cells = problem == null ? [String(red), first ?? '**none**', fuzz == null ? '' : fuzz ? 'yes' : 'no'] : ['', `**${problem}**`, '']
  return `| ${[name, ...cells].join(' | ')} |`
}

function table(outcomes: Outcome[]): string {
  return ['| patch | red | the first of them | random sequences |', '| --- | --- | --- | --- |', ...outcomes.map(row)].join('\n')
}

async function main(args: string[]): Promise<number> {
  const [quick, write] = [args.includes('--quick'), args.includes('--write')]
  const begins = args.filter((arg) => !arg.startsWith('--'))
  const names = patches().filter((name) => begins.length === 0 || begins.some((begin) => name.startsWith(begin)))
  const compiler = clang()
  if (compiler == null) {
    console.error('mutate:program: clang 14 is missing; on Debian 12, as root: apt-get install clang-14')
    return 1
  }
  const whole = await plant(compiler, undefined, { quick: true })
  if (whole.problem != null || whole.red > 0 || whole.fuzz === true) {
    console.error(`mutate:program: without any bug planted, a test is red: ${whole.problem ?? whole.first ?? 'the random sequences'}`)
    return 1
  }
  const began = performance.now()
  const outcomes = await plantAll(compiler, names, { quick, done: (outcome) => console.error(row(outcome)) })
  console.error(
    `mutate:program: ${outcomes.filter(isCaught).length} of ${names.length} caught in ${((performance.now() - began) / 1000).toFixed(0)} s`
  )
  if (write) {
    const text = readFileSync(README, 'utf8')
    writeFileSync(
      README,
      text.replace(/\| patch \|[\s\S]*?\|\n(?=\n|$)/, () => `${table(outcomes)}\n`)
    )
  } else {
    console.log(table(outcomes))
  }
  return outcomes.every(isCaught) ? 0 : 1
}

if (import.meta.main) {
  process.exitCode = await main(process.argv.slice(2))
}
