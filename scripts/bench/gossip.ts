/** CPU per authenticated delivery and signature checks per message: koii-mesh's gossip beside stock gossipsub. */
import { type Child, startChild } from './child.ts'
import type { Answer, Pace, Request, RunReport } from './gossip-mesh.ts'
import { type BenchContext, BenchError, type Result, within } from './result.ts'
import { bootstrapMedian, median, pairedRatios } from './statistics.ts'

const NODES = 20
const DEGREE = 8
/** Cycles a run: 60 messages, 1,140 deliveries. */
const ROUNDS = 3
/** TARGETS P1 and P2. */
const GOAL_CPU = 0.55
const GOAL_CHECKS = 1.02
const SEED = 20

type Kind = 'stock' | 'ours'

export async function benchGossip({ pairs, progress }: BenchContext): Promise<Result[]> {
  progress(`gossip: forming two meshes of ${NODES} nodes`)
  const meshes: Array<Awaited<ReturnType<typeof startMesh>>> = []
  try {
    // one after the other: two at once would only take each other's time
    for (const kind of ['stock', 'ours'] as const) {
      meshes.push(await startMesh(kind))
    }
    const [stock, ours] = meshes as [Mesh, Mesh]
    progress('gossip: leaving both alone for half a minute')
    const idle = (await Promise.all([stock.ask({ ask: 'idle' }), ours.ask({ ask: 'idle' })])) as [number, number]
    const results: Result[] = [idleOf(...idle)]
    for (const pace of ['burst', 'single'] as const) {
      results.push(...resultsOf(pace, await runPairs({ stock, ours }, pace, pairs, progress)))
    }
    for (const [at, mesh] of meshes.entries()) {
      const forged = (await mesh.ask({ ask: 'probe' })) as number
      if (forged !== 0) {
        throw new BenchError(`${at === 0 ? 'stock' : 'ours'}: ${forged} nodes took a forged message`)
      }
    }
    return results
  } finally {
    for (const { stop } of meshes) {
      stop()
    }
  }
}

/** A B A B ..., so that what the machine does meanwhile falls on both. */
async function runPairs(
  meshes: Record<Kind, Mesh>,
  pace: Pace,
  pairs: number,
  progress: BenchContext['progress']
): Promise<Record<Kind, RunReport[]>> {
  const runs: Record<Kind, RunReport[]> = { stock: [], ours: [] }
  for (let pair = 0; pair < pairs; pair++) {
    for (const kind of ['stock', 'ours'] as const) {
      const report = (await meshes[kind].ask({ ask: 'run', seed: SEED + pair, rounds: ROUNDS, pace })) as RunReport
      if (report.checks < report.deliveries) {
        throw new BenchError(`${kind}: ${report.deliveries} deliveries and only ${report.checks} signature checks`)
      }
      runs[kind].push(report)
    }
    const [a, b] = [runs.stock[pair]!, runs.ours[pair]!].map(({ cpuUs, deliveries }) => (cpuUs / deliveries).toFixed(0))
    progress(`gossip, ${pace}: pair ${pair + 1} of ${pairs}: stock ${a} us, ours ${b} us a delivery${pair === 0 ? ' (dropped)' : ''}`)
  }
  return runs
}

/** In words, for the lines that people read. */
const PACES: Record<Pace, string> = { burst: 'all at once', single: 'one at a time' }

function resultsOf(pace: Pace, runs: Record<Kind, RunReport[]>): Result[] {
  const cpu = (kind: Kind) => runs[kind].map(({ cpuUs, deliveries }) => cpuUs / deliveries)
  const ratios = pairedRatios(cpu('ours'), cpu('stock'))
  const { value, low, high } = bootstrapMedian(ratios)
  const of = (kind: Kind, pick: (report: RunReport) => number) => median(runs[kind].slice(1).map(pick))
  const checks = (kind: Kind) => of(kind, (report) => report.checks / report.deliveries)
  const worst = Math.max(...runs.ours.map((report) => report.checks / report.deliveries))
  const us = (kind: Kind) => of(kind, ({ cpuUs, deliveries }) => cpuUs / deliveries)
  const facts = { pace, nodes: NODES, pairs: ratios.length, payloadBytes: 1024 }
  return [
    within(GOAL_CPU, {
      bench: 'gossip',
      name: `CPU per authenticated delivery, messages ${PACES[pace]}, ours / stock`,
      value,
      unit: 'x',
      low,
      high,
      ...facts,
      ratios,
      oursUs: us('ours'),
      stockUs: us('stock'),
      note: `ours ${us('ours').toFixed(0)} us, stock gossipsub with StrictSign ${us('stock').toFixed(0)} us (medians on this machine now); ${NODES} nodes, 1 KiB, mesh degree ${of('ours', ({ degree }) => degree).toFixed(1)} and ${of('stock', ({ degree }) => degree).toFixed(1)}, ${ratios.length} interleaved pairs after the first; a run took ${of('ours', ({ elapsedMs }) => elapsedMs / 1000).toFixed(1)} and ${of('stock', ({ elapsedMs }) => elapsedMs / 1000).toFixed(1)} s`
    }),
    within(GOAL_CHECKS, {
      bench: 'gossip',
      name: `signature checks per unique message and node, messages ${PACES[pace]}`,
      value: worst,
      unit: 'checks',
      ...facts,
      stock: checks('stock'),
      note: `the worst of all runs; median ${checks('ours').toFixed(3)}, stock's ${checks('stock').toFixed(2)}; duplicates per delivery ${of('ours', ({ duplicates, deliveries }) => (duplicates ?? 0) / deliveries).toFixed(2)} in ours; both turned a forged message down`
    })
  ]
}

/** Heartbeats and the like, which are in the figures above as long as a run lasts. */
function idleOf(stock: number, ours: number): Result {
  return {
    bench: 'gossip',
    name: 'CPU of a node that has nothing to do',
    value: ours / NODES / 10_000,
    unit: '% of a core',
    stock: stock / NODES / 10_000,
    nodes: NODES,
    note: `stock ${(stock / NODES / 10_000).toFixed(2)} %; it is part of what follows: the busier the machine, the longer a run, and the more of it`
  }
}

type Mesh = Child<Request, Exclude<Answer, { error: string }>['answer']>

const startMesh = (kind: Kind): Promise<Mesh> => startChild(`the ${kind} mesh`, 'gossip-mesh.ts', [kind, String(NODES), String(DEGREE)])
