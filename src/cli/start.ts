import { Command, Option } from 'commander'
import { commandLine } from '../command/index.ts'
import {
  amountOf,
  CONFIG_KEYS,
  type Config,
  type ConfigSource,
  defaultOf,
  flagName,
  keyPathOf,
  loadConfig,
  roeToKoii,
  type TaskConfig
} from '../config/index.ts'
import type { Status } from '../control/index.ts'
import { createK2Client, type K2Client } from '../k2/index.ts'
import { effectiveCycle, stake as stakeInstruction, type TaskAccount } from '../k2/settlement/index.ts'
import { hintAmong } from '../network/past-hint.ts'
import { createNode, type NodeParts } from '../node/index.ts'
import { createLog, type EventDetail, sayJson, sayLines, shownText, toLine } from '../observe/index.ts'
import { leave, onOutputLost } from '../observe/process.ts'
import { distinct, ensureMoney, signerFrom, VOTE_FEES_ROE } from './chain.ts'
import { collect, example, sayOnce, UsageError, withJson } from './common.ts'
import { lineOf } from './event-text.ts'
import { payFor, stakeCosts } from './money.ts'
import { nextSteps } from './next.ts'
import { createStop } from './stop.ts'
import { createTaskLabels } from './task-labels.ts'
import { ACCEPT_SHORT_NOTICE, checkMinimum, checkNotice, termsLines } from './terms.ts'

interface StartOptions extends ConfigSource {
  config?: string
  stake?: string
  wallet?: string
  acceptShortNotice?: boolean
  airdrop?: boolean
  keyIsIdle?: boolean
  json?: boolean
}

export function startCommand(): Command {
  return startOptions(new Command('start'))
    .description('run a node: join the mesh of a task, do its rounds, and be paid')
    .addHelpText(
      'after',
      example(
        'koii-mesh start --k2 http://127.0.0.1:8899 --task 9xQe... --key ./alice.json',
        'koii-mesh start --k2 http://127.0.0.1:8899 --task 9xQe... --allow-private --stake 10 --accept-short-notice --airdrop   (on a local testnet)'
      )
    )
    .action((options: StartOptions) => runStart(options))
}

/** The options of `start`; the testnet's faulty nodes take the same. */
export function startOptions(command: Command): Command {
  return withDefaults(
    withJson(command)
      .option('--k2 <url>', 'JSON-RPC endpoint of K2; may be given several times, for endpoints that watch each other', commas)
      .option('--task <id>', 'address of the task; may be given several times, for a node that does several', commas)
      .option('--key <file>', 'the staking key; without it, one in the data directory, made on the first start')
      .option('--signer <socket>', 'the socket of a signer process (koii-mesh signer), which has the staking key instead of this one')
      .option('--data-dir <dir>', 'where the node keeps its state: one directory per staking key')
      .option('--listen <multiaddr>', 'where to listen; may be given several times', collect)
      .option('--announce <multiaddr>', 'what to tell peers instead, behind a forwarded port', collect)
      .option('--bootstrap <multiaddr>', 'a peer to try besides those that K2 names', collect)
      .option('--allow-private', 'dial and announce private and loopback addresses: for local testnets')
      .option('--no-dht-server', 'ask the DHT, but do not answer for others: for very small machines')
      .option('--min-peers <n>', 'staked peers to stay connected to')
      .option('--max-connections <n>', 'all connections together')
      .option('--keep-cycles <n>', 'cycles whose proofs are kept after finalization, at least 3')
      .option('--keep-records <n>', 'finalized cycles whose records and ledgers are kept, at least 3, or all')
      .addOption(sizeOption('quotaMiB', 'the most that proofs and records may take on disk, in MiB; records a quarter of it'))
      .option('--serve-unstaked-kib <n>', 'KiB a second that all peers without stake are served together')
      .addOption(sizeOption('taskMemoryMiB', 'the most memory that the task may take, in MiB'))
      .addOption(sizeOption('taskStoreMiB', 'the most that the task may store, in MiB'))
      .option('--allow-network', 'let the task use the network if its manifest asks for it')
      .option('--bundle <path>', 'a local copy of the task’s bundle, for its author')
      .option('--no-follow-bundle', 'run no new bundle of the task before the node is started again: for who reads it first')
      .option('--no-apply-slashes', 'do not pay K2’s fee for having others’ slashes applied')
      .option('--max-fee <koii>', 'what a vote, batch or slash that does not land may bid K2 on top of its signatures')
      .option('--params <json>', 'ctx.params, or @FILE of them: only with --bundle, or for a task that fixes none')
      .option('--api-port <port>', 'port of the control API; 0 takes a free one')
      .option('--api-host <address>', 'where the control API listens, if not on loopback')
      .option('--program <address>', 'the settlement program, if not the usual one')
      .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
      .option('--config <file>', 'read settings from a JSON file; flags and KOII_MESH_... variables override it')
      .option(
        '--key-is-idle',
        'sign at once although the log of what was signed is empty: only if no other node used the key for three rounds'
      )
      .option('--stake <koii>', 'stake this much at the start on each task on which nothing is staked yet')
      .option('--wallet <file>', 'who pays the stake and receives the rewards; without it the staking key itself')
      .option(...ACCEPT_SHORT_NOTICE)
      .addOption(new Option('--airdrop', 'take the money for --stake from the faucet of a local K2'))
  )
}

