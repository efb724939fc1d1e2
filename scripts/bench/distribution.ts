/** What a distribution costs in the interpreter, beside the same in a frozen Node process, which is how it ran before. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import bs58 from 'bs58'
import { checkDistribution, createTaskRunner, type DistributionInput } from '../../src/tasks/index.ts'
import { type BenchContext, BenchError, type Result } from './result.ts'
import { median, pairedRatios } from './statistics.ts'

const SIZES = [10, 1_000, 10_000]
/** Of each size, in turns; the first pair is dropped. */
const RUNS = 6
const SEED = 'ab'.repeat(32)
/** Parts by stake, a slash for the rejected, and a draw by the seed: what a task's own function does. */
const BUNDLE = `
export const manifest = { name: 'bench', version: '1.0.0' }
export function task () {}
export function submission () { return null }
export function audit () { return true }
export function distribution ({ bounty, submissions, rejected }) {
  const total = submissions.reduce((sum, { stake }) => sum + stake, 0n)
  const prize = bounty / 10n
  const winner = submissions[Math.floor(Math.random() * submissions.length)]
  return [
    ...submissions.map(({ staker, stake, value }) => ({
      staker,
      amount: (bounty - prize) * stake / total * BigInt(JSON.parse(value).share) / 100n + (staker === winner.staker ? prize : 0n)
    })),
    ...rejected.map(({ staker, stake }) => ({ staker, amount: -stake / 100n }))
  ]
}`

function inputOf(size: number): DistributionInput {
  const staker = (i: number) => bs58.encode(createHash('sha256').update(`${SEED}/${i}`).digest())
  const stakes = Array.from({ length: size }, (_, i) => ({ staker: staker(i), stake: String(1_000_000_000 + i) }))
  const rejected = stakes.filter((_, i) => i % 10 === 9).map((entry) => ({ ...entry, reason: 'invalid' }))
  const submissions = stakes
    .filter((_, i) => i % 10 !== 9)
    .map((entry, i) => ({ ...entry, value: JSON.stringify({ cid: 'bafy'.repeat(15), share: i % 101 }) }))
  return { taskId: staker(-1), cycle: 7, bounty: '10000000000000', seed: SEED, submissions, rejected, stakes }
}

/** The frozen world's files as the node would start them, without types. */
function prepareFrozen(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'koii-bench-frozen-')))
  const files = { child: 'frozen/child.ts', world: 'frozen/world.ts', guard: '../../src/tasks/child/guard.ts' }
  for (const [name, path] of Object.entries(files)) {
    const code = stripTypeScriptTypes(readFileSync(join(import.meta.dirname, path), 'utf8'))
    writeFileSync(join(folder, `${name}.mjs`), code.replaceAll(/from '[\w./-]*\/([\w-]+)\.ts'/g, "from './$1.mjs'"))
  }
  return folder
}

function runFrozen(folder: string, input: DistributionInput): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        '--permission',
        `--allow-fs-read=${folder}`,
        '--no-warnings',
        '--max-semi-space-size=4',
        '--v8-pool-size=1',
        join(folder, 'child.mjs')
      ],
      { cwd: folder, env: { TZ: 'UTC', LC_ALL: 'C', UV_THREADPOOL_SIZE: '2' }, stdio: ['pipe', 'pipe', 'pipe'] }
    )
    const out: Buffer[] = []
    let errors = ''
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-500)
    })
    child.on('close', (code) =>
      code === 0
        ? resolve(JSON.parse(Buffer.concat(out).toString()))
        : reject(new BenchError(`the frozen process ended with ${code}: ${errors}`))
    )
    child.stdin.end(JSON.stringify({ source: BUNDLE, seed: SEED, argument: JSON.stringify(input) }))
  })
}

/** @throws BenchError when a way gives no list, or the two give different ones */
export async function benchDistribution({ progress }: Pick<BenchContext, 'progress'>): Promise<Result[]> {
  const unused = () => Promise.reject(new Error('not part of a distribution'))
  const runner = await createTaskRunner({
    taskId: 'bench',
    staker: 'bench',
    bundle: new TextEncoder().encode(BUNDLE),
    store: { get: unused, put: unused, delete: unused, list: unused },
    proofs: { putNode: unused, putFiles: unused, getNode: unused, listFiles: unused, readFile: unused },
    k2: { slot: unused, block: unused, blocks: unused },
    log: () => {}
  })
  const folder = prepareFrozen()
  try {
    const results: Result[] = []
    for (const size of SIZES) {
      progress(`distribution: ${size} submissions, ${RUNS} runs each way`)
      results.push(await compare(size, RUNS))
    }
    return results
  } finally {
    await runner.stop()
    rmSync(folder, { recursive: true, force: true })
  }

  async function compare(size: number, runs: number): Promise<Result> {
    const input = inputOf(size)
    const interpretedMs: number[] = []
    const frozenMs: number[] = []
    for (let run = 0; run < runs; run++) {
      const start = performance.now()
      const outcome = await runner.distribution(input)
      interpretedMs.push(performance.now() - start)
      if (!outcome.ok) {
        throw new BenchError(`no distribution of ${size} submissions: ${outcome.reason}, ${outcome.detail}`)
      }
      const startFrozen = performance.now()
      const list = checkDistribution(await runFrozen(folder, input), input)
      frozenMs.push(performance.now() - startFrozen)
      const text = (entries: typeof list) => entries.map(({ staker, amount }) => `${staker} ${amount}`).join()
      if (text(outcome.value) !== text(list)) {
        throw new BenchError(`the two ways give different lists of ${size} submissions`)
      }
    }
    const [ours, theirs] = [median(interpretedMs.slice(1)), median(frozenMs.slice(1))]
    return {
      bench: 'distribution',
      name: `time of a distribution of ${size.toLocaleString('en')} submissions, interpreter / frozen process`,
      value: median(pairedRatios(interpretedMs, frozenMs)),
      unit: 'times',
      submissions: size,
      interpretedMs: ours,
      frozenMs: theirs,
      note: `${ours.toFixed(0)} ms and ${theirs.toFixed(0)} ms, each with the start of its process; both give the same list`
    }
  }
}
