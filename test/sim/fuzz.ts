/**
 * Many seeds in one process, or one of them again with all that happened:
 *
 *     node scripts/run.mjs test/sim/fuzz.ts --seeds 1000 [--from 1] [--size 7] [--window 16]
 *     node scripts/run.mjs test/sim/fuzz.ts --seed 17 [--size 7] [--window 16]
 *
 * As a child process (./fuzz.spec.ts) it takes batches of seeds and answers with what they came to.
 */
import { parseArgs } from 'node:util'
import type { Tallied } from './checker.ts'
import { CYCLES, meshFrom } from './meshes.ts'
import { report, runWorld } from './run.ts'

/** So many seeds of one size. */
export interface Batch {
  from: number
  count: number
  size?: number | undefined
  auditWindow?: number | undefined
}

export interface FuzzResult extends Tallied {
  seeds: number
  /** Seeds that broke each promise. */
  byBreach: Record<string, number[]>
  /** Of the first that broke one. */
  firstReport: string | null
}

export function replayOf(seed: number, { size, auditWindow }: Omit<Batch, 'from' | 'count'> = {}): string {
  const choice = `${size == null ? '' : ` --size ${size}`}${auditWindow == null ? '' : ` --window ${auditWindow}`}`
  return `node scripts/run.mjs test/sim/fuzz.ts --seed ${seed}${choice}`
}

export const nothing = (): FuzzResult => ({
  seeds: 0,
  byBreach: {},
  firstReport: null,
  finalized: 0,
  faultyTurns: 0,
  unsampled: 0,
  caught: 0
})

/** Adds what other seeds came to. */
export function addTo(sum: FuzzResult, other: FuzzResult): void {
  for (const name of ['seeds', 'finalized', 'faultyTurns', 'unsampled', 'caught'] as const) {
    sum[name] += other[name]
  }
  for (const [name, seeds] of Object.entries(other.byBreach)) {
    sum.byBreach[name] = [...(sum.byBreach[name] ?? []), ...seeds]
  }
  sum.firstReport ??= other.firstReport
}

export async function fuzz({ from, count, ...choice }: Batch): Promise<FuzzResult> {
  const result = nothing()
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await runWorld(meshFrom({ seed, ...choice }), CYCLES)
    const names = new Set(outcome.breaches.map(({ name }) => name))
    addTo(result, {
      seeds: 1,
      byBreach: Object.fromEntries([...names].map((name) => [name, [seed]])),
      firstReport: names.size > 0 ? report(outcome, replayOf(seed, choice)) : null,
      ...outcome.tallied
    })
  }
  return result
}

export function summaryOf({ seeds, byBreach, finalized, faultyTurns, unsampled, caught }: FuzzResult): string {
  const broken = Object.entries(byBreach).map(([name, list]) => `${name}: ${list.length} seeds, first ${list.slice(0, 5).join(', ')}`)
  const counts = `${finalized} cycles finalized, ${faultyTurns} lost to faulty proposers alone; of bad submissions ${caught} caught, ${unsampled} drawn by nobody`
  return [`${seeds} seeds: ${counts}`, ...broken].join('\n')
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: Object.fromEntries(['seed', 'seeds', 'from', 'size', 'window'].map((name) => [name, { type: 'string' as const }]))
  })
  const number = (name: string) => (values[name] == null ? undefined : Number(values[name]))
  const choice = { size: number('size'), auditWindow: number('window') }
  if (values.seed != null) {
    const { firstReport } = await fuzz({ from: number('seed')!, count: 1, ...choice })
    process.stdout.write(`${firstReport ?? 'it keeps every promise'}\n`)
    process.exitCode = firstReport == null ? 0 : 1
    return
  }
  const started = performance.now()
  const result = await fuzz({ from: number('from') ?? 1, count: number('seeds') ?? 1_000, ...choice })
  const cpuMs = process.cpuUsage().user / 1_000
  // by the processor's time too: a machine that is shared says little by the clock
  process.stdout.write(`${summaryOf(result)}\nin ${Math.round(performance.now() - started)} ms, ${Math.round(cpuMs)} ms of the processor\n`)
  process.exitCode = result.firstReport == null ? 0 : 1
}

if (process.argv[1]?.endsWith('fuzz.ts')) {
  if (process.send == null) {
    await main()
  } else {
    process.on('message', (batch: Batch) => {
      fuzz(batch).then(
        (result) => process.send!(result),
        (err: Error) => process.send!({ ...nothing(), firstReport: `seeds from ${batch.from}, size ${batch.size}: ${err.stack}` })
      )
    })
  }
}