/** What each setting is where it is not given is said, and not set: the environment or the file may. */
function withDefaults(command: Command): Command {
  for (const option of command.options) {
    const key = CONFIG_KEYS.find((one) => one === option.attributeName())
    const otherwise = key == null ? undefined : defaultOf(key)
    if (otherwise != null) {
      option.description += ` (default: ${otherwise})`
    }
  }
  return command
}

/** commander would make `quotaMib` of --quota-mib, which is no setting. */
function sizeOption(key: keyof Config, description: string): Option {
  return Object.assign(new Option(`${flagName(key)} <n>`, description), { attributeName: () => key })
}

const commas = (value: string, before?: string) => (before == null ? value : `${before},${value}`)

/** Runs a node until it is told to stop. `parts` are the testnet's. */
export async function runStart(
  {
    config: file,
    stake,
    wallet,
    acceptShortNotice,
    airdrop,
    keyIsIdle,
    json,
    dhtServer,
    followBundle,
    applySlashes,
    ...rest
  }: StartOptions,
  parts?: () => NodeParts
): Promise<void> {
  const flags: ConfigSource = {
    ...rest,
    // a flag that is left out says nothing, and the environment or the file may
    ...(dhtServer === false ? { dhtServer } : {}),
    ...(followBundle === false ? { followBundle } : {}),
    ...(applySlashes === false ? { applySlashes } : {})
  }
  const config = loadConfig({ file, env: process.env, flags })
  if (config.tasks.some(({ signer }) => signer != null) && stake != null) {
    throw new UsageError(
      `--stake needs the staking key, which a node with a signer does not read: ${commandLine(['stake'], { help: true })} says how to stake before`
    )
  }
  const next = nextSteps(config)
  const log = createLog({
    level: config.logLevel,
    isText: json !== true && process.stderr.isTTY === true,
    besideEvents: process.stdout.isTTY === true
  })
  const stop = createStop(json === true)
  onOutputLost((err) =>
    log.warn({ reason: err.message }, 'standard output cannot be written: the node goes on, and tells its events nowhere')
  )
  const node = await stop.unless(createNode({ config, log, keyIsIdle: keyIsIdle === true, ...(parts == null ? {} : { parts }) }))
  if (node == null) {
    // nothing has begun: what is on the disk is as before
    return leave()
  }
  let hint: string | undefined
  const labels = createTaskLabels(config.tasks.map(({ task }) => ({ task, taskName: null })))
  node.events.on((event) => {
    if (event.event === 'listening') {
      hint = hintAmong(event.multiaddrs)
    }
    if (event.event === 'address-past') {
      // beside the events, as it wants something of whoever runs the node
      sayOnce(event.reason)
    }
    if (json === true) {
      sayJson(toLine(event))
    } else if (event.event !== 'address-past') {
      const line = lineOf(event, next.get, labels.of(event))
      if (line != null) {
        sayLines([line])
      }
    }
  })
  process.on('unhandledRejection', (err) => {
    log.error({ err }, 'unhandled')
    node.events.emit('unhandled', { reason: err instanceof Error ? err.message : String(err) })
  })
  const say = (lines: string[]) => json === true || stop.isAsked() || lines.length === 0 || sayLines(lines)
  say([`node of staker ${node.staker}, state in ${config.dataDir}; how it is: ${next.status}`])
  const begin = async () => {
    await node.start()
    if (stop.isAsked()) {
      return
    }
    if (stake != null) {
      const how = { ...{ amount: amountOf(stake, '--stake'), wallet, acceptShortNotice, airdrop, hint }, say }
      const { tasks } = await node.status()
      // those of the settings: what was added while a node ran has been staked on by then
      const own = config.tasks.filter(({ task }) => tasks.some((one) => one.task === task && one.state !== 'failed'))
      // all are looked at before money goes into the first
      const lacking: Lacking[] = []
      for (const one of own) {
        const found = await lackingStake(one, { ...how, isOne: config.tasks.length === 1 })
        found != null && lacking.push(found)
      }
      for (const one of lacking) {
        const made = await stakeAtStart(one, how)
        node.events.of({ task: one.config.task, node: made.staker }).emit('staked', made)
      }
    } else if (json !== true) {
      say(stakeLines(await node.status(), config, hint))
    }
  }
  try {
    await stop.unless(begin())
    const outcome = await stop.unless(node.failed)
    if (outcome instanceof Error) {
      throw outcome
    }
  } finally {
    await node.stop()
  }
  return leave()
}

