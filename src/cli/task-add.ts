/** More or fewer tasks for the node that runs. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import { commandLine } from '../command/index.ts'
import { amountOf, loadParams } from '../config/index.ts'
import { ask, CHANGE_MS, ControlError } from '../control/client.ts'
import { type AskedTask, addedSchema, removedSchema } from '../control/schemas.ts'
import { bundleAt } from '../node/index.ts'
import { toLine } from '../observe/index.ts'
import { addressOf, answer, example, UsageError, whole, withJson } from './common.ts'
import { type NodeOptions, nodeOf, withNode } from './own-node.ts'

interface AddOptions extends NodeOptions {
  key?: string
  signer?: string
  bundle?: string
  params?: string
  allowNetwork?: boolean
  followBundle?: boolean
  applySlashes?: boolean
  keepCycles?: number
  keepRecords?: string
  quotaMib?: number
  taskMemoryMib?: number
  taskStoreMib?: number
  maxFee?: string
  minPeers?: number
  json?: boolean
}

/** Paths as the node finds them, wherever it was started. @throws UsageError, ConfigError */
function askedOf(task: string, options: AddOptions): AskedTask {
  const { key, signer, bundle, maxFee, keepRecords } = options
  if (keepRecords != null && keepRecords !== 'all' && !/^\d{1,15}$/.test(keepRecords)) {
    throw new UsageError(`--keep-records is "${keepRecords}": should be all, or a whole number`)
  }
  if (maxFee != null) {
    amountOf(maxFee, '--max-fee')
  }
  return {
    task: addressOf(task, 'TASK'),
    key: key == null ? undefined : resolve(key),
    signer: signer == null ? undefined : resolve(signer),
    // the name of a built-in one is no path
    bundle: bundle == null || bundleAt(bundle) !== bundle ? bundle : resolve(bundle),
    // the variable is the node's own
    params: loadParams({ env: {}, flag: options.params })?.value,
    allowNetwork: options.allowNetwork,
    followBundle: options.followBundle === false ? false : undefined,
    applySlashes: options.applySlashes === false ? false : undefined,
    keepCycles: options.keepCycles,
    keepRecords: keepRecords == null || keepRecords === 'all' ? keepRecords : Number(keepRecords),
    ...{ quotaMiB: options.quotaMib, taskMemoryMiB: options.taskMemoryMib, taskStoreMiB: options.taskStoreMib },
    maxFee,
    minPeers: options.minPeers
  }
}

const isUsage = (err: unknown): err is ControlError =>
  err instanceof ControlError && (err.code === 'bad-task' || err.code === 'bad-request' || err.code === 'body-too-large')

export function addCommand(): Command {
  return withNode(withJson(new Command('add')))
    .description('have the running node do one more task, from now on and after each start, until task remove')
    .argument('<task>', 'address of the task')
    .option('--key <file>', 'the staking key in this task; the node’s own without it')
    .option('--signer <socket>', 'the socket of a signer process that has the staking key instead')
    .option('--bundle <path>', 'a local copy of the task’s bundle, for its author')
    .option('--params <json>', 'ctx.params, or @FILE of them: only with --bundle, or for a task that fixes none')
    .option('--allow-network', 'let the task use the network if its manifest asks for it')
    .option('--no-follow-bundle', 'run no new bundle of the task before the node is started again')
    .option('--no-apply-slashes', 'do not pay K2’s fee for having others’ slashes applied')
    .option('--keep-cycles <n>', 'cycles whose proofs are kept after finalization', whole(0))
    .option('--keep-records <n>', 'finalized cycles whose records and ledgers are kept, or all')
    .option('--quota-mib <n>', 'the most that its proofs and records may take on disk, in MiB', whole(0))
    .option('--task-memory-mib <n>', 'the most memory that the task may take, in MiB', whole(0))
    .option('--task-store-mib <n>', 'the most that the task may store, in MiB', whole(0))
    .option('--max-fee <koii>', 'what a vote, batch or slash that does not land may bid K2 on top of its signatures')
    .option('--min-peers <n>', 'staked peers of the task to stay connected to', whole(0))
    .addHelpText(
      'after',
      `
What is not given is as the node has it for its other tasks. Stake on the task before or after (koii-mesh stake); without a stake the
node only listens. Files are those of the machine that the node runs on, and have to stay where they are.
`
    )
    .addHelpText('after', example('koii-mesh task add 9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin --data-dir ./alice'))
    .action(async (task: string, options: AddOptions) => {
      const body = toLine(askedOf(task, options))
      try {
        const added = await ask(nodeOf(options), addedSchema, '/v1/tasks', { method: 'POST', body, answerMs: CHANGE_MS })
        const there = options.dataDir == null ? {} : { dataDir: options.dataDir }
        const status = commandLine(['status'], there)
        const isUnfit = added.bundles.at(0)?.state === 'failed'
        answer(options.json, added, [
          `added   ${added.taskName ?? ''} ${added.task}, from now on and after each start`,
          ...(added.configured ? ['        The settings of the node name it too: its next start does it with those.'] : []),
          ...(added.state === 'starting' ? [`begins  as soon as K2 tells all of its stakes: ${status} shows it`] : []),
          ...(isUnfit ? [`code    cannot run, so the node does no work in it: ${commandLine(['events'], there)} says why`] : []),
          ...(added.staked === false ? [`stake   none: ${status} says how to stake`] : [])
        ])
      } catch (err) {
        throw isUsage(err) ? new UsageError(err.message) : err
      }
    })
}

export function removeCommand(): Command {
  return withNode(withJson(new Command('remove')))
    .description('have the running node leave a task at once, and forget that it was added; the others go on')
    .argument('<task>', 'address of the task')
    .addHelpText(
      'after',
      `
What is under way in the task is ended: its cycles that are open may go unpaid, as with a node that is stopped. What it has on the disk
stays, and so does the stake on K2 (koii-mesh unstake). The only task of a node is not removed: stop the node.
`
    )
    .addHelpText('after', example('koii-mesh task remove 9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin --data-dir ./alice'))
    .action(async (task: string, { json, ...options }: NodeOptions & { json?: boolean }) => {
      const path = `/v1/tasks/${addressOf(task, 'TASK')}`
      const removed = await ask(nodeOf(options), removedSchema, path, { method: 'DELETE', answerMs: CHANGE_MS })
      answer(json, removed, [
        `removed ${removed.task}; its stake is on K2 as before (${commandLine(['unstake'], { help: true })})`,
        ...(removed.configured
          ? [
              'The settings of the node name it, so that its next start does it again: take it out of --task, of the variable or of the file.'
            ]
          : [])
      ])
    })
}
