/**
 * Many seeds in one process, or one of them again with all that happened:
 *
 *     node scripts/run.mjs test/sim/fuzz.ts --seeds 1000 [--from 1] [--size 7] [--window 16] [--seconds 300]
 *     node scripts/run.mjs test/sim/fuzz.ts --seed 17
 */
import { parseArgs } from 'node:util'
import { CYCLES, meshFrom } from './meshes.ts'
import { report, runWorld } from './run.ts'

export const replayOf = (seed: number): string => `node scripts/run.mjs test/sim/fuzz.ts --seed ${seed}`

export interface FuzzResult {
  seeds: number
  /** Seeds that broke each promise. */
  byBreach: Map<string, number[]>
  /** Of the first that broke one. */
  firstReport: string | null
}

/** Runs `count` seeds, fewer when the time is over. */
export async function fuzz({
  from,
  count,
  deadlineMs = Number.POSITIVE_INFINITY,
  size,
  auditWindow
}: {
  from: number
  count: number
  deadlineMs?: number
  size?: number | undefined
  auditWindow?: number | undefined
}): Promise<FuzzResult> {
  const until = performance.now() + deadlineMs
  const result: FuzzResult = { seeds: 0, byBreach: new Map(), firstReport: null }
  for (let seed = from; seed < from + count && performance.now() < until; seed++) {
    const init = meshFrom({ seed, ...(size == null ? {} : { size }), ...(auditWindow == null ? {} : { auditWindow }) })
    const outcome = await runWorld(init, CYCLES)
    result.seeds++
    for (const name of new Set(outcome.breaches.map(({ name }) => name))) {
      result.byBreach.set(name, [...(result.byBreach.get(name) ?? []), seed])
    }
    if (outcome.breaches.length > 0) {
      result.firstReport ??= report(outcome, replayOf(seed))
    }
  }
  return result
}

if (process.argv[1]?.endsWith('fuzz.ts')) {
  const { values } = parseArgs({
    options: Object.fromEntries(['seed', 'seeds', 'from', 'size', 'window', 'seconds'].map((name) => [name, { type: 'string' as const }]))
  })
  const number = (name: string) => (values[name] == null ? undefined : Number(values[name]))
  const choice = { size: number('size'), auditWindow: number('window') }
  if (values.seed != null) {
    const result = await fuzz({ from: number('seed')!, count: 1, ...choice })
    process.stdout.write(`${result.firstReport ?? 'it keeps every promise'}\n`)
  } else {
    const started = performance.now()
    const seconds = number('seconds')
    const limits = {
      from: number('from') ?? 1,
      count: number('seeds') ?? 1_000,
      ...(seconds == null ? {} : { deadlineMs: seconds * 1_000 })
    }
    const { seeds, byBreach } = await fuzz({ ...limits, ...choice })
    const cpuMs = process.cpuUsage().user / 1_000
    const ms = performance.now() - started
    // by the processor's time too: a machine that is shared says little by the clock
    const perMinute = (took: number) => Math.round((seeds * 60_000) / took)
    process.stdout.write(
      `${seeds} seeds in ${(ms / 1000).toFixed(1)} s: ${perMinute(ms)} a minute, ${perMinute(cpuMs)} in a minute of one core alone\n`
    )
    for (const [name, broken] of byBreach) {
      process.stdout.write(`${name}: ${broken.length} seeds, first ${broken.slice(0, 5).join(', ')}\n`)
    }
  }
}