/** What to run for each task in which the node has no stake, and not because another key has it now. */
function stakeLines({ tasks }: Status, config: Config, hint: string | undefined): string[] {
  return tasks.flatMap(({ task, taskName, state, staked, keyReplaced, minStake, bundleNotice, keyFile, signer }) => {
    if (state === 'failed' || staked !== false || keyReplaced || minStake == null || bundleNotice == null) {
      return []
    }
    const { stake } = nextSteps({ ...config, task, key: keyFile ?? undefined, signer: signer ?? undefined })
    return [
      tasks.length === 1
        ? 'No stake yet, so the node only listens. Stake on the task from another terminal:'
        : `No stake yet in the task ${shownText(taskName ?? '', 40)} ${task}, so the node only listens there. Stake on it from another terminal:`,
      ...`  ${stake({ minStake: BigInt(minStake), bundleNotice }, hint)}`.split('\n')
    ]
  })
}

type StakeHow = { amount: bigint; hint: string | undefined; say: (lines: string[]) => unknown } & Pick<
  StartOptions,
  'wallet' | 'acceptShortNotice' | 'airdrop'
>

/** A task of the node that is to be staked on. */
interface Lacking {
  config: TaskConfig
  k2: K2Client
  key: Awaited<ReturnType<typeof signerFrom>>
  task: TaskAccount
  /** Whether there is no stake account yet. */
  isNew: boolean
}

/** Says the terms of a task on which nothing is staked. @returns null where there is a stake already @throws UsageError */
async function lackingStake(
  config: TaskConfig,
  { amount, acceptShortNotice, say, isOne }: StakeHow & { isOne: boolean }
): Promise<Lacking | null> {
  const k2 = createK2Client({ url: config.k2, programId: config.program })
  const key = await signerFrom(keyPathOf(config))
  const before = await k2.stake(config.task, key.address)
  const there = before?.amount[0]?.value ?? 0n
  if (there > 0n) {
    say([`a stake of ${roeToKoii(there)} KOII is there already${isOne ? '' : ` in the task ${config.task}`}: --stake adds nothing to it`])
    return null
  }
  const task = await k2.task(config.task)
  checkMinimum(task, amount, there)
  checkNotice(task, acceptShortNotice)
  say([...(isOne ? [] : [`task      ${shownText(task.name, 40)} ${config.task}`]), ...termsLines(task)])
  return { config, k2, key, task, isNew: before == null }
}

/** @returns what `stake` says of one, amounts in ROE */
async function stakeAtStart(
  { config, k2, key, task, isNew }: Lacking,
  { amount, wallet, airdrop, hint }: StakeHow
): Promise<EventDetail<'staked'>> {
  const payer = wallet == null ? key : await signerFrom(wallet)
  if (airdrop === true) {
    await ensureMoney(k2, payer.address, amount + VOTE_FEES_ROE)
    await ensureMoney(k2, key.address, VOTE_FEES_ROE + (payer.address === key.address ? amount : 0n))
  }
  const signers = distinct([payer, key])
  const instruction = stakeInstruction({
    task: config.task,
    stakingKey: key.address,
    payer: payer.address,
    amount,
    withdrawAuthority: payer.address,
    ...(hint == null ? {} : { addressHint: hint }),
    programId: k2.programId
  })
  const costs = () => stakeCosts(k2, amount, isNew, signers.length)
  const { signature } = await payFor(k2, { payer: payer.address, costs, mayAirdrop: true }, () => k2.send([instruction], signers))
  const after = await k2.stake(config.task, key.address)
  const newest = after?.amount[0]
  return {
    staker: after?.staker ?? key.address,
    stake: String(newest?.value ?? amount),
    countsFromCycle: newest?.from ?? effectiveCycle(task, await k2.connection.getSlot()),
    withdrawAuthority: after?.withdrawAuthority ?? payer.address,
    signature
  }
}
