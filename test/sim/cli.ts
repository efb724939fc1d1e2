/**
 * The simulation by hand: `npm run sim -- --help`.
 *
 * Runs whole meshes of real participants over virtual time. What is found broken is printed with the command that runs it again, and
 * with all that happened. Exit status: 0 every promise was kept, 1 one was broken, 2 wrong usage.
 */
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { example, whole, withJson } from '../../src/cli/common.ts'
import { counted } from '../../src/observe/words.ts'
import { CYCLES, meshFrom } from './meshes.ts'
import { faultOf, ROWS, type RowOutcome, runRow } from './rows.ts'
import { runWorld } from './run.ts'
import { SCALE_HEAD, scaleOf, scaleRow } from './scale.ts'
import { SLOT_MS } from './units.ts'

const ARBITRARY = 'arbitrary'
const NAMES = [ARBITRARY, ...ROWS.map(({ name }) => name)]

interface Options {
  seed?: number
  seeds: number
  nodes?: number
  rounds?: number
  faults?: string[]
  list?: boolean
  scale?: number[]
  json?: boolean
}

interface Line {
  faults: string
  seeds: number
  finalized: number
  broken: number
  /** Of the last run: the same for the same seed and code. */
  trace: string
  /** How much faster than K2's slots of 400 ms, by this process's time on the processor. */
  speedup: number
}

const command = withJson(new Command('sim'))
  .description('run meshes of real participants over virtual time, with faults, and check every promise of the protocol')
  .option('--seed <n>', 'one seed, with all that happened where a promise is broken', whole(0, 2 ** 31))
  .option('--seeds <n>', 'how many seeds of each', whole(1, 1_000_000), 20)
  .option('--nodes <n>', 'how many nodes, in the place of 4, 7, 10 or 19 by the seed', whole(4, 1_000))
  .option('--rounds <n>', 'how many cycles, in the place of those that show it', whole(1, 10_000))
  .option('--faults <list>', 'names from --list, with commas between them (default: all)', named)
  .option('--scale <list>', 'what a round costs each node, for each of these numbers of nodes; nothing goes wrong in it', sizes)
  .option('--list', 'the faults, and what has to hold under each')
  .addHelpText(
    'after',
    example(
      'npm run sim -- --seeds 100',
      'npm run sim -- --scale 5,19,100',
      'npm run sim -- --seed 17 --nodes 7 --faults arbitrary',
      "npm run sim -- --faults 'byzantine: equivocate,partition: in halves'"
    )
  )
  .showHelpAfterError('(npm run sim -- --help shows every option and an example)')
  .exitOverride()

function named(list: string): string[] {
  return list.split(',').map((text) => {
    const name = NAMES.find((one) => one === text.trim())
    if (name == null) {
      throw new InvalidArgumentError(`There is no ${JSON.stringify(text)}: see npm run sim -- --list.`)
    }
    return name
  })
}

function sizes(list: string): number[] {
  const all = list.split(',').map(Number)
  if (!all.every((one) => Number.isInteger(one) && one >= 4 && one <= 2_000)) {
    throw new InvalidArgumentError('Give whole numbers from 4 to 2000, with commas between them.')
  }
  return all
}

async function scale(list: readonly number[], json: boolean): Promise<number> {
  process.stdout.write(json ? '' : `| ${SCALE_HEAD.join(' | ')} |\n| ${SCALE_HEAD.map(() => '---').join(' | ')} |\n`)
  for (const nodes of list) {
    const line = await scaleOf(nodes)
    process.stdout.write(json ? `${JSON.stringify(line)}\n` : `| ${scaleRow(line).join(' | ')} |\n`)
  }
  return 0
}

async function runOne(name: string, seed: number, { nodes, rounds }: Options): Promise<RowOutcome> {
  const row = ROWS.find((one) => one.name === name)
  if (row != null) {
    return runRow(row, seed, { ...(nodes == null ? {} : { nodes }), ...(rounds == null ? {} : { rounds }) })
  }
  const { world, breaches } = await runWorld(meshFrom({ seed, ...(nodes == null ? {} : { size: nodes }) }), rounds ?? CYCLES)
  return { world, faults: breaches.map(faultOf) }
}

async function runAll(name: string, options: Options, onBroken: (text: string) => void): Promise<Line> {
  const line: Line = { faults: name, seeds: 0, finalized: 0, broken: 0, trace: '', speedup: 0 }
  const cpu = process.cpuUsage()
  let simulatedMs = 0
  const first = options.seed ?? 1
  for (let seed = first; seed < first + (options.seed == null ? options.seeds : 1); seed++) {
    const { world, faults } = await runOne(name, seed, options)
    line.seeds++
    line.finalized += world.history.cycles().filter(({ cycle }) => world.chain.finalized(cycle) != null).length
    line.trace = world.digest()
    simulatedMs += world.clock.now() * SLOT_MS
    if (faults.length > 0) {
      line.broken++
      const again = `npm run sim -- --faults '${name}' --seed ${seed}${options.nodes == null ? '' : ` --nodes ${options.nodes}`}${options.rounds == null ? '' : ` --rounds ${options.rounds}`}`
      onBroken(
        `seed ${seed} of '${name}' breaks its promises:\n${faults.map((fault) => `  ${fault}`).join('\n')}\nrun it again: ${again}\n${options.seed == null ? '' : `${world.table()}\n`}`
      )
    }
  }
  const { user, system } = process.cpuUsage(cpu)
  return { ...line, speedup: Math.round(simulatedMs / ((user + system) / 1_000)) }
}

async function main(options: Options): Promise<number> {
  if (options.list === true) {
    const lines = [
      {
        name: ARBITRARY,
        promise: 'any message the wire allows, by less than a third of the stake, at any time and towards anybody: no promise is broken'
      },
      ...ROWS
    ]
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify(lines.map(({ name, promise }) => ({ name, promise })))}\n`
        : lines.map(({ name, promise }) => `${name}\n    ${promise}\n`).join('')
    )
    return 0
  }
  if (options.scale != null) {
    return scale(options.scale, options.json === true)
  }
  let broken = 0
  for (const name of options.faults ?? NAMES) {
    const line = await runAll(name, options, (text) => process.stderr.write(text))
    broken += line.broken
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify(line)}\n`
        : `${line.broken === 0 ? 'ok    ' : 'BROKEN'} ${name}: ${counted(line.seeds, 'seed')}, ${line.finalized} cycles finalized, ${line.broken} broken, ${line.speedup} times real time, trace ${line.trace.slice(0, 16)}\n`
    )
  }
  return broken === 0 ? 0 : 1
}

try {
  process.exitCode = await main(command.parse().opts<Options>())
} catch (err) {
  if (!(err instanceof CommanderError)) {
    throw err
  }
  process.exitCode = err.exitCode === 0 ? 0 : 2
}
