/**
 * How fast proofs arrive: koii-mesh beside stock Helia, a bare stream of libp2p and, where its program is given, kubo.
 * Each of the two ends is a process of its own, and all take turns in one run.
 */
import { type Child, startChild } from './child.ts'
import { startKubo } from './kubo.ts'
import { BULK_BYTES, MANY_BLOCKS, type Shape, SMALL_PROOFS, type TwinKind, type TwinRequest } from './proofs-twin.ts'
import { atLeast, type BenchContext, type Result } from './result.ts'
import { bootstrapMedian, median, pairedRatios } from './statistics.ts'

/** How many times as fast as each of them a proof of many MiB is to arrive. */
const BULK_GOALS = { stream: 0.65, helia: 2, kubo: 1 } as const
/** The small ones are to stay what they are: well ahead of both. */
const SMALL_GOALS = { helia: 2, kubo: 2 } as const
const SEED = 1_000_000

type Kind = TwinKind | 'kubo'
export type Twins = Pick<Child<TwinRequest, string[] | number[]>, 'ask' | 'stop'>

const NAMES: Record<Kind, string> = {
  mesh: 'ours',
  helia: 'stock Helia',
  stream: 'a bare libp2p stream',
  ours: 'a bare stream of our hosts',
  kubo: 'kubo'
}
const SHAPES: Record<Shape, string> = {
  bulk: `a proof of ${BULK_BYTES / 1024 / 1024} MiB`,
  many: `a proof of ${MANY_BLOCKS.toLocaleString('en')} blocks of 1 KiB`,
  small: 'a proof of one block of 1 KiB'
}

interface Pair {
  kind: Kind
  server: Twins
  client: Twins
}

export async function benchProofs({ pairs, kubo, progress }: BenchContext): Promise<Result[]> {
  const started: Twins[] = []
  const start = async (kind: Kind, name: string): Promise<Twins> => {
    const twin =
      kind === 'kubo'
        ? await startKubo(kubo!)
        : await startChild<TwinRequest, string[] | number[]>(NAMES[kind], 'proofs-twin.ts', [kind, name])
    started.push(twin)
    return twin
  }
  try {
    const all: Pair[] = []
    for (const kind of ['stream', 'ours', 'helia', 'mesh', ...(kubo == null ? [] : (['kubo'] as const))] as const) {
      progress(`proofs: starting two of ${NAMES[kind]}`)
      const [server, client] = [await start(kind, 'server'), await start(kind, 'client')]
      await client.ask({ ask: 'meet', multiaddrs: (await server.ask({ ask: 'where' })) as string[] })
      all.push({ kind, server, client })
    }
    const results: Result[] = []
    for (const shape of ['bulk', 'many', 'small'] as const) {
      const some = all.filter(({ kind }) => (kind !== 'stream' && kind !== 'ours') || shape === 'bulk')
      results.push(...resultsOf(shape, await runPairs(shape, some, pairs, progress)))
    }
    return results
  } finally {
    for (const twin of started) {
      twin.stop()
    }
  }
}

type Runs = Map<Kind, number[]>

/** One after the other, again and again, so that what the machine does meanwhile falls on all. */
async function runPairs(shape: Shape, all: Pair[], pairs: number, progress: BenchContext['progress']): Promise<Runs> {
  // no block is in two of them
  const shapeAt = 1 + (Object.keys(SHAPES) as Shape[]).indexOf(shape)
  const runs: Runs = new Map(all.map(({ kind }) => [kind, []]))
  for (let pair = 0; pair < pairs; pair++) {
    for (const { kind, server, client } of all) {
      const roots = (await server.ask({ ask: 'make', shape, seed: SEED * (3 * pair + shapeAt) })) as string[]
      const tookMs = (await client.ask({ ask: 'fetch', shape, roots })) as number[]
      runs.get(kind)!.push(median(tookMs))
    }
    const text = [...runs].map(([kind, tookMs]) => `${NAMES[kind]} ${tookMs[pair]!.toFixed(shape === 'small' ? 2 : 0)} ms`).join(', ')
    progress(`proofs, ${SHAPES[shape]}: pair ${pair + 1} of ${pairs}: ${text}${pair === 0 ? ' (dropped)' : ''}`)
  }
  return runs
}

function resultsOf(shape: Shape, runs: Runs): Result[] {
  const ours = runs.get('mesh')!
  const ms = (tookMs: number[]) => median(tookMs.slice(1)).toFixed(shape === 'small' ? 2 : 0)
  const goals: Partial<Record<Kind, number>> = shape === 'bulk' ? BULK_GOALS : SMALL_GOALS
  return [...runs]
    .filter(([kind]) => kind !== 'mesh')
    .map(([kind, theirs]) => {
      const { value, low, high } = bootstrapMedian(pairedRatios(theirs, ours))
      const of = shape === 'small' ? `, the median of ${SMALL_PROOFS} in each run` : ''
      const result: Result = {
        bench: 'proofs',
        name: `${SHAPES[shape]}, as fast as ${NAMES[kind]}`,
        value,
        unit: 'x',
        low,
        high,
        shape,
        beside: kind,
        oursMs: median(ours.slice(1)),
        theirsMs: median(theirs.slice(1)),
        note: `ours ${ms(ours)} ms, ${NAMES[kind]} ${ms(theirs)} ms (medians on this machine now)${of}; ${ours.length - 1} interleaved pairs after the first`
      }
      const goal = goals[kind]
      return goal == null ? result : atLeast(goal, result)
    })
}
