import { Command, InvalidArgumentError, Option } from 'commander'
import { amountOf, roeToKoii } from '../config/index.ts'
import type { Pace } from '../local-k2/index.ts'
import { counted, sayJson, sayLines, shownText, toLine } from '../observe/index.ts'
import { onOutputLost, untilStopped } from '../observe/process.ts'
// the light pages of the room alone: what it says at once must not wait for libp2p and the VM to be loaded
import { FAULTS, parseFaults } from '../testnet/faults.ts'
import { invariantLines, linesOfSeveral } from '../testnet/invariants.ts'
import { COLUMNS_HELP } from '../testnet/states.ts'
import type { TestnetSummary } from '../testnet/summary.ts'
import { createView, slotTimes } from '../testnet/view.ts'
import { MIN_ROUND_SLOTS, windowsOf } from '../testnet/windows.ts'
import { collect, example, PARAMS_OPTION, paceOption, whole, withJson } from './common.ts'
import { taskNames, testnetTasks } from './testnet-tasks.ts'

interface TestnetOptions {
  params?: string
  config?: string
  nodes: number
  rounds?: number
  slotMs: number
  pace: Pace
  task: string
  tasks?: string[]
  roundSlots: number
  bounty: string
  fault?: string[]
  keepCycles?: number
  keepRecords?: string
  from?: string[]
  dataDir?: string
  port: number
  json?: boolean
}

const flag = (name: string, value: unknown) => (value == null ? [] : [name, String(value)])
const keptRecords = (text: string) => {
  if (text !== 'all' && !(/^\d+$/.test(text) && Number(text) >= 3)) {
    throw new InvalidArgumentError('It should be all, or a whole number from 3.')
  }
  return text
}

export function testnetCommand(): Command {
  return withJson(new Command('testnet'))
    .description('run a mesh on this machine: a local K2, a task, and real nodes that do its rounds and are paid')
    .option('--nodes <n>', 'how many nodes', whole(1, 100), 5)
    .option('--rounds <n>', 'stop when this many cycles are finalized; without it, run until Ctrl+C', whole(1, 1_000_000))
    .option('--slot-ms <ms>', 'length of a slot', whole(20, 60_000), 400)
    .addOption(paceOption('auto'))
    .option('--task <name>', 'k2-index, site-archive, the path of a bundle, or its CID', 'k2-index')
    .addOption(
      new Option('--tasks <list>', 'several of these, with commas: each node does all of them, and is staked and paid in each')
        .argParser(taskNames)
        .conflicts('task')
    )
    .option('--from <multiaddr>', 'a peer that has the bundle, for a CID; may be given several times', collect)
    .option(...PARAMS_OPTION)
    .option(
      '--config <file>',
      'take the params from the configuration file of a node; --params and KOII_MESH_PARAMS override it. With --tasks, each from its entry in the file’s "tasks"'
    )
    .option('--round-slots <n>', `length of a round, at least ${MIN_ROUND_SLOTS}`, whole(1, 100_000), 30)
    .option('--bounty <koii>', 'what a cycle pays', '10')
    .option(
      '--fault <kind:count>',
      `let so many nodes misbehave: ${Object.entries(FAULTS)
        .map(([name, does]) => `${name} (${does})`)
        .join(', ')}; may be given several times`,
      collect
    )
    .option('--keep-cycles <n>', 'finalized cycles whose proofs each node keeps, at least 3', whole(3, 10_000))
    .option('--keep-records <n>', 'finalized cycles whose records and ledgers each node keeps, at least 3, or all', keptRecords)
    .option('--data-dir <dir>', 'keep keys, state and logs of the nodes here; without it they go when the testnet ends')
    .option('--port <port>', 'port of the local K2; 0 takes a free one', whole(0, 65_534), 0)
    .addHelpText('after', COLUMNS_HELP)
    .addHelpText(
      'after',
      example(
        'koii-mesh testnet --nodes 6 --rounds 3 --slot-ms 100 --fault bad-proof:1 --fault no-proof:1',
        `koii-mesh testnet --task ./my-task.mjs --nodes 4 --rounds 3 --params '{"urls":["http://127.0.0.1:8080/"]}'`,
        'koii-mesh testnet --tasks k2-index,site-archive --nodes 5 --rounds 3',
        'koii-mesh testnet --slot-ms 400 --pace strict   (slots as on a real K2: who is too slow misses its windows)'
      )
    )
    .action(runIt)
}

async function runIt({
  fault = [],
  json,
  rounds,
  bounty,
  keepCycles,
  keepRecords,
  params,
  config,
  task,
  tasks,
  ...options
}: TestnetOptions): Promise<void> {
  const faults = parseFaults(fault)
  const [first, ...beside] = testnetTasks({ task, tasks, typed: params, config, env: process.env })
  const bountyRoe = amountOf(bounty, '--bounty')
  windowsOf(options.roundSlots)
  const stopping = new AbortController()
  untilStopped().then(() => stopping.abort())
  // nobody looks any more
  onOutputLost(() => stopping.abort())
  const view = json === true ? null : createView(process.stdout)
  view?.show({ setup: [{ name: 'koii-mesh', done: false, text: 'loading libp2p and the VM' }] })
  const [{ runTestnet }, { SETTLEMENT_SO }] = await Promise.all([import('../testnet/index.ts'), import('./k2.ts')])
  const summary = await runTestnet({
    ...options,
    ...first,
    beside,
    rounds: rounds ?? null,
    faults,
    bounty: bountyRoe,
    nodeArgs: [...flag('--keep-cycles', keepCycles), ...flag('--keep-records', keepRecords)],
    settlementProgram: SETTLEMENT_SO,
    signal: stopping.signal,
    onEvent: (event) => {
      if (json === true) {
        sayJson(toLine(event))
      }
    },
    onView: (state) => view?.show(state)
  })
  view?.done()
  if (json !== true) {
    sayLines(linesOf(summary))
  }
  if (!summary.ok) {
    throw new Error(`the testnet did not hold what it promises: ${summary.reason}`)
  }
}

function linesOf({ tasks, unchecked, finalized, seconds, k2, proofs, slotMs }: TestnetSummary): string[] {
  const [only, ...more] = tasks
  const paid = (of: Record<string, string>) => Object.values(of).reduce((sum, roe) => sum + BigInt(roe), 0n)
  return [
    ...(more.length === 0
      ? invariantLines(only!.invariants, unchecked)
      : [
          ...linesOfSeveral(tasks, unchecked),
          ...tasks.map(
            ({ name, task, finalized: cycles, paid: to }) =>
              `${shownText(name, 32)} ${task}: ${counted(cycles, 'cycle')}, ${roeToKoii(paid(to))} KOII paid to ${counted(Object.keys(to).length, 'staker')}`
          )
        ]),
    `${counted(finalized, 'cycle')} finalized in ${seconds} s; K2 took ${counted(k2.votes, 'vote')}; ${counted(proofs.fetched, 'proof')} ${proofs.fetched === 1 ? 'was' : 'were'} fetched from peers`,
    ...(slotMs == null ? [] : [slotTimes(slotMs)])
  ]
}
