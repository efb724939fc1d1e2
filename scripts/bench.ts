/**
 * What the mesh costs, beside what it replaces: `npm run bench`. How to read it: docs/benchmarks.md.
 *
 * Progress goes to standard error, figures to standard output. Exit status: 0 measured, 1 a part could not be measured (or, with
 * --gate, missed its goal), 2 wrong usage.
 */
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { example, whole, withJson } from '../src/cli/common.ts'
import { benchBusyTestnets } from './bench/busy-testnets.ts'
import { benchCompute } from './bench/compute.ts'
import { benchDistribution } from './bench/distribution.ts'
import { benchGossip } from './bench/gossip.ts'
import { benchK2 } from './bench/k2.ts'
import { benchLoad } from './bench/load.ts'
import { benchMemory } from './bench/memory.ts'
import { benchProofs } from './bench/proofs.ts'
import { benchRequests } from './bench/requests.ts'
import type { BenchContext, Result } from './bench/result.ts'

const PARTS: Record<Result['bench'], { title: string; run: (context: BenchContext) => Result[] | Promise<Result[]> }> = {
  compute: { title: 'Compute units of the settlement program, on the Solana VM', run: benchCompute },
  k2: { title: "K2 writes of a round: the mesh's way beside Koii's, on one local K2", run: (context) => benchK2(context) },
  gossip: { title: 'Gossip beside stock gossipsub with StrictSign', run: benchGossip },
  distribution: { title: 'A distribution in the interpreter, beside the frozen Node process of before', run: benchDistribution },
  load: { title: 'The local K2 under load: signed transfers, subscribers, 100,000 transactions', run: benchLoad },
  memory: { title: 'Resident memory in a testnet of five nodes', run: benchMemory },
  requests: { title: 'Requests to K2 of a node in a mesh of five', run: benchRequests },
  proofs: { title: 'Proofs beside stock Helia, a bare stream and, with --with-kubo, kubo', run: benchProofs },
  'busy-testnets': { title: 'Testnets of five nodes beside ten busy processes', run: benchBusyTestnets }
}
/** Those that are run when none is named; the others take long, and load the machine on purpose. */
const USUAL = (Object.keys(PARTS) as Array<Result['bench']>).filter((name) => name !== 'busy-testnets')
const NAMES = Object.keys(PARTS) as Array<Result['bench']>

interface Options {
  only?: Array<Result['bench']>
  pairs: number
  runs: number
  withKubo?: string
  gate?: boolean
  json?: boolean
}

const command = withJson(new Command('bench'))
  .description('measure what the mesh costs, beside stock gossipsub and beside rounds done the way of Koii')
  .option('--only <name>', `one part: ${NAMES.join(', ')}; may be given several times`, part)
  .option('--pairs <n>', 'interleaved pairs of gossip and of proofs, of which the first is dropped', whole(2, 100), 8)
  .option('--runs <n>', 'testnets of busy-testnets, which is run only when it is named', whole(1, 1000), 20)
  .option('--with-kubo <path>', 'kubo’s program, which proofs is to run beside as well')
  .option('--gate', 'exit with status 1 when a goal is missed')
  .addHelpText(
    'after',
    example(
      'npm run bench',
      'npm run bench -- --only gossip --pairs 12 --json',
      'npm run bench -- --only proofs --with-kubo ~/bin/ipfs',
      'npm run bench -- --only busy-testnets --runs 20 --gate'
    )
  )
  .showHelpAfterError('(npm run bench -- --help shows every option and an example)')
  .exitOverride()

function part(name: string, before: string[] = []): string[] {
  if (!(NAMES as string[]).includes(name)) {
    throw new InvalidArgumentError(`The parts are ${NAMES.join(', ')}.`)
  }
  return [...before, name]
}

async function main({ only = USUAL, pairs, runs, withKubo: kubo, gate, json }: Options): Promise<number> {
  let missed = 0
  let failed = 0
  const progress = (text: string) => process.stderr.write(`${text}\n`)
  for (const name of NAMES.filter((one) => only.includes(one))) {
    const { title, run } = PARTS[name]
    try {
      const results = await run({ pairs, runs, kubo, progress })
      missed += results.filter(({ met }) => met === false).length
      process.stdout.write(json === true ? results.map((result) => `${JSON.stringify(result)}\n`).join('') : table(title, results))
    } catch (err) {
      failed++
      process.stderr.write(`bench: ${name} could not be measured: ${err instanceof Error ? err.message : String(err)}\n`)
    }
  }
  if (json !== true && missed > 0) {
    process.stdout.write(`\n${missed} ${missed === 1 ? 'goal is' : 'goals are'} missed\n`)
  }
  return failed > 0 || (gate === true && missed > 0) ? 1 : 0
}

function table(title: string, results: Result[]): string {
  return [`\n${title}`, ...results.flatMap(linesOf), ''].join('\n')
}

function linesOf({ name, value, unit, low, high, goal, bound, met, note }: Result): string[] {
  const interval = low == null || high == null ? '' : `, 95% of ${number(low)} to ${number(high)}`
  const verdict = goal == null ? '' : `, goal ${bound ?? 'at most'} ${number(goal)}: ${met === true ? 'met' : 'MISSED'}`
  return [`  ${name}: ${number(value)} ${unit}${interval}${verdict}`, ...(note == null ? [] : [`      ${note}`])]
}

function number(value: number): string {
  return value.toLocaleString('en', Math.abs(value) < 10 ? { maximumFractionDigits: 3 } : { maximumFractionDigits: 0 })
}

try {
  process.exitCode = await main((await command.parseAsync(process.argv)).opts<Options>())
} catch (err) {
  if (!(err instanceof CommanderError)) {
    throw err
  }
  process.exitCode = err.exitCode === 0 ? 0 : 2
}
